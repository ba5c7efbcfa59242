/* tanh: y = tanh x */
#include "rules.h"

FORWARD { activate(c, ACT_TANH); }

GRAD { dx[0] = build2(b, &op_tanh_dx, dy, n); }

REFERENCE_OF_X(tanh(x))

CASES = {
  {"5", "", 0}, {".", "", 0}, {"3,4", "", 0}, {"2,3,5,7", "", 0}, {"2,37,3,3", "", 0}, {"1,2,3,2,2", "", 0}, {"70000", "", CASE_NO_GRAD},
  {0},
};

const Op op_tanh = {
  .name = "tanh",
  .args = "x",
  .doc = "y = tanh x",
  .layout = OP_ANY,
  .activation = ACT_TANH,
  .in_place = 1,
  .per_sample = true,
  .shape = shape_same,
  .forward = forward,
  .narrow = narrow_elementwise,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
