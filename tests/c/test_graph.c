/* The graph, gradients, planner and executor: laziness that cannot be seen, dead code, fusion, effects, stopping. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "graph.h"
#include "host.h"
#include "kernels/kernels.h"
#include "peak.h"
#include "run.h"

extern const Op op_straight_through, op_add, op_mul, op_relu, op_sum, op_matmul, op_conv2d, op_bn_eval, op_bn_stats, op_gelu, op_linear, op_permute, op_slice, op_layer_norm, op_sin, op_packed_attention, op_reshape, op_linear_dw, op_layer_norm_dx,
  op_layer_norm_dparam;
static Err err;

static Node *leaf(int rank, const int64_t *dim, float first, float step) {
  Shape s = shape_of(rank, dim);
  Tensor *t = tensor_new(&s, &err);
  float *rows = malloc((size_t)t->count * sizeof *rows);
  for (int64_t i = 0; i < t->count; i++) rows[i] = first + step * (float)i;
  tensor_from_rows(t, rows);
  free(rows);
  return node_leaf(t, &err);
}
#define LEAF(first, step, ...) leaf(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__}, first, step)

static void test_lazy_value(void **state) {
  (void)state;
  Node *a = LEAF(1, 1, 3), *c = LEAF(10, 0, 3);
  Builder b;
  builder_begin(&b, &err);
  Node *y = node_ref(build2(&b, &op_add, a, c));
  builder_end(&b);
  assert_null(y->value);
  assert_true(graph_eval(&y, 1, &err));
  assert_float_equal(y->value->data[2], 13, 0);
  assert_int_equal(y->n_in, 0); /* no gradient can ask: inputs let go */
  node_unref(y), node_unref(a), node_unref(c);
}

static void test_gradient_accumulates(void **state) {
  (void)state;
  Node *x = LEAF(1, 1, 3);
  x->requires_grad = true;
  for (int pass = 1; pass <= 2; pass++) {
    Builder b;
    builder_begin(&b, &err);
    Node *y = node_ref(build1(&b, &op_sum, build2(&b, &op_mul, x, x)));
    builder_end(&b);
    assert_true(graph_backward(y, NULL, false, &err));
    assert_float_equal(y->value->data[0], 14, 0);
    assert_float_equal(x->grad->value->data[2], 6 * pass, 0);
    assert_false(graph_backward(y, NULL, false, &err)); /* a second time: the graph was let go */
    node_unref(y);
  }
  node_unref(x);
}

/* y was made before x changed and is looked at after: it must be what it would have been. */
static void test_write_computes_what_waits(void **state) {
  (void)state;
  Node *x = LEAF(1, 0, 2);
  Builder b;
  builder_begin(&b, &err);
  Node *named = node_ref(build2(&b, &op_add, x, x)), *hidden = node_ref(build2(&b, &op_mul, x, x));
  builder_end(&b);
  node_name(named);
  assert_true(node_write(x, false, &err));
  x->value->data[0] = 100;
  tensor_touch(x->value);
  assert_true(graph_eval(&named, 1, &err));
  assert_float_equal(named->value->data[0], 2, 0);
  assert_true(graph_eval(&hidden, 1, &err)); /* it keeps what it was made of */
  assert_float_equal(hidden->value->data[0], 1, 0);
  assert_float_equal(x->value->data[0], 100, 0);
  node_unname(named);
  node_unref(named), node_unref(hidden), node_unref(x);
}

/* Gradients are those of the numbers that were recorded, and add up in the leaf, however often it is written. */
static void test_write_keeps_what_was_recorded(void **state) {
  (void)state;
  Node *x = LEAF(1, 1, 3);
  x->requires_grad = true;
  Builder b;
  builder_begin(&b, &err);
  Node *y = build2(&b, &op_mul, x, x); /* x² at 1, 2, 3 */
  for (int k = 0; k < 2; k++) {
    assert_true(node_write(x, k == 0, &err));
    for (int i = 0; i < 3; i++) x->value->data[i] = 10 * (float)(k + 1);
    tensor_touch(x->value);
    y = build2(&b, &op_add, y, build2(&b, &op_mul, x, x)); /* at 10, at 20 */
  }
  const Tensor *t = x->value;
  assert_true(graph_backward(build1(&b, &op_sum, y), NULL, false, &err));
  builder_end(&b);
  for (int i = 0; i < 3; i++) assert_float_equal(x->grad->value->data[i], 2 * (1 + i) + 20 + 40, 0);
  assert_int_equal(x->users, 0);
  assert_true(node_write(x, false, &err)); /* nobody is made of it any more: where it lies */
  assert_ptr_equal(x->value, t);
  node_unref(x);
}

/* No gradient flows through what was made while none was to be recorded, though it is not computed yet. */
static void test_no_grad_is_kept(void **state) {
  (void)state;
  Node *x = LEAF(1, 1, 3);
  x->requires_grad = true;
  Builder b;
  builder_begin(&b, &err);
  graph_grad_mode = false;
  Node *twice = build2(&b, &op_add, x, x);
  graph_grad_mode = true;
  assert_true(graph_backward(build1(&b, &op_sum, build2(&b, &op_mul, twice, x)), NULL, false, &err));
  builder_end(&b);
  for (int i = 0; i < 3; i++) assert_float_equal(x->grad->value->data[i], 2 * (1 + i), 0);
  node_unref(x);
}

/* straight_through has y's numbers and x's gradient. */
static void test_straight_through(void **state) {
  (void)state;
  Node *x = LEAF(1, 1, 3), *y = LEAF(5, 0, 3);
  x->requires_grad = y->requires_grad = true;
  Builder b;
  builder_begin(&b, &err);
  Node *z = build2(&b, &op_straight_through, y, build2(&b, &op_mul, x, x));
  assert_true(graph_backward(build1(&b, &op_sum, build2(&b, &op_mul, z, z)), NULL, false, &err));
  builder_end(&b);
  for (int i = 0; i < 3; i++) assert_float_equal(x->grad->value->data[i], 10 * 2 * (1 + i), 0);
  assert_null(y->grad);
  node_unref(x), node_unref(y);
}

