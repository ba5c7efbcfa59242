/* relu_dx: gradient of relu: dy where its output y > 0, else 0 */
#include "rules.h"

FORWARD {
  Walk w = walk_call(c, 2);
  kern->relu_dx(c->out.data, c->in[0].data, c->in[1].data, &w);
}

GRAD {
  if (needs[0]) dx[0] = build2(b, &op_relu_dx, dy, n->in[1]);
}

REFERENCE_OF_XY(y > 0 ? x : 0)

CASES = {
  {"3,4 3,4", "", CASE_KINKS}, {"2,3,5,7 2,3,5,7", "", CASE_KINKS}, {"7 7", "", CASE_KINKS}, {"2,37,9,7 2,37,9,7", "", CASE_KINKS | CASE_NO_GRAD},
  {0},
};

const Op op_relu_dx = {
  .name = "relu_dx",
  .args = "dy y",
  .doc = "gradient of relu: dy where its output y > 0, else 0",
  .layout = OP_ANY,
  .in_place = 2,
  .per_sample = true,
  .shape = shape_broadcast,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
