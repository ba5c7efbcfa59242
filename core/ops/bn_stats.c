/* Batch statistics, the first half of batch normalisation in training. */
#include "norm.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)n_in, (void)attr;
  if (!bn_input_ok(&in[0], e)) return false;
  if (in[0].dim[1] > 0 && bn_count(&in[0]) <= 1)
    return err_set(e, "Expected more than 1 value per channel when training, got input size %s · use a larger batch, or eval mode",
                   SHAPE_STR(&in[0]));
  *out = shape_of(2, (int64_t[]){2, in[0].dim[1]});
  return true;
}

static void forward(const Call *c) {
  Span p = channels_of(&c->in[0].shape);
  kern->bn_stats(c->out.data, c->in[0].data, p.outer, (int)p.len, p.inner, c->scratch);
}

/* bn_train's gradient already runs through the statistics. */
static void grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx) {
  (void)b, (void)n, (void)dy, (void)needs, (void)dx;
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)attr, (void)out;
  return bn_scratch_of(&in[0]);
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)n_in, (void)attr;
  int64_t c = os->dim[1], n = shape_count(is);
  double *mean = out, *var = out + c, count = bn_count(is);
  for (int64_t i = 0; i < 2 * c; i++) out[i] = 0;
  for (int64_t i = 0; i < n; i++) mean[bn_channel(is, i)] += in[0][i] / count;
  for (int64_t i = 0; i < n; i++) {
    double d = in[0][i] - mean[bn_channel(is, i)];
    var[bn_channel(is, i)] += d * d / count;
  }
}

const Op op_bn_stats = {
    .name = "bn_stats",
    .args = "x",
    .doc = "(2, C): mean[c] of x over all dims but 1, and biased var[c] = mean of (x - mean[c])^2; Ioffe, Szegedy 2015",
    .layout = OP_CHANNELS_LAST,
    .shape = shape, .forward = forward, .grad = grad, .scratch = scratch, .reference = reference,
    .cases = (const OpCase[]){
        {"4,3,5,6", "", CASE_NO_GRAD},
        {"2,70,9,8", "", CASE_NO_GRAD},
        {"3,2,40,40", "", CASE_NO_GRAD},
        {"5,7", "", CASE_NO_GRAD},
        {"300,5", "", CASE_NO_GRAD},
        {"4,3,9", "", CASE_NO_GRAD},
        {"2,3,2,2,3", "", CASE_NO_GRAD},
        {"1,2,3,1", "", CASE_NO_GRAD},
        {0}},
};
