#include "whole.h"
#include <math.h>
#include <stdlib.h>

int64_t whole_of(float f) { return isnan(f) ? 0 : f >= 0x1p63f ? INT64_MAX : f <= -0x1p63f ? INT64_MIN : (int64_t)f; }

static void forget(Tensor *t) {
  free(t->whole);
  t->whole = NULL;
}

bool whole_set(Tensor *t, const int64_t *v, Err *e) {
  forget(t);
  bool keep = false;
  for (int64_t i = 0; i < t->count; i++) {
    t->data[i] = (float)v[i];
    keep = keep || !whole_is_float(v[i]);
  }
  t->dtype = DTYPE_I64;
  if (!keep) return true;
  size_t bytes = (size_t)t->count * sizeof *v;
  t->whole = malloc(bytes);
  if (!t->whole) return err_memory(e, (double)bytes, "whole numbers beyond 2^24");
  memcpy(t->whole, v, bytes);
  return true;
}

bool whole_from_rows(Tensor *t, const int64_t *v, Err *e) {
  if (t->shape.rank != 4) return whole_set(t, v, e);
  size_t bytes = (size_t)(t->count ? t->count : 1) * sizeof *v;
  int64_t *stored = malloc(bytes), stride[MAX_RANK], index[MAX_RANK] = {0};
  if (!stored) return err_memory(e, (double)bytes, "whole numbers beyond 2^24");
  shape_strides(&t->shape, CHANNELS_LAST, stride);
  for (int64_t i = 0, at = 0; i < t->count; i++, at = shape_next(&t->shape, stride, index, at)) stored[at] = v[i];
  bool ok = whole_set(t, stored, e);
  free(stored);
  return ok;
}

void whole_to_rows(const Tensor *t, int64_t *rows) {
  int64_t stride[MAX_RANK], index[MAX_RANK] = {0};
  shape_strides(&t->shape, shape_layout(&t->shape), stride);
  for (int64_t i = 0, at = 0; i < t->count; i++, at = shape_next(&t->shape, stride, index, at)) rows[i] = whole_at(t, at);
}

bool whole_copy(Tensor *to, const Tensor *from, Err *e) {
  forget(to);
  if (!from->whole || to->dtype != DTYPE_I64) return true;
  size_t bytes = (size_t)from->count * sizeof *from->whole;
  to->whole = malloc(bytes);
  if (!to->whole) return err_memory(e, (double)bytes, "whole numbers beyond 2^24");
  memcpy(to->whole, from->whole, bytes);
  return true;
}

WholeOp whole_op(const char *name) {
  static const struct { const char *name; WholeOp op; } ops[] = {
    {"add", WHOLE_ADD}, {"sub", WHOLE_SUB}, {"mul", WHOLE_MUL}, {"neg", WHOLE_NEG}, {"abs", WHOLE_ABS}, {"maximum", WHOLE_MAX},
    {"minimum", WHOLE_MIN}, {"eq", WHOLE_EQ}, {"ne", WHOLE_NE}, {"lt", WHOLE_LT}, {"le", WHOLE_LE}, {"gt", WHOLE_GT}, {"ge", WHOLE_GE},
  };
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
    if (!strcmp(name, ops[i].name)) return ops[i].op;
  return WHOLE_NONE;
}

double whole_greatest(const Tensor *t) {
  float most = 0;
  for (int64_t i = 0; i < t->count; i++) most = fabsf(t->data[i]) > most ? fabsf(t->data[i]) : most;
  return (double)most;
}

bool whole_matters(WholeOp op, const Tensor *a, const Tensor *b) {
  if (a->whole || (b && b->whole)) return true;
  const double exact = 0x1p24;
  bool adds = op == WHOLE_ADD || op == WHOLE_SUB;
  if (!adds && op != WHOLE_MUL && op < WHOLE_FLOOR) return false;
  double m = whole_greatest(a), n = whole_greatest(b);
  if (adds) return m + n > exact;
  return op == WHOLE_MUL ? m * n > exact : m > exact || n > exact;
}

static int64_t divided(int64_t a, int64_t b, bool down) {
  if (b == -1) return (int64_t)(0 - (uint64_t)a); /* INT64_MIN / -1 has no place */
  int64_t q = a / b;
  return q - (down && a % b != 0 && (a < 0) != (b < 0));
}

