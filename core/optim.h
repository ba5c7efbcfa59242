/* Optimizers over leaves: SGD (momentum, Nesterov, weight decay), Adam, AdamW, RMSprop, with torch.optim 1.13's formulas. */
#ifndef CORE_OPTIM_H
#define CORE_OPTIM_H
#include "graph.h"

typedef enum OptimKind { OPTIM_SGD, OPTIM_ADAM, OPTIM_ADAMW, OPTIM_RMSPROP } OptimKind;

typedef struct OptimSettings {
  OptimKind kind;
  double lr, weight_decay;
  bool maximize;              /* goes up the gradient */
  double momentum, dampening; /* SGD; momentum RMSprop too */
  bool nesterov;
  double beta1, beta2, eps;   /* Adam, AdamW (Kingma & Ba 2015; Loshchilov & Hutter 2019); eps RMSprop too */
  bool amsgrad;               /* Adam, AdamW: the largest second moment so far (Reddi et al. 2018) */
  double alpha;               /* RMSprop (Hinton, lecture 6e): smoothing of the squares … */
  bool centered;              /* … less the square of the smoothed gradient (Graves 2013) */
} OptimSettings;

/* What an optimizer remembers of one parameter; all zero at first. */
typedef struct OptimState {
  /* In the layout of the parameter. first: momentum buffer, Adam's first moment; second: smoothed squares; third: the
   * largest squares of amsgrad, the smoothed gradient of centred RMSprop */
  Tensor *first, *second, *third;
  int64_t step;
} OptimState;

void optim_state_free(OptimState *s);

/* One step for params[i] with state[i]. Those without a gradient and frozen ones are left alone, state and all. Memory for
 * state is found before anything changes: after an error nothing has. */
bool optim_step(const OptimSettings *set, Node **params, OptimState *state, int n, Err *e);

/* Scales the gradients so that their norm together is at most max_norm; *norm is what it was (not finite: they stay). */
bool optim_clip_grad_norm(Node **params, int n, double max_norm, double *norm, Err *e);
#endif
