/* What the cases of single ops do not reach: argument text, what shape rules say, NaN and infinities, empty tensors, the
 * accuracy of the transcendental kernels far out, and the random fills. */
#include <math.h>
#include "kernel_test.h"
#include "graph.h"
#include "walk.h"

static Shape dims(const char *text) {
  Shape s = {.rank = 0};
  for (char *p = (char *)(uintptr_t)text; *p; p += *p == ',') s.dim[s.rank++] = strtoll(p, &p, 10);
  return s;
}

/* --- argument text --- */

static void test_args(void **state) {
  (void)state;
  Err e;
  double attr[MAX_ATTR];
  OpArg arg[MAX_IN + MAX_ATTR];
  const Op *conv = op_find("conv2d"), *slice = op_find("slice"), *sum = op_find("sum"), *clamp = op_find("clamp");
  assert_null(op_find("conv3d"));
  assert_true(op_args(conv, arg, MAX_IN + MAX_ATTR) > 3);
  assert_true(arg[0].input && !arg[0].optional && !strcmp(arg[0].name, "x"));
  assert_true(arg[2].input && arg[2].optional);
  assert_true(op_attrs_parse(conv, "stride=2 padding=1,3", attr, &e));
  assert_true(attr[0] == 2 && attr[1] == 2 && attr[2] == 1 && attr[3] == 3);
  op_defaults(slice, attr);
  assert_true(attr[0] == 0 && attr[2] == ATTR_END && attr[3] == 1);
  assert_true(op_attrs_parse(sum, "dims=-1,2 keepdim=true", attr, &e));
  assert_true(attr[0] == -1 && attr[1] == 2 && attr[2] == ATTR_END && attr[8] == 1);
  assert_true(op_attrs_parse(sum, "dims=", attr, &e));
  assert_true(attr[0] == ATTR_END);
  op_defaults(clamp, attr);
  assert_true(isinf(attr[0]) && attr[0] < 0 && isinf(attr[1]) && attr[1] > 0);
  static const struct { const char *op, *text, *says; } bad[] = {
    {"sum", "dimz=1", "sum has no attribute \"dimz\" (it takes: x | dims=* keepdim=0)"},
    {"sum", "keepdim", "sum: expected keepdim=NUMBER, got \"keepdim\""},
    {"sum", "keepdim=1,2", "sum: keepdim takes at most 1 numbers, got \"keepdim=1,2\""},
    {"sum", "dims=1,two", "sum: dims expects numbers, got \"dims=1,two\""},
    {"sum", "keepdim=", "sum: keepdim expects numbers, got \"keepdim=\""},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_false(op_attrs_parse(op_find(bad[i].op), bad[i].text, attr, &e));
    assert_string_equal(e.text, bad[i].says);
  }
}

/* Every op says what it does and can be looked up; defaults fit into attr. */
static void test_registry(void **state) {
  (void)state;
  OpArg arg[MAX_IN + MAX_ATTR];
  for (int i = 0; i < op_count; i++) {
    const Op *op = op_table[i];
    assert_ptr_equal(op_find(op->name), op);
    if (!op->doc || !*op->doc) fail_msg("op %s has no doc line", op->name);
    int n = op_args(op, arg, MAX_IN + MAX_ATTR), slots = 0, inputs = 0;
    for (int k = 0; k < n; k++) {
      slots += arg[k].n, inputs += arg[k].input;
      if (!arg[k].input && !arg[k].n) fail_msg("op %s: attribute %s has no default", op->name, arg[k].name);
    }
    if (slots > MAX_ATTR || inputs > MAX_IN || !inputs) fail_msg("op %s: %d inputs, %d attribute places", op->name, inputs, slots);
  }
}

