/* sum: y = the sum of x over dims (none named: all) */
#include "reduction.h"

FORWARD {
  Reduce r = reduce_call(c);
  kern->reduce_sum(c->out.data, c->in[0].data, &r, 1);
}

GRAD {
  dx[0] = build_shape(b, &op_expand, build_kept(b, n, dy), &n->in[0]->shape);
}

REFERENCE {
  for (int64_t i = 0, count = shape_count(out_shape); i < count; i++) out[i] = 0;
  for (int64_t i = 0, count = shape_count(in_shape); i < count; i++) out[reduced_at(in_shape, attr, i)] += in[0][i];
}

CASES = {
  REDUCTION_CASES(0), {"70000", "", CASE_NO_GRAD}, {"3,40000", "dims=1", CASE_NO_GRAD}, {"40000,5", "dims=0", CASE_NO_GRAD},
  {"300,200", "dims=0", CASE_NO_GRAD}, {"2,130,60,70", "dims=2,3", CASE_NO_GRAD},
  {0},
};

const Op op_sum = {
  .name = "sum",
  .args = "x | dims=* keepdim=0",
  .doc = "y = the sum of x over dims (none named: all)",
  .layout = OP_ANY,
  .keeps_samples = keeps_samples_reduced,
  .shape = shape_reduced,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
