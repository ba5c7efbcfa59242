/* round: y = the nearest whole number, halves to even */
#include "rules.h"

FORWARD { kern->round(c->out.data, c->in[0].data, shape_count(&c->out.shape)); }

GRAD { dx[0] = build_by(b, dy, 0); }

REFERENCE_OF_X(rint(x))

CASES = {
  {"5", "", CASE_KINKS}, {".", "", CASE_KINKS}, {"3,4", "", CASE_KINKS}, {"2,3,5,7", "", CASE_KINKS}, {"2,37,3,3", "", CASE_KINKS},
  {"1,2,3,2,2", "", CASE_KINKS}, {"70000", "", CASE_NO_GRAD | CASE_KINKS},
  {0},
};

const Op op_round = {
  .name = "round",
  .args = "x",
  .doc = "y = the nearest whole number, halves to even",
  .layout = OP_ANY,
  .in_place = 1,
  .per_sample = true,
  .shape = shape_same,
  .forward = forward,
  .narrow = narrow_elementwise,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
