/* The table of this instruction set's kernels. */
#include "kernels.h"

#define STRING__(isa) #isa
#define STRING_(isa) STRING__(isa)

const Kernels K(kernels) = {
  .isa = STRING_(ISA),
#define ROW(ret, name, args) .name = K(name),
  KERNELS(ROW)
#undef ROW
};
