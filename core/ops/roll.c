/* roll: the elements moved along some dims; what leaves at one end comes in at the other. */
#include "rules.h"

static const double *dims_of(const double *attr) { return attr + MAX_IN; }

SHAPE_RULE {
  int n = list_length(attr);
  if (n != list_length(dims_of(attr))) return err_set(e, "expects a shift per dim, got %d shifts and %d dims", n, list_length(dims_of(attr)));
  for (int i = 0; i < n; i++)
    if (want_dim(dims_of(attr)[i], in[0].rank, e) < 0) return false;
  *out = in[0];
  return true;
}

/* How far dim d of that size moves, from 0 on; a dim may be named more than once. */
static int64_t shift_of(const double *attr, const Shape *s, int d) {
  int64_t shift = 0, size = s->dim[d];
  for (int i = 0, n = list_length(attr); i < n; i++)
    if (dim_of(dims_of(attr)[i], s->rank) == d) shift += (int64_t)attr[i];
  return size ? (shift % size + size) % size : 0;
}

KEEPS_SAMPLES { return in[0].rank > 0 && shift_of(attr, &in[0], 0) == 0; }

/* Each dim that moves is cut in two, so that what stays together is copied together. */
FORWARD {
  const Shape *s = &c->out.shape;
  int64_t own[2][MAX_RANK], shift[MAX_RANK];
  int moves = 0;
  shape_strides(s, c->out.layout, own[0]);
  shape_strides(s, c->in[0].layout, own[1]);
  for (int d = 0; d < s->rank; d++)
    if ((shift[d] = shift_of(c->attr, s, d))) moves++;
  for (int piece = 0; piece < 1 << moves; piece++) {
    Shape part = *s;
    float *to = c->out.data;
    const float *from = c->in[0].data;
    for (int d = 0, bit = 0; d < s->rank; d++) {
      if (!shift[d]) continue;
      if (piece >> bit++ & 1) from += (s->dim[d] - shift[d]) * own[1][d], part.dim[d] = shift[d];
      else to += shift[d] * own[0][d], part.dim[d] -= shift[d];
    }
    Walk w;
    walk_make(&w, &part, 2, own);
    if (w.count) kern->copy(to, from, &w);
  }
}

GRAD {
  double back[2 * MAX_IN];
  memcpy(back, n->attr, sizeof back);
  for (int i = 0, shifts = list_length(back); i < shifts; i++) back[i] = -back[i];
  dx[0] = build_a(b, &op_roll, 1, &dy, 2 * MAX_IN, back);
}

REFERENCE {
  for (int64_t i = 0, count = shape_count(out_shape); i < count; i++) {
    int64_t index[MAX_RANK];
    index_of(out_shape, i, index);
    for (int d = 0; d < out_shape->rank; d++) index[d] = (index[d] - shift_of(attr, out_shape, d) + out_shape->dim[d]) % out_shape->dim[d];
    out[i] = in[0][flat_of(in_shape, index)];
  }
}

CASES = {
  {"5", "shifts=2 dims=0", 0}, {"3,4", "shifts=-1 dims=1", 0}, {"3,4", "shifts=1,9 dims=0,-1", 0}, {"2,6,7,3", "shifts=-3,-2 dims=1,2", 0},
  {"2,3,4,5", "shifts=1,1,1,1 dims=0,1,2,3", 0}, {"2,3,4", "shifts=1,1 dims=1,1", 0}, {"2,3,4", "shifts=0 dims=1", 0}, {"0,3", "shifts=1 dims=0", 0},
  {0},
};

const Op op_roll = {
  .name = "roll",
  .args = "x | shifts=* dims=*",
  .doc = "y = x moved by shifts along dims; what leaves at one end comes in at the other",
  .layout = OP_ANY,
  .keeps_samples = keeps_samples,
  .shape = shape,
  .forward = forward,
  .grad = grad,
  .reference = reference,
  .cases = cases,
};
