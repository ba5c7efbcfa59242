/* sigmoid: y = 1 / (1 + e^-x) */
#include "rules.h"

FORWARD { activate(c, ACT_SIGMOID); }

GRAD { dx[0] = build2(b, &op_sigmoid_dx, dy, n); }

REFERENCE_OF_X(1 / (1 + exp(-x)))

CASES = {
  {"5", "", 0}, {".", "", 0}, {"3,4", "", 0}, {"2,3,5,7", "", 0}, {"2,37,3,3", "", 0}, {"1,2,3,2,2", "", 0}, {"70000", "", CASE_NO_GRAD},
  {0},
};

const Op op_sigmoid = {
  .name = "sigmoid",
  .args = "x",
  .doc = "y = 1 / (1 + e^-x)",
  .layout = OP_ANY,
  .activation = ACT_SIGMOID,
  .in_place = 1,
  .per_sample = true,
  .shape = shape_same,
  .forward = forward,
  .narrow = narrow_elementwise,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
