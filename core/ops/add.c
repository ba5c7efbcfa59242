/* add: y = a + b */
#include "rules.h"

FORWARD {
  Walk w = walk_call(c, 2);
  kern->add(c->out.data, c->in[0].data, c->in[1].data, &w);
}

GRAD {
  if (needs[0]) dx[0] = build_unbroadcast(b, dy, &n->in[0]->shape);
  if (needs[1]) dx[1] = build_unbroadcast(b, dy, &n->in[1]->shape);
}

REFERENCE_OF_XY(x + y)

CASES = {
  {"3,4 3,4", "", 0}, {"2,3,5,7 2,3,5,7", "", 0}, {"2,3,4,5 3,1,1", "", 0}, {"2,5,3,3 1,5,1,1", "", 0}, {"2,3,4,5 .", "", 0}, {". 2,3", "", 0},
  {"4,1 1,5", "", 0}, {"3,1,2 4,1", "", 0}, {"7 2,3,4,7", "", 0}, {"2,37,6,5 2,37,1,1", "", 0}, {"130000 130000", "", CASE_NO_GRAD},
  {0},
};

const Op op_add = {
  .name = "add",
  .args = "a b",
  .doc = "y = a + b",
  .layout = OP_ANY,
  .in_place = 2,
  .per_sample = true,
  .shape = shape_broadcast,
  .forward = forward,
  .narrow = narrow_elementwise,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
