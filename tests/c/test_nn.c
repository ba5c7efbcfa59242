/* What an op's own cases cannot say, on each instruction set this CPU has: batch norm's gradient through its statistics,
 * statistics far from zero, weighted and missing classes, ties and NaN in pools, dropout's draws, optimizers on frozen leaves,
 * errors of the shape rules. */
#include <math.h>
#include "kernel_test.h"
#include "graph.h"
#include "optim.h"

extern const Op op_bn_stats, op_bn_train, op_cross_entropy, op_max_pool2d, op_dropout, op_conv2d, op_linear, op_avg_pool2d;
static Err err;

/* Numbers from -1 to 1, the same in every run. */
static uint64_t state_of_draw = 88172645463325252u;
static double draw(void) {
  state_of_draw ^= state_of_draw << 13, state_of_draw ^= state_of_draw >> 7, state_of_draw ^= state_of_draw << 17;
  return (double)(state_of_draw >> 11) * 0x1p-52 - 1;
}

static Node *leaf_of(Shape s, const float *rows) {
  Tensor *t = tensor_new(&s, &err);
  assert_non_null(t);
  float *drawn = malloc((size_t)(t->count + 1) * sizeof *drawn);
  for (int64_t i = 0; i < t->count; i++) drawn[i] = (float)draw();
  tensor_from_rows(t, rows ? rows : drawn);
  free(drawn);
  Node *n = node_leaf(t, &err);
  assert_non_null(n);
  return n;
}
#define SHAPE(...) shape_of(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})
#define DRAWN(...) leaf_of(SHAPE(__VA_ARGS__), NULL)

static float *rows_of(const Node *n) {
  float *f = malloc((size_t)(n->value->count + 1) * sizeof *f);
  tensor_to_rows(n->value, f);
  return f;
}

/* --- batch norm --- */

/* sum of dy * batch_norm(x) in double, the statistics its own. */
static double bn_objective(const double *x, const double *w, const float *dy, const Shape *s, double eps) {
  int64_t n = s->dim[0], c = s->dim[1], inner = shape_count(s) / (n * c);
  double sum = 0;
  for (int64_t j = 0; j < c; j++) {
    double mean = 0, var = 0, count = (double)(n * inner);
    for (int pass = 0; pass < 3; pass++)
      for (int64_t i = 0; i < n * inner; i++) {
        int64_t at = (i / inner * c + j) * inner + i % inner;
        if (pass == 0) mean += x[at] / count;
        if (pass == 1) var += (x[at] - mean) * (x[at] - mean) / count;
        if (pass == 2) sum += dy[at] * (x[at] - mean) / sqrt(var + eps) * w[j];
      }
  }
  return sum;
}

static void check_bn(Shape s) {
  int64_t count = shape_count(&s), c = s.dim[1];
  Node *x = leaf_of(s, NULL), *w = DRAWN(c), *b = DRAWN(c), *dy = leaf_of(s, NULL);
  x->requires_grad = w->requires_grad = b->requires_grad = true;
  Builder build_;
  builder_begin(&build_, &err);
  Node *stats = build1(&build_, &op_bn_stats, x);
  Node *y = build(&build_, &op_bn_train, (double[MAX_ATTR]){1e-2}, 4, (Node *[]){x, stats, w, b});
  assert_true(graph_backward(y, dy, false, &err));
  builder_end(&build_);
  float *xf = rows_of(x), *wf = rows_of(w), *g = rows_of(dy), *dx = rows_of(x->grad), *dw = rows_of(w->grad), *db = rows_of(b->grad);
  double *xd = malloc((size_t)count * sizeof *xd), *wd = malloc((size_t)c * sizeof *wd), h = 1e-5;
  for (int64_t i = 0; i < count; i++) xd[i] = xf[i];
  for (int64_t i = 0; i < c; i++) wd[i] = wf[i];
  for (int64_t i = 0; i < count; i += 1 + count / 100) {
    double side[2];
    for (int k = 0; k < 2; k++) xd[i] = xf[i] + (k ? h : -h), side[k] = bn_objective(xd, wd, g, &s, 1e-2);
    xd[i] = xf[i];
    assert_float_equal(dx[i], (side[1] - side[0]) / (2 * h), 1e-4);
  }
  for (int64_t j = 0; j < c; j++) {
    double side[2], sum = 0;
    for (int k = 0; k < 2; k++) wd[j] = wf[j] + (k ? h : -h), side[k] = bn_objective(xd, wd, g, &s, 1e-2);
    wd[j] = wf[j];
    assert_float_equal(dw[j], (side[1] - side[0]) / (2 * h), 1e-3);
    for (int64_t i = 0; i < count; i++)
      if (i / (count / (s.dim[0] * c)) % c == j) sum += g[i];
    assert_float_equal(db[j], sum, 1e-3);
  }
  free(xf), free(wf), free(g), free(dx), free(dw), free(db), free(xd), free(wd);
  node_unref(x), node_unref(w), node_unref(b), node_unref(dy);
}

