/* slice: x[start], x[start + step], … below stop along one dim, as Python slices do. */
#include "slice.h"

SHAPE_RULE {
  if (want_dim(attr[0], in[0].rank, e) < 0) return false;
  if (in[0].rank == 0) return err_set(e, "a scalar has no dim to slice");
  if (attr[3] < 1 || attr[3] != floor(attr[3])) return err_set(e, "step must be a whole number of at least 1, got %g", attr[3]);
  if (attr[1] != floor(attr[1]) || attr[2] != floor(attr[2])) return err_set(e, "start and stop must be whole numbers, got %g and %g", attr[1], attr[2]);
  Part p = slice_part(attr, &in[0]);
  *out = in[0];
  out->dim[p.dim] = p.count;
  return true;
}

KEEPS_SAMPLES { return dim_of(attr[0], in[0].rank) != 0; }

/* A run of whole slices along the outermost dim that is not one. */
static int64_t alias(const Shape *in, Layout from, const double *attr, const Shape *out, Layout to) {
  Part p = slice_part(attr, in);
  int64_t own[MAX_RANK], step[MAX_RANK];
  shape_strides(in, from, own);
  shape_strides(out, to, step);
  int64_t start = p.start * own[p.dim];
  own[p.dim] *= p.step;
  for (int i = 0; i < out->rank; i++)
    if (out->dim[i] > 1 && step[i] != own[i]) return -1;
  return shape_count(out) ? start : 0;
}

FORWARD {
  Part p = slice_part(c->attr, &c->in[0].shape);
  int64_t step[2][MAX_RANK];
  shape_strides(&c->out.shape, c->out.layout, step[0]);
  shape_strides(&c->in[0].shape, c->in[0].layout, step[1]);
  const float *from = c->in[0].data + p.start * step[1][p.dim];
  step[1][p.dim] *= p.step;
  Walk w;
  walk_make(&w, &c->out.shape, 2, step);
  kern->copy(c->out.data, from, &w);
}

GRAD {
  Part p = slice_part(n->attr, &n->in[0]->shape);
  dx[0] = build_a(b, &op_slice_dx, 1, &dy, 4, (double[]){p.dim, (double)p.start, (double)p.step, (double)n->in[0]->shape.dim[p.dim]});
}

REFERENCE {
  Part p = slice_part(attr, in_shape);
  for (int64_t i = 0, count = shape_count(out_shape); i < count; i++) {
    int64_t index[MAX_RANK];
    index_of(out_shape, i, index);
    index[p.dim] = p.start + index[p.dim] * p.step;
    out[i] = in[0][flat_of(in_shape, index)];
  }
}

CASES = {
  {"7", "start=2 stop=6", 0}, {"5,4", "dim=0 start=1 step=2", 0}, {"5,4", "dim=-1 start=-3 stop=-1", 0}, {"2,6,3,5", "dim=1 start=1 stop=4", 0},
  {"2,6,3,5", "dim=2 start=1", 0}, {"2,6,3,5", "dim=3 step=2", 0}, {"4,6,3,5", "dim=0 start=1 stop=3", 0}, {"3,4", "stop=100", 0},
  {"2,3,4", "dim=2 start=3", 0},
  {0},
};

const Op op_slice = {
  .name = "slice",
  .args = "x | dim=0 start=0 stop=END step=1",
  .doc = "y = x[start], x[start + step], … below stop along dim; negative start and stop count from the end",
  .layout = OP_ANY,
  .per_sample = true, /* a change of dim 0 shows in the shape */
  .keeps_samples = keeps_samples,
  .shape = shape,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .alias = alias,
  .cases = cases,
};
