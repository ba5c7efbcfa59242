/* permute: y's dim i is x's dim dims[i]. */
#include "rules.h"

SHAPE_RULE {
  int rank = in[0].rank, got = list_length(attr);
  bool seen[MAX_RANK] = {0};
  Shape s = {.rank = rank};
  if (got != rank) return err_set(e, "expects %d dims for a tensor of shape %s, got %d", rank, SHAPE_STR(&in[0]), got);
  for (int i = 0; i < rank; i++) {
    int d = want_dim(attr[i], rank, e);
    if (d < 0) return false;
    if (seen[d]) return err_set(e, "dim %d is named twice; each dim of %s must be named once", d, SHAPE_STR(&in[0]));
    seen[d] = true;
    s.dim[i] = in[0].dim[d];
  }
  *out = s;
  return true;
}

KEEPS_SAMPLES { return in[0].rank > 0 && dim_of(attr[0], in[0].rank) == 0; }

static int64_t alias(const Shape *in, Layout from, const double *attr, const Shape *out, Layout to) {
  int64_t own[MAX_RANK], step[MAX_RANK];
  shape_strides(in, from, own);
  shape_strides(out, to, step);
  for (int i = 0; i < out->rank; i++)
    if (out->dim[i] > 1 && step[i] != own[dim_of(attr[i], out->rank)]) return -1;
  return 0;
}

FORWARD {
  const Shape *s = &c->out.shape;
  int64_t own[MAX_RANK], step[2][MAX_RANK];
  shape_strides(&c->in[0].shape, c->in[0].layout, own);
  shape_strides(s, c->out.layout, step[0]);
  for (int i = 0; i < s->rank; i++) step[1][i] = own[dim_of(c->attr[i], s->rank)];
  Walk w;
  walk_make(&w, s, 2, step);
  kern->copy(c->out.data, c->in[0].data, &w);
}

GRAD {
  double back[MAX_IN];
  for (int i = 0; i < MAX_IN; i++) back[i] = ATTR_END;
  for (int i = 0; i < n->shape.rank; i++) back[dim_of(n->attr[i], n->shape.rank)] = i;
  dx[0] = build_a(b, &op_permute, 1, &dy, MAX_IN, back);
}

NARROW {
  int d = dim_of(n->attr[w->part.dim], n->shape.rank);
  return narrow_op(w, n, &d);
}

REFERENCE {
  for (int64_t i = 0, count = shape_count(out_shape); i < count; i++) {
    int64_t to[MAX_RANK], from[MAX_RANK];
    index_of(out_shape, i, to);
    for (int d = 0; d < out_shape->rank; d++) from[dim_of(attr[d], out_shape->rank)] = to[d];
    out[i] = in[0][flat_of(in_shape, from)];
  }
}

CASES = {
  {"3,4", "dims=1,0", 0}, {"2,3,4", "dims=2,0,1", 0}, {"2,3,4,5", "dims=0,2,3,1", 0}, {"2,3,4,5", "dims=3,1,0,2", 0},
  {"2,19,5,7", "dims=0,-1,1,2", 0}, {"2,3,4,5,2", "dims=4,2,3,1,0", 0}, {"5", "dims=0", 0}, {".", "dims=", 0}, {"37,41", "dims=1,0", 0},
  {"2,3,4,2,2,2", "dims=0,1,3,2,5,4", 0}, {"2,130,7,70", "dims=1,3,0,2", CASE_NO_GRAD},
  {0},
};

const Op op_permute = {
  .name = "permute",
  .args = "x | dims=*",
  .doc = "y's dim i is x's dim dims[i]",
  .layout = OP_ANY,
  .keeps_samples = keeps_samples,
  .shape = shape,
  .forward = forward,
  .grad = grad,
  .narrow = narrow,
  .reference = reference,
  .alias = alias,
  .cases = cases,
};