static void test_shape_errors(void **state) {
  (void)state;
  static const struct { const char *op, *shapes[3], *attrs, *says; } rows[] = {
    {"add", {"2,3", "4,3"}, "", "shapes (2, 3) and (4, 3) do not broadcast at dim 0 (2 and 4: equal or 1 would do)"},
    {"where", {"2,3", "2,3", "2"}, "", "shapes (2, 3) and (2) do not broadcast at dim 1 (3 and 2: equal or 1 would do)"},
    {"reshape", {"2,3"}, "shape=4,-1", "cannot give (2, 3) (6 elements) the shape (4, -1)"},
    {"reshape", {"2,3"}, "shape=-1,-1", "cannot give (2, 3) the shape (-1, -1): dims are whole numbers, and one of them may be -1"},
    {"permute", {"2,3"}, "dims=0", "expects 2 dims for a tensor of shape (2, 3), got 1"},
    {"permute", {"2,3"}, "dims=0,0", "dim 0 is named twice; each dim of (2, 3) must be named once"},
    {"sum", {"2,3"}, "dims=2", "dim 2 is out of range: a tensor of rank 2 takes -2 to 1"},
    {"sum", {"2,3"}, "dims=1,-1", "dim 1 is named twice"},
    {"max", {"2,0"}, "dims=1", "dim 1 of (2, 0) is empty: there is nothing to choose from"},
    {"argmax", {"2,3"}, "dims=0,1", "expects one dim, or none for the place in the flattened tensor; got 2 dims"},
    {"matmul", {"2,3", "4,5"}, "", "cannot multiply (2, 3) and (4, 5): 3 columns meet 4 rows"},
    {"matmul", {"2,3", "4,5"}, "tb=1", "cannot multiply (2, 3) and (4, 5) transposed: 3 columns meet 5 rows"},
    {"matmul", {"3", "3,5"}, "", "expects two tensors of at least 2 dims, got (3) and (3, 5)"},
    {"matmul", {"2,3,4", "3,4,5"}, "", "dims before the last two: shapes (2) and (3) do not broadcast at dim 0 (2 and 3: equal or 1 would do)"},
    {"expand", {"2,3"}, "shape=4,3", "cannot stretch (2, 3) to (4, 3): dim 0 is 2, and only 1 stretches"},
    {"expand", {"2,3"}, "shape=3", "cannot stretch (2, 3) to 1 dims: it has more"},
    {"concat", {"2,3", "2,4"}, "", "(2, 3) and (2, 4) cannot be joined along dim 0: all other dims must be equal"},
    {"slice", {"5"}, "step=0", "step must be a whole number of at least 1, got 0"},
    {"pad", {"2,3"}, "pad=1", "pad expects pairs (before, after), last dim first, for at most the 2 dims of (2, 3); got 1 numbers"},
    {"pad", {"2,3"}, "pad=-2,-2", "pad cuts more off dim 1 of (2, 3) than there is"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    Shape in[MAX_IN], out;
    double attr[MAX_ATTR];
    int n = 0;
    Err e;
    const Op *op = op_find(rows[i].op);
    for (; n < 3 && rows[i].shapes[n]; n++) in[n] = dims(rows[i].shapes[n]);
    if (!op_attrs_parse(op, rows[i].attrs, attr, &e)) fail_msg("%s", e.text);
    if (op->shape(in, n, attr, &out, &e)) fail_msg("%s with %s passes", rows[i].op, rows[i].attrs);
    assert_string_equal(e.text, rows[i].says);
  }
}

static void test_keeps_samples(void **state) {
  (void)state;
  static const struct { const char *op, *shape, *attrs; bool keeps; } rows[] = {
    {"relu", "4,3", "", true}, {"sum", "4,3", "dims=1", true}, {"sum", "4,3", "dims=-2", false}, {"sum", "4,3", "", false},
    {"reshape", "4,3,2", "shape=4,-1", true}, {"reshape", "4,3,2", "shape=-1,6", true}, {"reshape", "4,3,2", "shape=12,2", false},
    {"permute", "4,3,2", "dims=0,2,1", true}, {"permute", "4,3,2", "dims=1,0,2", false}, {"slice", "4,3", "dim=1 start=1", true},
    {"slice", "4,3", "start=1", false}, {"flip", "4,3", "dims=-1", true}, {"flip", "4,3", "dims=0", false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    Shape in[MAX_IN] = {dims(rows[i].shape)};
    double attr[MAX_ATTR];
    Err e;
    const Op *op = op_find(rows[i].op);
    assert_true(op_attrs_parse(op, rows[i].attrs, attr, &e));
    if (op_keeps_samples(op, in, 1, attr) != rows[i].keeps) fail_msg("%s %s %s", rows[i].op, rows[i].shape, rows[i].attrs);
  }
}

/* --- numbers at the edges --- */

static void test_special_values(void **state) {
  (void)state;
  enum { N = 37 }; /* vectors and a tail */
  float x[N], y[N], nan[N], one[N];
  Walk w = {.rank = 1, .count = N, .dim = {N}, .step = {{1}, {1}, {1}}};
  Reduce all = {.keep = {.count = 1}, .over = w};
  for (int i = 0; i < ISAS; i++) {
    if (!use_isa(i)) continue;
    for (int k = 0; k < N; k++) x[k] = (float)k - 20, nan[k] = NAN, one[k] = 1;
    void (*const keep_nan[])(float *, const float *, int64_t) = {kern->exp, kern->sign, kern->abs};
    for (size_t f = 0; f < sizeof keep_nan / sizeof *keep_nan; f++) {
      keep_nan[f](y, nan, N);
      for (int k = 0; k < N; k++)
        if (!isnan(y[k])) fail_msg("unary kernel %zu loses NaN at %d (%s)", f, k, kern->isa);
    }
    for (int o = 0; o < op_count; o++) {
      double attr[MAX_ATTR];
      if (!op_table[o]->activation) continue;
      op_defaults(op_table[o], attr);
      kern->activate(y, nan, N, op_table[o]->activation, attr);
      for (int k = 0; k < N; k++)
        if (!isnan(y[k])) fail_msg("%s loses NaN at %d (%s)", op_table[o]->name, k, kern->isa);
    }
    for (int side = 0; side < 2; side++) {
      kern->maximum(y, side ? nan : one, side ? one : nan, &w);
      for (int k = 0; k < N; k++) assert_true(isnan(y[k]));
      kern->minimum(y, side ? nan : one, side ? one : nan, &w);
      for (int k = 0; k < N; k++) assert_true(isnan(y[k]));
    }
    for (int at = 0; at < N; at += 9) {
      float r, keep = x[at];
      x[at] = NAN;
      kern->reduce_max(&r, x, &all);
      assert_true(isnan(r));
      kern->reduce_min(&r, x, &all);
      assert_true(isnan(r));
      kern->reduce_arg(&r, x, 1, N, 1, true);
      assert_true(r == (float)at);
      x[at] = keep;
    }
    kern->reduce_sum(y, x, &(Reduce){.keep = {.count = 1}, .over = {.rank = 1, .count = 0, .dim = {0}, .step = {{1}}}}, 1);
    assert_true(y[0] == 0); /* over nothing */
    kern->add(y, x, one, &(Walk){.rank = 1, .count = 0, .dim = {0}, .step = {{1}, {1}, {1}}});
    kern->copy(y, x, &(Walk){.rank = 2, .count = 0, .dim = {3, 0}, .step = {{0, 1}, {1, 3}}});
    const float far[] = {-INFINITY, -200, -104, 89, 200, INFINITY};
    const float e_far[] = {0, 0, 0, INFINITY, INFINITY, INFINITY}, t_far[] = {-1, -1, -1, 1, 1, 1};
    kern->exp(y, far, 6);
    for (int k = 0; k < 6; k++) assert_true(fabsf(y[k]) < 1e-44f ? e_far[k] == 0 : y[k] == e_far[k]);
    kern->activate(y, far, 6, ACT_TANH, NULL);
    for (int k = 0; k < 6; k++) assert_true(fabsf(y[k] - t_far[k]) < 1e-6f);
    kern->activate(y, far, 6, ACT_SIGMOID, NULL);
    for (int k = 0; k < 6; k++) assert_true(fabsf(y[k] - (t_far[k] + 1) / 2) < 1e-6f);
    kern->activate(y, (const float[]){-30, -8, 8, 30}, 4, ACT_GELU, (double[]){0});
    assert_true(fabsf(y[0]) < 1e-5f && fabsf(y[1]) < 1e-5f && fabsf(y[2] - 8) < 1e-5f && fabsf(y[3] - 30) < 1e-5f);
    kern->activate(y, (const float[]){-4, -3, 0, 3, 4}, 5, ACT_HARDSWISH, NULL);
    assert_true(y[0] == 0 && y[1] == 0 && y[2] == 0 && y[3] == 3 && y[4] == 4);
    kern->hardswish_dx(y, one, (const float[]){-4, -3, 0, 3, 4}, &(Walk){.rank = 1, .count = 5, .dim = {5}, .step = {{1}, {1}, {1}}});
    assert_true(y[0] == 0 && y[1] == 0 && y[2] == 0.5f && y[3] == 1 && y[4] == 1);
  }
}

static double libm_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double libm_gelu(double x) { return 0.5 * x * (1 + erf(x / M_SQRT2)); }

/* Within 1e-6 of libm's double, relative to max(1, |value|), on [-15, 15]; exp relative to itself. */
static void test_accuracy(void **state) {
  (void)state;
  enum { N = 30001 };
  static float x[N], y[N];
  for (int k = 0; k < N; k++) x[k] = (float)(k - 15000) * 1e-3f;
  for (int i = 0; i < ISAS; i++) {
    if (!use_isa(i)) continue;
    const struct { void (*fast)(float *, const float *, int64_t); Activation act; double (*slow)(double); bool relative; } rows[] = {
      {kern->exp, 0, exp, true}, {NULL, ACT_TANH, tanh, false}, {NULL, ACT_SIGMOID, libm_sigmoid, false},
      {NULL, ACT_GELU, libm_gelu, false}, {kern->sin, 0, sin, false}, {kern->cos, 0, cos, false}};
    for (size_t f = 0; f < sizeof rows / sizeof *rows; f++) {
      if (rows[f].fast) rows[f].fast(y, x, N);
      else kern->activate(y, x, N, rows[f].act, (double[]){0});
      for (int k = 0; k < N; k++) {
        double want = rows[f].slow(x[k]), scale = rows[f].relative ? fabs(want) : fmax(1, fabs(want));
        if (!(fabs(y[k] - want) <= 1e-6 * scale)) fail_msg("function %zu of %g: %.9g, should be %.9g (%s)", f, x[k], y[k], want, kern->isa);
      }
    }
  }
}

/* A million ones and a small number: sums must not lose it. */
static void test_sum_accuracy(void **state) {
  (void)state;
  enum { N = 3000000 };
  float *x = malloc(N * sizeof *x), y[2];
  assert_non_null(x);
  for (int i = 0; i < N; i++) x[i] = 0.1f;
  for (int i = 0; i < ISAS; i++) {
    if (!use_isa(i)) continue;
    for (int threads = 1; threads <= 2; threads++) {
      kernels_threads(threads);
      Reduce all = {.keep = {.count = 1}, .over = {.rank = 1, .count = N, .dim = {N}, .step = {{1}}}};
      kern->reduce_sum(&y[threads - 1], x, &all, 1);
      assert_true(fabs(y[threads - 1] - N * (double)0.1f) < 0.05);
    }
    assert_true(y[0] == y[1]);
  }
  free(x);
}

/* --- random fills --- */

static void test_random(void **state) {
  (void)state;
  enum { N = 200001 };
  float *x = malloc(N * sizeof *x), *first = malloc(N * sizeof *x);
  assert_true(x && first);
  for (int kind = 0; kind < 2; kind++) {
    bool have = false;
    for (int i = 0; i < ISAS; i++)
      for (int threads = 1; threads <= 2 && use_isa(i); threads++) {
        kernels_threads(threads);
        if (kind) kern->fill_normal(x, N, 42, 1, 2);
        else kern->fill_uniform(x, N, 42, -1, 3);
        if (!have) memcpy(first, x, N * sizeof *x);
        have = true;
        assert_memory_equal(first, x, N * sizeof *x);
      }
    double mean = 0, var = 0, third = 0, pair = 0;
    for (int k = 0; k < N; k++) mean += x[k];
    mean /= N;
    for (int k = 0; k < N; k++) {
      double d = x[k] - mean;
      var += d * d, third += d * d * d, pair += k ? d * (x[k - 1] - mean) : 0;
      assert_true(isfinite(x[k]) && (kind || (x[k] >= -1 && x[k] < 3)));
    }
    var /= N, third /= N, pair /= N;
    assert_true(fabs(mean - 1) < 0.03); /* 6 sigma of the mean is 0.027 for std 2 */
    assert_true(fabs(var - (kind ? 4 : 16.0 / 12)) < 0.08);
    assert_true(fabs(third) < 0.3 && fabs(pair) < 0.06);
    if (kind) kern->fill_normal(x, N, 43, 1, 2);
    else kern->fill_uniform(x, N, 43, -1, 3);
    int equal = 0;
    for (int k = 0; k < N; k++) equal += x[k] == first[k];
    assert_true(equal < 50); /* another seed, other numbers */
    if (kind) { /* a shorter fill is the beginning of a longer one */
      kern->fill_normal(x, 777, 42, 1, 2);
      assert_memory_equal(first, x, 777 * sizeof *x);
    }
  }
  free(x);
  free(first);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_args),      cmocka_unit_test(test_registry),       cmocka_unit_test(test_shape_errors), cmocka_unit_test(test_keeps_samples),
    cmocka_unit_test(test_special_values), cmocka_unit_test(test_accuracy), cmocka_unit_test(test_sum_accuracy), cmocka_unit_test(test_random),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
