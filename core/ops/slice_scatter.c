/* slice_scatter: x with y in the place of one of its slices, as torch.slice_scatter: what a write into a part makes of
 * the whole. */
#include "rules.h"

SHAPE_RULE {
  int d = want_dim(attr[0], in[0].rank, e);
  if (d < 0) return false;
  if (in[0].rank == 0) return err_set(e, "a scalar has no dim to slice");
  Shape like = in[0];
  if (in[1].rank == in[0].rank) like.dim[d] = in[1].dim[d];
  if (!want_same(&in[1], "y", &like, "the slice of x", e)) return false;
  if (attr[1] < 0 || attr[2] < 1 || attr[1] + (double)(like.dim[d] - 1) * attr[2] >= (double)in[0].dim[d])
    if (like.dim[d] > 0)
      return err_set(e, "%lld places from %g on in steps of %g do not fit into %s", (long long)like.dim[d], attr[1],
                     attr[2], SHAPE_STR(&in[0]));
  *out = in[0];
  return true;
}

KEEPS_SAMPLES { return dim_of(attr[0], in[0].rank) != 0; }

FORWARD {
  if (c->out.data != c->in[0].data)
    layout_copy(c->out.data, c->out.layout, c->in[0].data, c->in[0].layout, &c->out.shape);
  put_slice(c, 1);
}

GRAD {
  const Shape *s = &n->in[1]->shape;
  double at = n->attr[1], step = n->attr[2], stop = at + (double)s->dim[dim_of(n->attr[0], s->rank)] * step;
  if (needs[0]) dx[0] = build_without(b, n, dy, 2, 3);
  if (needs[1]) dx[1] = build_a(b, &op_slice, 1, &dy, 4, (double[]){n->attr[0], at, stop, step});
}

REFERENCE {
  int d = dim_of(attr[0], out_shape->rank);
  for (int64_t i = 0, count = shape_count(out_shape); i < count; i++) out[i] = in[0][i];
  for (int64_t i = 0, count = shape_count(&in_shape[1]); i < count; i++) {
    int64_t index[MAX_RANK];
    index_of(&in_shape[1], i, index);
    index[d] = (int64_t)attr[1] + index[d] * (int64_t)attr[2];
    out[flat_of(out_shape, index)] = in[1][i];
  }
}

CASES = {
  {"7 2", "start=2", 0}, {"5,4 3,4", "dim=0 step=2", 0}, {"5,4 5,1", "dim=-1 start=3", 0},
  {"2,6,3,5 2,3,3,5", "dim=1 start=1 step=2", 0}, {"2,6,3,5 2,6,2,5", "dim=2 start=1", 0}, {"2,3,4 2,3,4", "dim=2", 0}, {"3,4 0,4", "dim=0 start=3", 0},
  {0},
};

const Op op_slice_scatter = {
  .name = "slice_scatter",
  .args = "x y | dim=0 start=0 step=1",
  .doc = "x with y in the place of x[start], x[start + step], … along dim",
  .layout = OP_ANY,
  .in_place = 1,
  .per_sample = true,
  .keeps_samples = keeps_samples,
  .shape = shape,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
