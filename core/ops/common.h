/* What shape rules and references share. */
#ifndef OPS_COMMON_H
#define OPS_COMMON_H
#include <math.h>
#include <string.h>
#include "graph.h"
#include "kernels/kernels.h"

static inline bool given(const Shape *in, int n_in, int i) { return i < n_in && in[i].rank >= 0; }

/* One of the op's inputs, or an empty view when it is absent. */
static inline const float *data_or_null(const Call *c, int i) { return i < c->n_in ? c->in[i].data : NULL; }

/* Inputs of a node as gradient rules pass them on. */
static inline Node *input_or_null(const Node *n, int i) { return i < n->n_in ? n->in[i] : NULL; }

/* Optional vector of `count` elements. */
static inline bool want_vector(const Shape *in, int n_in, int i, const char *name, int64_t count, Err *e) {
  if (!given(in, n_in, i) || (in[i].rank == 1 && in[i].dim[0] == count)) return true;
  return err_set(e, "%s must have shape (%lld), got %s", name, (long long)count, SHAPE_STR(&in[i]));
}

static inline bool want_same(const Shape *a, const char *a_name, const Shape *b, const char *b_name, Err *e) {
  if (shape_equal(a, b)) return true;
  return err_set(e, "%s and %s must have the same shape, got %s and %s", a_name, b_name, SHAPE_STR(a), SHAPE_STR(b));
}

/* attr[first … first+n) are whole numbers of at least `least` that an int holds. */
static inline bool want_whole(const double *attr, int first, int n, double least, const char *name, Err *e) {
  for (int i = first; i < first + n; i++)
    if (!(attr[i] >= least && attr[i] <= INT32_MAX && attr[i] == floor(attr[i])))
      return err_set(e, "%s must be a whole number from %g to %d, got %.17g", name, least, INT32_MAX, attr[i]);
  return true;
}

/* For kernels that count a dim in an int. */
static inline bool want_int(int64_t size, const char *name, const Shape *of, Err *e) {
  return size <= INT32_MAX || err_set(e, "%s of %lld are more than an operation takes (%d), got shape %s", name, (long long)size, INT32_MAX, SHAPE_STR(of));
}
static inline bool want_int_dims(const Shape *s, Err *e) {
  for (int i = 0; i < s->rank; i++)
    if (!want_int(s->dim[i], "a size", s, e)) return false;
  return true;
}

/* A number of multiply-adds, a product of sizes, which need not fit into a count. */
static inline int64_t as_macs(double product) { return product < (double)COUNT_MAX ? (int64_t)product : COUNT_MAX; }

/* The place of a dim counted from the front; -1 with e filled when the rank has no such dim. */
static inline int want_dim(double dim, int rank, Err *e) {
  int n = rank ? rank : 1;
  if (dim == floor(dim) && dim >= -n && dim < n) return (int)(dim < 0 ? dim + n : dim);
  err_set(e, "dim %g is out of range: a tensor of rank %d takes %d to %d", dim, rank, -n, n - 1);
  return -1;
}

/* Elements before, along and after a dim in row-major order. */
typedef struct Span { int64_t outer, len, inner; } Span;
static inline Span span_of(const Shape *s, int dim) {
  Span p = {1, s->rank ? s->dim[dim] : 1, 1};
  for (int i = 0; i < s->rank; i++)
    if (i != dim) *(i < dim ? &p.outer : &p.inner) *= s->dim[i];
  return p;
}

/* The same around the channels (dim 1) as kernels meet them: rank 4 lies channels-last. */
static inline Span channels_of(const Shape *s) {
  Span p = span_of(s, 1);
  if (s->rank == 4) p.outer *= p.inner, p.inner = 1;
  return p;
}

/* The whole of a list of reductions, as in PyTorch. */
enum { REDUCE_NONE, REDUCE_MEAN, REDUCE_SUM };
static inline bool want_reduction(double r, Err *e) {
  if (r == REDUCE_NONE || r == REDUCE_MEAN || r == REDUCE_SUM) return true;
  return err_set(e, "reduction must be 0 (none), 1 (mean) or 2 (sum), got %g", r);
}
#endif