static bool stop_now(void) { return true; }

static void test_stop_changes_nothing(void **state) {
  (void)state;
  Node *x = LEAF(1, 1, 3);
  x->requires_grad = true;
  Builder b;
  builder_begin(&b, &err);
  Node *y = node_ref(build1(&b, &op_sum, build2(&b, &op_mul, x, x)));
  builder_end(&b);
  host.should_stop = stop_now;
  assert_false(graph_backward(y, NULL, false, &err));
  host.should_stop = NULL;
  assert_int_equal(err.kind, ERR_STOP);
  assert_null(x->grad);
  assert_true(graph_backward(y, NULL, false, &err));
  assert_float_equal(x->grad->value->data[1], 4, 0);
  node_unref(y), node_unref(x);
}

static int asked, stop_after;
static bool stop_later(void) { return asked++ >= stop_after; }

/* Wherever a convolution was stopped, its weights are prepared right for the next one. */
static void test_stop_keeps_no_half_prepared_weights(void **state) {
  (void)state;
  Node *x = LEAF(-1, 1e-4f, 1, 32, 24, 24), *w = LEAF(-.5f, 1e-5f, 96, 32, 3, 3);
  bool whole = false;
  for (stop_after = 0; !whole; stop_after++) {
    Tensor *right = NULL;
    asked = 0;
    tensor_touch(w->value);
    for (int64_t i = 0; i < w->value->count; i++) w->value->data[i] *= -1.01f; /* memory is used again, and has the last ones */
    for (int round = 0; round < 3; round++) { /* seen first, prepared and stopped, used */
      Builder b;
      builder_begin(&b, &err);
      Node *y = node_ref(build_a(&b, &op_conv2d, 2, (Node *[]){x, w}, 7, (double[]){1, 1, 1, 1, 1, 1, 1}));
      builder_end(&b);
      host.should_stop = round == 1 ? stop_later : NULL;
      bool done = graph_eval(&y, 1, &err);
      host.should_stop = NULL;
      if (!right) right = tensor_ref(y->value);
      if (round == 1) whole = done;
      if (done) assert_memory_equal(y->value->data, right->data, (size_t)right->count * sizeof(float));
      node_unref(y);
    }
    tensor_unref(right);
  }
  assert_true(stop_after > 3);
  node_unref(x), node_unref(w);
}

static void test_frozen_prefix_disappears(void **state) {
  (void)state;
  Node *x = LEAF(.1f, .1f, 4, 4), *frozen = LEAF(.2f, .1f, 4, 4), *head = LEAF(.3f, .1f, 4, 2);
  head->requires_grad = true;
  Builder b;
  builder_begin(&b, &err);
  Node *h = build1(&b, &op_relu, build2(&b, &op_matmul, x, frozen));
  Node *logits = build2(&b, &op_matmul, h, head);
  Node *loss = build1(&b, &op_sum, logits);
  GraphCost part, full;
  assert_true(graph_cost(&loss, 1, true, &part, &err));
  builder_end(&b);
  frozen->requires_grad = true;
  builder_begin(&b, &err);
  h = build1(&b, &op_relu, build2(&b, &op_matmul, x, frozen));
  loss = build1(&b, &op_sum, build2(&b, &op_matmul, h, head));
  assert_true(graph_cost(&loss, 1, true, &full, &err));
  builder_end(&b);
  assert_true(part.steps < full.steps);
  node_unref(x), node_unref(frozen), node_unref(head);
}

/* The frontier is the last value that is the same in every epoch: relu of a frozen convolution. */
static void test_frontier(void **state) {
  (void)state;
  Node *x = LEAF(-1, .01f, 2, 3, 5, 5), *w = LEAF(-.3f, .02f, 3, 3, 3, 3), *w2 = LEAF(.1f, .02f, 3, 3, 3, 3);
  w2->requires_grad = true;
  Builder b;
  builder_begin(&b, &err);
  Node *h = build1(&b, &op_relu, build2(&b, &op_conv2d, x, w));
  Node *y = build1(&b, &op_relu, build2(&b, &op_conv2d, h, w2));
  int count;
  char why[SHAPE_TEXT];
  Node **cut = graph_frontier(&y, 1, x, &count, why, &(uint64_t){0}, &err);
  assert_int_equal(count, 1);
  assert_ptr_equal(cut[0], h);
  free(cut);
  Node *s = build1(&b, &op_bn_stats, h); /* batch statistics tie samples together: nothing to cache behind them */
  cut = graph_frontier(&s, 1, x, &count, why, &(uint64_t){0}, &err);
  assert_int_equal(count, 1);
  assert_ptr_equal(cut[0], h);
  assert_non_null(strstr(why, "across samples"));
  free(cut);
  double last[MAX_ATTR] = {0, 2, 3, 1, ATTR_END}, back[MAX_ATTR] = {0, 3, 1, 2, ATTR_END}, ln[] = {1, 1e-5};
  Node *p = build_a(&b, &op_permute, 1, &h, 8, last); /* the way of LayerNorm over channels, there and back */
  Node *norm = build_a(&b, &op_layer_norm, 1, &p, 2, ln);
  Node *q = build_a(&b, &op_permute, 1, &norm, 8, back);
  y = build2(&b, &op_conv2d, q, w2);
  cut = graph_frontier(&y, 1, x, &count, why, &(uint64_t){0}, &err);
  assert_int_equal(count, 1);
  assert_ptr_equal(cut[0], norm); /* a view of it is made anew */
  free(cut);
  Node *rows = LEAF(-1, .1f, 4, 3), *square = LEAF(.1f, .1f, 4, 4), *moves = LEAF(.2f, .1f, 4, 3);
  moves->requires_grad = true;
  Node *mixed = build2(&b, &op_mul, build2(&b, &op_matmul, square, rows), moves); /* the batch is the second matrix */
  cut = graph_frontier(&mixed, 1, rows, &count, why, &(uint64_t){0}, &err);
  assert_int_equal(count, 0);
  free(cut);
  builder_end(&b);
  node_unref(x), node_unref(w), node_unref(w2), node_unref(rows), node_unref(square), node_unref(moves);
}

