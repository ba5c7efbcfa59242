/* index_select: the slices of x along dim that index names, in its order. A place outside x gives NaN: numbers are not
 * known when shapes are checked. */
#include "rules.h"

SHAPE_RULE {
  int d = want_dim(attr[0], in[0].rank, e);
  if (d < 0) return false;
  if (in[0].rank == 0 || in[1].rank > 1)
    return err_set(e, "expects x of at least one dim and index of one, got %s and %s", SHAPE_STR(&in[0]), SHAPE_STR(&in[1]));
  *out = in[0];
  out->dim[d] = shape_count(&in[1]);
  return true;
}

KEEPS_SAMPLES { return dim_of(attr[0], in[0].rank) != 0; }

FORWARD {
  Span p = span_of(&c->in[0].shape, dim_of(c->attr[0], c->in[0].shape.rank));
  int64_t n = shape_count(&c->in[1].shape);
  for (int64_t o = 0; o < p.outer; o++)
    for (int64_t i = 0; i < n; i++) {
      float *to = c->out.data + (o * n + i) * p.inner, at = c->in[1].data[i];
      if (at >= 0 && at < (float)p.len) memcpy(to, c->in[0].data + (o * p.len + (int64_t)at) * p.inner, (size_t)p.inner * sizeof(float));
      else kern->fill(to, p.inner, NAN);
    }
}

GRAD {
  const Shape *s = &n->in[0]->shape;
  int d = dim_of(n->attr[0], s->rank);
  if (needs[0]) dx[0] = build_a(b, &op_index_add, 2, (Node *[]){dy, n->in[1]}, 2, (double[]){d, (double)s->dim[d]});
}

REFERENCE {
  int d = dim_of(attr[0], out_shape->rank);
  for (int64_t i = 0, count = shape_count(out_shape); i < count; i++) {
    int64_t index[MAX_RANK];
    index_of(out_shape, i, index);
    index[d] = (int64_t)in[1][index[d]];
    out[i] = in[0][flat_of(in_shape, index)];
  }
}

CASES = {
  {"5 3", "", CASE_INDEX_LAST}, {"4,3 6", "", CASE_INDEX_LAST}, {"4,3 5", "dim=1", CASE_INDEX_LAST}, {"2,3,4,5 4", "dim=1", CASE_INDEX_LAST},
  {"2,3,4,5 7", "dim=-2", CASE_INDEX_LAST}, {"2,3,4,5 3", "dim=0", CASE_INDEX_LAST}, {"5,2 .", "", CASE_INDEX_LAST},
  {0},
};

const Op op_index_select = {
  .name = "index_select",
  .args = "x index | dim=0",
  .doc = "y = the slices x[index[0]], x[index[1]], … along dim",
  .layout = OP_ROW_MAJOR,
  .keeps_samples = keeps_samples,
  .shape = shape,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
