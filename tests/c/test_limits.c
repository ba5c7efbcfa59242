/* Sizes and numbers at the limits of what is counted, and what happens where memory ends. */
#include <dlfcn.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "graph.h"
#include "host.h"
#include "kernels/kernels.h"
#include "run.h"

extern const Op op_add, op_mul, op_sum, op_expand, op_reshape, op_conv2d, op_bn_eval, op_bn_stats, op_linear, op_roll, op_pad, op_relu;
static Err err;

/* --- allocations that fail: the next `budget` of this program's own pass, those after it do not --- */

static long budget = LONG_MAX;

#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__ /* it has an allocator of its own */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

/* Libraries underneath (OpenMP's) end the process where memory does, so theirs pass. */
static bool passes(const void *caller) {
  if (budget == LONG_MAX) return true;
  static const char here;
  Dl_info us, they;
  if (!dladdr(&here, &us) || !dladdr(caller, &they) || us.dli_fbase != they.dli_fbase) return true;
  return budget-- > 0;
}

void *malloc(size_t n) { return passes(__builtin_return_address(0)) ? __libc_malloc(n) : NULL; }
void *calloc(size_t n, size_t size) { return passes(__builtin_return_address(0)) ? __libc_calloc(n, size) : NULL; }
void *realloc(void *p, size_t n) { return passes(__builtin_return_address(0)) ? __libc_realloc(p, n) : NULL; }
void *aligned_alloc(size_t align, size_t n) { return passes(__builtin_return_address(0)) ? __libc_memalign(align, n) : NULL; }
#define CAN_FAIL 1
#else
#define CAN_FAIL 0
#endif

static Node *leaf(int rank, const int64_t *dim, float first, float step) {
  Shape s = shape_of(rank, dim);
  Tensor *t = tensor_new(&s, &err);
  assert_non_null(t);
  for (int64_t i = 0; i < t->count; i++) t->data[i] = first + step * (float)i;
  return node_leaf(t, &err);
}
#define LEAF(first, step, ...) leaf(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__}, first, step)

static void test_shapes_that_count(void **state) {
  (void)state;
  static const struct { int rank; int64_t dim[MAX_RANK]; bool counts; } rows[] = {
    {0, {0}, true}, {1, {COUNT_MAX}, true}, {1, {COUNT_MAX + 1}, false}, {1, {INT64_MAX}, false}, {1, {INT64_MIN}, false}, {1, {-1}, false},
    {2, {1LL << 31, 1LL << 31}, false}, {2, {1LL << 32, 1LL << 32}, false}, {3, {1LL << 29, 1LL << 29, 16}, false},
    {3, {0, 1LL << 40, 1LL << 40}, false}, {2, {0, 1LL << 40}, true}, {3, {1LL << 26, 1LL << 26, 2}, true}, {9, {1}, false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    Shape s = {.rank = rows[i].rank};
    memcpy(s.dim, rows[i].dim, sizeof s.dim);
    if (shape_check(&s, &err) != rows[i].counts) fail_msg("row %zu", i);
    if (!rows[i].counts) assert_null(tensor_new(&s, &err));
  }
}

/* What no machine has is refused with both numbers, before it is asked for. */
static void test_memory_that_is_not_there(void **state) {
  (void)state;
  Shape s = shape_of(2, (int64_t[]){1LL << 24, 1LL << 24});
  assert_null(tensor_new(&s, &err));
  assert_int_equal(err.kind, ERR_MEMORY);
  assert_non_null(strstr(err.text, "a tensor of shape (16777216, 16777216) would take 1125899.9 GB, the machine has "));
  assert_null(tensor_zeros(&s, &err));
  Node *x = LEAF(1, 0, 1);
  Builder b;
  builder_begin(&b, &err);
  Node *wide = build_a(&b, &op_expand, 1, &x, 3, (double[]){1 << 24, 1 << 24, ATTR_END}), *y = build1(&b, &op_sum, build2(&b, &op_mul, wide, wide));
  GraphCost cost;
  assert_true(graph_cost(&y, 1, false, &cost, &err)); /* what it would take is known */
  assert_true(cost.values >= 4LL << 48);
  assert_false(graph_eval(&y, 1, &err));
  assert_int_equal(err.kind, ERR_MEMORY);
  assert_null(y->value);
  builder_end(&b);
  node_unref(x);
}

static void test_numbers_that_are_no_sizes(void **state) {
  (void)state;
  static const struct { const char *op, *attrs, *says; } rows[] = {
    {"expand", "shape=536870912,536870912,16", "more elements than can be counted"}, {"expand", "shape=nan", "shape expects whole numbers, got"},
    {"expand", "shape=1.5", "shape expects whole numbers, got 1.5"}, {"expand", "shape=1e300", "whole numbers"}, {"reshape", "shape=inf", "whole numbers"},
    {"reshape", "shape=4294967296,4294967296", "cannot give"}, {"reshape", "shape=4294967296,4294967296,0", "cannot give"},
    {"pad", "pad=9007199254740992,9007199254740992", "more elements"}, {"pad", "pad=1e17,0", "whole numbers"},
    {"pad", "pad=-9007199254740992,9007199254740992", "cuts more off"}, {"one_hot", "classes=2147483648", "classes must be a whole number from 1 to 2147483647"},
    {"one_hot", "classes=nan", "whole numbers"}, {"sum", "dims=nan", "whole numbers"}, {"sum", "dims=-9007199254740992", "out of range"},
    {"roll", "shifts=inf dims=0", "whole numbers"}, {"slice", "start=nan", "whole numbers"}, {"slice", "step=1e300", "whole numbers"},
    {"slice_dx", "size=1e300", "whole numbers"}, {"slice_dx", "start=9007199254740992 step=9007199254740992 size=4", "do not fit"},
    {"softmax", "dim=0.5", "dim expects whole numbers, got 0.5"}, {"dropout", "p=nan", "between 0 and 1"},
    {"stochastic_depth", "rows=0.5", "whole numbers"}, {"layout", "to=nan", "whole numbers"},
  };
  Node *x = LEAF(1, 0, 1);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const Op *op = op_find(rows[i].op);
    double attr[MAX_ATTR] = {0};
    if (!op_attrs_parse(op, rows[i].attrs, attr, &err)) fail_msg("%s", err.text);
    Builder b;
    builder_begin(&b, &err);
    if (build(&b, op, attr, 1, &x)) fail_msg("%s with %s is built", rows[i].op, rows[i].attrs);
    if (!strstr(err.text, rows[i].says)) fail_msg("%s with %s: %s", rows[i].op, rows[i].attrs, err.text);
    builder_end(&b);
  }
  node_unref(x);
}