/* conv + bn_eval + add + relu is one step, and its numbers are those of the four. */
static void test_fusion(void **state) {
  (void)state;
  Node *x = LEAF(-1, .01f, 2, 3, 5, 5), *w = LEAF(-.3f, .02f, 3, 3, 3, 3), *mean = LEAF(.1f, .1f, 3), *var = LEAF(.5f, .2f, 3),
       *g = LEAF(1, .1f, 3), *beta = LEAF(-.2f, .1f, 3);
  double conv[MAX_ATTR] = {0};
  op_defaults(&op_conv2d, conv);
  assert_true(op_attrs_parse(&op_conv2d, "padding=1,1", conv, &err));
  Node *y[2];
  int steps[2];
  for (int apart = 0; apart < 2; apart++) {
    Builder b;
    builder_begin(&b, &err);
    Node *c = build(&b, &op_conv2d, conv, 2, (Node *[]){x, w});
    Node *n = build(&b, &op_bn_eval, NULL, 5, (Node *[]){c, mean, var, g, beta});
    Node *s = build2(&b, &op_add, n, x);
    y[apart] = node_ref(build1(&b, &op_relu, s));
    assert_false(b.failed);
    Node *want[] = {y[apart], c, n, s};
    GraphCost cost;
    assert_true(graph_cost(want, apart ? 4 : 1, false, &cost, &err));
    steps[apart] = cost.steps;
    assert_true(graph_eval(want, apart ? 4 : 1, &err));
    builder_end(&b);
  }
  assert_int_equal(steps[0], 1);
  assert_int_equal(steps[1], 4);
  for (int64_t i = 0; i < y[0]->value->count; i++) assert_float_equal(y[0]->value->data[i], y[1]->value->data[i], 1e-5);
  for (int i = 0; i < 2; i++) node_unref(y[i]);
  node_unref(x), node_unref(w), node_unref(mean), node_unref(var), node_unref(g), node_unref(beta);
}

/* Every activation is taken in behind a convolution and behind a linear map, and gives the numbers it gives alone; but not where
 * its gradient asks for what it was applied to. */
static void test_fusion_of_activations(void **state) {
  (void)state;
  Node *x = LEAF(-1, .01f, 2, 3, 5, 5), *w = LEAF(-.3f, .02f, 20, 3, 3, 3), *rows = LEAF(-1, .05f, 2, 4, 5), *v = LEAF(-.2f, .01f, 20, 5), *bias = LEAF(-.3f, .1f, 20);
  for (int o = 0; o < op_count; o++) {
    const Op *act = op_table[o];
    if (!act->activation) continue;
    double attr[MAX_ATTR] = {0};
    op_defaults(act, attr);
    if (act->activation == ACT_CLAMP) attr[0] = 0, attr[1] = .25;
    for (int map = 0; map < 2; map++) {
      Node *y[2];
      for (int apart = 0; apart < 2; apart++) {
        Builder b;
        builder_begin(&b, &err);
        Node *sum = map ? build(&b, &op_linear, NULL, 3, (Node *[]){rows, v, bias}) : build2(&b, &op_conv2d, x, w);
        y[apart] = node_ref(build(&b, act, attr, 1, &sum));
        Node *want[] = {y[apart], sum};
        GraphCost cost;
        assert_true(graph_cost(want, 1 + apart, false, &cost, &err));
        assert_int_equal(cost.steps, 1 + apart);
        assert_true(graph_eval(want, 1 + apart, &err));
        builder_end(&b);
      }
      assert_memory_equal(y[0]->value->data, y[1]->value->data, (size_t)y[0]->value->count * sizeof(float));
      node_unref(y[0]), node_unref(y[1]);
    }
  }
  x->requires_grad = true;
  const Op *const two[] = {&op_relu, &op_gelu};
  int steps[2];
  for (int i = 0; i < 2; i++) {
    Builder b;
    builder_begin(&b, &err);
    Node *loss = build1(&b, &op_sum, build1(&b, two[i], build2(&b, &op_conv2d, x, w)));
    GraphCost cost;
    assert_true(graph_cost(&loss, 1, true, &cost, &err));
    builder_end(&b);
    steps[i] = cost.steps;
  }
  assert_int_equal(steps[1], steps[0] + 1);
  node_unref(x), node_unref(w), node_unref(rows), node_unref(v), node_unref(bias);
}

/* What moves no bytes takes no step: dims permuted to the order they lie in, and parts along the outermost dim. */
static void test_aliases(void **state) {
  (void)state;
  Node *x = LEAF(-1, .01f, 2, 3, 5, 5), *w = LEAF(-.3f, .02f, 6, 3, 3, 3), *g = LEAF(1, .1f, 6);
  const double last[] = {0, 2, 3, 1, ATTR_END, ATTR_END, ATTR_END, ATTR_END}, back[] = {0, 3, 1, 2, ATTR_END, ATTR_END, ATTR_END, ATTR_END};
  Node *y[2], *part[2];
  for (int apart = 0; apart < 2; apart++) {
    Builder b;
    builder_begin(&b, &err);
    Node *c = build2(&b, &op_conv2d, x, w), *p = build_a(&b, &op_permute, 1, &c, 8, last);
    Node *n = build(&b, &op_layer_norm, NULL, 2, (Node *[]){p, g});
    y[apart] = node_ref(build1(&b, &op_relu, build_a(&b, &op_permute, 1, &n, 8, back)));
    Node *row = build_a(&b, &op_slice, 1, &n, 4, (double[]){0, 1, 2, 1}); /* is read where it lies, and not written over */
    part[apart] = node_ref(build2(&b, &op_mul, build1(&b, &op_relu, row), build1(&b, &op_sum, n)));
    Node *want[] = {y[apart], part[apart], c, p, n, row};
    GraphCost cost;
    assert_true(graph_cost(want, 1, false, &cost, &err));
    assert_int_equal(cost.steps, 3); /* conv2d, layer_norm, relu */
    assert_true(graph_eval(want, apart ? 6 : 2, &err));
    builder_end(&b);
  }
  assert_memory_equal(y[0]->value->data, y[1]->value->data, (size_t)y[0]->value->count * sizeof(float));
  assert_memory_equal(part[0]->value->data, part[1]->value->data, (size_t)part[0]->value->count * sizeof(float));
  node_unref(x), node_unref(w), node_unref(g), node_unref(y[0]), node_unref(y[1]), node_unref(part[0]), node_unref(part[1]);
}

