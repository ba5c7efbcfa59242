/* layout: a value of rank 4 copied from one memory order to the other. The planner alone makes it; the layouts are
 * those of the call's views. */
#include "rules.h"

SHAPE_RULE {
  if (in[0].rank != 4) return err_set(e, "only a tensor of 4 dims has two layouts, got %s", SHAPE_STR(&in[0]));
  *out = in[0];
  return true;
}

FORWARD {
  Walk w = walk_call(c, 1);
  kern->copy(c->out.data, c->in[0].data, &w);
}

GRAD { dx[0] = dy; }

REFERENCE_OF_X(x)

CASES = {{"2,3,5,7", "to=0", 0}, {"2,37,5,3", "to=1", 0}, {"1,70,33,18", "to=0", CASE_NO_GRAD}, {"2,1,3,1", "", 0}, {0}};

const Op op_layout = {
  .name = "layout",
  .args = "x | to=0",
  .doc = "y = x in the other memory order (0 row-major, 1 channels-last)",
  .layout = OP_ANY,
  .per_sample = true,
  .shape = shape,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
