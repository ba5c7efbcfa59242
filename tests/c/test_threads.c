/* The threads under the kernels' parallel loops: every iteration once, whatever the number of threads, nested, from several
 * threads of the host at once, and in the child of a fork. */
#include <omp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "host.h"

enum { MOST = 1000 };

static bool each_once(const int *seen, int n) {
  for (int i = 0; i < MOST; i++)
    if (seen[i] != (i < n)) return false;
  return true;
}

static bool loops_are_whole(int n, int threads) {
  int seen[MOST] = {0};
  omp_set_num_threads(threads);
#pragma omp parallel for schedule(static)
  for (int i = 0; i < n; i++) seen[i]++;
  if (!each_once(seen, n)) return false;
  memset(seen, 0, sizeof seen);
#pragma omp parallel for schedule(dynamic)
  for (int i = 0; i < n; i++) seen[i]++;
  if (!each_once(seen, n)) return false;
  memset(seen, 0, sizeof seen);
#pragma omp parallel for schedule(dynamic, 7) if (n > 3)
  for (int i = n - 1; i >= 0; i--) seen[i]++;
  return each_once(seen, n);
}

static void test_every_iteration_once(void **state) {
  (void)state;
  for (int round = 0; round < 200; round++)
    for (int threads = 1; threads <= 5; threads++) assert_true(loops_are_whole(round * 5, threads));
}

static void test_nested_loops_run_alone(void **state) {
  (void)state;
  int seen[MOST] = {0}, inner[8] = {0};
  omp_set_num_threads(3);
#pragma omp parallel for schedule(dynamic)
  for (int i = 0; i < 8; i++) {
#pragma omp parallel for schedule(dynamic, 3)
    for (int j = 0; j < 100; j++) seen[i * 100 + j]++;
    inner[i]++;
  }
  assert_true(each_once(seen, 800));
  for (int i = 0; i < 8; i++) assert_int_equal(inner[i], 1);
}

static void *many_loops(void *good) {
  for (int i = 0; i < 500; i++)
    if (!loops_are_whole(300, 3)) *(int *)good = 0;
  return NULL;
}

static void test_hosts_threads_do_not_meet(void **state) {
  (void)state;
  pthread_t thread[4];
  int good[4] = {1, 1, 1, 1};
  for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&thread[i], NULL, many_loops, &good[i]), 0);
  for (int i = 0; i < 4; i++) pthread_join(thread[i], NULL);
  for (int i = 0; i < 4; i++) assert_int_equal(good[i], 1);
}

static void test_numbers(void **state) {
  (void)state;
  int seen[MOST] = {0};
  omp_set_num_threads(4);
  assert_int_equal(omp_get_max_threads(), 4);
#pragma omp parallel for schedule(static, 1)
  for (int i = 0; i < 4; i++) seen[omp_get_thread_num()] += omp_get_num_threads() == 4;
  assert_true(each_once(seen, 4));
  assert_int_equal(omp_get_thread_num(), 0);
  assert_int_equal(omp_get_num_threads(), 1);
}

static void test_child_of_a_fork(void **state) {
  (void)state;
  assert_true(loops_are_whole(200, 3));
  pid_t child = fork();
  assert_true(child >= 0);
  if (!child) {
    alarm(20);
    _exit(loops_are_whole(200, 3) && loops_are_whole(100, 2) ? 0 : 1);
  }
  int status;
  waitpid(child, &status, 0);
  assert_int_equal(status, 0);
}

static _Atomic int asked;
static bool stop_soon(void) { return ++asked > 20; }

static int loop_of_a_thousand(void) {
  static _Atomic int done;
  done = 0;
  asked = 0;
#pragma omp parallel for schedule(dynamic)
  for (int i = 0; i < MOST; i++) done++;
  return done;
}

/* What is computed for nobody any more is left out; other loops are whole whatever the host asks. */
static void test_stopped_loops(void **state) {
  (void)state;
  omp_set_num_threads(3);
  host.should_stop = stop_soon;
  assert_int_equal(loop_of_a_thousand(), MOST);
  host.computing = true;
  assert_in_range(loop_of_a_thousand(), 1, 25);
  host.computing = false;
  host.should_stop = NULL;
  assert_int_equal(loop_of_a_thousand(), MOST);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_iteration_once), cmocka_unit_test(test_nested_loops_run_alone),
      cmocka_unit_test(test_hosts_threads_do_not_meet), cmocka_unit_test(test_numbers), cmocka_unit_test(test_child_of_a_fork),
      cmocka_unit_test(test_stopped_loops),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
