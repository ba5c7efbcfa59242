/* min: the smallest of x over dims. NaN wins. The gradient is shared evenly among equals, as torch.amin and
 * torch.min() do; first=1: it goes to the first of them, as torch.min(x, dim) does. */
#include "reduction.h"

extern const Op op_argmin;

FORWARD {
  Reduce r = reduce_call(c);
  kern->reduce_min(c->out.data, c->in[0].data, &r);
}

GRAD { dx[0] = n->attr[KEEP + 1] != 0 ? build_to_first(b, n, dy, &op_argmin) : build_to_equals(b, n, dy); }

REFERENCE {
  for (int64_t i = 0, count = shape_count(out_shape); i < count; i++) out[i] = HUGE_VAL;
  for (int64_t i = 0, count = shape_count(in_shape); i < count; i++) {
    double *y = &out[reduced_at(in_shape, attr, i)];
    if (in[0][i] < *y) *y = in[0][i];
  }
}

CASES = {
  REDUCTION_CASES(CASE_KINKS), {"3,4", "dims=1 first=1", CASE_KINKS}, {"2,3,5,7", "dims=1 keepdim=1 first=1", CASE_KINKS}, {"70000", "", CASE_NO_GRAD | CASE_KINKS}, {"3,40000", "dims=1", CASE_NO_GRAD | CASE_KINKS},
  {"40000,5", "dims=0", CASE_NO_GRAD | CASE_KINKS}, {"300,200", "dims=0", CASE_NO_GRAD | CASE_KINKS},
  {"2,130,60,70", "dims=2,3", CASE_NO_GRAD | CASE_KINKS},
  {"40", "", CASE_COARSE | CASE_NO_GRAD}, {"3,40", "dims=1", CASE_COARSE | CASE_NO_GRAD},
  {0},
};

const Op op_min = {
  .name = "min",
  .args = "x | dims=* keepdim=0 first=0",
  .doc = "y = the smallest of x over dims (none named: all); the gradient is shared evenly among equals; first=1: it goes to the first of one dim",
  .layout = OP_ANY,
  .keeps_samples = keeps_samples_reduced,
  .shape = shape_reduced_some,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
