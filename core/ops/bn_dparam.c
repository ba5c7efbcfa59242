/* Gradients of batch normalisation by its weight and bias, which its gradient by x needs too. */
#include "norm.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)n_in;
  *out = shape_of(2, (int64_t[]){2, in[1].rank >= 2 ? in[1].dim[1] : 0});
  return bn_input_ok(&in[1], e) && want_same(&in[0], "dy", &in[1], "x", e) && bn_rows_ok(&in[2], "stats", 2, &in[1], e) &&
         bn_eps_ok(attr[0], e);
}

static void forward(const Call *c) {
  Span p = channels_of(&c->in[1].shape);
  const float *stats = c->in[2].data;
  kern->bn_dparam(c->out.data, c->in[0].data, c->in[1].data, stats, stats + p.len, (float)c->attr[0], p.outer, (int)p.len,
                  p.inner, c->scratch);
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)attr, (void)out;
  return bn_scratch_of(&in[1]);
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)n_in;
  int64_t c = os->dim[1];
  memset(out, 0, (size_t)(2 * c) * sizeof *out);
  for (int64_t i = 0, n = shape_count(&is[1]); i < n; i++) {
    int64_t j = bn_channel(&is[1], i);
    out[j] += in[0][i] * (in[1][i] - in[2][j]) / sqrt(in[2][c + j] + attr[0]);
    out[c + j] += in[0][i];
  }
}

const Op op_bn_dparam = {
    .name = "bn_dparam",
    .args = "dy x stats | eps=1e-5",
    .doc = "(2, C): dw[c] = sum of dy (x - mean) / sqrt(var + eps), db[c] = sum of dy, over all dims but 1",
    .layout = OP_CHANNELS_LAST,
    .shape = shape, .forward = forward, .scratch = scratch, .reference = reference,
    .cases = (const OpCase[]){
        {"4,3,5,6 4,3,5,6 2,3", "", CASE_POSITIVE | CASE_NO_GRAD},
        {"2,70,9,8 2,70,9,8 2,70", "", CASE_POSITIVE | CASE_NO_GRAD},
        {"3,2,40,40 3,2,40,40 2,2", "", CASE_POSITIVE | CASE_NO_GRAD},
        {"5,7 5,7 2,7", "eps=0.1", CASE_POSITIVE | CASE_NO_GRAD},
        {"4,3,9 4,3,9 2,3", "", CASE_POSITIVE | CASE_NO_GRAD},
        {0}},
};