/* A sum is stored over the residual that nobody wants any more; where somebody does, or a convolution still reads it, elsewhere. */
static void test_over_residual(void **state) {
  (void)state;
  enum { SIDE = 20, CHANNELS = 16, BYTES = CHANNELS * SIDE * SIDE * 4 };
  Node *x = LEAF(-1, .001f, 1, CHANNELS, SIDE, SIDE), *w = LEAF(-.3f, .002f, CHANNELS, CHANNELS, 1, 1);
  float sum[4];
  int64_t memory[4];
  for (int kind = 0; kind < 4; kind++) { /* of the residual: 0 free, 1 wanted itself; the convolution's own input: 2 free, 3 wanted itself */
    Builder b;
    builder_begin(&b, &err);
    Node *before = build2(&b, &op_conv2d, x, w), *between = kind >= 2 ? before : build2(&b, &op_conv2d, before, w);
    Node *y = build1(&b, &op_sum, build2(&b, &op_add, build2(&b, &op_conv2d, between, w), before)), *want[] = {y, before};
    assert_false(b.failed);
    RunRecord ran = {0};
    run_record = &ran;
    assert_true(graph_eval(want, kind % 2 ? 2 : 1, &err));
    run_record = NULL;
    memory[kind] = ran.memory, sum[kind] = y->value->data[0];
    assert_int_equal(ran.n, kind >= 2 ? 3 : 4);
    free(ran.step);
    builder_end(&b);
  }
  assert_true(sum[0] == sum[1] && sum[2] == sum[3] && sum[0] != sum[2]);
  assert_true(memory[0] + BYTES <= memory[1] + 1024); /* two maps, and three */
  assert_true(memory[2] + 1024 >= memory[0]);         /* two all the same */
  node_unref(x), node_unref(w);
}

/* A product takes the place of either factor, but not of one that it reads in another order, too. */
static void test_in_place(void **state) {
  (void)state;
  enum { ROWS = 600, COLS = 40, BYTES = ROWS * COLS * 4 };
  Node *x = LEAF(-1, .0001f, ROWS, COLS), *other = LEAF(.5f, .01f, 1, COLS);
  int64_t memory[4];
  for (int kind = 0; kind < 4; kind++) { /* the other factor, first or second: a row of its own; the first row of the same map */
    Builder b;
    builder_begin(&b, &err);
    Node *map = build1(&b, &op_sin, x), *row = kind < 2 ? other : build_a(&b, &op_slice, 1, &map, 4, (double[]){0, 0, 1, 1});
    Node *y = build1(&b, &op_sum, build1(&b, &op_sin, kind % 2 ? build2(&b, &op_mul, map, row) : build2(&b, &op_mul, row, map)));
    assert_false(b.failed);
    RunRecord ran = {0};
    run_record = &ran;
    assert_true(graph_eval(&y, 1, &err));
    run_record = NULL;
    memory[kind] = ran.memory;
    double want = 0;
    for (int i = 0; i < ROWS * COLS; i++) {
      const float *first = kind < 2 ? other->value->data : x->value->data;
      double by = kind < 2 ? first[i % COLS] : sin(first[i % COLS]);
      want += sin(sin(x->value->data[i]) * by);
    }
    assert_float_equal(y->value->data[0], want, 1e-4 * fabs(want));
    free(ran.step);
    builder_end(&b);
  }
  assert_true(memory[0] < 2 * BYTES && memory[1] < 2 * BYTES); /* one map all along */
  assert_true(memory[2] >= 2 * BYTES && memory[3] >= 2 * BYTES);
  node_unref(x), node_unref(other);
}

/* A run that is recorded tells its steps: what each computes, how, and how long that took; a plan tells the same untimed. */
static void test_record(void **state) {
  (void)state;
  Node *x = LEAF(-1, .01f, 2, 3, 5, 5), *w = LEAF(-.3f, .02f, 3, 3, 3, 3), *mean = LEAF(.1f, .1f, 3), *var = LEAF(.5f, .2f, 3);
  double conv[MAX_ATTR] = {0};
  op_defaults(&op_conv2d, conv);
  assert_true(op_attrs_parse(&op_conv2d, "padding=1,1", conv, &err));
  Builder b;
  builder_begin(&b, &err);
  const char *path = graph_path;
  graph_path = graph_intern("layer1.conv");
  Node *c = build(&b, &op_conv2d, conv, 2, (Node *[]){x, w});
  graph_path = path;
  Node *n = build(&b, &op_bn_eval, NULL, 3, (Node *[]){c, mean, var}), *y = build2(&b, &op_add, n, x), *s = build1(&b, &op_sum, y);
  assert_false(b.failed);
  const uint64_t order[] = {c->order, n->order, y->order};
  const Op *const fused[] = {&op_bn_eval, &op_add};
  RunRecord planned = {0}, ran = {0};
  int count;
  Node **node = graph_walk(&s, 1, true, &count, &err);
  assert_true(run_steps(node, count, &s, 1, &planned, &err));
  free(node);
  run_record = &ran;
  assert_true(graph_eval(&s, 1, &err));
  run_record = NULL;
  for (int i = 0; i < 2; i++) {
    const RunRecord *r = i ? &ran : &planned;
    assert_int_equal(r->n, 2);
    const StepInfo *step = r->step;
    assert_ptr_equal(step->op, &op_conv2d);
    assert_string_equal(step->algorithm, kern->conv2d_algorithm(CONV_FORWARD, &(ConvShape){
      .n = 2, .h = 5, .w = 5, .c = 3, .k = 3, .r = 3, .s = 3, .oh = 5, .ow = 5, .stride_h = 1, .stride_w = 1, .pad_h = 1, .pad_w = 1,
      .dilation_h = 1, .dilation_w = 1, .groups = 1}));
    assert_int_equal(step->n_fused, 2);
    assert_memory_equal(step->fused, fused, sizeof fused);
    assert_memory_equal(step->order, order, sizeof order);
    assert_string_equal(step->path, "layer1.conv");
    assert_int_equal(step->macs, 2 * 25 * 3 * 3 * 9);
    assert_int_equal(step->bytes, 4 * (150 + 81 + 3 + 3 + 150)); /* x is also the residual: once */
    assert_ptr_equal(step[1].op, &op_sum);
    assert_null(step[1].algorithm);
    assert_int_equal(step[1].bytes, 4 * 151);
    assert_true(i ? step->seconds > 0 && step[1].seconds > 0 : step->seconds == 0);
    assert_true(r->memory >= 4 * 151);
  }
  builder_end(&b);
  free(planned.step), free(ran.step);
  node_unref(x), node_unref(w), node_unref(mean), node_unref(var);
}

