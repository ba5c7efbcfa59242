/* Blocks of memory: what is put back is handed out again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "tensor.h"

/* A training step that asks for one size again and again must not map a block each time, whatever the size is rounded to. */
static void test_block_comes_back(void **state) {
  (void)state;
  for (size_t bytes = 200 << 10; bytes < (size_t)24 << 20; bytes += bytes / 7) {
    Err e = {0};
    memory_trim();
    void *first = memory_get(bytes, "a test", &e);
    assert_non_null(first);
    memory_put(first, bytes);
    void *second = memory_get(bytes, "a test", &e);
    if (second != first) fail_msg("a block of %zu bytes was put back, and the next request of that size got another", bytes);
    memory_put(second, bytes);
  }
}

/* A block much larger than what is asked for stays for those who need it. */
static void test_small_request_leaves_large_block(void **state) {
  (void)state;
  Err e = {0};
  memory_trim();
  void *large = memory_get((size_t)16 << 20, "a test", &e);
  memory_put(large, (size_t)16 << 20);
  void *small = memory_get((size_t)5 << 20, "a test", &e);
  assert_ptr_not_equal(small, large);
  memory_put(small, (size_t)5 << 20);
}

static void test_zeros_are_zeros_in_used_blocks(void **state) {
  (void)state;
  Err e = {0};
  memory_trim();
  Shape s = shape_of(1, (int64_t[]){1 << 20});
  Tensor *a = tensor_new(&s, &e);
  float *at = a->data;
  for (int64_t i = 0; i < a->count; i++) a->data[i] = 1;
  tensor_unref(a);
  Tensor *b = tensor_zeros(&s, &e);
  assert_ptr_equal(b->data, at);
  for (int64_t i = 0; i < b->count; i++) assert_true(b->data[i] == 0);
  tensor_unref(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_block_comes_back),
    cmocka_unit_test(test_small_request_leaves_large_block),
    cmocka_unit_test(test_zeros_are_zeros_in_used_blocks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
