/* straight_through: y's numbers with x's gradient (Bengio, Léonard & Courville 2013, arXiv:1308.3432): what a write that gradients do not
 * see makes of a value that they flow through. */
#include "rules.h"

SHAPE_RULE {
  *out = in[0];
  return want_same(&in[0], "y", &in[1], "x", e);
}

FORWARD {
  if (c->out.data != c->in[0].data) memcpy(c->out.data, c->in[0].data, (size_t)shape_count(&c->out.shape) * sizeof(float));
}

GRAD {
  if (needs[1]) dx[1] = dy;
}

REFERENCE_OF_X(x)

CASES = {
  {"3,4 3,4", "", CASE_NO_GRAD}, {"2,3,4,5 2,3,4,5", "", CASE_NO_GRAD}, {". .", "", CASE_NO_GRAD},
  {0},
};

const Op op_straight_through = {
  .name = "straight_through",
  .args = "y x",
  .doc = "y's numbers; the gradient goes to x alone, unchanged",
  .layout = OP_ANY,
  .in_place = 1,
  .per_sample = true,
  .shape = shape,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
