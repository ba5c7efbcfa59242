/* What the layer-norm ops share. Attributes of all are "dims=1 eps=1e-5": the last `dims` dims of x are normalised together. */
#ifndef OPS_LAYER_NORM_H
#define OPS_LAYER_NORM_H
#include "common.h"

enum { DIMS, EPS };

/* x as rows of the elements normalised together: inner is how many, outer how often. */
static inline Span layer_norm_rows(const Shape *x, const double *attr) {
  Span p = {1, 1, 1};
  for (int i = 0; i < x->rank; i++) *(i < x->rank - (int)attr[DIMS] ? &p.outer : &p.inner) *= x->dim[i];
  return p;
}

/* The shape of weight and bias. */
static inline Shape layer_norm_shape(const Shape *x, const double *attr) {
  int dims = (int)attr[DIMS];
  return shape_of(dims, x->dim + x->rank - dims);
}

static inline bool layer_norm_fits(const Shape *x, const double *attr, Err *e) {
  if (!want_whole(attr, DIMS, 1, 1, "dims", e)) return false;
  if (x->rank < attr[DIMS]) return err_set(e, "expects at least %g dims, got %s", attr[DIMS], SHAPE_STR(x));
  return attr[EPS] >= 0 || err_set(e, "eps must not be negative, got %g", attr[EPS]);
}
static inline bool layer_norm_param(const Shape *in, int n_in, int i, const char *name, const Shape *x, const double *attr, Err *e) {
  Shape want = layer_norm_shape(x, attr);
  if (!given(in, n_in, i) || shape_equal(&in[i], &want)) return true;
  return err_set(e, "%s must have shape %s, the last of x %s, got %s", name, SHAPE_STR(&want), SHAPE_STR(x), SHAPE_STR(&in[i]));
}
static inline bool layer_norm_keeps_samples(const Shape *in, int n_in, const double *attr) {
  (void)n_in;
  return in[0].rank > attr[DIMS];
}

static inline size_t layer_norm_grad_scratch(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)out;
  Span p = layer_norm_rows(&in[1], attr);
  return kern->layer_norm_scratch(p.outer, p.inner);
}

/* For references: mean and 1 / sqrt(var + eps) of a row. */
static inline void layer_norm_moments(const double *x, int64_t n, double eps, double *mean, double *scale) {
  double square = 0;
  *mean = 0;
  for (int64_t j = 0; j < n; j++) *mean += x[j] / (double)n;
  for (int64_t j = 0; j < n; j++) square += (x[j] - *mean) * (x[j] - *mean);
  *scale = 1 / sqrt(square / (double)n + eps);
}
#endif
