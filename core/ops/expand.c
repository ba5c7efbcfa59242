/* expand: dims of one are stretched to the given shape; new dims come in front; -1 leaves a dim as it is. */
#include "rules.h"

SHAPE_RULE {
  int rank = list_length(attr), shift = rank - in[0].rank;
  Shape s = {.rank = rank};
  if (shift < 0) return err_set(e, "cannot stretch %s to %d dims: it has more", SHAPE_STR(&in[0]), rank);
  for (int d = 0; d < rank; d++) {
    bool same = attr[d] == -1 && d >= shift;
    s.dim[d] = same ? in[0].dim[d - shift] : (int64_t)attr[d];
    if (!same && (attr[d] < 0 || attr[d] != floor(attr[d])))
      return err_set(e, "dim %d of the new shape must be a whole number (or -1 for a dim that stays), got %g", d, attr[d]);
  }
  for (int d = shift; d < rank; d++)
    if (in[0].dim[d - shift] != 1 && in[0].dim[d - shift] != s.dim[d])
      return err_set(e, "cannot stretch %s to %s: dim %d is %lld, and only 1 stretches", SHAPE_STR(&in[0]), SHAPE_STR(&s), d - shift,
                     (long long)in[0].dim[d - shift]);
  *out = s;
  return true;
}

KEEPS_SAMPLES { return in[0].rank > 0 && list_length(attr) == in[0].rank && (attr[0] == -1 || attr[0] == (double)in[0].dim[0]); }

FORWARD {
  Walk w = walk_call(c, 1);
  kern->copy(c->out.data, c->in[0].data, &w);
}

GRAD { dx[0] = build_unbroadcast(b, dy, &n->in[0]->shape); }

REFERENCE {
  for (int64_t i = 0, count = shape_count(out_shape); i < count; i++) out[i] = in[0][stretched_at(in_shape, out_shape, i)];
}

CASES = {
  {"3,1", "shape=3,4", 0}, {"1,3,1,1", "shape=2,-1,4,5", 0}, {".", "shape=2,3", 0}, {"4", "shape=2,3,5,4", 0},
  {"2,1,3,1", "shape=2,5,3,4", 0}, {"3,1,1", "shape=2,-1,2,2", 0}, {"2,3,4,5", "shape=2,3,4,5", 0},
  {0},
};

const Op op_expand = {
  .name = "expand",
  .args = "x | shape=*",
  .doc = "y = x stretched to a shape along dims of one; -1 leaves a dim as it is",
  .layout = OP_ANY,
  .keeps_samples = keeps_samples,
  .shape = shape,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
