/* The linear map of nn.Linear, over the last dim. */
#include "common.h"

extern const Op op_matmul, op_reshape, op_sum;

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)attr;
  const Shape *x = &in[0], *w = &in[1];
  if (w->rank != 2) return err_set(e, "expects weights of shape (out_features, in_features), got %s", SHAPE_STR(w));
  if (x->rank < 1) return err_set(e, "expects x of shape (…, %lld), got a scalar", (long long)w->dim[1]);
  if (x->dim[x->rank - 1] != w->dim[1])
    return err_set(e, "expects %lld features (last dim), got %lld: x %s, weights %s", (long long)w->dim[1],
                   (long long)x->dim[x->rank - 1], SHAPE_STR(x), SHAPE_STR(w));
  if (!want_vector(in, n_in, 2, "bias", w->dim[0], e)) return false;
  *out = *x;
  out->dim[x->rank - 1] = w->dim[0];
  return true;
}

/* The bias arrives as epilogue.shift, with or without something fused (see Epilogue). */
static void forward(const Call *c) {
  const Shape *w = &c->in[1].shape;
  kern->linear(c->out.data, c->in[0].data, c->in[1].data, &c->epilogue, w->dim[0] ? shape_count(&c->out.shape) / w->dim[0] : 0,
               w->dim[0], w->dim[1]);
}

static Node *reshaped(Builder *b, Node *x, int rank, const int64_t *dim) {
  double attr[MAX_RANK];
  for (int i = 0; i < MAX_RANK; i++) attr[i] = i < rank ? (double)dim[i] : ATTR_END;
  return build_a(b, &op_reshape, 1, &x, MAX_RANK, attr);
}

static void grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx) {
  Node *x = n->in[0], *w = n->in[1];
  const Shape *s = &x->shape;
  int64_t in = w->shape.dim[1], out = w->shape.dim[0], rows = 1;
  for (int i = 0; i + 1 < s->rank; i++) rows *= s->dim[i];
  Node *flat = s->rank == 2 ? dy : reshaped(b, dy, 2, (int64_t[]){rows, out});
  if (needs[0]) {
    dx[0] = build2(b, &op_matmul, flat, w);
    if (s->rank != 2) dx[0] = reshaped(b, dx[0], s->rank, s->dim);
  }
  if (needs[1]) {
    if (s->rank != 2) x = reshaped(b, x, 2, (int64_t[]){rows, in});
    dx[1] = build_a(b, &op_matmul, 2, (Node *[]){flat, x}, 1, (double[]){1});
  }
  if (input_or_null(n, 2) && needs[2]) dx[2] = build_a(b, &op_sum, 1, &flat, 2, (double[]){0, ATTR_END});
}

static int64_t macs(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)attr, (void)out;
  return shape_count(&in[0]) * in[1].dim[0];
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
    .layout = OP_ROW_MAJOR, .fuses = true, .per_sample = true,
    .shape = shape, .forward = forward, .grad = grad, .macs = macs, .reference = reference,
    .cases = (const OpCase[]){
        {"4,7 3,7 3", "", 0},
        {"1,1 1,1 -", "", 0},
        {"5 2,5 2", "", 0},
        {"2,3,4 6,4 6", "", 0},
        {"2,3,4,5 7,5 7", "", 0},
        {"2,1,3,2,5 3,5 -", "", 0},
        {"33,129 65,129 65", "", CASE_NO_GRAD},
        {0}},
};
