/* neg: y = -x */
#include "rules.h"

FORWARD { kern->neg(c->out.data, c->in[0].data, shape_count(&c->out.shape)); }

GRAD { dx[0] = build1(b, &op_neg, dy); }

REFERENCE_OF_X(-x)

CASES = {
  {"5", "", 0}, {".", "", 0}, {"3,4", "", 0}, {"2,3,5,7", "", 0}, {"2,37,3,3", "", 0}, {"1,2,3,2,2", "", 0}, {"70000", "", CASE_NO_GRAD},
  {0},
};

const Op op_neg = {
  .name = "neg",
  .args = "x",
  .doc = "y = -x",
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
