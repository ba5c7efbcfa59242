/* One parameter's step, in one pass over it; p, g and the state have n elements. Also what is asked of gradients. */
#ifndef KERNELS_OPTIMIZER_H
#define KERNELS_OPTIMIZER_H

/* Hyperparameters; in double, since 1 - beta must be exact before it is rounded. */
typedef struct SgdStep {
  double lr, momentum, dampening, weight_decay;
  bool nesterov, maximize;
  bool first; /* buf holds nothing yet: it starts as the gradient */
} SgdStep;

typedef struct AdamStep {
  double beta1, beta2, eps;
  double step_size;    /* lr / (1 - beta1^t) */
  double root;         /* sqrt(1 - beta2^t) */
  double weight_decay; /* added to the gradient (Adam) */
  double shrink;       /* 1 - lr * weight_decay, multiplies p first (AdamW); 1: none */
  bool maximize;
} AdamStep;

typedef struct RmspropStep {
  double lr, alpha, eps, weight_decay, momentum;
  bool maximize;
} RmspropStep;

#define OPTIMIZER_KERNELS(ROW) \
  /* g += weight_decay p; buf = momentum buf + (1 - dampening) g; p -= lr (nesterov ? g + momentum buf : buf); buf NULL: no \
   * momentum */ \
  ROW(void, sgd_step, (float *p, float *buf, const float *g, const SgdStep *s, int64_t n)) \
  /* m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; p -= step_size m / (sqrt(v) / root + eps); largest: NULL, or \
   * the largest v so far, used in v's place (amsgrad) */ \
  ROW(void, adam_step, (float *p, float *m, float *v, float *largest, const float *g, const AdamStep *s, int64_t n)) \
  /* v = alpha v + (1 - alpha) g^2; step g / (sqrt(v - mean^2) + eps), through buf when there is momentum; mean NULL: not \
   * centred */ \
  ROW(void, rmsprop_step, (float *p, float *v, float *mean, float *buf, const float *g, const RmspropStep *s, int64_t n)) \
  /* sum of x^2, in double; the order depends on n alone */ \
  ROW(double, sum_squares, (const float *x, int64_t n)) \
  ROW(void, scale, (float *x, float by, int64_t n))
#endif
