/* Where the largest of each window is. */
#include "pool.h"

static void forward(const Call *c) {
  Pool p = pool_max(&c->in[0].shape, &c->out.shape, c->attr, c->scratch);
  kern->max_pool_index(c->out.data, c->in[0].data, p.rows, p.cols, &p.s);
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)n_in;
  for (int64_t m = 0, at = 0; m < os->dim[0] * os->dim[1]; m++)
    for (int64_t i = 0; i < os->dim[2]; i++)
      for (int64_t j = 0; j < os->dim[3]; j++, at++) {
        double best = -INFINITY;
        for (int64_t k = is->dim[2] * is->dim[3] - 1; k >= 0; k--) { /* from the end: of equals the first stays */
          double v = in[0][m * is->dim[2] * is->dim[3] + k];
          bool sees = pool_sees(k / is->dim[3], i, (int)attr[0], (int)attr[2], (int)attr[4], (int)attr[6]) &&
                      pool_sees(k % is->dim[3], j, (int)attr[1], (int)attr[3], (int)attr[5], (int)attr[7]);
          if (sees && v >= best) best = v, out[at] = (double)k;
        }
      }
}

const Op op_max_pool2d_index = {
    .name = "max_pool2d_index",
    .args = "x | kernel=2,2 stride=2,2 padding=0,0 dilation=1,1 ceil_mode=0",
    .doc = "the place h W + w in x's map of what max_pool2d takes, the first of equals",
    .dtype = DTYPE_I64, .layout = OP_CHANNELS_LAST, .per_sample = true,
    .shape = pool_max_shape, .forward = forward, .scratch = pool_scratch, .reference = reference,
    .cases = (const OpCase[]){
        {"2,3,8,8", "", CASE_NO_GRAD},
        {"2,3,9,7", "kernel=3 stride=2 padding=1", CASE_NO_GRAD},
        {"1,70,6,5", "kernel=3 stride=1 padding=1", CASE_NO_GRAD},
        {"2,3,9,8", "kernel=3,2 stride=2,3 ceil_mode=1", CASE_NO_GRAD},
        {"1,2,11,10", "kernel=3,2 stride=1,2 padding=2,1 dilation=2,3", CASE_NO_GRAD},
        {"2,1,1,1", "kernel=1 stride=1", CASE_NO_GRAD},
        {0}},
};