/* Convolutions and pools count in ints: what does not fit is refused, and what does is right. */
static void test_convolutions_at_the_limit(void **state) {
  (void)state;
  static const struct { const char *op, *attrs; bool passes; } rows[] = {
    {"conv2d", "padding=1073741823", false}, {"conv2d", "padding=2147483648", false}, {"conv2d", "dilation=2147483647", true},
    {"conv2d", "stride=2147483647", true}, {"conv2d", "groups=2147483647", false}, {"conv2d", "stride=0.5", false},
    {"max_pool2d", "kernel=2147483647 padding=1073741823", false}, {"max_pool2d", "kernel=2147483647", false},
    {"max_pool2d", "kernel=1 stride=2147483647", true}, {"max_pool2d", "kernel=1073741823 padding=536870911 stride=1073741823", true},
    {"avg_pool2d", "kernel=1 stride=2147483647 ceil_mode=1", true}, {"adaptive_avg_pool2d", "size=2147483647", false},
  };
  Node *in[] = {LEAF(1, 1, 1, 1, 2, 2), LEAF(1, 0, 1, 1, 1, 1)};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const Op *op = op_find(rows[i].op);
    double attr[MAX_ATTR] = {0};
    if (!op_attrs_parse(op, rows[i].attrs, attr, &err)) fail_msg("%s", err.text);
    Builder b;
    builder_begin(&b, &err);
    Node *y = build(&b, op, attr, op == &op_conv2d ? 2 : 1, in);
    bool passes = y && graph_eval(&y, 1, &err);
    if (passes != rows[i].passes) fail_msg("%s with %s: %s", rows[i].op, rows[i].attrs, passes ? "passes" : err.text);
    builder_end(&b);
  }
  node_unref(in[0]), node_unref(in[1]);
}

/* A shift that was once the mark of a list's end. */
static void test_roll_by_any_number(void **state) {
  (void)state;
  Node *x = LEAF(0, 1, 7);
  for (int64_t by = -1000000002; by < -999999997; by++) {
    double attr[MAX_ATTR] = {0};
    op_defaults(&op_roll, attr);
    attr[0] = (double)by, attr[MAX_IN] = 0;
    Builder b;
    builder_begin(&b, &err);
    Node *y = build(&b, &op_roll, attr, 1, &x);
    assert_non_null(y);
    assert_true(graph_eval(&y, 1, &err));
    for (int64_t i = 0; i < 7; i++) assert_true(y->value->data[((i + by) % 7 + 7) % 7] == (float)i);
    builder_end(&b);
  }
  node_unref(x);
}

