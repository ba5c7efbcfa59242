/* gelu_dx: the gradient of gelu, dy (Phi(x) + x phi(x)) */
#include "rules.h"

FORWARD {
  Walk w = walk_call(c, 2);
  (c->attr[0] ? kern->gelu_tanh_dx : kern->gelu_dx)(c->out.data, c->in[0].data, c->in[1].data, &w);
}

static double slope(double x, bool by_tanh) {
  if (!by_tanh) return 0.5 * (1 + erf(x / M_SQRT2)) + x * exp(-0.5 * x * x) / sqrt(2 * M_PI);
  double k = sqrt(2 / M_PI), t = tanh(k * (x + 0.044715 * x * x * x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * k * (1 + 3 * 0.044715 * x * x);
}

/* gelu'' = phi(x) (2 - x^2) */
static Node *bend(Builder *b, Node *x) {
  Node *square = build2(b, &op_mul, x, x), *phi = build_by(b, build1(b, &op_exp, build_by(b, square, -0.5)), 1 / sqrt(2 * M_PI));
  return build2(b, &op_mul, phi, build2(b, &op_sub, build_scalar(b, 2), square));
}

/* With t = tanh u, u = k (x + c x^3): (1 - t^2) (u' - x t u'^2 + x u'' / 2) */
static Node *bend_by_tanh(Builder *b, Node *x) {
  double k = sqrt(2 / M_PI), c = 0.044715;
  Node *square = build2(b, &op_mul, x, x);
  Node *u1 = build2(b, &op_add, build_by(b, square, 3 * k * c), build_scalar(b, k));
  Node *u = build2(b, &op_mul, x, build2(b, &op_add, build_by(b, square, k * c), build_scalar(b, k)));
  Node *t = build1(b, &op_tanh, u);
  Node *falls = build2(b, &op_mul, build2(b, &op_mul, x, t), build2(b, &op_mul, u1, u1));
  Node *sum = build2(b, &op_add, build2(b, &op_sub, u1, falls), build_by(b, square, 3 * k * c));
  return build2(b, &op_mul, build2(b, &op_sub, build_scalar(b, 1), build2(b, &op_mul, t, t)), sum);
}

GRAD {
  Node *x = n->in[1];
  if (needs[0]) dx[0] = build_a(b, &op_gelu_dx, 2, (Node *[]){dy, x}, 1, n->attr);
  if (needs[1]) dx[1] = build2(b, &op_mul, build2(b, &op_mul, dy, n->in[0]), n->attr[0] ? bend_by_tanh(b, x) : bend(b, x));
}

REFERENCE_OF_XY(x * slope(y, attr[0] != 0))

CASES = {
  {"3,4 3,4", "", 0}, {"2,3,5,7 2,3,5,7", "", 0}, {"2,37,9,7 2,37,9,7", "tanh=1", 0},
  {0},
};

const Op op_gelu_dx = {
  .name = "gelu_dx",
  .args = "dy x | tanh=0",
  .doc = "gradient of gelu: dy (Phi(x) + x phi(x)); tanh=1: of its tanh form",
  .layout = OP_ANY,
  .in_place = 2,
  .per_sample = true,
  .shape = shape_broadcast,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
