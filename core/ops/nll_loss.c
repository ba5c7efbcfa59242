/* Negative log likelihood of log probabilities. */
#include "loss.h"

static void full(const double *attr, double *to) {
  to[SMOOTHING] = 0, to[IGNORE] = attr[0], to[REDUCTION] = attr[1], to[LOG_PROBS] = 1;
}

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  double a[CLASS_ATTRS];
  full(attr, a);
  return class_loss_ok(in, n_in, a, out, e);
}

static void forward(const Call *c) {
  double a[CLASS_ATTRS];
  full(c->attr, a);
  ClassLoss s = class_loss_of(&c->in[0].shape, &c->in[1].shape, a);
  s.soft = false;
  kern->class_loss(c->out.data, c->in[0].data, c->in[1].data, data_or_null(c, 2), &s, c->scratch);
}

static void grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx) {
  double a[CLASS_ATTRS];
  full(n->attr, a);
  if (needs[0]) dx[0] = build_a(b, &op_class_loss_dx, 4, (Node *[]){dy, n->in[0], n->in[1], input_or_null(n, 2)}, CLASS_ATTRS, a);
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)out;
  double a[CLASS_ATTRS];
  full(attr, a);
  ClassLoss s = class_loss_of(&in[0], &in[1], a);
  return kern->class_loss_scratch(&s);
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)os;
  double a[CLASS_ATTRS];
  full(attr, a);
  class_loss_reference(in, is, n_in, a, out);
}

static bool keeps_samples(const Shape *in, int n_in, const double *attr) {
  (void)n_in;
  return attr[1] == REDUCE_NONE && in[0].rank > 1;
}

const Op op_nll_loss = {
    .name = "nll_loss",
    .args = "input target weight? | ignore_index=-100 reduction=1",
    .doc = "- weight[t] input[t], t the target's class, input log probabilities; reduction 0 none, 1 mean, 2 sum; a class index that "
           "does not exist gives NaN; as torch.nn.functional.nll_loss",
    .layout = OP_CHANNELS_LAST, .keeps_samples = keeps_samples,
    .shape = shape, .forward = forward, .grad = grad, .scratch = scratch, .reference = reference,
    .cases = (const OpCase[]){
        {"4,5 4", "", CASE_INDEX_LAST},
        {"7,21 7", "reduction=0", CASE_INDEX_LAST},
        {"4,5 4", "ignore_index=1 reduction=2", CASE_INDEX_LAST},
        {"2,3,4,5 2,4,5", "", CASE_INDEX_LAST},
        {"2,3,7 2,7", "", CASE_INDEX_LAST},
        {0}},
};
