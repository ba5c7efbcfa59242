/* silu_dx: gradient of silu: dy s (1 + x (1 - s)), s = sigmoid(x) */
#include "rules.h"

FORWARD {
  Walk w = walk_call(c, 2);
  kern->silu_dx(c->out.data, c->in[0].data, c->in[1].data, &w);
}

GRAD {
  Node *x = n->in[1], *one = build_scalar(b, 1);
  if (needs[0]) dx[0] = build2(b, &op_silu_dx, dy, x);
  if (needs[1]) { /* silu'' = s (1 - s) (2 + x (1 - 2 s)) */
    Node *s = build1(b, &op_sigmoid, x), *bell = build2(b, &op_mul, s, build2(b, &op_sub, one, s));
    Node *rest = build2(b, &op_mul, x, build2(b, &op_sub, one, build_by(b, s, 2)));
    Node *slope = build2(b, &op_mul, bell, build2(b, &op_add, rest, build_scalar(b, 2)));
    dx[1] = build2(b, &op_mul, build2(b, &op_mul, dy, n->in[0]), slope);
  }
}

REFERENCE_OF_XY(x * (1 / (1 + exp(-y))) * (1 + y * (1 - 1 / (1 + exp(-y)))))

CASES = {
  {"3,4 3,4", "", 0}, {"2,3,5,7 2,3,5,7", "", 0}, {"7 7", "", 0}, {"2,37,9,7 2,37,9,7", "", 0},
  {0},
};

const Op op_silu_dx = {
  .name = "silu_dx",
  .args = "dy x",
  .doc = "gradient of silu: dy s (1 + x (1 - s)), s = sigmoid(x)",
  .layout = OP_ANY,
  .in_place = 2,
  .per_sample = true,
  .shape = shape_broadcast,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
