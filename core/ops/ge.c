/* ge: y = 1 where a >= b, else 0 */
#include "rules.h"

FORWARD {
  Walk w = walk_call(c, 2);
  kern->ge(c->out.data, c->in[0].data, c->in[1].data, &w);
}

REFERENCE_OF_XY(x >= y)

CASES = {
  {"3,4 3,4", "", CASE_NO_GRAD | CASE_COARSE}, {"2,3,5,7 2,3,5,7", "", CASE_NO_GRAD | CASE_COARSE},
  {"2,3,4,5 3,1,1", "", CASE_NO_GRAD | CASE_COARSE}, {"2,5,3,3 1,5,1,1", "", CASE_NO_GRAD | CASE_COARSE},
  {"2,3,4,5 .", "", CASE_NO_GRAD | CASE_COARSE}, {". 2,3", "", CASE_NO_GRAD | CASE_COARSE}, {"4,1 1,5", "", CASE_NO_GRAD | CASE_COARSE},
  {"3,1,2 4,1", "", CASE_NO_GRAD | CASE_COARSE}, {"7 2,3,4,7", "", CASE_NO_GRAD | CASE_COARSE},
  {"2,37,6,5 2,37,1,1", "", CASE_NO_GRAD | CASE_COARSE}, {"130000 130000", "", CASE_NO_GRAD | CASE_COARSE},
  {0},
};

const Op op_ge = {
  .name = "ge",
  .args = "a b",
  .doc = "y = 1 where a >= b, else 0",
  .layout = OP_ANY,
  .in_place = 2,
  .dtype = DTYPE_BOOL,
  .per_sample = true,
  .shape = shape_broadcast,
  .forward = forward,
  .narrow = narrow_elementwise,
  .reference = reference,
  .cases = cases,
};
