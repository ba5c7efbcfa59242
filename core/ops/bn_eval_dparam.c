/* Gradients of bn_eval by its per-channel inputs. */
#include "norm.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  *out = shape_of(2, (int64_t[]){4, in[1].rank >= 2 ? in[1].dim[1] : 0});
  return bn_input_ok(&in[1], e) && want_same(&in[0], "dy", &in[1], "x", e) &&
         bn_vector_ok(in, n_in, 2, "running_mean", &in[1], e) && bn_vector_ok(in, n_in, 3, "running_var", &in[1], e) &&
         bn_vector_ok(in, n_in, 4, "weight", &in[1], e) && bn_eps_ok(attr[0], e);
}

static void forward(const Call *c) {
  Span p = channels_of(&c->in[1].shape);
  int64_t n = p.len;
  float *dw = c->out.data, *db = dw + n, *dmean = db + n, *dvar = dmean + n;
  const float *mean = data_or_null(c, 2), *var = c->in[3].data, *w = data_or_null(c, 4);
  if (!mean) { /* dmean serves as the zeros until it is known */
    memset(dmean, 0, (size_t)n * sizeof *dmean);
    mean = dmean;
  }
  kern->bn_dparam(dw, c->in[0].data, c->in[1].data, mean, var, (float)c->attr[0], p.outer, (int)n, p.inner, c->scratch);
  for (int64_t j = 0; j < n; j++) {
    double s = 1 / sqrt(var[j] + c->attr[0]), wj = w ? w[j] : 1;
    dmean[j] = (float)(-wj * s * db[j]);
    dvar[j] = (float)(-0.5 * wj * s * s * dw[j]);
  }
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)attr, (void)out;
  return bn_scratch_of(&in[1]);
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  int64_t c = os->dim[1];
  memset(out, 0, (size_t)(4 * c) * sizeof *out);
  for (int64_t i = 0, n = shape_count(&is[1]); i < n; i++) {
    int64_t j = bn_channel(&is[1], i);
    double s = 1 / sqrt(in[3][j] + attr[0]), xhat = (in[1][i] - (in[2] ? in[2][j] : 0)) * s, g = in[0][i];
    double w = n_in > 4 && in[4] ? in[4][j] : 1;
    out[j] += g * xhat;
    out[c + j] += g;
    out[2 * c + j] -= g * w * s;
    out[3 * c + j] -= 0.5 * g * w * s * s * xhat;
  }
}

const Op op_bn_eval_dparam = {
    .name = "bn_eval_dparam",
    .args = "dy x mean? var w? | eps=1e-5",
    .doc = "(4, C): dw = sum of dy xhat, db = sum of dy, dmean = -w s db, dvar = -w s^2 dw / 2, with s = 1 / sqrt(var + eps), "
           "xhat = (x - mean) s, sums over all dims but 1",
    .layout = OP_CHANNELS_LAST,
    .shape = shape, .forward = forward, .scratch = scratch, .reference = reference,
    .cases = (const OpCase[]){
        {"4,3,5,6 4,3,5,6 3 3 3", "", CASE_POSITIVE | CASE_NO_GRAD},
        {"5,7 5,7 - 7 -", "eps=0.1", CASE_POSITIVE | CASE_NO_GRAD},
        {"4,3,9 4,3,9 3 3 3", "", CASE_POSITIVE | CASE_NO_GRAD},
        {0}},
};