static void test_bn_gradient(void **state) {
  (void)state;
  check_bn(SHAPE(4, 3, 5, 6));
  check_bn(SHAPE(2, 70, 3, 3));
  check_bn(SHAPE(9, 5));
  check_bn(SHAPE(3, 4, 7));
}

/* Mean 1000, deviation 0.01: a sum of squares in float would see nothing of it. */
static void test_bn_statistics_far_from_zero(void **state) {
  (void)state;
  enum { N = 5000, C = 3 };
  float *rows = malloc(sizeof(float[N * C]));
  double mean[C] = {0}, var[C] = {0};
  for (int i = 0; i < N * C; i++) rows[i] = (float)(1000 + 0.01 * draw());
  for (int i = 0; i < N * C; i++) mean[i % C] += rows[i] / (double)N;
  for (int i = 0; i < N * C; i++) var[i % C] += (rows[i] - mean[i % C]) * (rows[i] - mean[i % C]) / N;
  Node *x = leaf_of(SHAPE(N, C), rows);
  float *bits[2];
  for (int threads = 1; threads <= 2; threads++) {
    kernels_threads(threads);
    Builder b;
    builder_begin(&b, &err);
    Node *y = build1(&b, &op_bn_stats, x);
    assert_true(graph_eval(&y, 1, &err));
    bits[threads - 1] = rows_of(y);
    builder_end(&b);
  }
  for (int j = 0; j < C; j++) {
    assert_float_equal(bits[0][j], mean[j], 1e-4);
    assert_true(fabs(bits[0][C + j] / var[j] - 1) < 1e-3);
  }
  assert_memory_equal(bits[0], bits[1], sizeof(float[2 * C]));
  free(bits[0]), free(bits[1]), free(rows);
  node_unref(x);
}

/* --- classes --- */

static float cross_entropy(const float *logits, const float *target, const float *weight, double smoothing, double reduction, float *dx) {
  Node *in[3] = {leaf_of(SHAPE(3, 2), logits), leaf_of(SHAPE(3), target), weight ? leaf_of(SHAPE(2), weight) : NULL};
  in[0]->requires_grad = true;
  Builder b;
  builder_begin(&b, &err);
  Node *y = build_a(&b, &op_cross_entropy, 3, in, 3, (double[]){smoothing, -100, reduction});
  assert_true(graph_backward(y, NULL, true, &err));
  float loss = y->value->data[0], *g = rows_of(in[0]->grad);
  memcpy(dx, g, sizeof(float[6]));
  free(g);
  builder_end(&b);
  for (int i = 0; i < 3; i++)
    if (in[i]) node_unref(in[i]);
  return loss;
}