/* The batch is itself a view of something. */
static void test_frontier_of_a_view(void **state) {
  (void)state;
  Node *x = LEAF(-1, .1f, 4, 6), *w = LEAF(.1f, .1f, 5, 6), *head = LEAF(.2f, .1f, 3, 5);
  head->requires_grad = true;
  for (int computed = 0; computed < 2; computed++) {
    Builder b;
    builder_begin(&b, &err);
    Node *batch = build_a(&b, &op_reshape, 1, &x, 4, (double[]){4, 2, 3, ATTR_END});
    if (computed) assert_true(graph_eval(&batch, 1, &err)); /* then it has let go of x */
    Node *rows = build_a(&b, &op_reshape, 1, &batch, 3, (double[]){4, 6, ATTR_END});
    Node *y = build2(&b, &op_linear, build2(&b, &op_linear, rows, w), head);
    int count;
    char why[SHAPE_TEXT];
    Node **cut = graph_frontier(&y, 1, batch, &count, why, &(uint64_t){0}, &err);
    assert_int_equal(count, 1);
    assert_ptr_equal(cut[0]->op, &op_linear);
    free(cut);
    w->requires_grad = true; /* now the first thing that moves reads a view of the batch: nothing to keep */
    Node *z = build2(&b, &op_linear, rows, w);
    w->requires_grad = false;
    cut = graph_frontier(&z, 1, batch, &count, why, &(uint64_t){0}, &err);
    assert_non_null(cut);
    assert_int_equal(count, 0);
    free(cut);
    builder_end(&b);
  }
  node_unref(x), node_unref(w), node_unref(head);
}

/* Statistics of no channels move nothing. */
static void test_effect_of_nothing(void **state) {
  (void)state;
  Node *x = LEAF(0, 0, 4, 0), *mean = LEAF(0, 0, 0), *var = LEAF(0, 0, 0);
  Builder b;
  builder_begin(&b, &err);
  Node *stats = build1(&b, &op_bn_stats, x);
  assert_non_null(stats);
  assert_true(node_effect(stats, mean, var, .1, &err));
  assert_true(graph_settle(&err));
  assert_false(mean->waits || var->waits);
  builder_end(&b);
  node_unref(x), node_unref(mean), node_unref(var);
}

/* BatchNorm without a mean rides on a convolution, and does what it does alone. */
static void test_fusion_without_a_mean(void **state) {
  (void)state;
  Node *x = LEAF(-1, .01f, 2, 3, 5, 5), *w = LEAF(-.3f, .02f, 3, 3, 3, 3), *var = LEAF(.5f, .2f, 3), *beta = LEAF(-.2f, .1f, 3);
  Node *y[2];
  for (int apart = 0; apart < 2; apart++) {
    Builder b;
    builder_begin(&b, &err);
    Node *c = build2(&b, &op_conv2d, x, w);
    y[apart] = node_ref(build(&b, &op_bn_eval, NULL, 5, (Node *[]){c, NULL, var, NULL, beta}));
    GraphCost cost;
    Node *want[] = {y[apart], c};
    assert_true(graph_cost(want, 1 + apart, false, &cost, &err));
    assert_int_equal(cost.steps, 1 + apart);
    assert_true(graph_eval(want, 1 + apart, &err));
    builder_end(&b);
  }
  for (int64_t i = 0; i < y[0]->value->count; i++) assert_float_equal(y[0]->value->data[i], y[1]->value->data[i], 1e-4);
  node_unref(y[0]), node_unref(y[1]), node_unref(x), node_unref(w), node_unref(var), node_unref(beta);
}

/* A cost tells what values take, whatever scratch kernels want. */
static void test_cost_without_scratch(void **state) {
  (void)state;
  Node *x = LEAF(-1, .01f, 1, 3, 8, 8), *w = LEAF(-.3f, .02f, 4, 3, 3, 3), *v = LEAF(-.1f, .01f, 4, 4, 3, 3);
  Builder b;
  builder_begin(&b, &err);
  Node *h = build1(&b, &op_relu, build2(&b, &op_conv2d, x, w)), *y = build2(&b, &op_conv2d, h, v);
  GraphCost cost;
  assert_true(graph_cost(&y, 1, false, &cost, &err));
  assert_true(cost.values <= 4 * 6 * 6 * 4 + 128); /* h, where it is made at all */
  assert_true(cost.arena <= cost.values + cost.scratch);
  builder_end(&b);
  node_unref(x), node_unref(w), node_unref(v);
}

