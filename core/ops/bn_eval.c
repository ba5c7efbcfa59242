/* Batch normalisation by running statistics: a fixed scale and shift per channel. The planner folds it into the
 * convolution before it where it can (kern->bn_fold). */
#include "norm.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  *out = in[0];
  return bn_input_ok(&in[0], e) && bn_vector_ok(in, n_in, 1, "running_mean", &in[0], e) &&
         bn_vector_ok(in, n_in, 2, "running_var", &in[0], e) && bn_vector_ok(in, n_in, 3, "weight", &in[0], e) &&
         bn_vector_ok(in, n_in, 4, "bias", &in[0], e) && bn_eps_ok(attr[0], e);
}

static void forward(const Call *c) {
  Span p = channels_of(&c->out.shape);
  kern->bn_apply(c->out.data, c->in[0].data, data_or_null(c, 1), c->in[2].data, data_or_null(c, 3), data_or_null(c, 4), &c->epilogue,
                 (float)c->attr[0], p.outer, (int)p.len, p.inner, c->scratch);
}

/* By x it is the same map without mean and bias; the rest are sums over each channel. */
static void grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx) {
  Node *x = n->in[0], *mean = n->in[1], *var = n->in[2], *w = input_or_null(n, 3);
  if (needs[0]) dx[0] = build_a(b, &op_bn_eval, 5, (Node *[]){dy, NULL, var, w, NULL}, 1, n->attr);
  const int input[4] = {3, 4, 1, 2}; /* whose gradients bn_eval_dparam's rows are */
  Node *sums = NULL;
  for (int row = 0; row < 4; row++) {
    int i = input[row];
    if (!input_or_null(n, i) || !needs[i]) continue;
    if (!sums) sums = build_a(b, &op_bn_eval_dparam, 5, (Node *[]){dy, x, mean, var, w}, 1, n->attr);
    dx[i] = build_a(b, &op_bn_row, 1, &sums, 1, (double[]){row});
  }
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)attr, (void)out;
  return bn_scratch_of(&in[0]);
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)is;
  for (int64_t i = 0, n = shape_count(os); i < n; i++) {
    int64_t j = bn_channel(os, i);
    out[i] = (in[0][i] - (in[1] ? in[1][j] : 0)) / sqrt(in[2][j] + attr[0]);
    if (n_in > 3 && in[3]) out[i] *= in[3][j];
    if (n_in > 4 && in[4]) out[i] += in[4][j];
  }
}

const Op op_bn_eval = {
    .name = "bn_eval",
    .args = "x mean? var w? b? | eps=1e-5",
    .doc = "y = (x - mean) / sqrt(var + eps) w + b with running statistics; as torch.nn.functional.batch_norm in eval",
    .layout = OP_CHANNELS_LAST, .fuses = FUSE_TAIL, .in_place = 1, .per_sample = true,
    .shape = shape, .forward = forward, .grad = grad, .scratch = scratch, .reference = reference,
    .cases = (const OpCase[]){
        {"4,3,5,6 3 3 3 3", "", CASE_POSITIVE},
        {"2,17,2,3 17 17 - -", "", CASE_POSITIVE},
        {"5,7 7 7 7 7", "eps=0.1", CASE_POSITIVE},
        {"4,3,9 3 3 3 -", "", CASE_POSITIVE},
        {"2,3,2,2,3 - 3 - 3", "", CASE_POSITIVE},
        {"1,2,1,1 2 2 2 2", "", CASE_POSITIVE},
        {0}},
};