static void test_cross_entropy(void **state) {
  (void)state;
  const float logits[6] = {0, 0, 0, 1, 2, 0}, target[3] = {0, 1, -100}, weight[2] = {1, 3}, beyond[3] = {0, 2, 0};
  double a = log(2), b = log(1 + exp(-1.0)); /* losses of rows 0 and 1 */
  float dx[6];
  assert_float_equal(cross_entropy(logits, target, NULL, 0, 1, dx), (a + b) / 2, 1e-6);
  assert_float_equal(cross_entropy(logits, target, weight, 0, 1, dx), (a + 3 * b) / 4, 1e-6);
  assert_float_equal(dx[0], -0.5 / 4, 1e-6);
  assert_float_equal(dx[2], 3 / (1 + exp(1.0)) / 4, 1e-6);
  assert_float_equal(dx[4], 0, 0); /* ignored */
  /* smoothing 0.2: row 0 as before on either class; 0.9 of class 1, 0.1 of class 0 in row 1, weights 3 and 1 */
  double row0 = (0.9 + 0.3) * a, row1 = 2.7 * b + 0.1 * (1 + b);
  assert_float_equal(cross_entropy(logits, target, weight, 0.2, 2, dx), row0 + row1, 1e-6);
  assert_true(isnan(cross_entropy(logits, beyond, weight, 0, 1, dx)));
  assert_true(isnan(dx[2]) && !isnan(dx[0]));
}

/* --- pools and dropout --- */

static void test_max_pool_ties_and_nan(void **state) {
  (void)state;
  const float rows[16] = {1, 1, 2, NAN, 1, 1, 0, 3, -1, -2, 5, 5, -3, -4, 4, 5};
  Node *x = leaf_of(SHAPE(1, 1, 4, 4), rows);
  x->requires_grad = true;
  Builder b;
  builder_begin(&b, &err);
  Node *y = build1(&b, &op_max_pool2d, x), *dy = build_full(&b, &y->shape, 1);
  assert_true(graph_backward(y, dy, true, &err));
  float *got = rows_of(y), *dx = rows_of(x->grad);
  builder_end(&b);
  assert_float_equal(got[0], 1, 0);
  assert_true(isnan(got[1]));
  assert_float_equal(got[2], -1, 0);
  const float want[16] = {[0] = 1, [3] = 1, [8] = 1, [10] = 1};
  assert_memory_equal(dx, want, sizeof want);
  free(got), free(dx);
  node_unref(x);
}

static void test_dropout(void **state) {
  (void)state;
  enum { N = 40000 };
  float *ones = malloc(sizeof(float[N])), *other = NULL;
  for (int i = 0; i < N; i++) ones[i] = 1;
  Node *x = leaf_of(SHAPE(2, 50, 20, 20), ones);
  x->requires_grad = true;
  for (int threads = 1; threads <= 2; threads++) {
    kernels_threads(threads);
    graph_seed_set(7);
    Builder b;
    builder_begin(&b, &err);
    Node *y = build_a(&b, &op_dropout, 1, &x, 1, (double[]){0.3}), *dy = build_full(&b, &y->shape, 1);
    if (x->grad) node_unref(x->grad), x->grad = NULL;
    assert_true(graph_backward(y, dy, true, &err));
    float *got = rows_of(y), *dx = rows_of(x->grad);
    int kept = 0;
    for (int i = 0; i < N; i++) {
      assert_true(got[i] == 0 || fabsf(got[i] - 1 / 0.7f) < 1e-6f);
      kept += got[i] != 0;
    }
    assert_true(fabs(kept / (double)N - 0.7) < 0.012); /* five deviations */
    assert_memory_equal(got, dx, sizeof(float[N]));
    if (other) assert_memory_equal(got, other, sizeof(float[N]));
    free(other), free(dx);
    other = got;
    builder_end(&b);
  }
  free(other), free(ones);
  node_unref(x);
}

/* --- optimizers --- */

