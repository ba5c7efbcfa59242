/* index_copy: x with the slices of y along dim where index says; of several for one place the last stays. */
#include "rules.h"

extern const Op op_index_copy;

SHAPE_RULE {
  int d = want_dim(attr[0], in[0].rank, e);
  if (d < 0) return false;
  if (in[0].rank == 0 || in[2].rank > 1)
    return err_set(e, "expects x of at least one dim and index of one, got %s and %s", SHAPE_STR(&in[0]), SHAPE_STR(&in[2]));
  Shape like = in[0];
  like.dim[d] = shape_count(&in[2]);
  if (!want_same(&in[1], "y", &like, "the slices that index names", e)) return false;
  *out = in[0];
  return true;
}

KEEPS_SAMPLES { return dim_of(attr[0], in[0].rank) != 0; }

FORWARD {
  Span p = span_of(&c->out.shape, dim_of(c->attr[0], c->out.shape.rank));
  int64_t n = shape_count(&c->in[2].shape);
  if (c->out.data != c->in[0].data) memcpy(c->out.data, c->in[0].data, (size_t)shape_count(&c->out.shape) * sizeof(float));
  for (int64_t o = 0; o < p.outer; o++)
    for (int64_t i = 0; i < n; i++) {
      float at = c->in[2].data[i];
      if (at >= 0 && at < (float)p.len)
        memcpy(c->out.data + (o * p.len + (int64_t)at) * p.inner, c->in[1].data + (o * n + i) * p.inner, (size_t)p.inner * sizeof(float));
    }
}

/* 0, 1, 2, … */
static Node *numbers(Builder *b, int64_t n) {
  Node *x = build_full(b, &(Shape){.rank = 1, .dim = {n}}, 0);
  for (int64_t i = 0; x && i < n; i++) x->value->data[i] = (float)i;
  return x;
}

/* Slices of y that another took the place of have none. */
GRAD {
  const Shape *x = &n->in[0]->shape, *y = &n->in[1]->shape;
  int d = dim_of(n->attr[0], x->rank);
  Node *index = n->in[2];
  if (needs[0]) dx[0] = build_without(b, n, dy, 3, 1);
  if (!needs[1]) return;
  Node *own = numbers(b, y->dim[d]), *none = build_full(b, &(Shape){.rank = 1, .dim = {x->dim[d]}}, 0);
  Node *there = build_a(b, &op_index_copy, 3, (Node *[]){none, own, index}, 1, (double[]){0});
  Node *stays = build2(b, &op_eq, build_a(b, &op_index_select, 2, (Node *[]){there, index}, 1, (double[]){0}), own);
  Shape along = {.rank = x->rank};
  for (int k = 0; k < x->rank; k++) along.dim[k] = k == d ? y->dim[d] : 1;
  Node *g = build_a(b, &op_index_select, 2, (Node *[]){dy, index}, 1, n->attr);
  dx[1] = build_where(b, build_shape(b, &op_reshape, stays, &along), g, build_scalar(b, 0));
}

REFERENCE {
  int d = dim_of(attr[0], out_shape->rank);
  for (int64_t i = 0, count = shape_count(out_shape); i < count; i++) out[i] = in[0][i];
  for (int64_t i = 0, count = shape_count(&in_shape[1]); i < count; i++) {
    int64_t index[MAX_RANK];
    index_of(&in_shape[1], i, index);
    index[d] = (int64_t)in[2][index[d]];
    out[flat_of(out_shape, index)] = in[1][i];
  }
}

CASES = {
  {"5 3 3", "", CASE_INDEX_LAST}, {"4,3 6,3 6", "", CASE_INDEX_LAST}, {"4,3 4,5 5", "dim=1", CASE_INDEX_LAST},
  {"2,3,4,5 2,4,4,5 4", "dim=1", CASE_INDEX_LAST}, {"2,3,4,5 2,3,4,2 2", "dim=-1", CASE_INDEX_LAST}, {"5,2 1,2 .", "", CASE_INDEX_LAST},
  {0},
};

const Op op_index_copy = {
  .name = "index_copy",
  .args = "x y index | dim=0",
  .doc = "x with y[0], y[1], … in the place of x[index[0]], x[index[1]], … along dim; the last of several stays",
  .layout = OP_ROW_MAJOR,
  .in_place = 1,
  .keeps_samples = keeps_samples,
  .shape = shape,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
