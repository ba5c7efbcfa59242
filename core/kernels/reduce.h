/* Reductions over any dimensions of a dense array. Sums are kept in double and added in an order that depends on the
 * shape alone. */
#ifndef KERNELS_REDUCE_H
#define KERNELS_REDUCE_H
#include "../walk.h"

typedef struct Reduce {
  Walk keep; /* the dimensions that stay; arrays: x, y */
  Walk over; /* those that go; array: x */
} Reduce;

#define REDUCE_KERNELS(ROW) \
  /* y = scale * sum of x */ \
  ROW(void, reduce_sum, (float *y, const float *x, const Reduce *r, double scale)) \
  /* y = scale * sum of (x - mean)^2; mean has y's shape and strides */ \
  ROW(void, reduce_square, (float *y, const float *x, const float *mean, const Reduce *r, double scale)) \
  ROW(void, reduce_prod, (float *y, const float *x, const Reduce *r)) \
  /* NaN wins */ \
  ROW(void, reduce_max, (float *y, const float *x, const Reduce *r)) \
  ROW(void, reduce_min, (float *y, const float *x, const Reduce *r)) \
  /* y: (outer, inner) the place of the first largest (or smallest) of x: (outer, n, inner) along n; NaN wins */ \
  ROW(void, reduce_arg, (float *y, const float *x, int64_t outer, int64_t n, int64_t inner, bool largest))
#endif
