/* hardswish: y = x min(max(x + 3, 0), 6) / 6 */
#include "rules.h"

FORWARD { activate(c, ACT_HARDSWISH); }

GRAD { dx[0] = build2(b, &op_hardswish_dx, dy, n->in[0]); }

REFERENCE_OF_X(x * fmin(fmax(x + 3, 0), 6) / 6)

CASES = {
  {"5", "", 0}, {".", "", 0}, {"3,4", "", 0}, {"2,3,5,7", "", 0}, {"2,37,3,3", "", 0}, {"1,2,3,2,2", "", 0}, {"70000", "", CASE_NO_GRAD},
  {0},
};

const Op op_hardswish = {
  .name = "hardswish",
  .args = "x",
  .doc = "y = x min(max(x + 3, 0), 6) / 6",
  .layout = OP_ANY,
  .activation = ACT_HARDSWISH,
  .in_place = 1,
  .per_sample = true,
  .shape = shape_same,
  .forward = forward,
  .narrow = narrow_elementwise,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
