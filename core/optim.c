#include "optim.h"
#include <math.h>
#include <string.h>
#include "kernels/kernels.h"

void optim_state_free(OptimState *s) {
  tensor_unref(s->first);
  tensor_unref(s->second);
  tensor_unref(s->third);
  *s = (OptimState){0};
}

static bool moves(const Node *p) { return p->grad && !p->frozen; }

static bool reserve(Tensor **t, const Shape *shape, Err *e) {
  if (*t) return true;
  if (!(*t = tensor_new(shape, e))) return false;
  memset((*t)->data, 0, (size_t)(*t)->count * sizeof(float));
  return true;
}

static void sgd(const OptimSettings *set, Tensor *p, const Tensor *g, OptimState *s) {
  SgdStep step = {.lr = set->lr, .momentum = set->momentum, .dampening = set->dampening, .weight_decay = set->weight_decay,
                  .nesterov = set->nesterov, .maximize = set->maximize, .first = s->step == 1};
  kern->sgd_step(p->data, s->first ? s->first->data : NULL, g->data, &step, p->count);
}

static void adam(const OptimSettings *set, Tensor *p, const Tensor *g, OptimState *s) {
  double t = (double)s->step;
  bool w = set->kind == OPTIM_ADAMW;
  AdamStep step = {.beta1 = set->beta1, .beta2 = set->beta2, .eps = set->eps,
                   .step_size = set->lr / (1 - pow(set->beta1, t)), .root = sqrt(1 - pow(set->beta2, t)),
                   .weight_decay = w ? 0 : set->weight_decay, .shrink = w ? 1 - set->lr * set->weight_decay : 1,
                   .maximize = set->maximize};
  kern->adam_step(p->data, s->first->data, s->second->data, set->amsgrad ? s->third->data : NULL, g->data, &step, p->count);
}

static void rmsprop(const OptimSettings *set, Tensor *p, const Tensor *g, OptimState *s) {
  RmspropStep step = {.lr = set->lr, .alpha = set->alpha, .eps = set->eps, .weight_decay = set->weight_decay,
                      .momentum = set->momentum, .maximize = set->maximize};
  kern->rmsprop_step(p->data, s->second->data, set->centered ? s->third->data : NULL,
                     set->momentum != 0 ? s->first->data : NULL, g->data, &step, p->count);
}

bool optim_step(const OptimSettings *set, Node **params, OptimState *state, int n, Err *e) {
  for (int i = 0; i < n; i++) {
    if (!moves(params[i])) continue;
    bool is_adam = set->kind == OPTIM_ADAM || set->kind == OPTIM_ADAMW;
    bool first = is_adam || set->momentum != 0, second = set->kind != OPTIM_SGD;
    bool third = is_adam ? set->amsgrad : set->kind == OPTIM_RMSPROP && set->centered;
    const Shape *s = &params[i]->shape;
    if ((first && !reserve(&state[i].first, s, e)) || (second && !reserve(&state[i].second, s, e)) ||
        (third && !reserve(&state[i].third, s, e)))
      return false;
    if (!graph_eval(&params[i]->grad, 1, e) || !node_write(params[i], e)) return false;
  }
  for (int i = 0; i < n; i++) {
    if (!moves(params[i])) continue;
    Tensor *p = params[i]->value;
    state[i].step++;
    if (set->kind == OPTIM_SGD) sgd(set, p, params[i]->grad->value, &state[i]);
    else if (set->kind == OPTIM_RMSPROP) rmsprop(set, p, params[i]->grad->value, &state[i]);
    else adam(set, p, params[i]->grad->value, &state[i]);
    tensor_touch(p);
  }
  return true;
}

bool optim_clip_grad_norm(Node **params, int n, double max_norm, double *norm, Err *e) {
  double sum = 0;
  for (int i = 0; i < n; i++) {
    if (!moves(params[i])) continue;
    if (!graph_eval(&params[i]->grad, 1, e)) return false;
    sum += kern->sum_squares(params[i]->grad->value->data, params[i]->grad->value->count);
  }
  *norm = sqrt(sum);
  double by = max_norm / (*norm + 1e-6); /* torch.nn.utils.clip_grad_norm_ */
  if (!isfinite(*norm) || by >= 1) return true;
  for (int i = 0; i < n; i++) {
    if (!moves(params[i])) continue;
    if (!node_write(params[i]->grad, e)) return false;
    kern->scale(params[i]->grad->value->data, (float)by, params[i]->grad->value->count);
    tensor_touch(params[i]->grad->value);
  }
  return true;
}
