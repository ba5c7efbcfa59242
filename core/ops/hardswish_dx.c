/* hardswish_dx: gradient of hardswish: dy times 0 below -3, 1 above 3, x / 3 + 1/2 between */
#include "rules.h"

FORWARD {
  Walk w = walk_call(c, 2);
  kern->hardswish_dx(c->out.data, c->in[0].data, c->in[1].data, &w);
}

GRAD {
  Node *x = n->in[1];
  if (needs[0]) dx[0] = build2(b, &op_hardswish_dx, dy, x);
  if (needs[1]) { /* 1 / 3 between -3 and 3 */
    Node *inside = build2(b, &op_mul, build2(b, &op_gt, x, build_scalar(b, -3)), build2(b, &op_lt, x, build_scalar(b, 3)));
    dx[1] = build2(b, &op_mul, build2(b, &op_mul, dy, n->in[0]), build_by(b, inside, 1.0 / 3));
  }
}

REFERENCE_OF_XY(y <= -3 ? 0 : y >= 3 ? x : x * (y / 3 + 0.5))

CASES = {
  {"3,4 3,4", "", 0}, {"2,3,5,7 2,3,5,7", "", 0}, {"7 7", "", 0}, {"2,37,9,7 2,37,9,7", "", 0},
  {0},
};

const Op op_hardswish_dx = {
  .name = "hardswish_dx",
  .args = "dy x",
  .doc = "gradient of hardswish: dy times 0 below -3, 1 above 3, x / 3 + 1/2 between",
  .layout = OP_ANY,
  .in_place = 2,
  .per_sample = true,
  .shape = shape_broadcast,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
