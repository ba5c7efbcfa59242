/* Element by element: y (and everything else without a Walk) is dense with n elements; a Walk says how the arrays
 * lie, y first. y may be the first input. */
#ifndef KERNELS_ELEMENTWISE_H
#define KERNELS_ELEMENTWISE_H
#include "../walk.h"

#define ELEMENTWISE_UNARY(ROW, name) ROW(void, name, (float *y, const float *x, int64_t n))
#define ELEMENTWISE_BINARY(ROW, name) ROW(void, name, (float *y, const float *a, const float *b, const Walk *w))

#define ELEMENTWISE_KERNELS(ROW) \
  ELEMENTWISE_BINARY(ROW, add) ELEMENTWISE_BINARY(ROW, sub) ELEMENTWISE_BINARY(ROW, mul) ELEMENTWISE_BINARY(ROW, div) \
  ELEMENTWISE_BINARY(ROW, pow) ELEMENTWISE_BINARY(ROW, maximum) ELEMENTWISE_BINARY(ROW, minimum) \
  /* comparisons: 1 or 0 */ \
  ELEMENTWISE_BINARY(ROW, eq) ELEMENTWISE_BINARY(ROW, ne) ELEMENTWISE_BINARY(ROW, lt) ELEMENTWISE_BINARY(ROW, le) \
  ELEMENTWISE_BINARY(ROW, gt) ELEMENTWISE_BINARY(ROW, ge) \
  /* gradients, a = dy, b = the activation's output y (relu, sigmoid, tanh) or its input x (the others) */ \
  ELEMENTWISE_BINARY(ROW, relu_dx) ELEMENTWISE_BINARY(ROW, sigmoid_dx) ELEMENTWISE_BINARY(ROW, tanh_dx) \
  ELEMENTWISE_BINARY(ROW, silu_dx) ELEMENTWISE_BINARY(ROW, gelu_dx) ELEMENTWISE_BINARY(ROW, gelu_tanh_dx) \
  ELEMENTWISE_BINARY(ROW, hardswish_dx) \
  ELEMENTWISE_UNARY(ROW, neg) ELEMENTWISE_UNARY(ROW, exp) ELEMENTWISE_UNARY(ROW, log) ELEMENTWISE_UNARY(ROW, sqrt) \
  ELEMENTWISE_UNARY(ROW, rsqrt) ELEMENTWISE_UNARY(ROW, abs) ELEMENTWISE_UNARY(ROW, sign) ELEMENTWISE_UNARY(ROW, square) \
  ELEMENTWISE_UNARY(ROW, sin) ELEMENTWISE_UNARY(ROW, cos) ELEMENTWISE_UNARY(ROW, floor) ELEMENTWISE_UNARY(ROW, round) \
  /* attr: that op's attributes (leaky_relu: slope; clamp: min, max; gelu: whether by tanh). NaN stays NaN */ \
  ROW(void, activate, (float *y, const float *x, int64_t n, Activation act, const double *attr)) \
  ROW(void, elu, (float *y, const float *x, int64_t n, float alpha)) \
  ROW(void, softplus, (float *y, const float *x, int64_t n, float beta, float threshold)) \
  /* y = a where cond is not 0, else b; arrays of the walk: y, cond, a, b */ \
  ROW(void, where, (float *y, const float *cond, const float *a, const float *b, const Walk *w)) \
  ROW(void, fill, (float *y, int64_t n, float value)) \
  /* y = x; both as the walk says (slices, permutations, stretching), transposed in blocks where they lie crosswise */ \
  ROW(void, copy, (float *y, const float *x, const Walk *w)) \
  /* numbers of the stream `seed`: the same for any number of threads. Uniform in [low, high); normal by Box and Muller */ \
  ROW(void, fill_uniform, (float *x, int64_t n, uint64_t seed, float low, float high)) \
  ROW(void, fill_normal, (float *x, int64_t n, uint64_t seed, float mean, float std))
#endif
