/* concat: up to eight tensors one after the other along a dim. */
#include "rules.h"

SHAPE_RULE {
  int d = want_dim(attr[0], in[0].rank, e);
  if (d < 0) return false;
  if (in[0].rank == 0) return err_set(e, "scalars cannot be joined along a dim: reshape them to (1) first");
  Shape s = in[0];
  for (int i = 1; i < n_in; i++) {
    if (in[i].rank < 0) continue;
    bool fits = in[i].rank == s.rank;
    for (int k = 0; k < s.rank && fits; k++) fits = k == d || in[i].dim[k] == s.dim[k];
    if (!fits) return err_set(e, "%s and %s cannot be joined along dim %d: all other dims must be equal", SHAPE_STR(&in[0]), SHAPE_STR(&in[i]), d);
    s.dim[d] += in[i].dim[d];
  }
  *out = s;
  return true;
}

KEEPS_SAMPLES { return dim_of(attr[0], in[0].rank) != 0; }

FORWARD {
  int d = dim_of(c->attr[0], c->out.shape.rank);
  int64_t step[2][MAX_RANK];
  float *to = c->out.data;
  shape_strides(&c->out.shape, c->out.layout, step[0]);
  for (int i = 0; i < c->n_in; i++) {
    if (!c->in[i].data) continue;
    shape_strides(&c->in[i].shape, c->in[i].layout, step[1]);
    Walk w;
    walk_make(&w, &c->in[i].shape, 2, step);
    kern->copy(to, c->in[i].data, &w);
    to += c->in[i].shape.dim[d] * step[0][d];
  }
}

GRAD {
  int d = dim_of(n->attr[0], n->shape.rank);
  double at = 0;
  for (int i = 0; i < n->n_in; i++) {
    if (!n->in[i]) continue;
    double end = at + (double)n->in[i]->shape.dim[d];
    if (needs[i]) dx[i] = build_a(b, &op_slice, 1, &dy, 3, (double[]){d, at, end});
    at = end;
  }
}

REFERENCE {
  int d = dim_of(attr[0], out_shape->rank);
  int64_t at = 0;
  for (int k = 0; k < n_in; k++) {
    if (!in[k]) continue;
    for (int64_t i = 0, count = shape_count(&in_shape[k]); i < count; i++) {
      int64_t index[MAX_RANK];
      index_of(&in_shape[k], i, index);
      index[d] += at;
      out[flat_of(out_shape, index)] = in[k][i];
    }
    at += in_shape[k].dim[d];
  }
}

CASES = {
  {"3 4", "", 0}, {"2,3 2,1 2,4", "dim=1", 0}, {"2,3,4,5 2,2,4,5", "dim=1", 0}, {"2,3,4,5 1,3,4,5", "dim=0", 0}, {"2,3,4,5 2,3,4,1", "dim=-1", 0},
  {"2,3", "", 0}, {"1,2 1,2 1,2 1,2 1,2 1,2 1,2 1,2", "", 0}, {"2,3,1 2,3,2", "dim=2", 0},
  {0},
};

const Op op_concat = {
  .name = "concat",
  .args = "a b? c? d? e? f? g? h? | dim=0",
  .doc = "y = the tensors one after the other along dim",
  .layout = OP_ANY,
  .per_sample = true, /* a change of dim 0 shows in the shape */
  .keeps_samples = keeps_samples,
  .shape = shape,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
