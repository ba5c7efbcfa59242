/* The mean of windows that cut the input into as many places as wanted. */
#include "pool.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)n_in;
  if (!pool_input_ok(&in[0], e) || !want_whole(attr, 0, 2, 1, "output size", e)) return false;
  if (in[0].dim[2] < 1 || in[0].dim[3] < 1) return err_set(e, "expects maps that are not empty, got %s", SHAPE_STR(&in[0]));
  *out = shape_of(4, (int64_t[]){in[0].dim[0], in[0].dim[1], (int64_t)attr[0], (int64_t)attr[1]});
  return true;
}

static void forward(const Call *c) {
  Pool p = pool_adaptive(&c->in[0].shape, &c->out.shape, c->scratch);
  kern->avg_pool(c->out.data, c->in[0].data, p.rows, p.cols, &p.s);
}

static void grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx) {
  const int64_t *d = n->in[0]->shape.dim;
  if (needs[0]) dx[0] = build_a(b, &op_adaptive_avg_pool2d_dx, 1, &dy, 2, (double[]){(double)d[2], (double)d[3]});
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)n_in, (void)attr;
  pool_avg_reference(out, in[0], &is[0], os, NULL, false);
}

const Op op_adaptive_avg_pool2d = {
    .name = "adaptive_avg_pool2d",
    .args = "x | size=1,1",
    .doc = "y[n,c,i,j] = mean of x[n,c, floor(i H / size) … ceil((i + 1) H / size) - 1, …]; as "
           "torch.nn.functional.adaptive_avg_pool2d",
    .layout = OP_CHANNELS_LAST, .per_sample = true,
    .shape = shape, .forward = forward, .grad = grad, .scratch = pool_scratch, .reference = reference,
    .cases = (const OpCase[]){
        {"2,3,7,7", "", 0},
        {"1,70,8,5", "", 0},
        {"2,3,7,5", "size=3,2", 0},
        {"1,2,3,2", "size=5,7", 0},
        {"1,2,10,10", "size=7", 0},
        {"2,1,1,1", "", 0},
        {"2,1030,3,2", "", CASE_NO_GRAD},
        {0}},
};
