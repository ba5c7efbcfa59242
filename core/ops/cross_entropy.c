/* Cross entropy of logits against classes or probabilities. */
#include "loss.h"

extern const Op op_log_softmax, op_mul, op_reshape;

/* The op's attributes with the one that only nll_loss sets. */
static void full(const double *attr, double *to) {
  memcpy(to, attr, 3 * sizeof *to);
  to[LOG_PROBS] = 0;
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
  kern->class_loss(c->out.data, c->in[0].data, c->in[1].data, data_or_null(c, 2), &s, c->scratch);
}

/* x reshaped so that it stretches over the classes: ones where `keep` is not a dim. */
static Node *stretched(Builder *b, Node *x, const Shape *s, bool classes) {
  double dim[MAX_RANK];
  int at = s->rank == 1 ? 0 : 1;
  for (int i = 0; i < MAX_RANK; i++) dim[i] = i < s->rank ? (double)((i == at) == classes ? s->dim[i] : 1) : ATTR_END;
  return build_a(b, &op_reshape, 1, &x, MAX_RANK, dim);
}

/* By probabilities p: -(1 - smoothing) weight log softmax(x) dy, over the rows when that is the mean. */
static Node *by_target(Builder *b, Node *n, Node *dy) {
  const Shape *s = &n->in[0]->shape;
  double rows = (double)shape_count(s) / (double)class_span(s).len;
  Node *g = build_a(b, &op_log_softmax, 1, &n->in[0], 1, (double[]){s->rank == 1 ? 0 : 1});
  g = build2(b, &op_mul, g, build_scalar(b, -(1 - n->attr[SMOOTHING]) / (n->attr[REDUCTION] == REDUCE_MEAN ? rows : 1)));
  if (input_or_null(n, 2)) g = build2(b, &op_mul, g, stretched(b, n->in[2], s, true));
  return build2(b, &op_mul, g, n->attr[REDUCTION] == REDUCE_NONE ? stretched(b, dy, s, false) : dy);
}

static void grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx) {
  double a[CLASS_ATTRS];
  full(n->attr, a);
  if (needs[0]) dx[0] = build_a(b, &op_class_loss_dx, 4, (Node *[]){dy, n->in[0], n->in[1], input_or_null(n, 2)}, CLASS_ATTRS, a);
  if (needs[1] && shape_equal(&n->in[0]->shape, &n->in[1]->shape)) dx[1] = by_target(b, n, dy);
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
  return attr[REDUCTION] == REDUCE_NONE && in[0].rank > 1;
}

const Op op_cross_entropy = {
    .name = "cross_entropy",
    .args = "input target weight? | label_smoothing=0.0 ignore_index=-100 reduction=1",
    .doc = "- sum over c of q[c] log softmax(input)[c], q the target's class (or its probabilities) smoothed and weighted; reduction "
           "0 none, 1 mean, 2 sum; a class index that does not exist gives NaN; as torch.nn.functional.cross_entropy",
    .layout = OP_CHANNELS_LAST, .keeps_samples = keeps_samples,
    .shape = shape, .forward = forward, .grad = grad, .scratch = scratch, .reference = reference,
    .cases = (const OpCase[]){
        {"4,5 4", "", CASE_INDEX_LAST},
        {"7,21 7", "reduction=0", CASE_INDEX_LAST},
        {"3,40 3", "label_smoothing=0.1", CASE_INDEX_LAST},
        {"4,5 4", "ignore_index=2 reduction=2", CASE_INDEX_LAST},
        {"4,5 4", "ignore_index=0 label_smoothing=0.2", CASE_INDEX_LAST},
        {"2,3,4,5 2,4,5", "", CASE_INDEX_LAST},
        {"2,3,7 2,7", "reduction=0 label_smoothing=0.1", CASE_INDEX_LAST},
        {"1,1 1", "", CASE_INDEX_LAST},
        {"4,5 4,5", "", CASE_POSITIVE},
        {"4,5 4,5", "label_smoothing=0.3 reduction=0", CASE_POSITIVE},
        {"2,3,4,5 2,3,4,5", "reduction=2", CASE_POSITIVE},
        {"6 6", "", CASE_POSITIVE},
        {"4,5 4,5 5", "label_smoothing=0.1", CASE_POSITIVE | CASE_NO_GRAD},
        {"4,5 4 5", "", CASE_POSITIVE | CASE_NO_GRAD}, /* targets are no whole numbers: NaN */
        {0}},
};
