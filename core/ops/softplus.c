/* softplus: y = ln(1 + e^(beta x)) / beta, x itself where beta x > threshold */
#include "rules.h"

FORWARD { kern->softplus(c->out.data, c->in[0].data, shape_count(&c->out.shape), (float)c->attr[0], (float)c->attr[1]); }

GRAD {
  Node *scaled = build_by(b, n->in[0], n->attr[0]);
  Node *linear = build2(b, &op_gt, scaled, build_scalar(b, n->attr[1]));
  dx[0] = build2(b, &op_mul, dy, build_where(b, linear, build_scalar(b, 1), build1(b, &op_sigmoid, scaled)));
}

REFERENCE_OF_X(attr[0] * x > attr[1] ? x : log1p(exp(attr[0] * x)) / attr[0])

CASES = {
  {"5", "", 0}, {".", "", 0}, {"3,4", "", 0}, {"2,3,5,7", "", 0}, {"2,37,3,3", "", 0}, {"1,2,3,2,2", "", 0}, {"70000", "", CASE_NO_GRAD},
  {"2,3,5,7", "beta=2", 0}, {"40", "threshold=0.505", CASE_KINKS},
  {0},
};

const Op op_softplus = {
  .name = "softplus",
  .args = "x | beta=1.0 threshold=20.0",
  .doc = "y = ln(1 + e^(beta x)) / beta, x itself where beta x > threshold",
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
