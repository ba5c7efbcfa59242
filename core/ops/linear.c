/* The linear map of nn.Linear, over the last dim. */
#include "linear.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)attr;
  const Shape *x = &in[0], *w = &in[1];
  if (!linear_weights(w, e) || !linear_fits(x, "x", w, w->dim[1], "features", e) || !want_vector(in, n_in, 2, "bias", w->dim[0], e)) return false;
  *out = linear_out(x, w->dim[0]);
  return true;
}

/* The bias arrives as epilogue.shift, with or without something fused (see Epilogue). */
static void forward(const Call *c) {
  ConvShape s = linear_shape(&c->in[0].shape, c->in[1].shape.dim[0]);
  kern->conv2d(c->out.data, c->in[0].data, c->in[1].data, conv_prepared(&c->in[1], CONV_FORWARD, &s), &c->epilogue, &s, c->scratch);
}

static void grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx) {
  if (needs[0]) dx[0] = build2(b, &op_linear_dx, dy, n->in[1]);
  if (needs[1]) dx[1] = build2(b, &op_linear_dw, dy, n->in[0]);
  if (!input_or_null(n, 2) || !needs[2]) return;
  double all_but_last[MAX_RANK];
  for (int i = 0; i < MAX_RANK; i++) all_but_last[i] = i + 1 < n->shape.rank ? i : ATTR_END;
  dx[2] = n->shape.rank == 1 ? dy : build_a(b, &op_sum, 1, &dy, MAX_RANK, all_but_last);
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)attr, (void)out;
  ConvShape s = linear_shape(&in[0], in[1].dim[0]);
  return kern->conv2d_scratch(CONV_FORWARD, &s);
}

static int64_t macs(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)attr, (void)out;
  return as_macs((double)shape_count(&in[0]) * (double)in[1].dim[0]);
}

static bool over_residual(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)attr, (void)out;
  ConvShape s = linear_shape(&in[0], in[1].dim[0]);
  return kern->conv2d_over_residual(CONV_FORWARD, &s);
}

static Node *narrow(Narrowing *w, Node *n) {
  int d = w->part.dim;
  return d == n->shape.rank - 1 ? NULL : narrow_op(w, n, (int[]){d, -1, -1});
}

static void reference(const double *const *in, const Shape *in_shape, int n_in, const double *attr, double *out, const Shape *os) {
  (void)attr;
  int64_t k = in_shape[1].dim[1], n = in_shape[1].dim[0];
  for (int64_t i = 0, count = shape_count(os); i < count; i++) {
    double y = n_in > 2 && in[2] ? in[2][i % n] : 0;
    for (int64_t j = 0; j < k; j++) y += in[0][i / n * k + j] * in[1][i % n * k + j];
    out[i] = y;
  }
}

const Op op_linear = {
    .name = "linear",
    .args = "x w b?",
    .doc = "y[…,n] = b[n] + sum over k of x[…,k] w[n,k]; w (out_features, in_features); as torch.nn.functional.linear",
    .layout = OP_ROW_MAJOR, .fuses = FUSE_MAP, .per_sample = true,
    .shape = shape, .forward = forward, .grad = grad, .narrow = narrow, .scratch = scratch, .over_residual = over_residual, .macs = macs, .reference = reference,
    .cases = (const OpCase[]){
        {"4,7 3,7 3", "", 0},
        {"1,1 1,1 -", "", 0},
        {"5 2,5 2", "", 0},
        {"2,3,4 6,4 6", "", 0},
        {"2,3,4,5 7,5 7", "", 0},
        {"2,1,3,2,5 3,5 -", "", 0},
        {"33,129 65,129 65", "", CASE_NO_GRAD},
        {"0,4 3,4 3", "", 0},
        {"5,0 3,0 3", "", 0},
        {"3,40,70 50,70 50", "", 0},
        {0}},
};
