/* Optimizer steps by name, and what is asked of gradients. */
#ifndef KERNELS_OPTIMIZER_H
#define KERNELS_OPTIMIZER_H

/* One step for one parameter of n elements, in one pass over it. state: what is remembered of it, n elements each, zero
 * at first; NULL for those not in use. set: the numbers that OptimizerKernel.options names, in double, since 1 - beta
 * must be exact before it is rounded. t: the number of this step, from 1. */
typedef void OptimizerStep(float *p, const float *g, float *const *state, const double *set, int64_t t, int64_t n);

typedef struct OptimizerKernel {
  const char *name;
  const char *options; /* the numbers of `set`, by name and in order; betas stands for two; flags are 0 or 1 */
  OptimizerStep *step;
} OptimizerKernel;

#define OPTIMIZER_KERNELS(ROW) \
  /* the row of this name, or NULL */ \
  ROW(const OptimizerKernel *, optimizer, (const char *name)) \
  /* sum of x^2, in double; the order depends on n alone */ \
  ROW(double, sum_squares, (const float *x, int64_t n)) \
  ROW(void, scale, (float *x, float by, int64_t n))
#endif
