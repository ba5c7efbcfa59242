/* one_hot: classes numbers for each index, 1 at its place and 0 elsewhere (all 0 for an index outside). */
#include "rules.h"

SHAPE_RULE {
  if (!want_whole(attr, 0, 1, 1, "classes", e)) return false;
  if (in[0].rank == MAX_RANK) return err_set(e, "expects fewer than %d dims, got %s", MAX_RANK, SHAPE_STR(&in[0]));
  *out = in[0];
  out->dim[out->rank++] = (int64_t)attr[0];
  return true;
}

KEEPS_SAMPLES { return in[0].rank > 0 && attr[0] > 0; }

FORWARD {
  int64_t classes = (int64_t)c->attr[0];
  kern->fill(c->out.data, shape_count(&c->out.shape), 0);
  for (int64_t i = 0, count = shape_count(&c->in[0].shape); i < count; i++) {
    float at = c->in[0].data[i];
    if (at >= 0 && at < (float)classes) c->out.data[i * classes + (int64_t)at] = 1;
  }
}

REFERENCE {
  int64_t classes = (int64_t)attr[0];
  for (int64_t i = 0, count = shape_count(out_shape); i < count; i++) { /* of a fraction, the whole number below it */
    double at = in[0][i / classes];
    out[i] = at >= 0 && floor(at) == (double)(i % classes);
  }
}

CASES = {{"6", "classes=3", CASE_COARSE | CASE_NO_GRAD}, {"2,3", "classes=2", CASE_COARSE | CASE_NO_GRAD}, {"2,3,4", "classes=3", CASE_COARSE | CASE_NO_GRAD},
         {".", "classes=3", CASE_COARSE | CASE_NO_GRAD}, {0}};

const Op op_one_hot = {
  .name = "one_hot",
  .args = "index | classes=1",
  .doc = "y = 1 at place index of classes numbers, 0 elsewhere",
  .layout = OP_ROW_MAJOR,
  .dtype = DTYPE_I64,
  .keeps_samples = keeps_samples,
  .shape = shape,
  .forward = forward,
  .reference = reference,
  .cases = cases,
};
