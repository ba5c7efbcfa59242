/* flip: the order along the given dims turned round. */
#include "rules.h"

SHAPE_RULE {
  for (int i = 0, n = list_length(attr); i < n; i++)
    if (want_dim(attr[i], in[0].rank, e) < 0) return false;
  *out = in[0];
  return true;
}

static bool flips(const double *attr, int rank, int d) {
  for (int i = 0, n = list_length(attr); i < n; i++)
    if (dim_of(attr[i], rank) == d) return true;
  return false;
}

KEEPS_SAMPLES { return !flips(attr, in[0].rank, 0); }

FORWARD {
  const Shape *s = &c->in[0].shape;
  int64_t step[2][MAX_RANK];
  const float *from = c->in[0].data;
  shape_strides(s, c->out.layout, step[0]);
  shape_strides(s, c->in[0].layout, step[1]);
  for (int d = 0; d < s->rank; d++)
    if (flips(c->attr, s->rank, d)) from += (s->dim[d] - 1) * step[1][d], step[1][d] = -step[1][d];
  Walk w;
  walk_make(&w, s, 2, step);
  if (w.count) kern->copy(c->out.data, from, &w);
}

GRAD { dx[0] = build_a(b, &op_flip, 1, &dy, MAX_IN, n->attr); }

REFERENCE {
  for (int64_t i = 0, count = shape_count(out_shape); i < count; i++) {
    int64_t index[MAX_RANK];
    index_of(out_shape, i, index);
    for (int d = 0; d < out_shape->rank; d++)
      if (flips(attr, out_shape->rank, d)) index[d] = out_shape->dim[d] - 1 - index[d];
    out[i] = in[0][flat_of(in_shape, index)];
  }
}

CASES = {
  {"5", "dims=0", 0}, {"3,4", "dims=1", 0}, {"3,4", "dims=0,-1", 0}, {"2,3,4,5", "dims=3", 0}, {"2,3,4,5", "dims=1,2", 0}, {"2,3,4,5", "dims=0,1,2,3", 0},
  {0},
};

const Op op_flip = {
  .name = "flip",
  .args = "x | dims=*",
  .doc = "y = x with the order along dims turned round",
  .layout = OP_ANY,
  .keeps_samples = keeps_samples,
  .shape = shape,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
