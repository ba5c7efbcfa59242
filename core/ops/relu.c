/* relu: y = max(x, 0) */
#include "rules.h"

FORWARD { activate(c, ACT_RELU); }

GRAD { dx[0] = build2(b, &op_relu_dx, dy, n); }

REFERENCE_OF_X(x > 0 ? x : 0)

CASES = {
  {"5", "", CASE_KINKS}, {".", "", CASE_KINKS}, {"3,4", "", CASE_KINKS}, {"2,3,5,7", "", CASE_KINKS}, {"2,37,3,3", "", CASE_KINKS},
  {"1,2,3,2,2", "", CASE_KINKS}, {"70000", "", CASE_NO_GRAD | CASE_KINKS},
  {0},
};

const Op op_relu = {
  .name = "relu",
  .args = "x",
  .doc = "y = max(x, 0)",
  .layout = OP_ANY,
  .activation = ACT_RELU,
  .in_place = 1,
  .per_sample = true,
  .shape = shape_same,
  .forward = forward,
  .narrow = narrow_elementwise,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
