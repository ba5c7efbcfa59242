/* Stochastic depth (Huang et al. 2016, https://arxiv.org/abs/1603.09382): a residual branch dropped whole, for a sample or for all. */
#include "common.h"

enum { P, ROWS };
extern const Op op_stochastic_depth;

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)n_in;
  if (!(attr[P] >= 0 && attr[P] <= 1)) return err_set(e, "drop probability has to be between 0 and 1, but got %g", attr[P]);
  if (in[0].rank < 1) return err_set(e, "expects (N, …), got %s", SHAPE_STR(&in[0]));
  *out = in[0];
  return true;
}

static void forward(const Call *c) {
  int64_t n = c->out.shape.dim[0], count = shape_count(&c->out.shape);
  kern->dropout_channels(c->out.data, c->in[0].data, c->attr[P], c->seed, n, 1, n ? count / n : 0, c->attr[ROWS] ? 1 : n);
}

static void grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx) {
  if (!needs[0]) return;
  dx[0] = build_a(b, &op_stochastic_depth, 1, &dy, 2, n->attr);
  if (dx[0]) dx[0]->seed = n->seed;
}

const Op op_stochastic_depth = {
    .name = "stochastic_depth",
    .args = "x | p=0.5 rows=1",
    .doc = "y[n,…] = x[n,…] / (1 - p) with probability 1 - p, else 0, each row n alone, or all together where rows is 0; as "
           "torchvision.ops.stochastic_depth in training",
    .layout = OP_ANY, .in_place = 1, .random = true, .per_sample = true,
    .shape = shape, .forward = forward, .grad = grad,
    .cases = (const OpCase[]){
        {"4,5,3,2", "p=0.5", CASE_RANDOM},
        {"6,8,7", "p=0.2 rows=0", CASE_RANDOM},
        {"3", "p=0", CASE_RANDOM},
        {"5,2", "p=1", CASE_RANDOM},
        {"0,2", "p=0.3", CASE_RANDOM},
        {0}},
};
