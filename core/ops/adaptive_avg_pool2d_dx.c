/* Gradient of adaptive_avg_pool2d. */
#include "pool.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)n_in;
  if (!pool_input_ok(&in[0], e) || !want_whole(attr, 0, 2, 1, "size", e)) return false;
  *out = shape_of(4, (int64_t[]){in[0].dim[0], in[0].dim[1], (int64_t)attr[0], (int64_t)attr[1]});
  return true;
}

static void forward(const Call *c) {
  Pool p = pool_adaptive(&c->out.shape, &c->in[0].shape, c->scratch);
  kern->avg_pool_dx(c->out.data, c->in[0].data, p.rows, p.cols, &p.s);
}

static void grad(Builder *b, Node *n, Node *g, const bool *needs, Node **dx) {
  const int64_t *d = n->in[0]->shape.dim;
  if (needs[0]) dx[0] = build_a(b, &op_adaptive_avg_pool2d, 1, &g, 2, (double[]){(double)d[2], (double)d[3]});
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)attr, (void)out;
  return pool_bytes(&in[0]);
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)n_in, (void)attr;
  pool_avg_reference(out, in[0], os, &is[0], NULL, true);
}

const Op op_adaptive_avg_pool2d_dx = {
    .name = "adaptive_avg_pool2d_dx",
    .args = "dy | size=1,1",
    .doc = "dx = sum of dy / window size over the windows that saw the element; size is x's height and width",
    .layout = OP_CHANNELS_LAST, .per_sample = true,
    .shape = shape, .forward = forward, .grad = grad, .scratch = scratch, .reference = reference,
    .cases = (const OpCase[]){{"2,3,1,1", "size=7", 0}, {"2,3,3,2", "size=7,5", 0}, {"1,2,5,7", "size=3,2", 0}, {"2,70,1,1", "size=9,8", 0}, {0}},
};
