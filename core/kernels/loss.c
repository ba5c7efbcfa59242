/* Losses over classes: cross entropy and negative log likelihood, and their gradient. */
#include <math.h>
#include "kernels.h"
#include "vmath.h"

enum { LANES = 16, SMALL = 1 << 13 };

typedef struct Row {
  double loss, weighs;  /* and what it counts in the mean */
  double mass;          /* sum of q */
  float max, per_sum;   /* softmax is exp(x - max) * per_sum */
  int64_t class;        /* of an index; -1: ignored, -2: no such class */
} Row;

static double sum_exp(const float *x, int64_t n, int64_t step, float m) {
  float lane[LANES] = {0};
  int64_t i = 0;
  if (step == 1)
    for (; i + LANES <= n; i += LANES)
      for (int l = 0; l < LANES; l++) lane[l] += v_exp(x[i + l] - m);
  for (; i < n; i++) lane[i % LANES] += v_exp(x[i * step] - m);
  double sum = 0;
  for (int l = 0; l < LANES; l++) sum += lane[l];
  return sum;
}

static int64_t class_of(float t, const ClassLoss *s) {
  if (t == s->ignore) return -1;
  return t >= 0 && t < (float)s->c && t == floorf(t) ? (int64_t)t : -2;
}

/* q of class j for a row whose target lies at t, steps of s->inner. */
static inline double q_of(const ClassLoss *s, const float *t, int64_t class, const float *weight, int64_t j) {
  double target = s->soft ? t[j * s->inner] : j == class;
  return (target * (1 - s->smoothing) + s->smoothing / (double)s->c) * (weight ? weight[j] : 1);
}

static Row row_of(const float *x, const float *t, const float *weight, const ClassLoss *s) {
  int64_t step = s->inner;
  Row r = {.weighs = 1, .class = s->soft ? 0 : class_of(*t, s)};
  if (r.class == -1) return (Row){.class = -1};
  if (r.class == -2) {
    r.loss = NAN;
    return r;
  }
  double log_sum = 0;
  if (!s->log_probs) {
    r.max = -INFINITY;
    for (int64_t j = 0; j < s->c; j++) r.max = x[j * step] > r.max ? x[j * step] : r.max;
    double sum = sum_exp(x, s->c, step, r.max);
    log_sum = log(sum), r.per_sum = (float)(1 / sum);
  }
  double picked = 0;
  if (s->soft || s->smoothing > 0)
    for (int64_t j = 0; j < s->c; j++) {
      double q = q_of(s, t, r.class, weight, j);
      if (q != 0) picked += q * ((double)x[j * step] - r.max), r.mass += q;
    }
  else
    r.mass = weight ? weight[r.class] : 1, picked = r.mass * ((double)x[r.class * step] - r.max);
  r.loss = r.mass * log_sum - picked;
  if (!s->soft && weight) r.weighs = weight[r.class];
  return r;
}

size_t K(class_loss_scratch)(const ClassLoss *s) { return (size_t)(s->outer * s->inner) * 2 * sizeof(double); }

static double total(const double *v, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += v[i];
  return sum;
}

void K(class_loss)(float *loss, const float *x, const float *target, const float *weight, const ClassLoss *s, void *scratch) {
  int64_t rows = s->outer * s->inner;
  double *each = scratch, *weighs = each + rows;
#pragma omp parallel for schedule(static) if (rows * s->c > SMALL)
  for (int64_t i = 0; i < rows; i++) {
    int64_t at = i / s->inner * s->c * s->inner + i % s->inner;
    Row r = row_of(x + at, target + (s->soft ? at : i), weight, s);
    each[i] = r.loss, weighs[i] = r.weighs;
  }
  if (s->reduction == 0)
    for (int64_t i = 0; i < rows; i++) loss[i] = (float)each[i];
  else
    *loss = (float)(total(each, rows) / (s->reduction == 1 ? total(weighs, rows) : 1));
}

/* d loss / d x = (softmax * mass - q) * dy / what the mean divides by. */
static void row_dx(float *dx, const float *x, const float *t, const float *weight, const ClassLoss *s, const Row *r, float g) {
  int64_t step = s->inner;
  float mass = (float)r->mass * r->per_sum * g;
  if (r->class < 0) {
    for (int64_t j = 0; j < s->c; j++) dx[j * step] = r->class == -1 ? 0 : NAN;
    return;
  }
  if (s->log_probs)
    for (int64_t j = 0; j < s->c; j++) dx[j * step] = 0;
  else if (step == 1)
    for (int64_t j = 0; j < s->c; j++) dx[j] = v_exp(x[j] - r->max) * mass;
  else
    for (int64_t j = 0; j < s->c; j++) dx[j * step] = v_exp(x[j * step] - r->max) * mass;
  if (s->soft || s->smoothing > 0)
    for (int64_t j = 0; j < s->c; j++) dx[j * step] -= (float)q_of(s, t, r->class, weight, j) * g;
  else
    dx[r->class * step] -= (float)r->mass * g;
}

void K(class_loss_dx)(float *dx, const float *dy, const float *x, const float *target, const float *weight,
                      const ClassLoss *s, void *scratch) {
  int64_t rows = s->outer * s->inner;
  double divide = 1;
  if (s->reduction == 1) { /* the same numbers in the same order as the loss added them */
    double *weighs = scratch;
    for (int64_t i = 0; i < rows; i++) {
      int64_t class = s->soft ? 0 : class_of(target[i], s);
      weighs[i] = class == -1 ? 0 : s->soft || !weight || class < 0 ? 1 : weight[class];
    }
    divide = total(weighs, rows);
  }
#pragma omp parallel for schedule(static) if (rows * s->c > SMALL)
  for (int64_t i = 0; i < rows; i++) {
    int64_t at = i / s->inner * s->c * s->inner + i % s->inner;
    const float *t = target + (s->soft ? at : i);
    Row r = row_of(x + at, t, weight, s);
    row_dx(dx + at, x + at, t, weight, s, &r, (float)(dy[s->reduction == 0 ? i : 0] / divide));
  }
}
