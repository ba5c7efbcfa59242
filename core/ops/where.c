/* where: a where cond is not 0, else b; all three broadcast. */
#include "rules.h"

FORWARD {
  Walk w = walk_call(c, 3);
  kern->where(c->out.data, c->in[0].data, c->in[1].data, c->in[2].data, &w);
}

GRAD {
  Node *cond = n->in[0], *zero = build_scalar(b, 0);
  if (needs[1]) dx[1] = build_unbroadcast(b, build_where(b, cond, dy, zero), &n->in[1]->shape);
  if (needs[2]) dx[2] = build_unbroadcast(b, build_where(b, cond, zero, dy), &n->in[2]->shape);
}

REFERENCE {
  for (int64_t i = 0, count = shape_count(out_shape); i < count; i++) {
    int k = in[0][stretched_at(&in_shape[0], out_shape, i)] != 0 ? 1 : 2;
    out[i] = in[k][stretched_at(&in_shape[k], out_shape, i)];
  }
}

CASES = {
  {"3,4 3,4 3,4", "", CASE_COARSE | CASE_NO_GRAD}, {"2,3,4,5 2,3,4,5 .", "", CASE_COARSE | CASE_NO_GRAD},
  {"2,3,4,5 2,3,4,5 2,3,4,5", "", CASE_COARSE | CASE_NO_GRAD}, {"5 3,5 2,1,1", "", CASE_COARSE | CASE_NO_GRAD},
  {"2,3,4,5 3,1,1 1,3,1,1", "", CASE_KINKS}, {". . .", "", CASE_KINKS}, {"4,5 . 4,5", "", CASE_KINKS},
  {0},
};

const Op op_where = {
  .name = "where",
  .args = "cond a b",
  .doc = "y = a where cond is not 0, else b",
  .layout = OP_ANY,
  .per_sample = true,
  .shape = shape_broadcast,
  .forward = forward,
  .narrow = narrow_elementwise,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
