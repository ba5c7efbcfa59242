/* Writing NumPy's .npy. Reading goes through archive_open (one entry, named "tensor"). */
#ifndef FORMATS_NPY_H
#define FORMATS_NPY_H
#include "save.h"

/* Version 1.0, C order: '<f4', or '<i8' and '|b1' for tensors of type I64 and BOOL. Atomic, as all of save.h. */
bool npy_save(const char *path, const SaveTensor *t, Err *e);
#endif
