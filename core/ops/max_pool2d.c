/* The largest of each window. */
#include "pool.h"

static void forward(const Call *c) {
  Pool p = pool_max(&c->in[0].shape, &c->out.shape, c->attr, c->scratch);
  kern->max_pool(c->out.data, c->in[0].data, p.rows, p.cols, &p.s);
}

static void grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx) {
  if (needs[0]) dx[0] = build_a(b, &op_max_pool2d_dx, 3, (Node *[]){dy, n->in[0], n}, MAX_ATTRS, n->attr);
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)n_in;
  for (int64_t m = 0, at = 0; m < os->dim[0] * os->dim[1]; m++)
    for (int64_t i = 0; i < os->dim[2]; i++)
      for (int64_t j = 0; j < os->dim[3]; j++, at++) {
        out[at] = -INFINITY;
        for (int64_t h = 0; h < is->dim[2]; h++)
          for (int64_t w = 0; w < is->dim[3]; w++) {
            double v = in[0][(m * is->dim[2] + h) * is->dim[3] + w];
            bool sees = pool_sees(h, i, (int)attr[0], (int)attr[2], (int)attr[4], (int)attr[6]) &&
                        pool_sees(w, j, (int)attr[1], (int)attr[3], (int)attr[5], (int)attr[7]);
            if (sees && (v > out[at] || isnan(v))) out[at] = v;
          }
      }
}

const Op op_max_pool2d = {
    .name = "max_pool2d",
    .args = "x | kernel=2,2 stride=2,2 padding=0,0 dilation=1,1 ceil_mode=0",
    .doc = "y[n,c,i,j] = the largest x[n,c, i stride + r dilation - padding, …]; NaN wins; as torch.nn.functional.max_pool2d",
    .layout = OP_CHANNELS_LAST, .per_sample = true,
    .shape = pool_max_shape, .forward = forward, .grad = grad, .scratch = pool_scratch, .reference = reference,
    .cases = (const OpCase[]){
        {"2,3,8,8", "", CASE_KINKS},
        {"2,3,9,7", "kernel=3 stride=2 padding=1", CASE_KINKS},
        {"1,70,6,5", "kernel=3 stride=1 padding=1", CASE_KINKS},
        {"2,3,9,8", "kernel=3,2 stride=2,3 ceil_mode=1", CASE_KINKS},
        {"1,2,11,10", "kernel=3,2 stride=1,2 padding=2,1 dilation=2,3", CASE_KINKS},
        {"1,2,5,5", "kernel=2 stride=2 padding=1 ceil_mode=1", CASE_KINKS},
        {"2,1,1,1", "kernel=1 stride=1", CASE_KINKS},
        {0}},
};
