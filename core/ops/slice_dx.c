/* slice_dx: dy put back where a slice took it from, zeros elsewhere. */
#include "rules.h"

SHAPE_RULE {
  int d = want_dim(attr[0], in[0].rank, e);
  if (d < 0) return false;
  int64_t n = in[0].dim[d];
  if (attr[1] < 0 || attr[2] < 1 || attr[3] < 0 || (n > 0 && attr[1] + (double)(n - 1) * attr[2] >= attr[3]))
    return err_set(e, "%lld places from %g on in steps of %g do not fit into %g", (long long)n, attr[1], attr[2], attr[3]);
  *out = in[0];
  out->dim[d] = (int64_t)attr[3];
  return true;
}

KEEPS_SAMPLES { return dim_of(attr[0], in[0].rank) != 0; }

FORWARD {
  kern->fill(c->out.data, shape_count(&c->out.shape), 0);
  put_slice(c, 0);
}

GRAD {
  double stop = n->attr[1] + (double)n->in[0]->shape.dim[dim_of(n->attr[0], n->shape.rank)] * n->attr[2];
  dx[0] = build_a(b, &op_slice, 1, &dy, 4, (double[]){n->attr[0], n->attr[1], stop, n->attr[2]});
}

REFERENCE {
  int d = dim_of(attr[0], in_shape->rank);
  for (int64_t i = 0, count = shape_count(out_shape); i < count; i++) out[i] = 0;
  for (int64_t i = 0, count = shape_count(in_shape); i < count; i++) {
    int64_t index[MAX_RANK];
    index_of(in_shape, i, index);
    index[d] = (int64_t)attr[1] + index[d] * (int64_t)attr[2];
    out[flat_of(out_shape, index)] = in[0][i];
  }
}

CASES = {
  {"4", "start=2 size=7", 0}, {"3,4", "start=1 step=2 size=7", 0}, {"2,3,3,5", "dim=1 start=1 size=6", 0}, {"2,3,2,5", "dim=2 size=5 step=2", 0},
  {"2,3,2,5", "dim=-1 size=15 step=3 start=1", 0},
  {0},
};

const Op op_slice_dx = {
  .name = "slice_dx",
  .args = "dy | dim=0 start=0 step=1 size=1",
  .doc = "gradient of slice: dy at start, start + step, … of a dim of that size, zeros elsewhere",
  .layout = OP_ANY,
  .per_sample = true, /* a change of dim 0 shows in the shape */
  .keeps_samples = keeps_samples,
  .shape = shape,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
