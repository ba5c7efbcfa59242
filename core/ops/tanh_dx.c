/* tanh_dx: gradient of tanh from its output: dy (1 - y^2) */
#include "rules.h"

FORWARD {
  Walk w = walk_call(c, 2);
  kern->tanh_dx(c->out.data, c->in[0].data, c->in[1].data, &w);
}

GRAD {
  if (needs[0]) dx[0] = build2(b, &op_tanh_dx, dy, n->in[1]);
  if (needs[1]) dx[1] = build2(b, &op_mul, dy, build_by(b, build2(b, &op_mul, n->in[0], n->in[1]), -2));
}

REFERENCE_OF_XY(x * (1 - y * y))

CASES = {
  {"3,4 3,4", "", 0}, {"2,3,5,7 2,3,5,7", "", 0}, {"7 7", "", 0}, {"2,37,9,7 2,37,9,7", "", CASE_NO_GRAD},
  {0},
};

const Op op_tanh_dx = {
  .name = "tanh_dx",
  .args = "dy y",
  .doc = "gradient of tanh from its output: dy (1 - y^2)",
  .layout = OP_ANY,
  .in_place = 2,
  .per_sample = true,
  .shape = shape_broadcast,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
