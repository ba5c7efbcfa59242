/* Blocks of memory: what is put back is handed out again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <unistd.h>
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

#ifndef __SANITIZE_ADDRESS__ /* which keeps what is freed */
static double mapped_mb(void) {
  FILE *f = fopen("/proc/self/statm", "r");
  long pages = 0;
  if (!f || fscanf(f, "%ld", &pages) != 1) pages = 0;
  if (f) fclose(f);
  return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

/* What is put back is kept up to a bound, and what was put back last is what stays. */
static void test_kept_memory_is_bounded(void **state) {
  (void)state;
  enum { COUNT = 20 };
  const size_t each = (size_t)30 << 20;
  Err e = {0};
  memory_trim();
  double before = mapped_mb();
  void *block[COUNT];
  for (int i = 0; i < COUNT; i++) assert_non_null(block[i] = memory_get(each, "a test", &e));
  assert_true(mapped_mb() > before + 30 * COUNT);
  for (int i = 0; i < COUNT; i++) memory_put(block[i], each);
  assert_true(mapped_mb() < before + 100);
  void *again = memory_get(each, "a test", &e);
  assert_true(again == block[COUNT - 1] || again == block[COUNT - 2]);
  memory_put(again, each);
  memory_trim();
}
#endif

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
#ifndef __SANITIZE_ADDRESS__
    cmocka_unit_test(test_kept_memory_is_bounded),
#endif
    cmocka_unit_test(test_zeros_are_zeros_in_used_blocks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