/* A convolution whose large result only a depthwise one takes runs within that: one step, the same bits, and that result is nowhere; unless it is
 * wanted, or another reads it too. */
static void test_pair(void **state) {
  (void)state;
  Node *x = LEAF(-1, .00001f, 4, 16, 64, 64), *v = LEAF(-.3f, .001f, 64, 16, 1, 1), *w = LEAF(.2f, -.001f, 64, 1, 3, 3);
  Node *mean = LEAF(.1f, .01f, 64), *var = LEAF(.5f, .02f, 64);
  double conv[MAX_ATTR] = {0};
  op_defaults(&op_conv2d, conv);
  assert_true(op_attrs_parse(&op_conv2d, "padding=1,1 groups=64", conv, &err));
  const Op *const fused[] = {&op_bn_eval, &op_relu, &op_conv2d, &op_bn_eval, &op_relu};
  enum { ALONE, WANTED, READ, KINDS };
  Tensor *y[KINDS];
  int64_t memory[KINDS];
  for (int kind = 0; kind < KINDS; kind++) {
    Builder b;
    builder_begin(&b, &err);
    Node *p = build2(&b, &op_conv2d, x, v), *pn = build(&b, &op_bn_eval, NULL, 3, (Node *[]){p, mean, var}), *pr = build1(&b, &op_relu, pn);
    Node *q = build(&b, &op_conv2d, conv, 2, (Node *[]){pr, w}), *qn = build(&b, &op_bn_eval, NULL, 3, (Node *[]){q, mean, var});
    Node *qr = build1(&b, &op_relu, qn), *other = build1(&b, &op_sum, kind == READ ? pr : v);
    assert_false(b.failed);
    Node *want[] = {qr, kind == WANTED ? pr : other};
    RunRecord ran = {0};
    run_record = &ran;
    assert_true(graph_eval(want, 2, &err));
    run_record = NULL;
    const StepInfo *s = ran.step;
    if (kind == ALONE) {
      const uint64_t order[] = {p->order, pn->order, pr->order, q->order, qn->order, qr->order};
      assert_int_equal(ran.n, 2);
      if (s->op != &op_conv2d) s++;
      assert_ptr_equal(s->op, &op_conv2d);
      assert_string_equal(s->algorithm, "pair");
      assert_int_equal(s->n_fused, 5);
      assert_memory_equal(s->fused, fused, sizeof fused);
      assert_memory_equal(s->order, order, sizeof order);
      assert_int_equal(s->macs, 4 * 64 * 64 * 64 * (16 + 9));
      assert_int_equal(s->bytes, 4 * (4 * 64 * 64 * (16 + 64) + 64 * (16 + 9) + 2 * 64)); /* mean and var are read twice: once */
    } else {
      assert_int_equal(ran.n, kind == WANTED ? 2 : 3);
    }
    memory[kind] = ran.memory;
    y[kind] = tensor_ref(qr->value);
    if (kind) assert_memory_equal(y[0]->data, y[kind]->data, sizeof(float) * (size_t)y[0]->count);
    free(ran.step);
    builder_end(&b);
  }
  assert_true(memory[READ] - memory[ALONE] > 4 * 4 * 64 * 64 * 32); /* half of what lies between; the rest is scratch */
  for (int kind = 0; kind < KINDS; kind++) tensor_unref(y[kind]);
  node_unref(x), node_unref(v), node_unref(w), node_unref(mean), node_unref(var);
}

/* A gate of samples' channels is applied on the way into the convolution behind it, whichever side of the product it stands on; a factor of all samples
 * is not, nor where the product is wanted. */
static void test_gate(void **state) {
  (void)state;
  Node *x = LEAF(-1, .001f, 3, 24, 6, 5), *w = LEAF(-.3f, .01f, 8, 24, 1, 1), *gate[] = {LEAF(.1f, .01f, 3, 24, 1, 1), LEAF(.1f, .01f, 1, 24, 1, 1)};
  const Op *const fused[] = {&op_conv2d, &op_relu};
  for (int kind = 0; kind < 4; kind++) { /* gate on the right, on the left, wanted, of all samples */
    Tensor *y[2];
    for (int apart = 0; apart < 2; apart++) {
      Builder b;
      builder_begin(&b, &err);
      Node *g = gate[kind == 3], *p = kind == 1 ? build2(&b, &op_mul, g, x) : build2(&b, &op_mul, x, g), *q = build2(&b, &op_conv2d, p, w);
      Node *r = build1(&b, &op_relu, q), *want[] = {r, p};
      assert_false(b.failed);
      if (apart) assert_true(graph_eval(want + 1, 1, &err));
      RunRecord ran = {0};
      run_record = &ran;
      assert_true(graph_eval(want, kind == 2 ? 2 : 1, &err));
      run_record = NULL;
      assert_int_equal(ran.n, apart || kind < 2 ? 1 : 2);
      if (!apart && kind < 2) {
        assert_ptr_equal(ran.step->op, &op_mul);
        assert_int_equal(ran.step->n_fused, 2);
        assert_memory_equal(ran.step->fused, fused, sizeof fused);
        assert_string_equal(ran.step->algorithm, "implicit gemm");
        assert_int_equal(ran.step->bytes, 4 * (3 * 24 * 30 + 3 * 24 + 8 * 24 + 3 * 8 * 30));
      }
      y[apart] = tensor_ref(r->value);
      free(ran.step);
      builder_end(&b);
    }
    assert_memory_equal(y[0]->data, y[1]->data, sizeof(float) * (size_t)y[0]->count);
    tensor_unref(y[0]), tensor_unref(y[1]);
  }
  node_unref(x), node_unref(w), node_unref(gate[0]), node_unref(gate[1]);
}

