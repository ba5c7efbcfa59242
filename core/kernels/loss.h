/* Softmax and losses. Numbers along the dimension that is summed over are seen as (outer, len, inner); rows are what is
 * left, outer * inner of them, row o * inner + i. Rows' losses are added in order, in double. */
#ifndef KERNELS_LOSS_H
#define KERNELS_LOSS_H

typedef struct ClassLoss {
  int64_t outer, c, inner;
  bool soft;       /* target holds probabilities (outer, c, inner), else a class index per row */
  bool log_probs;  /* x is log probabilities already (nll_loss), else logits */
  double smoothing, ignore;
  int reduction;   /* 0 none, 1 mean, 2 sum */
} ClassLoss;

/* Losses of one number against another; beta is the width of the quadratic middle. */
typedef enum PairLoss { LOSS_MSE, LOSS_L1, LOSS_SMOOTH_L1, LOSS_HUBER, LOSS_BCE, LOSS_BCE_LOGITS } PairLoss;

#define LOSS_KERNELS(ROW) \
  /* y = exp(x) / sum exp(x), or its logarithm; y may be x */ \
  ROW(void, softmax, (float *y, const float *x, bool logarithm, int64_t outer, int64_t len, int64_t inner)) \
  /* dx = y * (dy - sum dy y); logarithm: dx = dy - exp(y) sum dy */ \
  ROW(void, softmax_dx, (float *dx, const float *dy, const float *y, bool logarithm, int64_t outer, int64_t len, int64_t inner)) \
  /* loss of a row = - sum over c of q[c] log p[c], where q[c] is weight[c] times the target's probability, smoothed; one \
   * number per row, or their sum, or the sum over what the rows weigh. weight: (c) or NULL. A class index that is neither \
   * whole, nor in range, nor ignore gives NaN. scratch: class_loss_scratch() bytes, for the gradient too */ \
  ROW(size_t, class_loss_scratch, (const ClassLoss *s)) \
  ROW(void, class_loss, (float *loss, const float *x, const float *target, const float *weight, const ClassLoss *s, void *scratch)) \
  /* dx: (outer, c, inner); dy: one number, or one per row when reduction is 0 */ \
  ROW(void, class_loss_dx, (float *dx, const float *dy, const float *x, const float *target, const float *weight, \
                            const ClassLoss *s, void *scratch)) \
  /* loss: n numbers, or their mean or sum; w (weights), pw (weights of positives, LOSS_BCE_LOGITS only): n or NULL */ \
  ROW(void, pair_loss, (float *loss, const float *x, const float *t, const float *w, const float *pw, PairLoss kind, \
                        double beta, int reduction, int64_t n)) \
  /* gradient by x, or by the target t; dy: one number, or n when reduction is 0 */ \
  ROW(void, pair_loss_dx, (float *d, const float *dy, const float *x, const float *t, const float *w, const float *pw, \
                           PairLoss kind, double beta, int reduction, bool by_target, int64_t n))
#endif
