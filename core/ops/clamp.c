/* clamp: y = min(max(x, min), max). At min and max themselves the gradient passes, as in torch.clamp; open=1: it does not, as in
 * torch.nn.functional.hardtanh, relu6 and hardsigmoid. */
#include "rules.h"

FORWARD { activate(c, ACT_CLAMP); }

GRAD {
  bool open = n->attr[2] != 0;
  Node *x = n->in[0], *above = build2(b, open ? &op_gt : &op_ge, x, build_scalar(b, n->attr[0]));
  Node *below = build2(b, open ? &op_lt : &op_le, x, build_scalar(b, n->attr[1]));
  dx[0] = build2(b, &op_mul, dy, build2(b, &op_mul, above, below));
}

REFERENCE_OF_X(fmin(fmax(x, attr[0]), attr[1]))

CASES = {
  {"5", "", CASE_KINKS}, {".", "", CASE_KINKS}, {"3,4", "", CASE_KINKS}, {"2,3,5,7", "", CASE_KINKS}, {"2,37,3,3", "", CASE_KINKS},
  {"1,2,3,2,2", "", CASE_KINKS}, {"70000", "", CASE_NO_GRAD | CASE_KINKS}, {"2,3,5,7", "min=0 max=6", CASE_KINKS},
  {"50", "min=-0.505 max=0.505", CASE_KINKS}, {"50", "max=0", CASE_KINKS}, {"50", "min=-0.505 max=0.505 open=1", CASE_KINKS},
  {0},
};

const Op op_clamp = {
  .name = "clamp",
  .args = "x | min=-inf max=inf open=0",
  .doc = "y = min(max(x, min), max); open=1: without a gradient at min and max themselves",
  .layout = OP_ANY,
  .activation = ACT_CLAMP,
  .in_place = 1,
  .per_sample = true,
  .shape = shape_same,
  .forward = forward,
  .narrow = narrow_elementwise,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
