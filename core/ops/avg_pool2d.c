/* The mean of each window. */
#include "pool.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)n_in;
  return pool_out(&in[0], attr, NULL, attr[AVG_CEIL] != 0, out, e);
}

static void forward(const Call *c) {
  Pool p = pool_avg(&c->in[0].shape, &c->out.shape, c->attr, c->scratch);
  kern->avg_pool(c->out.data, c->in[0].data, p.rows, p.cols, &p.s);
}

static void grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx) {
  if (!needs[0]) return;
  double attr[AVG_ATTRS + 2];
  memcpy(attr, n->attr, AVG_ATTRS * sizeof *attr);
  attr[AVG_ATTRS] = (double)n->in[0]->shape.dim[2], attr[AVG_ATTRS + 1] = (double)n->in[0]->shape.dim[3];
  dx[0] = build_a(b, &op_avg_pool2d_dx, 1, &dy, AVG_ATTRS + 2, attr);
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)n_in;
  pool_avg_reference(out, in[0], &is[0], os, attr, false);
}

const Op op_avg_pool2d = {
    .name = "avg_pool2d",
    .args = "x | kernel=2,2 stride=2,2 padding=0,0 ceil_mode=0 count_include_pad=1 divisor_override=0",
    .doc = "y[n,c,i,j] = mean of x[n,c, i stride + r - padding, …], zeros of the padding counted unless count_include_pad=0; "
           "divisor_override, if not 0, is divided by instead; as torch.nn.functional.avg_pool2d",
    .layout = OP_CHANNELS_LAST, .per_sample = true,
    .shape = shape, .forward = forward, .grad = grad, .scratch = pool_scratch, .reference = reference,
    .cases = (const OpCase[]){
        {"2,3,8,8", "", 0},
        {"2,3,9,7", "kernel=3 stride=2 padding=1", 0},
        {"1,70,6,5", "kernel=3 stride=1 padding=1 count_include_pad=0", 0},
        {"2,3,9,8", "kernel=3,2 stride=2,3 ceil_mode=1", 0},
        {"1,2,6,6", "kernel=3 stride=2 padding=1 ceil_mode=1", 0},
        {"1,2,6,6", "kernel=3 stride=2 padding=1 ceil_mode=1 count_include_pad=0", 0},
        {"1,2,5,5", "kernel=2 stride=2 divisor_override=3", 0},
        {"2,1,1,1", "kernel=1 stride=1", 0},
        {0}},
};
