/* Layer normalisation over the last dims (Ba, Kiros, Hinton 2016, https://arxiv.org/abs/1607.06450). */
#include "layer_norm.h"

extern const Op op_layer_norm_dx, op_layer_norm_dparam, op_bn_row, op_reshape;

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  *out = in[0];
  return layer_norm_fits(&in[0], attr, e) && layer_norm_param(in, n_in, 1, "weight", &in[0], attr, e) &&
         layer_norm_param(in, n_in, 2, "bias", &in[0], attr, e);
}

static void forward(const Call *c) {
  Span p = layer_norm_rows(&c->out.shape, c->attr);
  kern->layer_norm(c->out.data, c->in[0].data, data_or_null(c, 1), data_or_null(c, 2), (float)c->attr[EPS], p.outer, p.inner);
}

static void grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx) {
  Node *x = n->in[0], *sums = NULL;
  if (needs[0]) dx[0] = build_a(b, &op_layer_norm_dx, 3, (Node *[]){dy, x, input_or_null(n, 1)}, 2, n->attr);
  for (int i = 1; i < 3; i++) {
    if (!input_or_null(n, i) || !needs[i]) continue;
    if (!sums) sums = build_a(b, &op_layer_norm_dparam, 2, (Node *[]){dy, x}, 2, n->attr);
    dx[i] = build_a(b, &op_bn_row, 1, &sums, 1, (double[]){i - 1});
    const Shape *s = &n->in[i]->shape;
    double dims[MAX_RANK];
    for (int d = 0; d < MAX_RANK; d++) dims[d] = d < s->rank ? (double)s->dim[d] : ATTR_END;
    if (s->rank > 1) dx[i] = build_a(b, &op_reshape, 1, &dx[i], MAX_RANK, dims);
  }
}

static Node *narrow(Narrowing *w, Node *n) {
  int d = w->part.dim;
  return d < n->shape.rank - (int)n->attr[DIMS] ? narrow_op(w, n, (int[]){d, -1, -1}) : NULL;
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  Span p = layer_norm_rows(os, attr);
  for (int64_t r = 0; r < p.outer; r++) {
    double mean, scale;
    layer_norm_moments(in[0] + r * p.inner, p.inner, attr[EPS], &mean, &scale);
    for (int64_t j = 0; j < p.inner; j++) {
      double v = (in[0][r * p.inner + j] - mean) * scale;
      if (n_in > 1 && in[1]) v *= in[1][j];
      if (n_in > 2 && in[2]) v += in[2][j];
      out[r * p.inner + j] = v;
    }
  }
  (void)is;
}

const Op op_layer_norm = {
    .name = "layer_norm",
    .args = "x w? b? | dims=1 eps=1e-5",
    .doc = "y = (x - mean) / sqrt(var + eps) w + b, mean and biased variance over the last `dims` dims, whose shape w and b have; as "
           "torch.nn.functional.layer_norm",
    .layout = OP_ROW_MAJOR, .in_place = 1, .keeps_samples = layer_norm_keeps_samples,
    .shape = shape, .forward = forward, .grad = grad, .narrow = narrow, .reference = reference,
    .cases = (const OpCase[]){
        {"4,7 7 7", "", 0},
        {"4,96 96 -", "eps=0.1", 0},
        {"2,3,35 - 35", "", 0},
        {"2,5,3,33 - -", "", 0},
        {"3,4,5,6 5,6 5,6", "dims=2", 0},
        {"2,3,4,5 2,3,4,5 2,3,4,5", "dims=4", 0},
        {"6 6 6", "", 0},
        {"3,1 1 1", "", CASE_NO_GRAD}, /* the slope is zero, as far as floats can tell */
        {"0,4 4 4", "", 0},
        {"3,9001 9001 9001", "", CASE_NO_GRAD},
        {"400,96 96 96", "", 0},
        {0}},
};
