/* cast: y = x, cut off from gradients, as the numbers of another type: to 1 whole numbers, cut towards 0,
 * 2 truth: 1 where x is not 0, 0, 3 and 4 as they are (detach, float, clone) */
#include "rules.h"

FORWARD {
  const float *x = c->in[0].data;
  float *y = c->out.data;
  int64_t n = shape_count(&c->out.shape);
  if (c->attr[0] == 1)
    for (int64_t i = 0; i < n; i++) y[i] = truncf(x[i]);
  else if (c->attr[0] == 2)
    for (int64_t i = 0; i < n; i++) y[i] = x[i] != 0;
  else if (y != x) memcpy(y, x, (size_t)n * sizeof(float));
}

REFERENCE_OF_X(attr[0] == 1 ? trunc(x) : attr[0] == 2 ? x != 0 : x)

CASES = {
  {"5", "", CASE_NO_GRAD}, {".", "to=1", CASE_NO_GRAD}, {"3,4", "to=2", CASE_NO_GRAD}, {"2,3,5,7", "", CASE_NO_GRAD},
  {"2,37,3,3", "to=1", CASE_NO_GRAD | CASE_KINKS}, {"1,2,3,2,2", "to=2", CASE_NO_GRAD | CASE_COARSE}, {"70000", "to=1", CASE_NO_GRAD | CASE_KINKS},
  {0},
};

const Op op_cast = {
  .name = "cast",
  .args = "x | to=0",
  .doc = "y = x, cut off from gradients: to 1 cut towards 0, 2 whether it is not 0, 0, 3, 4 as it is (detach, float, clone)",
  .layout = OP_ANY,
  .in_place = 1,
  .per_sample = true,
  .shape = shape_same,
  .forward = forward,
  .narrow = narrow_elementwise,
  .reference = reference,
  .cases = cases,
};
