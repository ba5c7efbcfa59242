/* gelu: y = x Phi(x), Phi(x) = (1 + erf(x / sqrt 2)) / 2; tanh=1: Phi(x) by tanh(sqrt(2 / pi) (x + 0.044715 x^3)) */
#include "rules.h"

FORWARD { activate(c, ACT_GELU); }

GRAD { dx[0] = build_a(b, &op_gelu_dx, 2, (Node *[]){dy, n->in[0]}, 1, n->attr); }

REFERENCE_OF_X(0.5 * x * (1 + (attr[0] ? tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)) : erf(x / M_SQRT2))))

CASES = {
  {"5", "", 0}, {".", "", 0}, {"3,4", "", 0}, {"2,3,5,7", "", 0}, {"2,37,3,3", "", 0}, {"1,2,3,2,2", "", 0}, {"70000", "", CASE_NO_GRAD},
  {"3,4", "tanh=1", 0}, {"2,37,3,3", "tanh=1", 0},
  {0},
};

const Op op_gelu = {
  .name = "gelu",
  .args = "x | tanh=0",
  .doc = "y = x Phi(x), Phi(x) = (1 + erf(x / sqrt 2)) / 2; tanh=1: Phi(x) by tanh(sqrt(2 / pi) (x + 0.044715 x^3))",
  .layout = OP_ANY,
  .activation = ACT_GELU,
  .in_place = 1,
  .per_sample = true,
  .shape = shape_same,
  .forward = forward,
  .narrow = narrow_elementwise,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
