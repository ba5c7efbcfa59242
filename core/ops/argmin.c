/* argmin: y = the place of the first smallest of x along a dim, or in the flattened x when none is named */
#include "reduction.h"

SHAPE_RULE {
  if (list_length(attr) > 1) return err_set(e, "expects one dim, or none for the place in the flattened tensor; got %d dims", list_length(attr));
  return shape_reduced_some(in, n_in, attr, out, e);
}

FORWARD {
  const Shape *s = &c->in[0].shape;
  int d = list_length(c->attr) ? dim_of(c->attr[0], s->rank) : 0;
  Span p = list_length(c->attr) ? span_of(s, d) : (Span){1, shape_count(s), 1};
  kern->reduce_arg(c->out.data, c->in[0].data, p.outer, p.len, p.inner, false);
}

REFERENCE {
  int64_t last, n = reduced_count(in_shape, attr), inner = 1;
  bool all = list_length(attr) == 0;
  for (int d = all ? in_shape->rank : dim_of(attr[0], in_shape->rank) + 1; d < in_shape->rank; d++) inner *= in_shape->dim[d];
  for (int64_t o = 0, count = shape_count(out_shape); o < count; o++) {
    const double *x = in[0] + o / inner * inner * n + o % inner;
    last = 0;
    for (int64_t i = 1; i < n; i++)
      if (x[i * inner] < x[last * inner]) last = i;
    out[o] = (double)last;
  }
}

CASES = {
  {"7", "", CASE_NO_GRAD}, {"3,4", "dims=1", CASE_NO_GRAD}, {"3,4", "dims=0 keepdim=1", CASE_NO_GRAD}, {"2,3,5,7", "", CASE_NO_GRAD},
  {"2,3,5,7", "dims=1", CASE_NO_GRAD}, {"2,3,5,7", "dims=-1", CASE_NO_GRAD}, {"2,3,5,7", "dims=1 keepdim=1", CASE_NO_GRAD},
  {"50", "", CASE_NO_GRAD | CASE_COARSE}, {"4,50", "dims=1", CASE_NO_GRAD | CASE_COARSE}, {"600,200", "dims=1", CASE_NO_GRAD},
  {0},
};

const Op op_argmin = {
  .name = "argmin",
  .args = "x | dims=* keepdim=0",
  .doc = "y = the place of the first smallest of x along a dim, or in the flattened x when none is named",
  .layout = OP_ROW_MAJOR,
  .dtype = DTYPE_I64,
  .keeps_samples = keeps_samples_reduced,
  .shape = shape,
  .forward = forward,
  .reference = reference,
  .cases = cases,
};
