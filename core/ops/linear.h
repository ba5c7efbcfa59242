/* What the three linear ops share. A linear map is a convolution of 1x1 over one row of pixels, and runs as one: x (rows, in)
 * lies as one image of (1, rows) with its features as channels, w (out, in) as K filters of one tap. */
#ifndef OPS_LINEAR_H
#define OPS_LINEAR_H
#include "conv.h"

extern const Op op_linear, op_linear_dx, op_linear_dw;

/* x or dy: (…, features), as rows. */
static inline int64_t linear_rows(const Shape *s) {
  int64_t rows = 1;
  for (int i = 0; i + 1 < s->rank; i++) rows *= s->dim[i];
  return rows;
}
static inline ConvShape linear_shape(const Shape *x, int64_t out) {
  int rows = (int)linear_rows(x);
  return (ConvShape){.n = 1, .h = 1, .w = rows, .c = (int)x->dim[x->rank - 1], .k = (int)out, .r = 1, .s = 1, .oh = 1, .ow = rows,
                     .stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1, .groups = 1};
}

/* Kernels count rows and features in ints. */
static inline bool linear_sizes_ok(const Shape *x, Err *e) { return want_int_dims(x, e) && want_int(linear_rows(x), "rows", x, e); }

/* x (…, from) of a map with weights w; names say what it is in an error. */
static inline bool linear_fits(const Shape *x, const char *name, const Shape *w, int64_t from, const char *features, Err *e) {
  if (x->rank < 1) return err_set(e, "expects %s of shape (…, %lld), got a scalar", name, (long long)from);
  if (x->dim[x->rank - 1] == from) return linear_sizes_ok(x, e);
  return err_set(e, "expects %lld %s (last dim), got %lld: %s %s, weights %s", (long long)from, features, (long long)x->dim[x->rank - 1],
                 name, SHAPE_STR(x), SHAPE_STR(w));
}
static inline bool linear_weights(const Shape *w, Err *e) {
  return w->rank == 2 ? want_int_dims(w, e) : err_set(e, "expects weights of shape (out_features, in_features), got %s", SHAPE_STR(w));
}

static inline Shape linear_out(const Shape *x, int64_t features) {
  Shape y = *x;
  y.dim[x->rank - 1] = features;
  return y;
}
#endif
