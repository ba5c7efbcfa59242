/* reshape: the same elements in row-major order under another shape; one dim may be -1, and is inferred. */
#include "rules.h"

SHAPE_RULE {
  int64_t count = shape_count(&in[0]), known = 1;
  int rank = list_length(attr), free = -1;
  Shape s = {.rank = rank};
  for (int d = 0; d < rank; d++) {
    s.dim[d] = (int64_t)attr[d];
    if (attr[d] == -1 && free < 0) free = d;
    else if (attr[d] < 0 || attr[d] != floor(attr[d]))
      return err_set(e, "cannot give %s the shape %s: dims are whole numbers, and one of them may be -1", SHAPE_STR(&in[0]), SHAPE_STR(&s));
    else if (s.dim[d] > 0 && known > COUNT_MAX / s.dim[d]) known = COUNT_MAX; /* and more than x has */
    else known *= s.dim[d];
  }
  if (free >= 0 && known > 0 && count % known == 0) s.dim[free] = count / known;
  else if (free >= 0 || known != count)
    return err_set(e, "cannot give %s (%lld elements) the shape %s", SHAPE_STR(&in[0]), (long long)count, SHAPE_STR(&s));
  *out = s;
  return true;
}

KEEPS_SAMPLES {
  Shape out;
  Err e;
  return shape(in, n_in, attr, &out, &e) && in[0].rank > 0 && out.rank > 0 && in[0].dim[0] == out.dim[0];
}

/* Only where the planner could not make it an alias. */
FORWARD {
  if (c->out.data != c->in[0].data) memcpy(c->out.data, c->in[0].data, (size_t)shape_count(&c->out.shape) * sizeof(float));
}

GRAD { dx[0] = build_shape(b, &op_reshape, dy, &n->in[0]->shape); }

/* Where the dim is one of x's, with as many elements before it. */
NARROW {
  const Shape *x = &n->in[0]->shape;
  int d = 0, to = w->part.dim;
  int64_t before = 1, wanted = 1;
  for (int i = 0; i < to; i++) wanted *= n->shape.dim[i];
  while (d < x->rank && (before < wanted || x->dim[d] == 1)) before *= x->dim[d++];
  if (d == x->rank || before != wanted || x->dim[d] != n->shape.dim[to]) return NULL;
  Shape part = n->shape;
  part.dim[to] = w->part.count;
  Node *y = narrow_part(w, n->in[0], d);
  return w->b ? build_shape(w->b, &op_reshape, y, &part) : n;
}

REFERENCE_OF_X(x)

CASES = {
  {"2,3,4,5", "shape=2,-1", 0}, {"6,20", "shape=2,3,4,5", 0}, {"2,3,4,5", "shape=5,4,3,2", 0}, {"4", "shape=2,1,2", 0},
  {"1", "shape=", 0}, {".", "shape=1,1,1,1", 0}, {"2,3,4,5", "shape=120", 0},
  {0},
};

const Op op_reshape = {
  .name = "reshape",
  .args = "x | shape=*",
  .doc = "y = x's elements in row-major order under another shape; -1 is inferred",
  .layout = OP_ALIAS,
  .keeps_samples = keeps_samples,
  .shape = shape,
  .forward = forward,
  .grad = grad,
  .narrow = narrow,
  .reference = reference,
  .cases = cases,
};