/* What only passes over what the step before reads anyway comes along with it, as if it had run apart. */
static void test_beside(void **state) {
  (void)state;
  const int64_t sizes[] = {6, 400}; /* the second is a product of the large kind */
  const double lead[] = {0, 1, ATTR_END, ATTR_END, ATTR_END, ATTR_END, ATTR_END, ATTR_END, 0}, last[] = {1, 2, ATTR_END};
  const double kept[] = {0, 1, ATTR_END, ATTR_END, ATTR_END, ATTR_END, ATTR_END, ATTR_END, 1};
  const struct { const double *sum; int n; bool other, beside; } cases[] = {
    {lead, 9, false, true}, {lead, 9, true, false}, {last, 3, false, false}, {kept, 9, false, false},
  };
  for (int z = 0; z < 2; z++) {
    Node *g = LEAF(-1, .0003f, 3, 5, sizes[z]), *x = LEAF(.7f, -.0002f, 3, 5, sizes[z]), *one = LEAF(1, 0, 1), *w = LEAF(.3f, .01f, sizes[z]);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
      Builder b;
      builder_begin(&b, &err);
      Node *dy = build2(&b, &op_mul, g, one), *dw = build2(&b, &op_linear_dw, dy, x);
      Node *sum = build_a(&b, &op_sum, 1, cases[i].other ? &x : &dy, cases[i].n, cases[i].sum);
      Node *twice = build2(&b, &op_add, sum, sum), *want[] = {dw, twice}; /* the sum itself lies in the arena */
      assert_false(b.failed);
      RunRecord ran = {0};
      run_record = &ran;
      assert_true(graph_eval(want, 2, &err));
      run_record = NULL;
      assert_int_equal(ran.n, cases[i].beside ? 3 : 4);
      for (int t = 0; t < ran.n; t++) {
        if (ran.step[t].op != &op_linear_dw) continue;
        assert_int_equal(ran.step[t].n_fused, cases[i].beside);
        if (cases[i].beside) assert_ptr_equal(ran.step[t].fused[0], &op_sum);
      }
      free(ran.step);
      const float *of = (cases[i].other ? x : g)->value->data;
      double first = 0; /* element 0 of the sum */
      for (int64_t r = 0; r < 15; r++)
        for (int64_t c = 0; c < sizes[z]; c++)
          if (cases[i].sum == last ? r < 5 : c == 0) first += of[r * sizes[z] + c];
      assert_float_equal(twice->value->data[0], 2 * first, 1e-5 * fabs(first) + 1e-6);
      builder_end(&b);
    }
    Tensor *apart[2], *along[2];
    for (int way = 0; way < 2; way++) {
      Builder b;
      builder_begin(&b, &err);
      Node *dy = build2(&b, &op_mul, g, one), *dx = build(&b, &op_layer_norm_dx, NULL, 3, (Node *[]){dy, x, w});
      Node *param = build2(&b, &op_layer_norm_dparam, dy, x), *both[] = {dx, param};
      RunRecord ran = {0};
      run_record = &ran;
      if (way) assert_true(graph_eval(both, 2, &err)); /* dx in dy's place */
      else assert_true(graph_eval(both, 1, &err) && graph_eval(both + 1, 1, &err));
      run_record = NULL;
      assert_int_equal(ran.n, way ? 2 : 4);
      free(ran.step);
      for (int k = 0; k < 2; k++) (way ? along : apart)[k] = tensor_ref(both[k]->value);
      builder_end(&b);
    }
    for (int k = 0; k < 2; k++) {
      assert_memory_equal(along[k]->data, apart[k]->data, sizeof(float) * (size_t)along[k]->count);
      tensor_unref(along[k]), tensor_unref(apart[k]);
    }
    node_unref(g), node_unref(x), node_unref(one), node_unref(w);
  }
}

/* A block of a transformer on x (3, 9, 8), of which only row 2 is read; h[]: what comes on the way. */
typedef struct Block { Node *x, *in_w, *in_b, *out_w, *out_b, *up, *down, *mask; } Block;

static Block block_leaves(void) {
  return (Block){LEAF(-1, .013f, 3, 9, 8), LEAF(-.5f, .007f, 24, 8), LEAF(-.2f, .02f, 24), LEAF(.4f, -.02f, 8, 8), LEAF(.1f, .01f, 8),
                 LEAF(-.3f, .004f, 16, 8), LEAF(.3f, -.005f, 8, 16), LEAF(-.4f, .01f, 9, 9)};
}

enum { QKV, MIXED, SUM, RESULT, ROW, HIDDEN };
static void block_build(Builder *b, const Block *l, bool masked, Node *h[HIDDEN]) {
  Node *n = build(b, &op_layer_norm, NULL, 1, (Node *[]){l->x});
  h[QKV] = build(b, &op_linear, NULL, 3, (Node *[]){n, l->in_w, l->in_b});
  h[MIXED] = build_a(b, &op_packed_attention, 2, (Node *[]){h[QKV], masked ? l->mask : NULL}, 1, (double[]){2});
  h[SUM] = build2(b, &op_add, build(b, &op_linear, NULL, 3, (Node *[]){h[MIXED], l->out_w, l->out_b}), l->x);
  n = build1(b, &op_gelu, build2(b, &op_linear, build(b, &op_layer_norm, NULL, 1, (Node *[]){h[SUM]}), l->up));
  h[RESULT] = build2(b, &op_add, h[SUM], build2(b, &op_linear, n, l->down));
  Node *row = build_a(b, &op_slice, 1, &h[RESULT], 3, (double[]){1, 2, 3});
  h[ROW] = build_a(b, &op_reshape, 1, &row, 3, (double[]){3, 8, ATTR_END});
}

