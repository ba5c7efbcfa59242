/* pow: y = a^b */
#include "rules.h"

FORWARD {
  Walk w = walk_call(c, 2);
  kern->pow(c->out.data, c->in[0].data, c->in[1].data, &w);
}

GRAD {
  Node *x = n->in[0], *p = n->in[1], *zero = build_scalar(b, 0);
  if (needs[0]) { /* p x^(p-1), and 0 where p is 0, also at x = 0 */
    Node *slope = build2(b, &op_mul, p, build2(b, &op_pow, x, build2(b, &op_sub, p, build_scalar(b, 1))));
    slope = build_where(b, build2(b, &op_eq, p, zero), zero, slope);
    dx[0] = build_unbroadcast(b, build2(b, &op_mul, dy, slope), &x->shape);
  }
  if (needs[1]) { /* y ln x; 0 at x = 0 where p is 0 or above */
    Node *slope = build2(b, &op_mul, n, build1(b, &op_log, x));
    Node *flat = build2(b, &op_mul, build2(b, &op_eq, x, zero), build2(b, &op_ge, p, zero));
    slope = build_where(b, flat, zero, slope);
    dx[1] = build_unbroadcast(b, build2(b, &op_mul, dy, slope), &p->shape);
  }
}

REFERENCE_OF_XY(pow(x, y))

CASES = {
  {"3,4 3,4", "", CASE_POSITIVE}, {"2,3,5,7 2,3,5,7", "", CASE_POSITIVE}, {"2,3,4,5 3,1,1", "", CASE_POSITIVE},
  {"2,5,3,3 1,5,1,1", "", CASE_POSITIVE}, {"2,3,4,5 .", "", CASE_POSITIVE}, {". 2,3", "", CASE_POSITIVE}, {"4,1 1,5", "", CASE_POSITIVE},
  {"3,1,2 4,1", "", CASE_POSITIVE}, {"7 2,3,4,7", "", CASE_POSITIVE}, {"2,37,6,5 2,37,1,1", "", CASE_POSITIVE},
  {"130000 130000", "", CASE_POSITIVE | CASE_NO_GRAD},
  {0},
};

const Op op_pow = {
  .name = "pow",
  .args = "a b",
  .doc = "y = a^b",
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
