/* Gradient of layer normalisation by its input. */
#include "layer_norm.h"

extern const Op op_layer_norm_dparam;

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  *out = in[1];
  return layer_norm_fits(&in[1], attr, e) && want_same(&in[0], "dy", &in[1], "x", e) && layer_norm_param(in, n_in, 2, "weight", &in[1], attr, e);
}

static void forward(const Call *c) {
  Span p = layer_norm_rows(&c->out.shape, c->attr);
  kern->layer_norm_grad(c->out.data, c->beside.data, c->in[0].data, c->in[1].data, data_or_null(c, 2), (float)c->attr[EPS], p.outer, p.inner, c->scratch);
}

/* The gradients of weight and bias. */
static bool beside(const Op *other, const double *other_attr, const Shape *in, const double *attr) {
  (void)in;
  return other == &op_layer_norm_dparam && other_attr[DIMS] == attr[DIMS] && other_attr[EPS] == attr[EPS];
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  Span p = layer_norm_rows(os, attr);
  for (int64_t r = 0; r < p.outer; r++) {
    double mean, scale, level = 0, slope = 0;
    const double *dy = in[0] + r * p.inner, *x = in[1] + r * p.inner, *w = n_in > 2 ? in[2] : NULL;
    layer_norm_moments(x, p.inner, attr[EPS], &mean, &scale);
    for (int64_t j = 0; j < p.inner; j++) {
      double g = dy[j] * (w ? w[j] : 1) / (double)p.inner;
      level += g, slope += g * (x[j] - mean) * scale;
    }
    for (int64_t j = 0; j < p.inner; j++)
      out[r * p.inner + j] = scale * (dy[j] * (w ? w[j] : 1) - level - (x[j] - mean) * scale * slope);
  }
  (void)is;
}

const Op op_layer_norm_dx = {
    .name = "layer_norm_dx",
    .args = "dy x w? | dims=1 eps=1e-5",
    .doc = "dx = (g - mean of g - xhat mean of g xhat) / sqrt(var + eps), g = dy w, means over the last `dims` dims",
    .layout = OP_ROW_MAJOR, .in_place = 1, .keeps_samples = layer_norm_keeps_samples,
    .shape = shape, .forward = forward, .scratch = layer_norm_grad_scratch, .beside = beside, .reference = reference,
    .cases = (const OpCase[]){
        {"4,7 4,7 7", "", CASE_NO_GRAD},
        {"4,96 4,96 -", "eps=0.1", CASE_NO_GRAD},
        {"2,5,3,33 2,5,3,33 3,33", "dims=2", CASE_NO_GRAD},
        {"3,9001 3,9001 9001", "", CASE_NO_GRAD},
        {0}},
};
