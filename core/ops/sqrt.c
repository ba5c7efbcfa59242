/* sqrt: y = sqrt(x) */
#include "rules.h"

FORWARD { kern->sqrt(c->out.data, c->in[0].data, shape_count(&c->out.shape)); }

GRAD { dx[0] = build_by(b, build2(b, &op_div, dy, n), 0.5); }

REFERENCE_OF_X(sqrt(x))

CASES = {
  {"5", "", CASE_POSITIVE}, {".", "", CASE_POSITIVE}, {"3,4", "", CASE_POSITIVE}, {"2,3,5,7", "", CASE_POSITIVE}, {"2,37,3,3", "", CASE_POSITIVE},
  {"1,2,3,2,2", "", CASE_POSITIVE}, {"70000", "", CASE_NO_GRAD | CASE_POSITIVE},
  {0},
};

const Op op_sqrt = {
  .name = "sqrt",
  .args = "x",
  .doc = "y = sqrt(x)",
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
