/* The kernels under optimizers against their formulas in double, on each instruction set this CPU has: three steps with
 * other gradients each time, sizes that fill no vector and one that is cut in pieces for threads, whose bits do not
 * depend on how many there are. And bn_fold, which no op has for itself. */
#include <math.h>
#include "kernel_test.h"

enum { STATES = 3, ALL = 1 + STATES, SETS = 8 }; /* ALL: p and what goes along with it */

typedef struct Case {
  const char *name, *what;
  bool has[STATES]; /* which states are in use */
  double set[SETS]; /* in the order of the kernel's options */
} Case;

static const Case cases[] = {
  /* lr momentum dampening weight_decay nesterov maximize */
  {"SGD", "plain", {0}, {0.1}},
  {"SGD", "decay, maximize", {0}, {0.1, 0, 0, 0.01, 0, 1}},
  {"SGD", "momentum", {1}, {0.1, 0.9, 0, 0.01}},
  {"SGD", "dampening", {1}, {0.1, 0.9, 0.3, 0, 0, 1}},
  {"SGD", "nesterov", {1}, {0.1, 0.9, 0, 0, 1}},
  /* lr betas eps weight_decay maximize */
  {"Adam", "plain", {1, 1}, {0.01, 0.9, 0.999, 1e-8}},
  {"Adam", "decay, maximize", {1, 1}, {0.01, 0.8, 0.99, 1e-3, 0.1, 1}},
  {"Adam", "amsgrad", {1, 1, 1}, {0.01, 0.9, 0.5, 1e-8}},
  {"AdamW", "plain", {1, 1}, {0.01, 0.9, 0.999, 1e-8, 5}},
  /* lr betas eps weight_decay */
  {"RAdam", "early", {1, 1}, {0.01, 0.9, 0.999, 1e-8, 0.1}},
  {"RAdam", "rectified", {1, 1}, {0.01, 0.9, 0.999, 1e-3, 0.1}},
  /* lr alpha eps weight_decay momentum maximize */
  {"RMSprop", "plain", {1}, {0.01, 0.9, 1e-4}},
  {"RMSprop", "centred", {1, 1}, {0.01, 0.9, 1e-2, 0.1}},
  {"RMSprop", "momentum", {1, 0, 1}, {0.01, 0.9, 1e-4, 0, 0.9, 1}},
  {"RMSprop", "both", {1, 1, 1}, {0.01, 0.9, 1e-2, 0, 0.9}},
  /* lr betas eps weight_decay momentum_decay */
  {"NAdam", "plain", {1, 1}, {0.01, 0.9, 0.999, 1e-3, 0.1, 0.1}},
  /* lr betas eps weight_decay maximize */
  {"Adamax", "decay, maximize", {1, 1}, {0.01, 0.9, 0.99, 1e-3, 0.1, 1}},
  /* lr lr_decay weight_decay initial_accumulator_value eps maximize */
  {"Adagrad", "all", {1}, {0.1, 0.1, 0.1, 0.2, 1e-3, 1}},
  /* lr rho eps weight_decay maximize */
  {"Adadelta", "decay, maximize", {1, 1}, {1, 0.9, 1e-3, 0.1, 1}},
  /* lr lambd alpha t0 weight_decay maximize */
  {"ASGD", "early", {1}, {0.1, 0.1, 0.75, 10, 0.1}},
  {"ASGD", "averaged", {1}, {0.1, 0.1, 0.75, 0, 0.1, 1}},
  /* lr etas step_sizes maximize */
  {"Rprop", "bounded", {1, 1}, {0.1, 0.5, 1.2, 0.08, 0.13}},
};
enum { CASES = sizeof cases / sizeof *cases, STEPS = 3 };
static const int64_t sizes[] = {1, 3, 17, 33, 40001};
enum { SIZES = sizeof sizes / sizeof *sizes };

static uint64_t state = 20263;
static float draw(void) { /* from -1 to 1 */
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (float)(state >> 40) / (float)(1 << 23) - 1;
}

/* The number of a case's step: RAdam's steps change after the fifth. */
static int64_t number(const Case *c, int step) { return step + (strcmp(c->what, "rectified") ? 1 : 5); }