static void test_optimizer_leaves_frozen_alone(void **state) {
  (void)state;
  Node *p[3] = {DRAWN(5), DRAWN(5), DRAWN(5)}; /* one moves, one is frozen, one has no gradient */
  float before[3][5];
  p[0]->grad = DRAWN(5), p[1]->grad = DRAWN(5);
  p[1]->frozen = true;
  OptimState s[3] = {0};
  double set[] = {0.1, 0.9, 0.999, 1e-8, 0.5, 0}; /* lr betas eps weight_decay maximize */
  for (int i = 0; i < 3; i++) memcpy(before[i], p[i]->value->data, sizeof before[i]);
  uint64_t version = p[0]->value->version;
  assert_true(optim_step(kern->optimizer("AdamW"), set, p, s, 3, 3, &err));
  assert_true(p[0]->value->version > version);
  for (int i = 0; i < 5; i++) { /* the first step of Adam is lr in the gradient's direction */
    double g = p[0]->grad->value->data[i];
    assert_float_equal(p[0]->value->data[i], before[0][i] * 0.95 - 0.1 * g / (fabs(g) + 1e-8), 1e-6);
  }
  for (int i = 1; i < 3; i++) {
    assert_memory_equal(p[i]->value->data, before[i], sizeof before[i]);
    assert_null(s[i].at[0]);
    assert_int_equal(s[i].step, 0);
  }
  double norm, want = 0, after = 0;
  for (int i = 0; i < 5; i++) want += pow(p[0]->grad->value->data[i], 2);
  assert_true(optim_clip_grad_norm(p, 3, 0.25, &norm, &err));
  for (int i = 0; i < 5; i++) after += pow(p[0]->grad->value->data[i], 2);
  assert_float_equal(norm, sqrt(want), 1e-6);
  assert_float_equal(sqrt(after), 0.25, 1e-5);
  for (int i = 0; i < 3; i++) optim_state_free(&s[i]), node_unref(p[i]);
}

/* --- errors --- */

static void refuses(const Op *op, const char *attrs, const char *text, Shape a, Shape b) {
  double attr[MAX_ATTR] = {0};
  Shape in[MAX_IN], out;
  for (int i = 0; i < MAX_IN; i++) in[i].rank = -1;
  in[0] = a, in[1] = b;
  assert_true(op_attrs_parse(op, attrs, attr, &err));
  if (op->shape(in, 3, attr, &out, &err)) fail_msg("%s takes %s", op->name, *attrs ? attrs : "these shapes");
  if (!strstr(err.text, text)) fail_msg("%s: expected \"%s\" in \"%s\"", op->name, text, err.text);
}

static void test_errors(void **state) {
  (void)state;
  Shape none = {.rank = -1};
  refuses(&op_conv2d, "", "expects 512 channels (dim 1), got 256", SHAPE(2, 256, 7, 7), SHAPE(512, 512, 3, 3));
  refuses(&op_conv2d, "", "kernel (3, 3) larger than padded input (2, 2)", SHAPE(1, 3, 2, 2), SHAPE(4, 3, 3, 3));
  refuses(&op_conv2d, "stride=0", "stride must be a whole number from 1", SHAPE(1, 3, 9, 9), SHAPE(4, 3, 3, 3));
  refuses(&op_conv2d, "groups=3", "do not divide into 3 groups", SHAPE(1, 3, 9, 9), SHAPE(4, 1, 3, 3));
  refuses(&op_linear, "", "expects 512 features (last dim), got 256", SHAPE(2, 256), SHAPE(10, 512));
  refuses(&op_bn_stats, "", "Expected more than 1 value per channel when training, got input size (1, 512)", SHAPE(1, 512), none);
  refuses(&op_max_pool2d, "padding=2", "padding should be at most half of kernel size", SHAPE(1, 3, 9, 9), none);
  refuses(&op_avg_pool2d, "kernel=7", "kernel (7, 7) larger than padded input (4, 4)", SHAPE(1, 3, 4, 4), none);
  refuses(&op_cross_entropy, "", "wants class indices of shape (8)", SHAPE(8, 10), SHAPE(7));
  refuses(&op_dropout, "p=1.5", "between 0 and 1, but got 1.5", SHAPE(3), none);
}

static int all_tests(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_bn_gradient), cmocka_unit_test(test_bn_statistics_far_from_zero),
      cmocka_unit_test(test_cross_entropy), cmocka_unit_test(test_max_pool_ties_and_nan), cmocka_unit_test(test_dropout),
      cmocka_unit_test(test_optimizer_leaves_frozen_alone), cmocka_unit_test(test_errors)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void) { return each_isa(all_tests) != 0; }
