/* The kernels under optimizers against their formulas in double, on each instruction set this CPU has: three steps with other
 * gradients each time, sizes that fill no vector and one that is cut in pieces for threads, whose bits do not depend on how
 * many there are. And bn_fold, which no op has for itself. */
#include <math.h>
#include "kernel_test.h"

enum { STATES = 4 }; /* p and what goes along with it */
typedef enum Kind { SGD, ADAM, RMSPROP } Kind;

typedef struct Case {
  Kind kind;
  const char *name;
  bool has[STATES]; /* has[0]: p */
  SgdStep sgd;
  AdamStep adam;
  RmspropStep rmsprop;
} Case;

static const Case cases[] = {
  {SGD, "sgd", {1}, .sgd = {.lr = 0.1}},
  {SGD, "sgd, decay, maximize", {1}, .sgd = {.lr = 0.1, .weight_decay = 0.01, .maximize = true}},
  {SGD, "sgd, momentum", {1, 1}, .sgd = {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01}},
  {SGD, "sgd, dampening", {1, 1}, .sgd = {.lr = 0.1, .momentum = 0.9, .dampening = 0.3, .maximize = true}},
  {SGD, "sgd, nesterov", {1, 1}, .sgd = {.lr = 0.1, .momentum = 0.9, .nesterov = true}},
  {ADAM, "adam", {1, 1, 1}, .adam = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .shrink = 1}},
  {ADAM, "adam, decay, maximize", {1, 1, 1}, .adam = {.beta1 = 0.8, .beta2 = 0.99, .eps = 1e-3, .weight_decay = 0.1, .shrink = 1, .maximize = true}},
  {ADAM, "adamw", {1, 1, 1}, .adam = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .shrink = 0.95}},
  {ADAM, "amsgrad", {1, 1, 1, 1}, .adam = {.beta1 = 0.9, .beta2 = 0.5, .eps = 1e-8, .shrink = 1}},
  {RMSPROP, "rmsprop", {1, 1}, .rmsprop = {.lr = 0.01, .alpha = 0.9, .eps = 1e-4}},
  {RMSPROP, "rmsprop, centred", {1, 1, 1}, .rmsprop = {.lr = 0.01, .alpha = 0.9, .eps = 1e-2, .weight_decay = 0.1}},
  {RMSPROP, "rmsprop, momentum", {1, 1, 0, 1}, .rmsprop = {.lr = 0.01, .alpha = 0.9, .eps = 1e-4, .momentum = 0.9, .maximize = true}},
  {RMSPROP, "rmsprop, both", {1, 1, 1, 1}, .rmsprop = {.lr = 0.01, .alpha = 0.9, .eps = 1e-2, .momentum = 0.9}},
};
enum { CASES = sizeof cases / sizeof *cases, STEPS = 3 };
static const int64_t sizes[] = {1, 3, 17, 33, 40001};
enum { SIZES = sizeof sizes / sizeof *sizes };

static uint64_t state = 20263;
static float draw(void) { /* from -1 to 1 */
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (float)(state >> 40) / (float)(1 << 23) - 1;
}

/* Adam's step_size and root belong to the number of the step. */
static AdamStep adam_at(const Case *c, int step) {
  AdamStep s = c->adam;
  s.step_size = 0.01 / (1 - pow(s.beta1, step + 1));
  s.root = sqrt(1 - pow(s.beta2, step + 1));
  return s;
}

static void one_step(const Case *c, float **x, const float *g, int step, int64_t n) {
  SgdStep sgd = c->sgd;
  sgd.first = step == 0;
  AdamStep adam = adam_at(c, step);
  if (c->kind == SGD) kern->sgd_step(x[0], x[1], g, &sgd, n);
  else if (c->kind == ADAM) kern->adam_step(x[0], x[1], x[2], x[3], g, &adam, n);
  else kern->rmsprop_step(x[0], x[1], x[2], x[3], g, &c->rmsprop, n);
}

/* The same in double, for one number: x[0] is p. */
static void formula(const Case *c, double *x, double g, int step) {
  if (c->kind == SGD) {
    const SgdStep *s = &c->sgd;
    double d = (s->maximize ? -g : g) + s->weight_decay * x[0];
    x[1] = !c->has[1] || step == 0 ? d : s->momentum * x[1] + (1 - s->dampening) * d;
    x[0] -= s->lr * (s->nesterov ? d + s->momentum * x[1] : x[1]);
  } else if (c->kind == ADAM) {
    AdamStep s = adam_at(c, step);
    x[0] *= s.shrink;
    double d = (s.maximize ? -g : g) + s.weight_decay * x[0];
    x[1] = s.beta1 * x[1] + (1 - s.beta1) * d;
    x[2] = s.beta2 * x[2] + (1 - s.beta2) * d * d;
    x[3] = c->has[3] && x[3] > x[2] ? x[3] : x[2];
    x[0] -= s.step_size * x[1] / (sqrt(x[3]) / s.root + s.eps);
  } else {
    const RmspropStep *s = &c->rmsprop;
    double d = (s->maximize ? -g : g) + s->weight_decay * x[0];
    x[1] = s->alpha * x[1] + (1 - s->alpha) * d * d;
    x[2] = c->has[2] ? s->alpha * x[2] + (1 - s->alpha) * d : 0;
    x[3] = s->momentum * x[3] + d / (sqrt(x[1] - x[2] * x[2]) + s->eps);
    x[0] -= s->lr * x[3];
  }
}

static void check_steps(const Case *c, int64_t n) {
  double *want = calloc((size_t)n * STATES, sizeof *want);
  float *g[STEPS], *x[2][STATES] = {{0}}, *start = guarded(n);
  assert_non_null(want);
  for (int64_t i = 0; i < n; i++) want[i * STATES] = start[i] = draw();
  for (int step = 0; step < STEPS; step++) {
    g[step] = guarded(n);
    for (int64_t i = 0; i < n; i++) formula(c, want + i * STATES, g[step][i] = draw(), step);
  }
  for (int threads = 1; threads <= 2; threads++) {
    float **own = x[threads - 1];
    kernels_threads(threads);
    for (int k = 0; k < STATES; k++) {
      if (!c->has[k]) continue;
      own[k] = guarded(n);
      for (int64_t i = 0; i < n; i++) own[k][i] = k ? 0 : start[i];
    }
    for (int step = 0; step < STEPS; step++) one_step(c, own, g[step], step, n);
  }
  for (int k = 0; k < STATES; k++) {
    if (!c->has[k]) continue;
    assert_memory_equal(x[0][k], x[1][k], (size_t)n * sizeof(float));
    for (int64_t i = 0; i < n; i++)
      if (!(fabs(x[0][k][i] - want[i * STATES + k]) <= 2e-6 * (1 + fabs(want[i * STATES + k]))))
        fail_msg("%s of %lld (%s), state %d: element %lld is %.9g, should be %.9g", c->name, (long long)n, kern->isa, k, (long long)i,
                 x[0][k][i], want[i * STATES + k]);
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
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps), cmocka_unit_test(test_norm_and_scale), cmocka_unit_test(test_bn_fold)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
