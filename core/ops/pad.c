/* pad: a frame of a constant around x, given as F.pad does: (before, after) of the last dim, then of the one before it, …
 * Negative numbers cut off. */
#include "rules.h"

/* What the list says of dim d. */
static void frame(const double *attr, int rank, int d, int64_t *before, int64_t *after) {
  int pair = rank - 1 - d, n = list_length(attr) / 2;
  *before = pair < n ? (int64_t)attr[2 * pair] : 0;
  *after = pair < n ? (int64_t)attr[2 * pair + 1] : 0;
}

SHAPE_RULE {
  int n = list_length(attr), rank = in[0].rank;
  if (n % 2 || n / 2 > rank)
    return err_set(e, "pad expects pairs (before, after), last dim first, for at most the %d dims of %s; got %d numbers", rank, SHAPE_STR(&in[0]), n);
  *out = in[0];
  for (int d = 0; d < rank; d++) {
    int64_t before, after;
    frame(attr, rank, d, &before, &after);
    out->dim[d] += before + after; /* three numbers within 2^53 */
    if (before < -in[0].dim[d] || after < -in[0].dim[d] || out->dim[d] < 0) return err_set(e, "pad cuts more off dim %d of %s than there is", d, SHAPE_STR(&in[0]));
  }
  return true;
}

KEEPS_SAMPLES { return list_length(attr) / 2 < in[0].rank; }

FORWARD {
  const Shape *s = &c->in[0].shape;
  int64_t step[2][MAX_RANK];
  float *to = c->out.data;
  const float *from = c->in[0].data;
  Shape both = *s;
  shape_strides(&c->out.shape, c->out.layout, step[0]);
  shape_strides(s, c->in[0].layout, step[1]);
  for (int d = 0; d < s->rank; d++) {
    int64_t before, after;
    frame(c->attr, s->rank, d, &before, &after);
    if (before > 0) to += before * step[0][d];
    else from -= before * step[1][d], both.dim[d] += before;
    if (after < 0) both.dim[d] += after;
    if (both.dim[d] < 0) both.dim[d] = 0;
  }
  kern->fill(c->out.data, shape_count(&c->out.shape), (float)c->attr[MAX_IN]);
  Walk w;
  walk_make(&w, &both, 2, step);
  kern->copy(to, from, &w);
}

GRAD {
  double back[MAX_IN];
  for (int i = 0; i < MAX_IN; i++) back[i] = n->attr[i] == ATTR_END ? ATTR_END : -n->attr[i];
  dx[0] = build_a(b, &op_pad, 1, &dy, MAX_IN, back);
}

REFERENCE {
  for (int64_t i = 0, count = shape_count(out_shape); i < count; i++) {
    int64_t index[MAX_RANK], before, after;
    bool inside = true;
    index_of(out_shape, i, index);
    for (int d = 0; d < out_shape->rank; d++) {
      frame(attr, out_shape->rank, d, &before, &after);
      index[d] -= before;
      inside = inside && index[d] >= 0 && index[d] < in_shape->dim[d];
    }
    out[i] = inside ? in[0][flat_of(in_shape, index)] : attr[MAX_IN];
  }
}

CASES = {
  {"4", "pad=1,2", 0}, {"2,3", "pad=1,0,0,2 value=3", 0}, {"2,3,4,5", "pad=1,1,2,0", 0}, {"2,3,4,5", "pad=0,0,0,0,2,3", 0},
  {"2,3,4,5", "pad=-1,2,1,-2,0,1,1,0 value=-1", 0}, {"2,3,4,5", "pad=", 0}, {"3,4", "pad=-1,-1", 0},
  {0},
};

const Op op_pad = {
  .name = "pad",
  .args = "x | pad=* value=0.0",
  .doc = "y = x in a frame of value; pad holds (before, after) of the last dim, then of the one before it; negative cuts off",
  .layout = OP_ANY,
  .per_sample = true, /* a change of dim 0 shows in the shape */
  .keeps_samples = keeps_samples,
  .shape = shape,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
