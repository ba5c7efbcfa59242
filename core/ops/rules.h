/* What the general tensor ops share: heads of their functions, shape rules, references. */
#ifndef OPS_RULES_H
#define OPS_RULES_H
#include "common.h"
#include "walk.h"

extern const Op op_add, op_sub, op_mul, op_div, op_pow, op_eq, op_gt, op_ge, op_lt, op_le, op_neg, op_exp, op_log, op_sign, op_sin, op_cos,
  op_sigmoid, op_tanh, op_where, op_sum, op_mean, op_prod, op_reshape, op_permute, op_expand, op_slice, op_slice_dx, op_pad, op_concat,
  op_index_select, op_index_add, op_flip, op_roll, op_matmul, op_layout, op_relu_dx, op_sigmoid_dx, op_tanh_dx, op_silu_dx, op_gelu_dx,
  op_hardswish_dx;

#define UNUSED __attribute__((unused))
#define SHAPE_RULE static bool shape(const Shape *in UNUSED, int n_in UNUSED, const double *attr UNUSED, Shape *out, Err *e UNUSED)
#define FORWARD static void forward(const Call *c)
#define GRAD static void grad(Builder *b UNUSED, Node *n UNUSED, Node *dy UNUSED, const bool *needs UNUSED, Node **dx)
#define NARROW static Node *narrow(Narrowing *w, Node *n)
#define KEEPS_SAMPLES static bool keeps_samples(const Shape *in UNUSED, int n_in UNUSED, const double *attr UNUSED)
#define REFERENCE \
  static void reference(const double *const *in UNUSED, const Shape *in_shape UNUSED, int n_in UNUSED, const double *attr UNUSED, double *out, \
                        const Shape *out_shape)
#define CASES static const OpCase cases[]

/* --- shape rules --- */

static inline bool shape_same(const Shape *in, int n_in UNUSED, const double *attr UNUSED, Shape *out, Err *e UNUSED) {
  *out = in[0];
  return true;
}
static inline bool shape_broadcast(const Shape *in, int n_in, const double *attr UNUSED, Shape *out, Err *e) {
  *out = in[0];
  for (int i = 1; i < n_in; i++)
    if (!broadcast_shape(out, &in[i], out, e)) return false;
  return true;
}
static inline int dim_of(double dim, int rank) { return (int)(dim < 0 ? dim + rank : dim); } /* after the rule has passed */
/* How many of a list attribute's 8 places are used. */
static inline int list_length(const double *list) {
  int n = 0;
  while (n < MAX_IN && list[n] != ATTR_END) n++;
  return n;
}

/* --- forward functions --- */

static inline void activate(const Call *c, Activation act) {
  kern->activate(c->out.data, c->in[0].data, shape_count(&c->out.shape), act, c->attr);
}

/* --- gradients: a op number, and the like --- */

static inline Node *build_by(Builder *b, Node *x, double factor) { return build2(b, &op_mul, x, build_scalar(b, factor)); }
static inline Node *build_where(Builder *b, Node *cond, Node *x, Node *y) { return build(b, &op_where, NULL, 3, (Node *[]){cond, x, y}); }
/* A list attribute of a shape's dims. */
static inline Node *build_shape(Builder *b, const Op *op, Node *x, const Shape *s) {
  double attr[MAX_IN];
  for (int d = 0; d < MAX_IN; d++) attr[d] = d < s->rank ? (double)s->dim[d] : ATTR_END;
  return build_a(b, op, 1, &x, MAX_IN, attr);
}

/* --- parts --- */

/* Of an element-wise op: the same part of each input along the dim that meets it, all of an input that is stretched there. */
static inline Node *narrow_elementwise(Narrowing *w, Node *n) {
  int dim[MAX_IN];
  for (int k = 0; k < n->n_in; k++) {
    int d = n->in[k] ? w->part.dim - n->shape.rank + n->in[k]->shape.rank : -1;
    dim[k] = d >= 0 && n->in[k]->shape.dim[d] > 1 ? d : -1;
  }
  return narrow_op(w, n, dim);
}

/* --- references --- */

/* Input `part` goes to the places of the output that a slice of it (dim, start, step of the attributes) is. */
static inline void put_slice(const Call *c, int part) {
  const Shape *s = &c->in[part].shape;
  int d = dim_of(c->attr[0], s->rank);
  int64_t step[2][MAX_RANK];
  shape_strides(&c->out.shape, c->out.layout, step[0]);
  shape_strides(s, c->in[part].layout, step[1]);
  float *to = c->out.data + (int64_t)c->attr[1] * step[0][d];
  step[0][d] *= (int64_t)c->attr[2];
  Walk w;
  walk_make(&w, s, 2, step);
  if (w.count > 0) kern->copy(to, c->in[part].data, &w);
}

/* dy where another took the place of x: the same op with zeros for what was put there. */
static inline Node *build_without(Builder *b, Node *n, Node *dy, int n_in, int n_attr) {
  Node *in[MAX_IN] = {dy, build_shape(b, &op_expand, build_scalar(b, 0), &n->in[1]->shape)};
  for (int i = 2; i < n_in; i++) in[i] = n->in[i];
  return build_a(b, n->op, n_in, in, n_attr, n->attr);
}

/* The place in an array of shape `s`, stretched to `to`, of the element at `flat` of `to`, both row-major. */
static inline int64_t stretched_at(const Shape *s, const Shape *to, int64_t flat) {
  int64_t at = 0, step = 1;
  for (int d = to->rank - 1, k = s->rank - 1; k >= 0; d--, k--) {
    if (s->dim[k] != 1) at += flat % to->dim[d] * step;
    flat /= to->dim[d];
    step *= s->dim[k];
  }
  return at;
}
/* The index along each dim of the element at `flat`, and back. */
static inline void index_of(const Shape *s, int64_t flat, int64_t *index) {
  for (int d = s->rank - 1; d >= 0; d--) index[d] = flat % s->dim[d], flat /= s->dim[d];
}
static inline int64_t flat_of(const Shape *s, const int64_t *index) {
  int64_t flat = 0;
  for (int d = 0; d < s->rank; d++) flat = flat * s->dim[d] + index[d];
  return flat;
}
/* A reference of one input (x) or of two that broadcast (x and y), as an expression. */
#define REFERENCE_OF_X(expr) \
  REFERENCE { \
    for (int64_t i = 0, count = shape_count(out_shape); i < count; i++) { \
      double x = in[0][i]; \
      out[i] = (expr); \
    } \
  }
#define REFERENCE_OF_XY(expr) \
  REFERENCE { \
    for (int64_t i = 0, count = shape_count(out_shape); i < count; i++) { \
      double x = in[0][stretched_at(&in_shape[0], out_shape, i)], y = in[1][stretched_at(&in_shape[1], out_shape, i)]; \
      out[i] = (expr); \
    } \
  }
#endif
