/* index_add: the slices of dy along dim added up where index says, in a tensor of zeros: the gradient of index_select. */
#include "rules.h"

SHAPE_RULE {
  int d = want_dim(attr[0], in[0].rank, e);
  if (d < 0) return false;
  if (in[0].rank == 0 || in[1].rank > 1 || shape_count(&in[1]) != in[0].dim[d])
    return err_set(e, "expects one index for each of the slices of %s along dim %d, got index of shape %s", SHAPE_STR(&in[0]), d, SHAPE_STR(&in[1]));
  if (attr[1] < 0 || attr[1] != floor(attr[1])) return err_set(e, "size must be a whole number, got %g", attr[1]);
  *out = in[0];
  out->dim[d] = (int64_t)attr[1];
  return true;
}

KEEPS_SAMPLES { return dim_of(attr[0], in[0].rank) != 0; }

FORWARD {
  Span p = span_of(&c->in[0].shape, dim_of(c->attr[0], c->in[0].shape.rank));
  int64_t size = (int64_t)c->attr[1];
  kern->fill(c->out.data, shape_count(&c->out.shape), 0);
  for (int64_t o = 0; o < p.outer; o++)
    for (int64_t i = 0; i < p.len; i++) {
      float at = c->in[1].data[i];
      if (!(at >= 0 && at < (float)size)) continue;
      float *to = c->out.data + (o * size + (int64_t)at) * p.inner;
      const float *from = c->in[0].data + (o * p.len + i) * p.inner;
      for (int64_t k = 0; k < p.inner; k++) to[k] += from[k];
    }
}

GRAD {
  if (needs[0]) dx[0] = build_a(b, &op_index_select, 2, (Node *[]){dy, n->in[1]}, 1, n->attr);
}

REFERENCE {
  int d = dim_of(attr[0], out_shape->rank);
  for (int64_t i = 0, count = shape_count(out_shape); i < count; i++) out[i] = 0;
  for (int64_t i = 0, count = shape_count(in_shape); i < count; i++) {
    int64_t index[MAX_RANK];
    index_of(in_shape, i, index);
    double at = in[1][index[d]];
    if (!(at >= 0 && at < attr[1])) continue;
    index[d] = (int64_t)at;
    out[flat_of(out_shape, index)] += in[0][i];
  }
}

/* Indices are drawn below the size of dy's own dim. */
CASES = {
  {"5 5", "size=5", CASE_INDEX_LAST}, {"6,3 6", "size=7", CASE_INDEX_LAST}, {"4,3 3", "dim=1 size=3", CASE_INDEX_LAST},
  {"2,3,4,5 4", "dim=2 size=9", CASE_INDEX_LAST}, {"2,3,4,5 5", "dim=-1 size=5", CASE_INDEX_LAST},
  {"6,3 6", "size=4", CASE_INDEX_LAST | CASE_NO_GRAD}, /* some indices are beyond it: of these index_select, its gradient, makes NaN */
  {0},
};

const Op op_index_add = {
  .name = "index_add",
  .args = "dy index | dim=0 size=1",
  .doc = "gradient of index_select: y[index[i]] += dy[i] along dim, y a tensor of zeros with size places there",
  .layout = OP_ROW_MAJOR,
  .keeps_samples = keeps_samples,
  .shape = shape,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
