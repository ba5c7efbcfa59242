/* Gradients of layer normalisation by its weight and bias. */
#include "layer_norm.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)n_in;
  if (!layer_norm_fits(&in[1], attr, e) || !want_same(&in[0], "dy", &in[1], "x", e)) return false;
  *out = shape_of(2, (int64_t[]){2, layer_norm_rows(&in[1], attr).inner});
  return true;
}

static void forward(const Call *c) {
  Span p = layer_norm_rows(&c->in[1].shape, c->attr);
  kern->layer_norm_grad(NULL, c->out.data, c->in[0].data, c->in[1].data, NULL, (float)c->attr[EPS], p.outer, p.inner, c->scratch);
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)n_in;
  Span p = layer_norm_rows(&is[1], attr);
  memset(out, 0, (size_t)shape_count(os) * sizeof *out);
  for (int64_t r = 0; r < p.outer; r++) {
    double mean, scale;
    layer_norm_moments(in[1] + r * p.inner, p.inner, attr[EPS], &mean, &scale);
    for (int64_t j = 0; j < p.inner; j++) {
      out[j] += in[0][r * p.inner + j] * (in[1][r * p.inner + j] - mean) * scale;
      out[p.inner + j] += in[0][r * p.inner + j];
    }
  }
}

const Op op_layer_norm_dparam = {
    .name = "layer_norm_dparam",
    .args = "dy x | dims=1 eps=1e-5",
    .doc = "(2, n): sums of dy xhat and of dy over all but the last `dims` dims, which hold n elements",
    .layout = OP_ROW_MAJOR,
    .shape = shape, .forward = forward, .scratch = layer_norm_grad_scratch, .reference = reference,
    .cases = (const OpCase[]){
        {"4,7 4,7", "", CASE_NO_GRAD},
        {"700,96 700,96", "", CASE_NO_GRAD},
        {"2,5,3,33 2,5,3,33", "dims=2 eps=0.1", CASE_NO_GRAD},
        {"0,4 0,4", "", CASE_NO_GRAD},
        {0}},
};