static int64_t most_rows(const RunRecord *ran, const Op *op) {
  int64_t rows = 0;
  for (int i = 0; i < ran->n; i++)
    if (ran->step[i].op == op && ran->step[i].shape.rank == 3 && ran->step[i].shape.dim[1] > rows) rows = ran->step[i].shape.dim[1];
  return rows;
}

static int64_t all_macs(const RunRecord *ran) {
  int64_t macs = 0;
  for (int i = 0; i < ran->n; i++) macs += ran->step[i].macs;
  return macs;
}

/* What only unread rows need is not computed, nor its gradient; values and gradients are the same as of the whole. */
static void test_narrow(void **state) {
  (void)state;
  for (int masked = 0; masked < 2; masked++) {
    Block l[2] = {block_leaves(), block_leaves()};
    Tensor *y[2];
    for (int whole = 0; whole < 2; whole++) {
      Node *const *leaf_of = (Node *const *)&l[whole];
      for (int i = 0; i < 8; i++) leaf_of[i]->requires_grad = true;
      Builder b;
      builder_begin(&b, &err);
      Node *h[HIDDEN];
      block_build(&b, &l[whole], masked, h);
      Node *loss = build1(&b, &op_sum, build2(&b, &op_mul, h[ROW], h[ROW]));
      assert_false(b.failed);
      if (whole) node_name(h[RESULT]), node_name(h[MIXED]);
      RunRecord ran = {0}, planned = {0};
      GraphCost cost;
      assert_true(graph_steps(&loss, 1, &planned, &err));
      run_record = &ran;
      assert_true(graph_eval(&loss, 1, &err));
      run_record = NULL;
      if (!whole) { /* the plan that views show is the one that runs; named values are the run's business only */
        assert_int_equal(ran.n, planned.n);
        assert_int_equal(most_rows(&ran, &op_gelu), 0);
        assert_int_equal(most_rows(&ran, &op_layer_norm), 9);
        assert_int_equal(most_rows(&ran, &op_packed_attention), 0);
        /* keys and values of all rows, all else of one: of the projections, the products with keys and values, the maps */
        assert_int_equal(all_macs(&ran), 3 * (9 * 8 * 16 + 8 * 8 + 9 * 16 + 8 * 8 + 8 * 16 * 2));
      } else {
        assert_int_equal(most_rows(&ran, &op_linear), 9);
        assert_int_equal(most_rows(&ran, &op_packed_attention), 9);
      }
      free(ran.step), free(planned.step);
      ran = (RunRecord){0};
      assert_true(graph_cost(&loss, 1, true, &cost, &err));
      run_record = &ran;
      assert_true(graph_backward(loss, NULL, true, &err));
      run_record = NULL;
      if (!whole) assert_int_equal(cost.steps, ran.n);
      free(ran.step);
      assert_ptr_equal(h[ROW]->in[0]->op, &op_slice); /* the graph is what it was */
      assert_ptr_equal(h[ROW]->in[0]->in[0], h[RESULT]);
      y[whole] = tensor_ref(loss->value);
      if (whole) node_unname(h[RESULT]), node_unname(h[MIXED]);
      /* what was passed over is there when somebody looks, and gradients by it, too */
      Node *by = NULL;
      assert_true(graph_grad(&b, h[ROW], NULL, &h[MIXED], 1, false, &by));
      assert_non_null(by);
      Node *both[] = {by, h[MIXED]};
      assert_true(graph_eval(both, 2, &err));
      for (int64_t i = 0; i < by->value->count; i++) /* only row 2 is read */
        assert_true((by->value->data[i] != 0) == (i / 8 % 9 == 2));
      builder_end(&b);
    }
    assert_float_equal(y[0]->data[0], y[1]->data[0], 1e-4);
    tensor_unref(y[0]), tensor_unref(y[1]);
    for (int i = 0; i < 8; i++) {
      Node *a = ((Node *const *)&l[0])[i], *c = ((Node *const *)&l[1])[i];
      assert_int_equal(!a->grad, !c->grad);
      assert_int_equal(!a->grad, i == 7 && !masked);
      double top = 0;
      for (int64_t k = 0; a->grad && k < a->value->count; k++) top = fmax(top, fabs(c->grad->value->data[k]));
      for (int64_t k = 0; a->grad && k < a->value->count; k++) assert_float_equal(a->grad->value->data[k], c->grad->value->data[k], 1e-5 * top);
      node_unref(a), node_unref(c);
    }
  }
}

/* Where users read different parts, most of it, all of it elsewhere, or somebody holds it, the value is whole; a run that is stopped
 * leaves the graph as it was. */
