/* Whole numbers beyond 2^24 (core/whole.h): kept, let go, computed; against int64 itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "whole.h"

#define BIG (((int64_t)1 << 40) + 1)

__extension__ typedef __int128 Wide;

static Tensor *of(const Shape *s, const int64_t *v) {
  Err e;
  Tensor *t = tensor_new(s, &e);
  assert_non_null(t);
  assert_true(whole_from_rows(t, v, &e));
  assert_int_equal(t->dtype, DTYPE_I64);
  return t;
}

static void keeps_what_float32_cannot(void **state) {
  (void)state;
  Err e;
  Shape s = shape_of(1, (int64_t[]){3});
  Tensor *t = of(&s, (int64_t[]){1 << 24, -7, (int64_t)1 << 40}), *u = of(&s, (int64_t[]){BIG, INT64_MAX, INT64_MIN});
  assert_null(t->whole); /* float32 holds them */
  assert_non_null(u->whole);
  assert_true(whole_at(u, 0) == BIG && whole_at(u, 1) == INT64_MAX && whole_at(u, 2) == INT64_MIN);
  assert_true(whole_at(t, 0) == 1 << 24 && whole_at(t, 2) == (int64_t)1 << 40);
  assert_true(whole_copy(t, u, &e));
  assert_true(whole_at(t, 1) == INT64_MAX);
  tensor_touch(t); /* data changes: it says all there is */
  assert_null(t->whole);
  assert_true(whole_at(t, 1) == -7);
  for (int64_t v = -3; v < 4; v++)
    for (int shift = 0; shift < 63; shift += 7) {
      int64_t x = v * ((int64_t)1 << shift) + v;
      assert_true(whole_join(whole_part(x, 0), whole_part(x, 1), whole_part(x, 2)) == x);
    }
  assert_true(whole_join(whole_part(INT64_MIN, 0), whole_part(INT64_MIN, 1), whole_part(INT64_MIN, 2)) == INT64_MIN);
  tensor_unref(t);
  tensor_unref(u);
}

static void follows_the_layout(void **state) {
  (void)state;
  Shape s = shape_of(4, (int64_t[]){2, 3, 2, 2});
  int64_t rows[24], back[24];
  for (int i = 0; i < 24; i++) rows[i] = BIG + i;
  Tensor *t = of(&s, rows);
  assert_true(whole_at(t, 1) == BIG + 4); /* channels-last: the second stored is channel 1 of the first pixel */
  whole_to_rows(t, back);
  assert_memory_equal(rows, back, sizeof rows);
  tensor_unref(t);
}

static void computes_as_int64(void **state) {
  (void)state;
  static const int64_t values[] = {BIG, -BIG, 3, -7, 1, -1, INT64_MAX, INT64_MIN, (int64_t)1 << 53};
  enum { N = sizeof values / sizeof *values };
  Err e;
  Shape column = shape_of(2, (int64_t[]){N, 1}), row = shape_of(1, (int64_t[]){N});
  Tensor *a = of(&column, values), *b = of(&row, values);
  for (WholeOp op = WHOLE_ADD; op <= WHOLE_REST; op++) {
    assert_true(whole_matters(op, a, b));
    Tensor *y = whole_compute(op, a, b, &e);
    assert_non_null(y);
    assert_int_equal(y->shape.rank, 2);
    for (int i = 0; i < N; i++)
      for (int j = 0; j < N; j++) {
        Wide p = values[i], q = values[j], down = p / q - (p % q != 0 && (p < 0) != (q < 0)), want = 0;
        switch (op) {
          case WHOLE_ADD: want = p + q; break;
          case WHOLE_SUB: want = p - q; break;
          case WHOLE_MUL: want = p * q; break;
          case WHOLE_NEG: want = -p; break;
          case WHOLE_ABS: want = p < 0 ? -p : p; break;
          case WHOLE_MAX: want = p > q ? p : q; break;
          case WHOLE_MIN: want = p < q ? p : q; break;
          case WHOLE_EQ: want = p == q; break;
          case WHOLE_NE: want = p != q; break;
          case WHOLE_LT: want = p < q; break;
          case WHOLE_LE: want = p <= q; break;
          case WHOLE_GT: want = p > q; break;
          case WHOLE_GE: want = p >= q; break;
          case WHOLE_FLOOR: want = down; break;
          case WHOLE_TRUNC: want = p / q; break;
          case WHOLE_REST: want = p - down * q; break;
          case WHOLE_NONE: break;
        }
        assert_true(whole_at(y, i * N + j) == (int64_t)(uint64_t)want);
      }
    assert_int_equal(y->dtype, op >= WHOLE_EQ && op <= WHOLE_GE ? DTYPE_BOOL : DTYPE_I64);
    tensor_unref(y);
  }
  Tensor *zeros = of(&row, (int64_t[N]){0});
  assert_null(whole_compute(WHOLE_FLOOR, a, zeros, &e));
  assert_non_null(strstr(e.text, "divided by zero"));
  Shape two = shape_of(1, (int64_t[]){2});
  Tensor *c = of(&two, values);
  assert_null(whole_compute(WHOLE_ADD, b, c, &e));
  assert_non_null(strstr(e.text, "do not broadcast"));
  Tensor *total = whole_sum(b, (bool[]){true}, &(Shape){.rank = 0}, &e);
  uint64_t want = 0;
  for (int i = 0; i < N; i++) want += (uint64_t)values[i];
  assert_non_null(total);
  assert_true(whole_at(total, 0) == (int64_t)want);
  tensor_unref(total);
  Tensor *small = of(&two, (int64_t[]){5000, 4});
  assert_true(whole_matters(WHOLE_MUL, small, small));
  assert_false(whole_matters(WHOLE_ADD, small, small));
  assert_false(whole_matters(WHOLE_EQ, small, small));
  tensor_unref(a);
  tensor_unref(b);
  tensor_unref(c);
  tensor_unref(zeros);
  tensor_unref(small);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(keeps_what_float32_cannot), cmocka_unit_test(follows_the_layout), cmocka_unit_test(computes_as_int64),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
