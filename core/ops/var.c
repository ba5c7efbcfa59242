/* var: the variance of x over dims, in two passes: mean, then squares around it (divided by count - 1, or by count). */
#include <stdlib.h>
#include "reduction.h"

enum { UNBIASED = KEEP, KEEP_VAR = KEEP + 1 };

SHAPE_RULE {
  if (!want_dims(in, attr, e)) return false;
  *out = reduced_shape(in, attr, attr[KEEP_VAR] != 0);
  return true;
}

static double divisor(const Shape *in, const double *attr) {
  double n = (double)reduced_count(in, attr) - (attr[UNBIASED] != 0);
  return n > 0 ? n : 0; /* 0: NaN, as in PyTorch */
}

FORWARD {
  Reduce r = reduce_call(c);
  kern->reduce_sum(c->scratch, c->in[0].data, &r, 1.0 / (double)r.over.count);
  kern->reduce_square(c->out.data, c->in[0].data, c->scratch, &r, 1.0 / divisor(&c->in[0].shape, c->attr));
}

static size_t scratch(const Shape *in UNUSED, int n_in UNUSED, const double *attr UNUSED, const Shape *out) {
  return (size_t)shape_count(out) * sizeof(float);
}

GRAD {
  Node *x = n->in[0];
  double attr[KEEP + 1];
  memcpy(attr, n->attr, sizeof attr);
  attr[KEEP] = 1;
  Node *away = build2(b, &op_sub, x, build_a(b, &op_mean, 1, &x, KEEP + 1, attr));
  dx[0] = build2(b, &op_mul, away, build_by(b, build_kept(b, n, dy), 2 / divisor(&x->shape, n->attr)));
}

REFERENCE {
  int64_t count = shape_count(in_shape), outs = shape_count(out_shape);
  double n = (double)reduced_count(in_shape, attr), *mean = calloc((size_t)outs + 1, sizeof *mean);
  for (int64_t o = 0; o < outs; o++) out[o] = 0;
  for (int64_t i = 0; i < count; i++) mean[reduced_at(in_shape, attr, i)] += in[0][i] / n;
  for (int64_t i = 0; i < count; i++) {
    int64_t o = reduced_at(in_shape, attr, i);
    out[o] += (in[0][i] - mean[o]) * (in[0][i] - mean[o]);
  }
  for (int64_t o = 0; o < outs; o++) out[o] /= divisor(in_shape, attr);
  free(mean);
}

CASES = {
  {"5", "", 0}, {"3,4", "dims=1 keepdim=1", 0}, {"3,4", "dims=0 unbiased=0", 0}, {"2,3,5,7", "dims=0,2,3", 0},
  {"2,3,5,7", "dims=0,2,3 unbiased=0 keepdim=1", 0}, {"2,3,5,7", "dims=1", 0}, {"2,37,3,3", "dims=2,3 unbiased=0", 0}, {"70000", "", CASE_NO_GRAD},
  {"7000,3", "dims=0", CASE_NO_GRAD}, {"2,3,4,2,3", "dims=1,3", 0},
  {0},
};

const Op op_var = {
  .name = "var",
  .args = "x | dims=* unbiased=1 keepdim=0",
  .doc = "y = the mean square distance of x from its mean over dims (none named: all); unbiased=1 divides by count - 1",
  .layout = OP_ANY,
  .keeps_samples = keeps_samples_reduced,
  .shape = shape,
  .forward = forward,
  .grad = grad,
  .scratch = scratch,
  .reference = reference,
  .cases = cases,
};