static void test_narrow_where_not(void **state) {
  (void)state;
  Node *x = LEAF(-1, .01f, 4, 10, 3), *w = LEAF(-.5f, .1f, 3, 3);
  const struct { double from, to, more; bool named; int64_t rows; } cases[] = {
    {4, 5, -1, false, 1}, {4, 9, -1, false, 5}, {4, 5, 4, false, 1}, {4, 5, 6, false, 10}, {4, 10, -1, false, 10}, {4, 5, -1, true, 10}, {-1, 10, -1, false, 1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Builder b;
    builder_begin(&b, &err);
    Node *y = build2(&b, &op_linear, x, w), *s = build_a(&b, &op_slice, 1, &y, 3, (double[]){1, cases[i].from, cases[i].to});
    if (cases[i].more >= 0) s = build2(&b, &op_add, s, build_a(&b, &op_slice, 1, &y, 3, (double[]){1, cases[i].more, cases[i].more + 1}));
    if (cases[i].named) node_name(y);
    RunRecord ran = {0};
    run_record = &ran;
    assert_true(graph_eval(&s, 1, &err));
    run_record = NULL;
    assert_int_equal(most_rows(&ran, &op_linear), cases[i].rows);
    free(ran.step);
    if (cases[i].named) node_unname(y);
    builder_end(&b);
  }
  Builder b;
  builder_begin(&b, &err);
  Node *y = build2(&b, &op_linear, x, w), *s = build_a(&b, &op_slice, 1, &y, 3, (double[]){1, 4, 5});
  host.should_stop = stop_now;
  assert_false(graph_eval(&s, 1, &err));
  host.should_stop = NULL;
  assert_ptr_equal(s->op, &op_slice);
  assert_ptr_equal(s->in[0], y);
  assert_true(graph_eval(&s, 1, &err));
  builder_end(&b);
  node_unref(x), node_unref(w);
}

/* The best of all tries so far: never falls. */
static void test_peak(void **state) {
  (void)state;
  Peak first, second;
  assert_true(peak_measure(&first, &err) && peak_measure(&second, &err));
  assert_true(first.flops > 1e8 && first.bandwidth > 1e8);
  assert_true(second.flops >= first.flops && second.bandwidth >= first.bandwidth);
}

/* Two convolutions meet in one add (a ResNet's downsampling block): only one of them takes it in. */
static void test_fusion_of_two_branches(void **state) {
  (void)state;
  Node *x = LEAF(-1, .01f, 2, 3, 5, 5), *v = LEAF(-.3f, .02f, 3, 3, 1, 1), *w = LEAF(.2f, -.03f, 3, 3, 1, 1);
  Node *y[2];
  for (int apart = 0; apart < 2; apart++) {
    Builder b;
    builder_begin(&b, &err);
    Node *p = build2(&b, &op_conv2d, x, v), *q = build2(&b, &op_conv2d, x, w), *s = build2(&b, &op_add, p, q);
    y[apart] = node_ref(build1(&b, &op_relu, s));
    Node *want[] = {y[apart], p, q, s};
    assert_true(graph_eval(want, apart ? 4 : 1, &err));
    builder_end(&b);
  }
  for (int64_t i = 0; i < y[0]->value->count; i++) assert_float_equal(y[0]->value->data[i], y[1]->value->data[i], 1e-5);
  node_unref(y[0]), node_unref(y[1]), node_unref(x), node_unref(v), node_unref(w);
}

/* Running statistics follow once, in order, also when nobody looks at the result. */
static void test_effects(void **state) {
  (void)state;
  Node *mean = LEAF(0, 0, 2), *var = LEAF(1, 0, 2);
  for (int pass = 0; pass < 2; pass++) {
    Node *x = LEAF((float)pass, 1, 4, 2);
    Builder b;
    builder_begin(&b, &err);
    Node *stats = build1(&b, &op_bn_stats, x);
    assert_true(node_effect(stats, mean, var, .5, &err));
    builder_end(&b);
    node_unref(x);
  }
  Node *both[] = {mean, var};
  assert_true(graph_eval(both, 2, &err));
  /* column 0: 0 2 4 6 (mean 3, unbiased variance 20/3), then 1 3 5 7 */
  assert_float_equal(mean->value->data[0], (0 * .5 + 3 * .5) * .5 + 4 * .5, 1e-6);
  assert_float_equal(var->value->data[0], (1 * .5 + 20. / 3 * .5) * .5 + 20. / 3 * .5, 1e-5);
  assert_true(graph_eval(both, 2, &err));
  assert_float_equal(mean->value->data[0], 2.75, 1e-6);
  node_unref(mean), node_unref(var);
}

static void test_shape_error_names_the_place(void **state) {
  (void)state;
  Node *a = LEAF(0, 1, 2, 3), *c = LEAF(0, 1, 4, 5);
  Builder b;
  builder_begin(&b, &err);
  const char *path = graph_path;
  graph_path = graph_intern("layer4.1.conv1");
  assert_null(build2(&b, &op_matmul, a, c));
  graph_path = path;
  assert_null(build1(&b, &op_relu, NULL)); /* harmless after a failure */
  builder_end(&b);
  assert_non_null(strstr(err.text, "layer4.1.conv1: matmul"));
  node_unref(a), node_unref(c);
}

static void test_deep_graph(void **state) {
  (void)state;
  Node *x = LEAF(0, 0, 1), *one = LEAF(1, 0, 1), *y = node_ref(x);
  for (int i = 0; i < 100000; i++) {
    Builder b;
    builder_begin(&b, &err);
    Node *z = node_ref(build2(&b, &op_add, y, one));
    builder_end(&b);
    node_unref(y);
    y = z;
  }
  assert_true(graph_eval(&y, 1, &err));
  assert_float_equal(y->value->data[0], 100000, 0);
  node_unref(y), node_unref(x), node_unref(one);
}

int main(void) {
  kernels_init();
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_lazy_value),
    cmocka_unit_test(test_gradient_accumulates),
    cmocka_unit_test(test_write_computes_what_waits), cmocka_unit_test(test_write_keeps_what_was_recorded),
    cmocka_unit_test(test_no_grad_is_kept), cmocka_unit_test(test_straight_through),
    cmocka_unit_test(test_stop_changes_nothing), cmocka_unit_test(test_stop_keeps_no_half_prepared_weights),
    cmocka_unit_test(test_frozen_prefix_disappears),
    cmocka_unit_test(test_frontier),
    cmocka_unit_test(test_fusion),
    cmocka_unit_test(test_fusion_of_activations),
    cmocka_unit_test(test_record),
    cmocka_unit_test(test_over_residual),
    cmocka_unit_test(test_in_place),
    cmocka_unit_test(test_peak),
    cmocka_unit_test(test_fusion_of_two_branches),
    cmocka_unit_test(test_pair),
    cmocka_unit_test(test_gate),
    cmocka_unit_test(test_beside),
    cmocka_unit_test(test_narrow),
    cmocka_unit_test(test_narrow_where_not),
    cmocka_unit_test(test_aliases),
    cmocka_unit_test(test_effects),
    cmocka_unit_test(test_shape_error_names_the_place),
    cmocka_unit_test(test_deep_graph),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
