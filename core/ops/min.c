/* min: the smallest of x over dims. NaN wins. The gradient is shared evenly among equals, as torch.amin and
 * torch.min() do. */
#include "reduction.h"

FORWARD {
  Reduce r = reduce_call(c);
  kern->reduce_min(c->out.data, c->in[0].data, &r);
}

GRAD {
  Node *x = n->in[0], *won = build2(b, &op_eq, x, build_kept(b, n, n));
  double attr[KEEP + 1];
  memcpy(attr, n->attr, sizeof attr);
  attr[KEEP] = 1;
  Node *winners = build_a(b, &op_sum, 1, &won, KEEP + 1, attr);
  dx[0] = build2(b, &op_mul, won, build2(b, &op_div, build_kept(b, n, dy), winners));
}

REFERENCE {
  for (int64_t i = 0, count = shape_count(out_shape); i < count; i++) out[i] = HUGE_VAL;
  for (int64_t i = 0, count = shape_count(in_shape); i < count; i++) {
    double *y = &out[reduced_at(in_shape, attr, i)];
    if (in[0][i] < *y) *y = in[0][i];
  }
}

CASES = {
  REDUCTION_CASES(CASE_KINKS), {"70000", "", CASE_NO_GRAD | CASE_KINKS}, {"3,40000", "dims=1", CASE_NO_GRAD | CASE_KINKS},
  {"40000,5", "dims=0", CASE_NO_GRAD | CASE_KINKS}, {"300,200", "dims=0", CASE_NO_GRAD | CASE_KINKS},
  {"2,130,60,70", "dims=2,3", CASE_NO_GRAD | CASE_KINKS},
  {"40", "", CASE_COARSE | CASE_NO_GRAD}, {"3,40", "dims=1", CASE_COARSE | CASE_NO_GRAD},
  {0},
};

const Op op_min = {
  .name = "min",
  .args = "x | dims=* keepdim=0",
  .doc = "y = the smallest of x over dims (none named: all); the gradient is shared evenly among equals",
  .layout = OP_ANY,
  .keeps_samples = keeps_samples_reduced,
  .shape = shape_reduced_some,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
