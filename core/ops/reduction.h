/* What the reductions share: attributes dims=* (none named: all of them), …, keepdim, the place `keep` in attr. */
#ifndef OPS_REDUCTION_H
#define OPS_REDUCTION_H
#include "rules.h"

enum { KEEP = MAX_IN }; /* where keepdim stands right behind dims */

static inline bool reduces(const double *attr, int rank, int d) {
  int n = list_length(attr);
  for (int i = 0; i < n; i++)
    if (dim_of(attr[i], rank) == d) return true;
  return n == 0;
}

static inline Shape reduced_shape(const Shape *in, const double *attr, bool keepdim) {
  Shape s = {.rank = 0};
  for (int d = 0; d < in->rank; d++) {
    bool gone = reduces(attr, in->rank, d);
    if (!gone || keepdim) s.dim[s.rank++] = gone ? 1 : in->dim[d];
  }
  return s;
}

static inline bool want_dims(const Shape *in, const double *attr, Err *e) {
  bool seen[MAX_RANK] = {0};
  for (int i = 0, n = list_length(attr); i < n; i++) {
    int d = want_dim(attr[i], in->rank, e);
    if (d < 0) return false;
    if (seen[d]) return err_set(e, "dim %d is named twice", d);
    seen[d] = true;
  }
  return true;
}

static inline bool shape_reduced(const Shape *in, int n_in UNUSED, const double *attr, Shape *out, Err *e) {
  if (!want_dims(in, attr, e)) return false;
  *out = reduced_shape(in, attr, attr[KEEP] != 0);
  return true;
}

/* For those that have no value over nothing. */
static inline bool shape_reduced_some(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  if (!shape_reduced(in, n_in, attr, out, e)) return false;
  for (int d = 0; d < in->rank; d++)
    if (in->dim[d] == 0 && reduces(attr, in->rank, d)) return err_set(e, "dim %d of %s is empty: there is nothing to choose from", d, SHAPE_STR(in));
  return true;
}

static inline bool keeps_samples_reduced(const Shape *in, int n_in UNUSED, const double *attr) {
  return in[0].rank > 0 && !reduces(attr, in[0].rank, 0);
}

static inline int64_t reduced_count(const Shape *in, const double *attr) {
  int64_t n = 1;
  for (int d = 0; d < in->rank; d++)
    if (reduces(attr, in->rank, d)) n *= in->dim[d];
  return n;
}

/* The walks of a call: the output has x's dims without those that go, or with ones in their place. */
static inline Reduce reduce_call(const Call *c) {
  const Shape *s = &c->in[0].shape;
  int64_t own[MAX_RANK], to[MAX_RANK], keep[WALK_MAX][MAX_RANK], over[WALK_MAX][MAX_RANK];
  Shape kept = {.rank = 0}, gone = {.rank = 0};
  shape_strides(s, c->in[0].layout, own);
  shape_strides(&c->out.shape, c->out.layout, to);
  for (int d = 0, o = 0; d < s->rank; d++) {
    if (reduces(c->attr, s->rank, d)) {
      over[0][gone.rank] = own[d], gone.dim[gone.rank++] = s->dim[d];
      o += c->out.shape.rank == s->rank;
    } else {
      keep[0][kept.rank] = own[d], keep[1][kept.rank] = to[o++], kept.dim[kept.rank++] = s->dim[d];
    }
  }
  Reduce r;
  walk_make(&r.keep, &kept, 2, keep);
  walk_make(&r.over, &gone, 1, over);
  return r;
}

/* A value of n's shape, or one made like it, with ones in place of the dims that went, so that it broadcasts to x. */
static inline Node *build_kept(Builder *b, const Node *n, Node *value) {
  Shape s = reduced_shape(&n->in[0]->shape, n->attr, true);
  return !value || shape_equal(&value->shape, &s) ? value : build_shape(b, &op_reshape, value, &s);
}

/* Gradients of an extreme n: dy shared evenly among equals; or all of it to the first of them, along the one dim that is named. */
static inline Node *build_to_equals(Builder *b, const Node *n, Node *dy) {
  Node *won = build2(b, &op_eq, n->in[0], build_kept(b, n, (Node *)n));
  double attr[KEEP + 1];
  memcpy(attr, n->attr, sizeof attr);
  attr[KEEP] = 1;
  Node *winners = build_a(b, &op_sum, 1, &won, KEEP + 1, attr);
  return build2(b, &op_mul, won, build2(b, &op_div, build_kept(b, n, dy), winners));
}

static inline Node *build_to_first(Builder *b, const Node *n, Node *dy, const Op *arg) {
  Node *x = n->in[0];
  if (list_length(n->attr) != 1) return build_to_equals(b, n, dy);
  double attr[KEEP + 1];
  memcpy(attr, n->attr, sizeof attr);
  attr[KEEP] = 1;
  Shape s = {.rank = x->shape.rank};
  int d = dim_of(n->attr[0], s.rank);
  for (int i = 0; i < s.rank; i++) s.dim[i] = i == d ? x->shape.dim[i] : 1;
  Node *places = build_full(b, &s, 0);
  for (int64_t i = 0; places && i < s.dim[d]; i++) places->value->data[i] = (float)i;
  Node *won = build2(b, &op_eq, places, build_a(b, arg, 1, &x, KEEP + 1, attr));
  return build2(b, &op_mul, won, build_kept(b, n, dy));
}

/* For references: the place in the output (of any keepdim) of x's element at `flat`. */
static inline int64_t reduced_at(const Shape *in, const double *attr, int64_t flat) {
  int64_t index[MAX_RANK], at = 0;
  index_of(in, flat, index);
  for (int d = 0; d < in->rank; d++)
    if (!reduces(attr, in->rank, d)) at = at * in->dim[d] + index[d];
  return at;
}

/* Cases of a reduction whose dims no special flag asks for. */
#define REDUCTION_CASES(flags) \
  {"5", "", flags}, {".", "", flags}, {"3,4", "dims=0", flags}, {"3,4", "dims=-1 keepdim=1", flags}, {"2,3,5,7", "dims=2,3", flags}, \
  {"2,3,5,7", "dims=2,3 keepdim=1", flags}, {"2,3,5,7", "dims=1", flags}, {"2,3,5,7", "dims=0,2,3", flags}, \
  {"2,3,5,7", "dims=0 keepdim=1", flags}, {"2,3,5,7", "dims=3", flags}, {"2,3,5,7", "dims=0,1,2,3 keepdim=1", flags}, \
  {"2,37,3,3", "", flags}, {"2,3,4,2,3", "dims=1,3", flags}, {"3,1,4", "dims=1", flags}, {"2,140,2,3", "dims=2", flags}

#endif
