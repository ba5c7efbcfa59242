/* elu: y = x where x > 0, else alpha (e^x - 1) */
#include "rules.h"

FORWARD { kern->elu(c->out.data, c->in[0].data, shape_count(&c->out.shape), (float)c->attr[0]); }

GRAD {
  Node *below = build2(b, &op_add, n, build_scalar(b, n->attr[0])); /* alpha e^x */
  dx[0] = build2(b, &op_mul, dy, build_where(b, build2(b, &op_gt, n->in[0], build_scalar(b, 0)), build_scalar(b, 1), below));
}

REFERENCE_OF_X(x > 0 ? x : attr[0] * expm1(x))

CASES = {
  {"5", "", CASE_KINKS}, {".", "", CASE_KINKS}, {"3,4", "", CASE_KINKS}, {"2,3,5,7", "", CASE_KINKS}, {"2,37,3,3", "", CASE_KINKS},
  {"1,2,3,2,2", "", CASE_KINKS}, {"70000", "", CASE_NO_GRAD | CASE_KINKS}, {"2,3,5,7", "alpha=0.5", CASE_KINKS},
  {0},
};

const Op op_elu = {
  .name = "elu",
  .args = "x | alpha=1.0",
  .doc = "y = x where x > 0, else alpha (e^x - 1)",
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
