/* sigmoid_dx: gradient of sigmoid from its output: dy y (1 - y) */
#include "rules.h"

FORWARD {
  Walk w = walk_call(c, 2);
  kern->sigmoid_dx(c->out.data, c->in[0].data, c->in[1].data, &w);
}

GRAD {
  if (needs[0]) dx[0] = build2(b, &op_sigmoid_dx, dy, n->in[1]);
  if (needs[1]) {
    Node *slope = build2(b, &op_sub, build_scalar(b, 1), build_by(b, n->in[1], 2));
    dx[1] = build2(b, &op_mul, dy, build2(b, &op_mul, n->in[0], slope));
  }
}

REFERENCE_OF_XY(x * y * (1 - y))

CASES = {
  {"3,4 3,4", "", 0}, {"2,3,5,7 2,3,5,7", "", 0}, {"7 7", "", 0}, {"2,37,9,7 2,37,9,7", "", CASE_NO_GRAD},
  {0},
};

const Op op_sigmoid_dx = {
  .name = "sigmoid_dx",
  .args = "dy y",
  .doc = "gradient of sigmoid from its output: dy y (1 - y)",
  .layout = OP_ANY,
  .in_place = 2,
  .per_sample = true,
  .shape = shape_broadcast,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