/* The step in double, for one number: x[0] is p, x[1 + k] state k. */
static void formula(const Case *c, double *x, double g, int64_t t) {
  const double *o = c->set, lr = o[0];
  if (!strcmp(c->name, "SGD")) {
    double d = (o[5] != 0 ? -g : g) + o[3] * x[0];
    x[1] = !c->has[0] || t == 1 ? d : o[1] * x[1] + (1 - o[2]) * d;
    x[0] -= lr * (o[4] != 0 ? d + o[1] * x[1] : x[1]);
  } else if (!strcmp(c->name, "RMSprop")) {
    double d = (o[5] != 0 ? -g : g) + o[3] * x[0];
    x[1] = o[1] * x[1] + (1 - o[1]) * d * d;
    x[2] = c->has[1] ? o[1] * x[2] + (1 - o[1]) * d : 0;
    x[3] = o[4] * x[3] + d / (sqrt(x[1] - x[2] * x[2]) + o[2]);
    x[0] -= lr * x[3];
  } else if (!strcmp(c->name, "NAdam")) {
    double d = g + o[4] * x[0], mu[5], product = 1;
    for (int i = 1; i <= t + 1; i++) mu[i] = o[1] * (1 - 0.5 * pow(0.96, i * o[5]));
    for (int i = 1; i <= t; i++) product *= mu[i];
    x[1] = o[1] * x[1] + (1 - o[1]) * d;
    x[2] = o[2] * x[2] + (1 - o[2]) * d * d;
    double root = sqrt(x[2] / (1 - pow(o[2], (double)t))) + o[3];
    x[0] -= lr * (1 - mu[t]) / (1 - product) * d / root;
    x[0] -= lr * mu[t + 1] / (1 - product * mu[t] * mu[t + 1]) * x[1] / root;
  } else if (!strcmp(c->name, "Adamax")) {
    double d = (o[5] != 0 ? -g : g) + o[4] * x[0];
    x[1] = o[1] * x[1] + (1 - o[1]) * d;
    x[2] = fmax(o[2] * x[2], fabs(d) + o[3]);
    x[0] -= lr / (1 - pow(o[1], (double)t)) * x[1] / x[2];
  } else if (!strcmp(c->name, "Adagrad")) {
    double d = (o[5] != 0 ? -g : g) + o[2] * x[0];
    x[1] += d * d + (t == 1 ? o[3] : 0);
    x[0] -= lr / (1 + (double)(t - 1) * o[1]) * d / (sqrt(x[1]) + o[4]);
  } else if (!strcmp(c->name, "Adadelta")) {
    double d = (o[4] != 0 ? -g : g) + o[3] * x[0];
    x[1] = o[1] * x[1] + (1 - o[1]) * d * d;
    double move = sqrt(x[2] + o[2]) / sqrt(x[1] + o[2]) * d;
    x[2] = o[1] * x[2] + (1 - o[1]) * move * move;
    x[0] -= lr * move;
  } else if (!strcmp(c->name, "ASGD")) {
    double d = (o[5] != 0 ? -g : g) + o[4] * x[0], eta = lr / pow(1 + o[1] * lr * (double)(t - 1), o[2]);
    x[0] = x[0] * (1 - o[1] * eta) - eta * d;
    x[1] += (x[0] - x[1]) / fmax(1, (double)(t - 1) - o[3]);
  } else if (!strcmp(c->name, "Rprop")) {
    double same = g * x[1];
    x[2] = fmin(fmax((t == 1 ? lr : x[2]) * (same > 0 ? o[2] : same < 0 ? o[1] : 1), o[3]), o[4]);
    x[1] = same < 0 ? 0 : g;
    x[0] -= x[1] > 0 ? x[2] : x[1] < 0 ? -x[2] : 0;
  } else { /* Adam and its kin */
    bool apart = !strcmp(c->name, "AdamW"), r = !strcmp(c->name, "RAdam");
    double fade1 = 1 - pow(o[1], (double)t), power = pow(o[2], (double)t), fade2 = 1 - power;
    if (apart) x[0] *= 1 - lr * o[4];
    double d = (o[5] != 0 ? -g : g) + (apart ? 0 : o[4]) * x[0];
    x[1] = o[1] * x[1] + (1 - o[1]) * d;
    x[2] = o[2] * x[2] + (1 - o[2]) * d * d;
    x[3] = c->has[2] && x[3] > x[2] ? x[3] : x[2];
    double most = 2 / (1 - o[2]) - 1, rho = most - 2 * (double)t * power / fade2;
    if (!r) x[0] -= lr * (x[1] / fade1) / (sqrt(x[3] / fade2) + o[3]);
    else if (rho <= 5) x[0] -= lr * x[1] / fade1;
    else
      x[0] -= lr * x[1] / fade1 * sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)) * sqrt(fade2) /
              (sqrt(x[2]) + o[3]);
  }
}

