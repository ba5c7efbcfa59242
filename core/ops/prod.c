/* prod: y = the product of x over dims (none named: all) */
#include "reduction.h"

FORWARD {
  Reduce r = reduce_call(c);
  kern->reduce_prod(c->out.data, c->in[0].data, &r);
}

GRAD {
  /* The product of the others: without zeros y / x; with one zero it alone gets the product of the rest; else 0. */
  Node *x = n->in[0], *is_zero = build2(b, &op_eq, x, build_scalar(b, 0));
  Node *rest = build_where(b, is_zero, build_scalar(b, 1), x);
  double attr[KEEP + 1];
  memcpy(attr, n->attr, sizeof attr);
  attr[KEEP] = 1;
  Node *zeros = build_a(b, &op_sum, 1, &is_zero, KEEP + 1, attr), *all = build_a(b, &op_prod, 1, &rest, KEEP + 1, attr);
  Node *alone = build_where(b, is_zero, build2(b, &op_eq, zeros, build_scalar(b, 1)), build2(b, &op_eq, zeros, build_scalar(b, 0)));
  dx[0] = build2(b, &op_mul, build2(b, &op_mul, build_kept(b, n, dy), alone), build2(b, &op_div, all, rest));
}

REFERENCE {
  for (int64_t i = 0, count = shape_count(out_shape); i < count; i++) out[i] = 1;
  for (int64_t i = 0, count = shape_count(in_shape); i < count; i++) out[reduced_at(in_shape, attr, i)] *= in[0][i];
}

CASES = {
  REDUCTION_CASES(CASE_POSITIVE), {"3,2", "dims=1", CASE_COARSE}, {"4,3", "dims=1", CASE_COARSE}, {"3,3", "dims=0", CASE_COARSE},
  {"400,200", "dims=1", CASE_POSITIVE | CASE_NO_GRAD},
  {0},
};

const Op op_prod = {
  .name = "prod",
  .args = "x | dims=* keepdim=0",
  .doc = "y = the product of x over dims (none named: all)",
  .layout = OP_ANY,
  .keeps_samples = keeps_samples_reduced,
  .shape = shape_reduced,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
