/* log: y = ln x */
#include "rules.h"

FORWARD { kern->log(c->out.data, c->in[0].data, shape_count(&c->out.shape)); }

GRAD { dx[0] = build2(b, &op_div, dy, n->in[0]); }

REFERENCE_OF_X(log(x))

CASES = {
  {"5", "", CASE_POSITIVE}, {".", "", CASE_POSITIVE}, {"3,4", "", CASE_POSITIVE}, {"2,3,5,7", "", CASE_POSITIVE}, {"2,37,3,3", "", CASE_POSITIVE},
  {"1,2,3,2,2", "", CASE_POSITIVE}, {"70000", "", CASE_NO_GRAD | CASE_POSITIVE},
  {0},
};

const Op op_log = {
  .name = "log",
  .args = "x",
  .doc = "y = ln x",
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
