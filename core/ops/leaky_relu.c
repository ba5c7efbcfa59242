/* leaky_relu: y = x where x > 0, else slope x */
#include "rules.h"

FORWARD { activate(c, ACT_LEAKY_RELU); }

GRAD { dx[0] = build2(b, &op_mul, dy, build_where(b, build2(b, &op_gt, n->in[0], build_scalar(b, 0)), build_scalar(b, 1), build_scalar(b, n->attr[0]))); }

REFERENCE_OF_X(x > 0 ? x : attr[0] * x)

CASES = {
  {"5", "", CASE_KINKS}, {".", "", CASE_KINKS}, {"3,4", "", CASE_KINKS}, {"2,3,5,7", "", CASE_KINKS}, {"2,37,3,3", "", CASE_KINKS},
  {"1,2,3,2,2", "", CASE_KINKS}, {"70000", "", CASE_NO_GRAD | CASE_KINKS}, {"2,3,5,7", "slope=0.2", CASE_KINKS},
  {0},
};

const Op op_leaky_relu = {
  .name = "leaky_relu",
  .args = "x | slope=0.01",
  .doc = "y = x where x > 0, else slope x",
  .layout = OP_ANY,
  .activation = ACT_LEAKY_RELU,
  .in_place = 1,
  .per_sample = true,
  .shape = shape_same,
  .forward = forward,
  .narrow = narrow_elementwise,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
