#include "optim.h"
#include <math.h>
#include <string.h>

void optim_state_free(OptimState *s) {
  for (int k = 0; k < OPTIM_STATES; k++) tensor_unref(s->at[k]);
  *s = (OptimState){0};
}

bool optim_moves(const Node *p) { return p->grad && !p->frozen; }

static bool reserve(Tensor **t, const Shape *shape, Err *e) {
  if (*t) return true;
  if (!(*t = tensor_new(shape, e))) return false;
  memset((*t)->data, 0, (size_t)(*t)->count * sizeof(float));
  return true;
}

bool optim_prepare(Node **params, OptimState *state, int n, unsigned used, Err *e) {
  for (int i = 0; i < n; i++) {
    if (!optim_moves(params[i])) continue;
    for (int k = 0; k < OPTIM_STATES; k++)
      if (used >> k & 1 && !reserve(&state[i].at[k], &params[i]->shape, e)) return false;
    if (!graph_eval(&params[i]->grad, 1, e) || !node_write(params[i], false, e)) return false;
  }
  return true;
}

bool optim_step(const OptimizerKernel *kernel, const double *set, Node **params, OptimState *state, int n,
  unsigned used, Err *e) {
  if (!optim_prepare(params, state, n, used, e)) return false;
  for (int i = 0; i < n; i++) {
    if (!optim_moves(params[i])) continue;
    Tensor *p = params[i]->value;
    float *at[OPTIM_STATES];
    for (int k = 0; k < OPTIM_STATES; k++) at[k] = used >> k & 1 ? state[i].at[k]->data : NULL;
    kernel->step(p->data, params[i]->grad->value->data, at, set, ++state[i].step, p->count);
    tensor_touch(p);
  }
  return true;
}

bool optim_clip_grad_norm(Node **params, int n, double max_norm, double *norm, Err *e) {
  double sum = 0;
  for (int i = 0; i < n; i++) {
    if (!optim_moves(params[i])) continue;
    if (!graph_eval(&params[i]->grad, 1, e)) return false;
    sum += kern->sum_squares(params[i]->grad->value->data, params[i]->grad->value->count);
  }
  *norm = sqrt(sum);
  double by = max_norm / (*norm + 1e-6); /* torch.nn.utils.clip_grad_norm_ */
  if (!isfinite(*norm) || by >= 1) return true;
  for (int i = 0; i < n; i++) {
    if (!optim_moves(params[i])) continue;
    if (!node_write(params[i]->grad, false, e)) return false;
    kern->scale(params[i]->grad->value->data, (float)by, params[i]->grad->value->count);
    tensor_touch(params[i]->grad->value);
  }
  return true;
}
