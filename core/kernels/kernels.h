/* The kernels: plain pointers and loops over float32. Each file here is compiled once per instruction set, with ISA set
 * to its name (see the Makefile); K(name) gives a function its per-set name, and a table per set is filled from the lists
 * below. `kern` points to the table chosen at start (kernels_init): the best the CPU has, or what the environment
 * variable SUTURE_ISA asks for by name. They are the only callers of cblas and OpenMP.
 *
 * Same seed, same bits, whatever the thread count: work is cut in pieces that do not depend on the number of threads, and
 * partial sums are added in a fixed order.
 *
 * A list row is ROW(return type, name, (arguments)). The header of each group documents its kernels: outputs first, then
 * inputs, dims last; every pointer's shape is in a comment; gradients are d + name. */
#ifndef CORE_KERNELS_H
#define CORE_KERNELS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../op.h"
#include "conv.h"
#include "pool.h"
#include "norm.h"
#include "loss.h"
#include "matmul.h"
#include "elementwise.h"
#include "reduce.h"
#include "optimizer.h"
#include "peak.h"
#include "resize.h"
#include "attention.h"

#define KERNELS(ROW) \
  CONV_KERNELS(ROW) POOL_KERNELS(ROW) NORM_KERNELS(ROW) LOSS_KERNELS(ROW) MATMUL_KERNELS(ROW) ELEMENTWISE_KERNELS(ROW) \
  REDUCE_KERNELS(ROW) OPTIMIZER_KERNELS(ROW) PEAK_KERNELS(ROW) RESIZE_KERNELS(ROW) ATTENTION_KERNELS(ROW)

typedef struct Kernels {
  const char *isa;
#define ROW(ret, name, args) ret(*name) args;
  KERNELS(ROW)
#undef ROW
} Kernels;

extern const Kernels *kern;
/* The algorithm that convolutions take where it applies, by its name ("winograd 2x2"), in place of the rule's: what the
 * environment variable SUTURE_CONV holds, for tests and measurements. NULL: the rule's. */
extern const char *kernels_conv_wanted;
void kernels_init(void); /* chooses; called once by engine_init, again by tests after setting SUTURE_ISA or SUTURE_CONV */
const char *kernels_isa(int i); /* the name of the i-th set that was built, the best last; NULL beyond */
int kernels_threads(int n); /* n > 0 sets the number of threads; returns the number in force */

#ifdef ISA
#define K__(name, isa) name##_##isa
#define K_(name, isa) K__(name, isa)
#define K(name) K_(name, ISA)
#define ROW(ret, name, args) ret K(name) args;
KERNELS(ROW)
#undef ROW
#endif
#endif
