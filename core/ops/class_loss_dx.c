/* Gradient of cross_entropy and of nll_loss by their input. */
#include "loss.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  Shape loss;
  *out = in[1];
  return class_loss_ok(in + 1, n_in - 1, attr, &loss, e) && want_same(&in[0], "dy", &loss, "the loss", e);
}

static void forward(const Call *c) {
  ClassLoss s = class_loss_of(&c->in[1].shape, &c->in[2].shape, c->attr);
  kern->class_loss_dx(c->out.data, c->in[0].data, c->in[1].data, c->in[2].data, data_or_null(c, 3), &s, c->scratch);
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)out;
  ClassLoss s = class_loss_of(&in[1], &in[2], attr);
  return kern->class_loss_scratch(&s);
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)os;
  ClassLoss s = class_loss_rows(&is[1], &is[2], attr);
  double weighs = 0;
  for (int64_t row = 0; row < s.outer * s.inner; row++) weighs += class_weighs(in + 1, n_in - 1, &s, row);
  for (int64_t row = 0; row < s.outer * s.inner; row++) {
    double mass = 0, log_sum = class_log_sum(in[1], &s, row);
    double g = in[0][s.reduction == REDUCE_NONE ? row : 0] / (s.reduction == REDUCE_MEAN ? weighs : 1);
    for (int64_t j = 0; j < s.c; j++) mass += class_q(in + 1, n_in - 1, &s, row, j);
    for (int64_t j = 0; j < s.c; j++) {
      int64_t at = (row / s.inner * s.c + j) * s.inner + row % s.inner;
      double p = s.log_probs ? 0 : exp(in[1][at] - log_sum) * mass;
      out[at] = class_missing(in + 1, &s, row) ? NAN : (p - class_q(in + 1, n_in - 1, &s, row, j)) * g;
    }
  }
}

const Op op_class_loss_dx = {
    .name = "class_loss_dx",
    .args = "dy input target weight? | label_smoothing=0.0 ignore_index=-100 reduction=1 log_probs=0",
    .doc = "d cross_entropy / d input = (softmax(input) sum of q - q) dy / what the mean divides by; with log_probs=1 that of "
           "nll_loss, - q dy / …",
    .layout = OP_CHANNELS_LAST,
    .shape = shape, .forward = forward, .scratch = scratch, .reference = reference,
    .cases = (const OpCase[]){
        {". 4,5 4,5", "", CASE_POSITIVE | CASE_NO_GRAD},
        {"4 4,5 4,5 5", "reduction=0 label_smoothing=0.1", CASE_POSITIVE | CASE_NO_GRAD},
        {"2,4,5 2,3,4,5 2,3,4,5", "reduction=0", CASE_POSITIVE | CASE_NO_GRAD},
        {". 2,20,3 2,20,3", "reduction=2", CASE_POSITIVE | CASE_NO_GRAD},
        {0}},
};
