/* Gradient of linear by its input; also the linear map with its weights transposed. */
#include "linear.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)n_in, (void)attr;
  const Shape *dy = &in[0], *w = &in[1];
  if (!linear_weights(w, e) || !linear_fits(dy, "dy", w, w->dim[0], "output features", e)) return false;
  *out = linear_out(dy, w->dim[1]);
  return true;
}

static void forward(const Call *c) {
  ConvShape s = linear_shape(&c->out.shape, c->in[1].shape.dim[0]);
  kern->conv2d_dx(c->out.data, c->in[0].data, c->in[1].data, conv_prepared(&c->in[1], CONV_DX, &s), &c->epilogue, &s, c->scratch);
}

static void grad(Builder *b, Node *n, Node *g, const bool *needs, Node **dx) {
  if (needs[0]) dx[0] = build2(b, &op_linear, g, n->in[1]);
  if (needs[1]) dx[1] = build2(b, &op_linear_dw, n->in[0], g);
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)attr;
  ConvShape s = linear_shape(out, in[1].dim[0]);
  return kern->conv2d_scratch(CONV_DX, &s);
}

static int64_t macs(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)attr;
  return as_macs((double)shape_count(out) * (double)in[1].dim[0]);
}

static bool over_residual(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)attr;
  ConvShape s = linear_shape(out, in[1].dim[0]);
  return kern->conv2d_over_residual(CONV_DX, &s);
}

static void reference(const double *const *in, const Shape *in_shape, int n_in, const double *attr, double *out, const Shape *os) {
  (void)n_in, (void)attr;
  int64_t k = in_shape[1].dim[1], n = in_shape[1].dim[0];
  for (int64_t i = 0, count = shape_count(os); i < count; i++) {
    out[i] = 0;
    for (int64_t j = 0; j < n; j++) out[i] += in[0][i / k * n + j] * in[1][j * k + i % k];
  }
}

const Op op_linear_dx = {
    .name = "linear_dx",
    .args = "dy w",
    .doc = "gradient of linear by x: dx[…,k] = sum over n of dy[…,n] w[n,k]",
    .layout = OP_ROW_MAJOR, .fuses = FUSE_TAIL, .per_sample = true,
    .shape = shape, .forward = forward, .grad = grad, .scratch = scratch, .over_residual = over_residual, .macs = macs, .reference = reference,
    .cases = (const OpCase[]){
        {"4,3 3,7", "", 0},
        {"1,1 1,1", "", 0},
        {"2 2,5", "", 0},
        {"2,3,4,5 5,7", "", 0},
        {"33,65 65,129", "", CASE_NO_GRAD},
        {"3,0 0,4", "", 0},
        {"3,40,50 50,70", "", 0},
        {0}},
};
