/* Optimizers over leaves: what they remember of each parameter, and steps by the kernels of kernels/optimizer.c. */
#ifndef CORE_OPTIM_H
#define CORE_OPTIM_H
#include "graph.h"
#include "kernels/kernels.h"

enum { OPTIM_STATES = 4 }; /* the most that an optimizer remembers of a parameter */

/* What an optimizer remembers of one parameter, in the parameter's layout; all zero at first. */
typedef struct OptimState {
  Tensor *at[OPTIM_STATES];
  int64_t step;
} OptimState;

void optim_state_free(OptimState *s);

/* Whether an optimizer moves p: it has a gradient and is not frozen. */
bool optim_moves(const Node *p);

/* Makes all ready for a step of those that move: the states of `used` (bit k: at[k]) are there, gradients are computed,
 * what others made of the parameters is too. After an error no number has changed. */
bool optim_prepare(Node **params, OptimState *state, int n, unsigned used, Err *e);

/* One step for params[i] with state[i]; set: the kernel's options. Those that do not move are left alone, state and
 * all. */
bool optim_step(const OptimizerKernel *kernel, const double *set, Node **params, OptimState *state, int n,
                unsigned used, Err *e);

/* Scales the gradients so that their norm together is at most max_norm; *norm is what it was (not finite: they
 * stay). */
bool optim_clip_grad_norm(Node **params, int n, double max_norm, double *norm, Err *e);
#endif
