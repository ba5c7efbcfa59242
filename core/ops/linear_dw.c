/* Gradient of linear by its weights. */
#include "linear.h"

extern const Op op_sum;

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)n_in, (void)attr;
  const Shape *dy = &in[0], *x = &in[1];
  bool fits = dy->rank == x->rank && x->rank > 0;
  for (int i = 0; fits && i + 1 < x->rank; i++) fits = dy->dim[i] == x->dim[i];
  if (!fits) return err_set(e, "expects dy (…, out_features) and x (…, in_features), got %s and %s", SHAPE_STR(dy), SHAPE_STR(x));
  if (!linear_sizes_ok(dy, e) || !linear_sizes_ok(x, e)) return false;
  *out = shape_of(2, (int64_t[]){dy->dim[dy->rank - 1], x->dim[x->rank - 1]});
  return true;
}

static void forward(const Call *c) {
  ConvShape s = linear_shape(&c->in[1].shape, c->out.shape.dim[0]);
  if (c->beside.data) kern->conv2d_dw_sum(c->out.data, c->beside.data, c->in[0].data, c->in[1].data, &s, c->scratch);
  else kern->conv2d_dw(c->out.data, c->in[0].data, c->in[1].data, &s, c->scratch);
}

/* The gradient of the bias: dy summed over all dims but the last. */
static bool beside(const Op *other, const double *sum, const Shape *in, const double *attr) {
  (void)attr;
  const Shape *dy = &in[0];
  if (other != &op_sum || dy->rank < 2) return false;
  for (int d = 0; d < MAX_RANK; d++) /* its dims, and behind them keepdim */
    if (sum[d] != (d + 1 < dy->rank ? d : ATTR_END)) return false;
  ConvShape s = linear_shape(&in[1], dy->dim[dy->rank - 1]);
  return sum[MAX_RANK] == 0 && kern->conv2d_dw_sums(&s);
}

static void grad(Builder *b, Node *n, Node *g, const bool *needs, Node **dx) {
  if (needs[0]) dx[0] = build2(b, &op_linear, n->in[1], g);
  if (needs[1]) dx[1] = build2(b, &op_linear_dx, n->in[0], g);
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)attr;
  ConvShape s = linear_shape(&in[1], out->dim[0]);
  return kern->conv2d_scratch(CONV_DW, &s);
}

static int64_t macs(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)attr;
  return as_macs((double)linear_rows(&in[0]) * (double)shape_count(out));
}

static void reference(const double *const *in, const Shape *in_shape, int n_in, const double *attr, double *out, const Shape *os) {
  (void)n_in, (void)attr;
  int64_t n = os->dim[0], k = os->dim[1], rows = linear_rows(&in_shape[0]);
  for (int64_t i = 0; i < n * k; i++) {
    out[i] = 0;
    for (int64_t r = 0; r < rows; r++) out[i] += in[0][r * n + i / k] * in[1][r * k + i % k];
  }
}

const Op op_linear_dw = {
    .name = "linear_dw",
    .args = "dy x",
    .doc = "gradient of linear by w: dw[n,k] = sum over rows of dy[…,n] x[…,k]",
    .layout = OP_ROW_MAJOR,
    .shape = shape, .forward = forward, .grad = grad, .scratch = scratch, .beside = beside, .macs = macs, .reference = reference,
    .cases = (const OpCase[]){
        {"4,3 4,7", "", 0},
        {"1,1 1,1", "", 0},
        {"2 5", "", 0},
        {"2,3,4,5 2,3,4,7", "", 0},
        {"33,65 33,129", "", CASE_NO_GRAD},
        {"0,3 0,4", "", 0},
        {"3,40,50 3,40,70", "", 0},
        {0}},
};