static int64_t one(WholeOp op, int64_t a, int64_t b) {
  uint64_t x = (uint64_t)a, y = (uint64_t)b; /* wraps around */
  switch (op) {
    case WHOLE_ADD: return (int64_t)(x + y);
    case WHOLE_SUB: return (int64_t)(x - y);
    case WHOLE_MUL: return (int64_t)(x * y);
    case WHOLE_NEG: return (int64_t)(0 - x);
    case WHOLE_ABS: return a < 0 ? (int64_t)(0 - x) : a;
    case WHOLE_MAX: return a > b ? a : b;
    case WHOLE_MIN: return a < b ? a : b;
    case WHOLE_EQ: return a == b;
    case WHOLE_NE: return a != b;
    case WHOLE_LT: return a < b;
    case WHOLE_LE: return a <= b;
    case WHOLE_GT: return a > b;
    case WHOLE_GE: return a >= b;
    case WHOLE_FLOOR: return divided(a, b, true);
    case WHOLE_TRUNC: return divided(a, b, false);
    case WHOLE_REST: return (int64_t)(x - (uint64_t)divided(a, b, true) * y);
    case WHOLE_NONE: break;
  }
  return 0;
}

/* The shape that a and b broadcast to; false with e. */
static bool broadcast(Shape *s, const Shape *a, const Shape *b, Err *e) {
  s->rank = a->rank > b->rank ? a->rank : b->rank;
  for (int i = 0; i < s->rank; i++) {
    int64_t m = i < a->rank ? a->dim[a->rank - 1 - i] : 1, n = i < b->rank ? b->dim[b->rank - 1 - i] : 1;
    if (m != n && m != 1 && n != 1) return err_set(e, "shapes %s and %s do not broadcast", SHAPE_STR(a), SHAPE_STR(b));
    s->dim[s->rank - 1 - i] = m == 1 ? n : m;
  }
  return true;
}

/* Steps of t's storage along the dimensions of s, to which it broadcasts. */
static void steps_along(const Tensor *t, const Shape *s, int64_t *step) {
  int64_t own[MAX_RANK];
  shape_strides(&t->shape, shape_layout(&t->shape), own);
  for (int d = 0; d < s->rank; d++) {
    int k = d - (s->rank - t->shape.rank);
    step[d] = k >= 0 && t->shape.dim[k] != 1 ? own[k] : 0;
  }
}

Tensor *whole_compute(WholeOp op, const Tensor *a, const Tensor *b, Err *e) {
  if (!b) b = a;
  Shape s = {0};
  if (!broadcast(&s, &a->shape, &b->shape, e)) return NULL;
  Tensor *t = tensor_new(&s, e);
  int64_t *v = t ? malloc((size_t)(t->count ? t->count : 1) * sizeof *v) : NULL;
  if (t && !v) err_memory(e, 8.0 * (double)t->count, "whole numbers beyond 2^24");
  bool ok = v != NULL;
  int64_t to[MAX_RANK], from_a[MAX_RANK], from_b[MAX_RANK], index[MAX_RANK] = {0}, of_a[MAX_RANK] = {0}, of_b[MAX_RANK] = {0};
  if (ok) {
    shape_strides(&s, shape_layout(&s), to);
    steps_along(a, &s, from_a);
    steps_along(b, &s, from_b);
  }
  for (int64_t i = 0, at = 0, p = 0, q = 0; ok && i < t->count; i++) {
    int64_t y = whole_at(b, q);
    if (op >= WHOLE_FLOOR && y == 0) ok = err_set(e, "a whole number is divided by zero");
    else v[at] = one(op, whole_at(a, p), y);
    at = shape_next(&s, to, index, at);
    p = shape_next(&s, from_a, of_a, p);
    q = shape_next(&s, from_b, of_b, q);
  }
  ok = ok && whole_set(t, v, e);
  if (ok && op >= WHOLE_EQ && op <= WHOLE_GE) t->dtype = DTYPE_BOOL;
  free(v);
  if (ok) return t;
  tensor_unref(t);
  return NULL;
}

Tensor *whole_sum(const Tensor *a, const bool *gone, const Shape *out, Err *e) {
  Tensor *t = tensor_new(out, e);
  int64_t *rows = t ? calloc((size_t)(t->count ? t->count : 1), sizeof *rows) : NULL;
  if (t && !rows) err_memory(e, 8.0 * (double)t->count, "whole numbers beyond 2^24");
  bool ok = rows != NULL;
  if (ok) {
    int64_t own[MAX_RANK], step[MAX_RANK], index[MAX_RANK] = {0}, along[MAX_RANK] = {0}, n = 1;
    shape_strides(&a->shape, shape_layout(&a->shape), own);
    for (int d = a->shape.rank - 1; d >= 0; d--) {
      step[d] = gone[d] ? 0 : n;
      n *= gone[d] ? 1 : a->shape.dim[d];
    }
    for (int64_t i = 0, from = 0, to = 0; i < a->count; i++) {
      rows[to] = (int64_t)((uint64_t)rows[to] + (uint64_t)whole_at(a, from)); /* wraps around */
      from = shape_next(&a->shape, own, index, from);
      to = shape_next(&a->shape, step, along, to);
    }
    ok = whole_from_rows(t, rows, e);
  }
  free(rows);
  if (ok) return t;
  tensor_unref(t);
  return NULL;
}
