/* Gradient of avg_pool2d. */
#include "pool.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)n_in;
  Shape y;
  if (!pool_input_ok(&in[0], e) || !want_whole(attr, AVG_ATTRS, 2, 1, "size", e)) return false;
  *out = shape_of(4, (int64_t[]){in[0].dim[0], in[0].dim[1], (int64_t)attr[AVG_ATTRS], (int64_t)attr[AVG_ATTRS + 1]});
  return pool_out(out, attr, NULL, attr[AVG_CEIL] != 0, &y, e) && want_same(&in[0], "dy", &y, "avg_pool2d(x)", e);
}

static void forward(const Call *c) {
  Pool p = pool_avg(&c->out.shape, &c->in[0].shape, c->attr, c->scratch);
  kern->avg_pool_dx(c->out.data, c->in[0].data, p.rows, p.cols, &p.s);
}

static void grad(Builder *b, Node *n, Node *g, const bool *needs, Node **dx) {
  if (needs[0]) dx[0] = build_a(b, &op_avg_pool2d, 1, &g, AVG_ATTRS, n->attr);
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)attr, (void)out;
  return pool_bytes(&in[0]);
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)n_in;
  pool_avg_reference(out, in[0], os, &is[0], attr, true);
}

const Op op_avg_pool2d_dx = {
    .name = "avg_pool2d_dx",
    .args = "dy | kernel=2,2 stride=2,2 padding=0,0 ceil_mode=0 count_include_pad=1 divisor_override=0 size=1,1",
    .doc = "dx = sum of dy / window size over the windows that saw the element; size is x's height and width",
    .layout = OP_CHANNELS_LAST, .per_sample = true,
    .shape = shape, .forward = forward, .grad = grad, .scratch = scratch, .reference = reference,
    .cases = (const OpCase[]){
        {"2,3,4,4", "size=8", 0},
        {"2,3,5,4", "kernel=3 stride=2 padding=1 size=9,7", 0},
        {"1,2,4,4", "kernel=3 stride=2 padding=1 ceil_mode=1 count_include_pad=0 size=6", 0},
        {0}},
};
