/* Gradient of max_pool2d: each window's goes to the first element that was its largest. */
#include "pool.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)n_in;
  Shape y;
  if (!pool_out(&in[1], attr, attr + MAX_DILATION, attr[MAX_CEIL] != 0, &y, e)) return false;
  *out = in[1];
  return want_same(&in[0], "dy", &y, "max_pool2d(x)", e) && want_same(&in[2], "y", &y, "max_pool2d(x)", e);
}

static void forward(const Call *c) {
  Pool p = pool_max(&c->in[1].shape, &c->in[0].shape, c->attr, c->scratch);
  kern->max_pool_dx(c->out.data, c->in[0].data, c->in[1].data, c->in[2].data, p.rows, p.cols, &p.s);
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)attr, (void)out;
  return pool_bytes(&in[0]);
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)n_in;
  const Shape *y = &is[0];
  memset(out, 0, (size_t)shape_count(os) * sizeof *out);
  for (int64_t m = 0, at = 0; m < y->dim[0] * y->dim[1]; m++)
    for (int64_t i = 0; i < y->dim[2]; i++)
      for (int64_t j = 0; j < y->dim[3]; j++, at++)
        for (int64_t k = 0, found = 0; k < os->dim[2] * os->dim[3] && !found; k++) {
          found = pool_sees(k / os->dim[3], i, (int)attr[0], (int)attr[2], (int)attr[4], (int)attr[6]) &&
                  pool_sees(k % os->dim[3], j, (int)attr[1], (int)attr[3], (int)attr[5], (int)attr[7]) &&
                  in[1][m * os->dim[2] * os->dim[3] + k] == in[2][at];
          if (found) out[m * os->dim[2] * os->dim[3] + k] += in[0][at];
        }
}

const Op op_max_pool2d_dx = {
    .name = "max_pool2d_dx",
    .args = "dy x y | kernel=2,2 stride=2,2 padding=0,0 dilation=1,1 ceil_mode=0",
    .doc = "dx = sum of the dy of windows whose largest element, the first of equals, this is; y = max_pool2d(x)",
    .layout = OP_CHANNELS_LAST, .per_sample = true,
    .shape = shape, .forward = forward, .scratch = scratch, .reference = reference,
    .cases = (const OpCase[]){ /* with unrelated y nothing matches: max_pool2d's cases check the rest */
        {"2,3,4,4 2,3,8,8 2,3,4,4", "", CASE_NO_GRAD},
        {0}},
};
