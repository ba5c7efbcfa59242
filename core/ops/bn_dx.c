/* Gradient of batch normalisation in training by x, through the statistics. */
#include "norm.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  *out = in[1];
  return bn_input_ok(&in[1], e) && want_same(&in[0], "dy", &in[1], "x", e) && bn_rows_ok(&in[2], "stats", 2, &in[1], e) &&
         bn_vector_ok(in, n_in, 3, "weight", &in[1], e) && bn_rows_ok(&in[4], "dparam", 2, &in[1], e) && bn_eps_ok(attr[0], e);
}

static void forward(const Call *c) {
  Span p = channels_of(&c->out.shape);
  const float *stats = c->in[2].data;
  kern->bn_dx(c->out.data, c->in[0].data, c->in[1].data, stats, stats + p.len, data_or_null(c, 3), c->in[4].data,
              (float)c->attr[0], p.outer, (int)p.len, p.inner, c->scratch);
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)attr, (void)out;
  return bn_scratch_of(&in[1]);
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)n_in, (void)is;
  int64_t c = os->dim[1];
  double count = bn_count(os);
  for (int64_t i = 0, n = shape_count(os); i < n; i++) {
    int64_t j = bn_channel(os, i);
    double s = 1 / sqrt(in[2][c + j] + attr[0]), xhat = (in[1][i] - in[2][j]) * s;
    out[i] = (in[3] ? in[3][j] : 1) * s * (in[0][i] - in[4][c + j] / count - xhat * in[4][j] / count);
  }
}

const Op op_bn_dx = {
    .name = "bn_dx",
    .args = "dy x stats w? dparam | eps=1e-5",
    .doc = "dx = w / sqrt(var + eps) (dy - mean of dy - xhat mean of dy xhat), the sums taken from dparam = bn_dparam(dy, x, "
           "stats); Ioffe, Szegedy 2015",
    .layout = OP_CHANNELS_LAST, .in_place = 1,
    .shape = shape, .forward = forward, .scratch = scratch, .reference = reference,
    .cases = (const OpCase[]){
        {"4,3,5,6 4,3,5,6 2,3 3 2,3", "", CASE_POSITIVE | CASE_NO_GRAD},
        {"2,70,3,4 2,70,3,4 2,70 - 2,70", "", CASE_POSITIVE | CASE_NO_GRAD},
        {"5,7 5,7 2,7 7 2,7", "eps=0.1", CASE_POSITIVE | CASE_NO_GRAD},
        {"4,3,9 4,3,9 2,3 3 2,3", "", CASE_POSITIVE | CASE_NO_GRAD},
        {0}},
};