static int polls, last_poll;
static bool stop_late(void) { return __atomic_add_fetch(&polls, 1, __ATOMIC_RELAXED) >= last_poll; }

/* One step that fills or copies much asks again and again, and a stop within it leaves no value behind. */
static void test_long_steps_stop(void **state) {
  (void)state;
  Node *x = LEAF(1, 0, 1, 1);
  for (int padded = 0; padded < 2; padded++) {
    Builder b;
    builder_begin(&b, &err);
    Node *y = padded ? build_a(&b, &op_pad, 1, &x, 3, (double[]){0, (1 << 25) - 1, ATTR_END})
                     : build_a(&b, &op_expand, 1, &x, 3, (double[]){1 << 13, 1 << 12, ATTR_END});
    for (last_poll = 1; last_poll <= 100; last_poll += 33) {
      polls = 0;
      host.should_stop = stop_late;
      assert_false(graph_eval(&y, 1, &err));
      host.should_stop = NULL;
      assert_int_equal(err.kind, ERR_STOP);
      assert_null(y->value);
    }
    assert_true(graph_eval(&y, 1, &err));
    assert_true(y->value->data[y->value->count - 1] == (padded ? 0 : 1));
    builder_end(&b);
  }
  node_unref(x);
}

/* --- a step of training where memory ends at the Nth allocation --- */

/* d(loss)/dw is the same node for both leaves, and another's value; mean follows the statistics of what passes through. */
static Node *make_loss(Node *x, Node *w, Node *v, Node *mean) {
  Builder b;
  builder_begin(&b, &err);
  Node *sum = build2(&b, &op_add, w, v), *product = build2(&b, &op_mul, x, sum);
  Node *stats = build1(&b, &op_bn_stats, product);
  Node *loss = node_ref(build1(&b, &op_sum, build2(&b, &op_add, sum, product)));
  assert_false(b.failed);
  assert_true(node_effect(stats, mean, NULL, .5, &err));
  builder_end(&b);
  return loss;
}

static void test_backward_out_of_memory(void **state) {
  (void)state;
  if (!CAN_FAIL) skip();
  for (int accumulated = 0; accumulated < 2; accumulated++) {
    Node *x = LEAF(1, 1, 3, 2), *w = LEAF(.5f, 1, 3, 2), *v = LEAF(2, .1f, 3, 2), *mean = LEAF(0, 0, 2);
    w->requires_grad = v->requires_grad = true;
    if (accumulated) w->grad = LEAF(10, 0, 3, 2), v->grad = LEAF(20, 0, 3, 2);
    Node *had[2] = {w->grad, v->grad};
    long n = 0;
    for (bool done = false; !done; n++) {
      Node *loss = make_loss(x, w, v, mean);
      err = (Err){0};
      budget = n;
      done = graph_backward(loss, NULL, false, &err);
      budget = LONG_MAX;
      if (!done) {
        assert_int_equal(err.kind, ERR_MEMORY);
        assert_ptr_equal(w->grad, had[0]);
        assert_ptr_equal(v->grad, had[1]);
        assert_true(mean->value->data[0] == 0);
        if (accumulated) assert_true(w->grad->value->data[5] == 10 && v->grad->value->data[5] == 20);
        graph_drop_effects();
      }
      node_unref(loss);
      assert_true(n < 10000);
    }
    assert_true(n > 10);
    assert_true(w->grad->value->data[1] == 3 + 10 * (float)accumulated && v->grad->value->data[1] == 3 + 20 * (float)accumulated);
    assert_true(mean->value->data[0] != 0);
    node_unref(x), node_unref(w), node_unref(v), node_unref(mean);
  }
}

int main(void) {
  kernels_init();
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_shapes_that_count),
    cmocka_unit_test(test_memory_that_is_not_there),
    cmocka_unit_test(test_numbers_that_are_no_sizes),
    cmocka_unit_test(test_convolutions_at_the_limit),
    cmocka_unit_test(test_roll_by_any_number),
    cmocka_unit_test(test_frontier_of_a_view),
    cmocka_unit_test(test_effect_of_nothing),
    cmocka_unit_test(test_fusion_without_a_mean),
    cmocka_unit_test(test_cost_without_scratch),
    cmocka_unit_test(test_long_steps_stop),
    cmocka_unit_test(test_backward_out_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
