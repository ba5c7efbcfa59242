/* What the batch-norm ops share: x (N, C), (N, C, L) or (N, C, H, W), one number per channel. */
#ifndef OPS_NORM_H
#define OPS_NORM_H
#include "common.h"

extern const Op op_bn_stats, op_bn_train, op_bn_dparam, op_bn_dx, op_bn_eval, op_bn_eval_dparam, op_bn_row, op_bn_ranks;

static inline bool bn_input_ok(const Shape *x, Err *e) {
  return x->rank >= 2 ? want_int(x->dim[1], "channels", x, e) : err_set(e, "expects (N, C), (N, C, L) or (N, C, H, W), got %s", SHAPE_STR(x));
}

/* A vector with one element for each channel of x; optional where it may be absent. */
static inline bool bn_vector_ok(const Shape *in, int n_in, int i, const char *name, const Shape *x, Err *e) {
  if (!given(in, n_in, i) || (in[i].rank == 1 && in[i].dim[0] == x->dim[1])) return true;
  if (in[i].rank == 1)
    return err_set(e, "expects %lld channels (dim 1), got %lld: x %s, %s %s", (long long)in[i].dim[0], (long long)x->dim[1],
                   SHAPE_STR(x), name, SHAPE_STR(&in[i]));
  return want_vector(in, n_in, i, name, x->dim[1], e);
}

/* `rows` values for each channel of x: (rows, C). */
static inline bool bn_rows_ok(const Shape *s, const char *name, int rows, const Shape *x, Err *e) {
  if (s->rank == 2 && s->dim[0] == rows && s->dim[1] == x->dim[1]) return true;
  return err_set(e, "%s must have shape (%d, %lld), got %s", name, rows, (long long)x->dim[1], SHAPE_STR(s));
}

static inline bool bn_eps_ok(double eps, Err *e) { return eps >= 0 || err_set(e, "eps must not be negative, got %g", eps); }

/* Scratch of the ops whose input `i` is x. */
static inline size_t bn_scratch_of(const Shape *x) {
  Span p = channels_of(x);
  return kern->bn_scratch(p.outer, (int)p.len, p.inner);
}

/* The channel of element i of row-major x. */
static inline int64_t bn_channel(const Shape *x, int64_t i) {
  Span p = span_of(x, 1);
  return i / p.inner % p.len;
}
static inline double bn_count(const Shape *x) { return (double)shape_count(x) / (double)(x->dim[1] ? x->dim[1] : 1); }
#endif
