/* Batch normalisation by the batch's own statistics. */
#include "norm.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  *out = in[0];
  return bn_input_ok(&in[0], e) && bn_rows_ok(&in[1], "stats", 2, &in[0], e) &&
         bn_vector_ok(in, n_in, 2, "weight", &in[0], e) && bn_vector_ok(in, n_in, 3, "bias", &in[0], e) && bn_eps_ok(attr[0], e);
}

static void forward(const Call *c) {
  Span p = channels_of(&c->out.shape);
  const float *stats = c->in[1].data;
  kern->bn_apply(c->out.data, c->in[0].data, stats, stats + p.len, data_or_null(c, 2), data_or_null(c, 3), &c->epilogue,
                 (float)c->attr[0], p.outer, (int)p.len, p.inner, c->scratch);
}

/* The full gradient, through the statistics too: nothing is left for bn_stats to pass on. */
static void grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx) {
  Node *x = n->in[0], *stats = n->in[1], *w = input_or_null(n, 2);
  bool weight = w && needs[2], bias = input_or_null(n, 3) && needs[3];
  if (!needs[0] && !weight && !bias) return;
  Node *dparam = build_a(b, &op_bn_dparam, 3, (Node *[]){dy, x, stats}, 1, n->attr);
  if (needs[0]) {
    Node *all = stats->op == &op_bn_ranks ? build_a(b, &op_bn_ranks, 2, (Node *[]){x, dparam}, 1, (double[]){1}) : dparam;
    dx[0] = build_a(b, &op_bn_dx, 5, (Node *[]){dy, x, stats, w, all}, 1, n->attr);
  }
  if (weight) dx[2] = build_a(b, &op_bn_row, 1, &dparam, 1, (double[]){0});
  if (bias) dx[3] = build_a(b, &op_bn_row, 1, &dparam, 1, (double[]){1});
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)attr, (void)out;
  return bn_scratch_of(&in[0]);
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  int64_t c = os->dim[1];
  for (int64_t i = 0, n = shape_count(os); i < n; i++) {
    int64_t j = bn_channel(os, i);
    out[i] = (in[0][i] - in[1][j]) / sqrt(in[1][c + j] + attr[0]);
    if (n_in > 2 && in[2]) out[i] *= in[2][j];
    if (n_in > 3 && in[3]) out[i] += in[3][j];
  }
  (void)is;
}

const Op op_bn_train = {
    .name = "bn_train",
    .args = "x stats w? b? | eps=1e-5",
    .doc = "y = (x - mean) / sqrt(var + eps) w + b with stats = bn_stats(x); its gradient is that of the whole, statistics "
           "included; as torch.nn.functional.batch_norm in training",
    .layout = OP_CHANNELS_LAST, .fuses = FUSE_TAIL, .in_place = 1, .per_sample = false,
    .shape = shape, .forward = forward, .grad = grad, .scratch = scratch, .reference = reference,
    .cases = (const OpCase[]){
        /* finite differences here would hold the statistics still: the gradient is checked over both ops together */
        {"4,3,5,6 2,3 3 3", "", CASE_POSITIVE | CASE_NO_GRAD},
        {"2,70,3,4 2,70 - -", "", CASE_POSITIVE | CASE_NO_GRAD},
        {"5,7 2,7 7 7", "eps=0.1", CASE_POSITIVE | CASE_NO_GRAD},
        {"4,3,9 2,3 3 -", "", CASE_POSITIVE | CASE_NO_GRAD},
        {"2,3,2,2,3 2,3 - 3", "", CASE_POSITIVE | CASE_NO_GRAD},
        {0}},
};
