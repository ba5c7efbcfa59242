/* maximum: y = max(a, b), NaN when either is */
#include "rules.h"

FORWARD {
  Walk w = walk_call(c, 2);
  kern->maximum(c->out.data, c->in[0].data, c->in[1].data, &w);
}

GRAD {
  /* all to the winner; half each where both are equal */
  Node *x = n->in[0], *z = n->in[1], *tie = build_by(b, build2(b, &op_eq, x, z), 0.5);
  for (int i = 0; i < 2; i++)
    if (needs[i]) {
      Node *share = build2(b, &op_add, build2(b, i ? &op_lt : &op_gt, x, z), tie);
      dx[i] = build_unbroadcast(b, build2(b, &op_mul, dy, share), &n->in[i]->shape);
    }
}

REFERENCE_OF_XY(x > y ? x : y)

CASES = {
  {"3,4 3,4", "", CASE_KINKS}, {"2,3,5,7 2,3,5,7", "", CASE_KINKS}, {"2,3,4,5 3,1,1", "", CASE_KINKS}, {"2,5,3,3 1,5,1,1", "", CASE_KINKS},
  {"2,3,4,5 .", "", CASE_KINKS}, {". 2,3", "", CASE_KINKS}, {"4,1 1,5", "", CASE_KINKS}, {"3,1,2 4,1", "", CASE_KINKS},
  {"7 2,3,4,7", "", CASE_KINKS}, {"2,37,6,5 2,37,1,1", "", CASE_KINKS}, {"130000 130000", "", CASE_KINKS | CASE_NO_GRAD},
  {0},
};

const Op op_maximum = {
  .name = "maximum",
  .args = "a b",
  .doc = "y = max(a, b), NaN when either is",
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
