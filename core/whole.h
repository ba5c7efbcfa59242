/* Whole numbers beyond 2^24, where float32 begins to round. A tensor of DTYPE_I64 whose numbers float32 cannot all hold
 * has them in `whole` too, stored in the order of its data, which then holds the nearest float32. They are read from
 * files and written to them, made, moved, compared, added, summed, multiplied and divided exactly; what else would
 * compute with whole numbers is refused where it would round (lua/bind/whole.c). A change of data that says nothing of
 * them (tensor_touch) lets them go. As PyTorch's int64, sums and products wrap around at 2^63. */
#ifndef CORE_WHOLE_H
#define CORE_WHOLE_H
#include <string.h>
#include "tensor.h"

/* Whether float32 holds v exactly. */
static inline bool whole_is_float(int64_t v) {
  float f = (float)v;
  return f < 0x1p63f && (int64_t)f == v;
}

/* A float32 as a whole number: cut towards 0, as far as int64 goes; NaN is 0. */
int64_t whole_of(float f);

/* The exact number at a place of t's storage. */
static inline int64_t whole_at(const Tensor *t, int64_t i) { return t->whole ? t->whole[i] : whole_of(t->data[i]); }

/* v, in the order of t's storage, becomes t's numbers; t becomes DTYPE_I64. v is copied where float32 cannot hold all. */
bool whole_set(Tensor *t, const int64_t *v, Err *e);
/* The same for v in row-major order of the logical shape. */
bool whole_from_rows(Tensor *t, const int64_t *v, Err *e);
/* t's whole numbers, where it has them, in row-major order. */
void whole_to_rows(const Tensor *t, int64_t *rows);
/* to gets from's whole numbers, or none where from has none; shapes are equal. Its data is the caller's business. */
bool whole_copy(Tensor *to, const Tensor *from, Err *e);

/* What is computed exactly. Comparisons give 0 or 1; floor, trunc and rest divide (rest: what a floor leaves, with b's sign). */
typedef enum WholeOp {
  WHOLE_NONE, WHOLE_ADD, WHOLE_SUB, WHOLE_MUL, WHOLE_NEG, WHOLE_ABS, WHOLE_MAX, WHOLE_MIN,
  WHOLE_EQ, WHOLE_NE, WHOLE_LT, WHOLE_LE, WHOLE_GT, WHOLE_GE, WHOLE_FLOOR, WHOLE_TRUNC, WHOLE_REST,
} WholeOp;

/* By the name of a core operation; WHOLE_NONE for others. */
WholeOp whole_op(const char *name);
/* Whether float32 might round the result of op on these: one has whole numbers, or the result may pass 2^24. */
bool whole_matters(WholeOp op, const Tensor *a, const Tensor *b);
/* op on a and b (NULL: of one), broadcast: a new tensor. NULL with e filled where shapes do not fit, at a division by zero, or where memory is short. */
Tensor *whole_compute(WholeOp op, const Tensor *a, const Tensor *b, Err *e);

/* The greatest |number|, as float32 has it. */
double whole_greatest(const Tensor *t);
/* The sums of t's numbers over the dims that are `gone`, which `out`, the result's shape, leaves out or has as 1. */
Tensor *whole_sum(const Tensor *t, const bool *gone, const Shape *out, Err *e);

/* v's part 0, 1 or 2, which float32 holds: v = part 0 + part 1 · 2^24 + part 2 · 2^48. */
enum { WHOLE_PARTS = 3 };
static inline float whole_part(int64_t v, int part) {
  return part == 2 ? (float)(v >> 48) : (float)(v >> 24 * part & 0xffffff);
}
static inline int64_t whole_join(float low, float middle, float high) {
  return (int64_t)((uint64_t)(int64_t)high << 48 | (uint64_t)(int64_t)middle << 24 | (uint64_t)(int64_t)low);
}
#endif