static void check_steps(const Case *c, int64_t n) {
  const OptimizerKernel *kernel = kern->optimizer(c->name);
  assert_non_null(kernel);
  double *want = calloc((size_t)n * ALL, sizeof *want);
  float *g[STEPS], *x[2][ALL] = {{0}}, *start = guarded(n);
  assert_non_null(want);
  for (int64_t i = 0; i < n; i++) want[i * ALL] = start[i] = draw();
  for (int step = 0; step < STEPS; step++) {
    g[step] = guarded(n);
    for (int64_t i = 0; i < n; i++) formula(c, want + i * ALL, g[step][i] = draw(), number(c, step));
  }
  for (int threads = 1; threads <= 2; threads++) {
    float **own = x[threads - 1];
    kernels_threads(threads);
    for (int k = 0; k < ALL; k++) {
      if (k && !c->has[k - 1]) continue;
      own[k] = guarded(n);
      for (int64_t i = 0; i < n; i++) own[k][i] = k ? 0 : start[i];
    }
    for (int step = 0; step < STEPS; step++) kernel->step(own[0], g[step], own + 1, c->set, number(c, step), n);
  }
  for (int k = 0; k < ALL; k++) {
    if (k && !c->has[k - 1]) continue;
    assert_memory_equal(x[0][k], x[1][k], (size_t)n * sizeof(float));
    for (int64_t i = 0; i < n; i++)
      if (!(fabs(x[0][k][i] - want[i * ALL + k]) <= 2e-6 * (1 + fabs(want[i * ALL + k]))))
        fail_msg("%s, %s of %lld (%s), state %d: element %lld is %.9g, should be %.9g", c->name, c->what, (long long)n,
          kern->isa, k, (long long)i,
                 x[0][k][i], want[i * ALL + k]);
    assert_true(guards_held(x[0][k], n) && guards_held(x[1][k], n));
  }
  for (int step = 0; step < STEPS; step++) assert_true(guards_held(g[step], n));
  assert_true(guards_held(start, n));
  free(want);
}

static void test_steps(void **unused) {
  (void)unused;
  for (int i = 0; i < ISAS; i++)
    for (int c = 0; c < CASES && use_isa(i); c++)
      for (int s = 0; s < SIZES; s++) check_steps(&cases[c], sizes[s]);
}

/* What clip_grad_norm asks of gradients. */
static void test_norm_and_scale(void **unused) {
  (void)unused;
  static const int64_t many[] = {0, 1, 15, 17, 33, 4097, 300001};
  for (int i = 0; i < ISAS; i++)
    for (int s = 0; s < 7 && use_isa(i); s++) {
      int64_t n = many[s];
      float *x = guarded(n), *scaled[2] = {guarded(n), guarded(n)};
      double want = 0, got[2];
      for (int64_t k = 0; k < n; k++) x[k] = draw(), want += (double)x[k] * x[k];
      for (int t = 0; t < 2; t++) {
        kernels_threads(t + 1);
        got[t] = kern->sum_squares(x, n);
        memcpy(scaled[t], x, (size_t)n * sizeof *x);
        kern->scale(scaled[t], 0.37f, n);
        for (int64_t k = 0; k < n; k++) assert_true(scaled[t][k] == x[k] * 0.37f);
      }
      assert_true(fabs(got[0] - want) <= 1e-12 * want && got[0] == got[1]);
      assert_true(guards_held(x, n) && guards_held(scaled[0], n) && guards_held(scaled[1], n));
    }
}

static void test_bn_fold(void **unused) {
  (void)unused;
  enum { MEAN, VAR, WEIGHT, BIAS, CONV_BIAS, VECTORS };
  for (int i = 0; i < ISAS; i++)
    for (int given = 0; given < 16 && use_isa(i); given++)
      for (int s = 0; s < 4; s++) {
        int c = (int)sizes[s], absent[VECTORS] = {given & 1, 0, given & 2, given & 4, given & 8};
        float *v[VECTORS], *scale = guarded(c), *shift = guarded(c);
        for (int k = 0; k < VECTORS; k++) {
          v[k] = absent[k] ? NULL : guarded(c);
          for (int j = 0; j < c && v[k]; j++) v[k][j] = k == VAR ? 1.5f + draw() : draw();
        }
        kern->bn_fold(scale, shift, v[MEAN], v[VAR], v[WEIGHT], v[BIAS], v[CONV_BIAS], 0.1f, c);
        for (int j = 0; j < c; j++) {
          double by = (v[WEIGHT] ? v[WEIGHT][j] : 1) / sqrt(v[VAR][j] + (double)0.1f), add = v[BIAS] ? v[BIAS][j] : 0;
          add += ((v[CONV_BIAS] ? v[CONV_BIAS][j] : 0.0) - (v[MEAN] ? v[MEAN][j] : 0.0)) * by;
          assert_true(fabs(scale[j] - by) < 2e-6 && fabs(shift[j] - add) < 4e-6);
        }
        for (int k = 0; k < VECTORS; k++) assert_true(!v[k] || guards_held(v[k], c));
        assert_true(guards_held(scale, c) && guards_held(shift, c));
      }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps), cmocka_unit_test(test_norm_and_scale),
    cmocka_unit_test(test_bn_fold)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
