/* Optimizer steps, with the formulas and the order of operations of torch.optim 1.13. An optimizer is a row of the
 * table below: its name, the options it reads, its step. What it remembers, and defaults: lua/optim/<name>.lua. */
#include <math.h>
#include <string.h>
#include "kernels.h"

enum { LANES = 16, BLOCK = 4096, SMALL = 1 << 15, ROUND = 64 };

/* g += weight_decay p; buf = momentum buf + (1 - dampening) g, at first g;
 * p -= lr (nesterov ? g + momentum buf : buf) */
#define SGD "lr momentum dampening weight_decay nesterov maximize"
static void sgd(float *restrict p, const float *restrict g, float *const *state, const double *set, int64_t t,
  int64_t n) {
  float *restrict buf = state[0]; /* NULL: no momentum */
  float lr = (float)set[0], momentum = (float)set[1], keep = (float)(1 - set[2]), decay = (float)set[3];
  float sign = set[5] != 0 ? -1.0f : 1.0f;
  if (!buf) {
#pragma omp parallel for simd schedule(static) if (n > SMALL)
    for (int64_t i = 0; i < n; i++) p[i] -= lr * (sign * g[i] + decay * p[i]);
    return;
  }
  bool first = t == 1, nesterov = set[4] != 0;
#pragma omp parallel for simd schedule(static) if (n > SMALL)
  for (int64_t i = 0; i < n; i++) {
    float d = sign * g[i] + decay * p[i];
    float b = first ? d : momentum * buf[i] + keep * d;
    buf[i] = b;
    p[i] -= lr * (nesterov ? d + momentum * b : b);
  }
}

/* m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
 * p -= lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps). largest: NULL, or the largest v so far, which then stands
 * in v's place (amsgrad). decay is added to the gradient; shrink multiplies p before. */
#define ADAM "lr betas eps weight_decay maximize"
static void adam_step(float *restrict p, const float *restrict g, float *const *state, const double *set,
  double weight_decay,
                      double shrinking, int64_t t, int64_t n) {
  float *restrict m = state[0], *restrict v = state[1], *restrict largest = state[2];
  double beta1 = set[1], beta2 = set[2];
  float b1 = (float)beta1, b2 = (float)beta2, rest1 = (float)(1 - beta1), rest2 = (float)(1 - beta2),
    eps = (float)set[3];
  float step = (float)(set[0] / (1 - pow(beta1, (double)t))), root = (float)sqrt(1 - pow(beta2, (double)t));
  float decay = (float)weight_decay, shrink = (float)shrinking, sign = set[5] != 0 ? -1.0f : 1.0f;
  if (largest) {
#pragma omp parallel for simd schedule(static) if (n > SMALL)
    for (int64_t i = 0; i < n; i++) {
      float x = p[i] * shrink, d = sign * g[i] + decay * x;
      float mean = m[i] * b1 + rest1 * d, square = v[i] * b2 + rest2 * d * d;
      float most = square > largest[i] ? square : largest[i];
      m[i] = mean, v[i] = square, largest[i] = most;
      p[i] = x - step * (mean / (sqrtf(most) / root + eps));
    }
    return;
  }
#pragma omp parallel for simd schedule(static) if (n > SMALL)
  for (int64_t i = 0; i < n; i++) {
    float x = p[i] * shrink, d = sign * g[i] + decay * x;
    float mean = m[i] * b1 + rest1 * d, square = v[i] * b2 + rest2 * d * d;
    m[i] = mean, v[i] = square;
    p[i] = x - step * (mean / (sqrtf(square) / root + eps));
  }
}

static void adam(float *p, const float *g, float *const *state, const double *set, int64_t t, int64_t n) {
  adam_step(p, g, state, set, set[4], 1, t, n);
}

static void adamw(float *p, const float *g, float *const *state, const double *set, int64_t t, int64_t n) {
  adam_step(p, g, state, set, 0, 1 - set[0] * set[4], t, n);
}

/* Adam whose step is p -= lr r m / (1 - beta1^t) sqrt(1 - beta2^t) / (sqrt(v) + eps) once the variance of the smoothed
 * squares is known well enough (rho > 5), r its rectification, and p -= lr m / (1 - beta1^t) before. */
#define RADAM "lr betas eps weight_decay"
static void radam(float *restrict p, const float *restrict g, float *const *state, const double *set, int64_t t,
  int64_t n) {
  float *restrict m = state[0], *restrict v = state[1];
  double beta1 = set[1], beta2 = set[2], fade1 = 1 - pow(beta1, (double)t), power = pow(beta2, (double)t),
    fade2 = 1 - power;
  double most = 2 / (1 - beta2) - 1, rho = most - 2 * (double)t * power / fade2;
  bool rectified = rho > 5;
  double r = rectified ? sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho)) * sqrt(fade2) : 1;
  float b1 = (float)beta1, b2 = (float)beta2, rest1 = (float)(1 - beta1), rest2 = (float)(1 - beta2),
    eps = (float)set[3];
  float decay = (float)set[4], step = (float)(set[0] / fade1 * r);
#pragma omp parallel for simd schedule(static) if (n > SMALL)
  for (int64_t i = 0; i < n; i++) {
    float d = g[i] + decay * p[i];
    float mean = m[i] * b1 + rest1 * d, square = v[i] * b2 + rest2 * d * d;
    m[i] = mean, v[i] = square;
    p[i] -= step * (rectified ? mean / (sqrtf(square) + eps) : mean);
  }
}

/* v = alpha v + (1 - alpha) g^2; the step g / (sqrt(v - mean^2) + eps), through buf where there is momentum */
#define RMSPROP "lr alpha eps weight_decay momentum maximize"
static void rmsprop(float *restrict p, const float *restrict g, float *const *state, const double *set, int64_t t,
  int64_t n) {
  (void)t;
  float *restrict v = state[0], *restrict mean = state[1],
    *restrict buf = state[2]; /* NULL: not centred; no momentum */
  float lr = (float)set[0], alpha = (float)set[1], rest = (float)(1 - set[1]), eps = (float)set[2],
    decay = (float)set[3];
  float momentum = (float)set[4], sign = set[5] != 0 ? -1.0f : 1.0f;
#pragma omp parallel for schedule(static) if (n > SMALL)
  for (int64_t i = 0; i < n; i++) {
    float d = sign * g[i] + decay * p[i], square = v[i] * alpha + rest * d * d, centred = square;
    v[i] = square;
    if (mean) {
      mean[i] = mean[i] * alpha + rest * d;
      centred -= mean[i] * mean[i];
    }
    float move = d / (sqrtf(centred) + eps);
    if (buf) move = buf[i] = momentum * buf[i] + move;
    p[i] -= lr * move;
  }
}

/* Adam with Nesterov's momentum: mu_t = beta1 (1 - 0.96^(t decay) / 2), P_t = mu_1 ... mu_t;
 * p -= lr ((1 - mu_t) / (1 - P_t) g + mu_t+1 / (1 - P_t mu_t mu_t+1) m) / (sqrt(v / (1 - beta2^t)) + eps),
 * with mu_t twice in the second product, as torch.optim 1.13 has it. */
#define NADAM "lr betas eps weight_decay momentum_decay"
static double nadam_mu(double beta1, double decay, double t) { return beta1 * (1 - 0.5 * pow(0.96, t * decay)); }

static void nadam(float *restrict p, const float *restrict g, float *const *state, const double *set, int64_t t,
  int64_t n) {
  float *restrict m = state[0], *restrict v = state[1];
  double beta1 = set[1], beta2 = set[2], product = 1, mu = nadam_mu(beta1, set[5], (double)t),
    next = nadam_mu(beta1, set[5], (double)t + 1);
  /* below the last bit of 1 it decides nothing */
  for (int64_t i = 1; i <= t && product > 1e-18; i++) product *= nadam_mu(beta1, set[5], (double)i);
  float b1 = (float)beta1, b2 = (float)beta2, rest1 = (float)(1 - beta1), rest2 = (float)(1 - beta2),
    eps = (float)set[3], decay = (float)set[4], fade = (float)(1 - pow(beta2, (double)t));
  float by_g = (float)(set[0] * (1 - mu) / (1 - product)), by_m = (float)(set[0] * next / (1 - product * mu * next));
#pragma omp parallel for simd schedule(static) if (n > SMALL)
  for (int64_t i = 0; i < n; i++) {
    float d = g[i] + decay * p[i];
    float mean = m[i] * b1 + rest1 * d, square = v[i] * b2 + rest2 * d * d;
    m[i] = mean, v[i] = square;
    p[i] -= (by_g * d + by_m * mean) / (sqrtf(square / fade) + eps);
  }
}

/* m = beta1 m + (1 - beta1) g; u = max(beta2 u, |g| + eps); p -= lr / (1 - beta1^t) m / u */
#define ADAMAX "lr betas eps weight_decay maximize"
static void adamax(float *restrict p, const float *restrict g, float *const *state, const double *set, int64_t t,
  int64_t n) {
  float *restrict m = state[0], *restrict u = state[1];
  float b1 = (float)set[1], b2 = (float)set[2], rest1 = (float)(1 - set[1]), eps = (float)set[3],
    decay = (float)set[4], sign = set[5] != 0 ? -1.0f : 1.0f;
  float step = (float)(set[0] / (1 - pow(set[1], (double)t)));
#pragma omp parallel for simd schedule(static) if (n > SMALL)
  for (int64_t i = 0; i < n; i++) {
    float d = sign * g[i] + decay * p[i], mean = m[i] * b1 + rest1 * d, was = u[i] * b2, now = fabsf(d) + eps;
    m[i] = mean;
    u[i] = was > now ? was : now;
    p[i] -= step * (mean / u[i]);
  }
}

/* sum += g^2, which begins with initial_accumulator_value; p -= lr / (1 + (t - 1) lr_decay) g / (sqrt(sum) + eps) */
#define ADAGRAD "lr lr_decay weight_decay initial_accumulator_value eps maximize"
static void adagrad(float *restrict p, const float *restrict g, float *const *state, const double *set, int64_t t,
  int64_t n) {
  float *restrict sum = state[0];
  float decay = (float)set[2], first = t == 1 ? (float)set[3] : 0, eps = (float)set[4],
    sign = set[5] != 0 ? -1.0f : 1.0f;
  float step = (float)(set[0] / (1 + (double)(t - 1) * set[1]));
#pragma omp parallel for simd schedule(static) if (n > SMALL)
  for (int64_t i = 0; i < n; i++) {
    float d = sign * g[i] + decay * p[i];
    sum[i] += first + d * d;
    p[i] -= step * (d / (sqrtf(sum[i]) + eps));
  }
}

/* v = rho v + (1 - rho) g^2; move = sqrt(moves + eps) / sqrt(v + eps) g; moves = rho moves + (1 - rho) move^2;
 * p -= lr move */
#define ADADELTA "lr rho eps weight_decay maximize"
static void adadelta(float *restrict p, const float *restrict g, float *const *state, const double *set, int64_t t,
  int64_t n) {
  (void)t;
  float *restrict v = state[0], *restrict moves = state[1];
  float lr = (float)set[0], rho = (float)set[1], rest = (float)(1 - set[1]), eps = (float)set[2], decay = (float)set[3],
    sign = set[4] != 0 ? -1.0f : 1.0f;
#pragma omp parallel for simd schedule(static) if (n > SMALL)
  for (int64_t i = 0; i < n; i++) {
    float d = sign * g[i] + decay * p[i], square = v[i] * rho + rest * d * d;
    float move = sqrtf(moves[i] + eps) / sqrtf(square + eps) * d;
    v[i] = square;
    moves[i] = moves[i] * rho + rest * move * move;
    p[i] -= lr * move;
  }
}

/* p = (1 - lambd eta) p - eta g, eta = lr / (1 + lambd lr (t - 1))^alpha; the average of p from step t0 on */
#define ASGD "lr lambd alpha t0 weight_decay maximize"
static void asgd(float *restrict p, const float *restrict g, float *const *state, const double *set, int64_t t,
  int64_t n) {
  float *restrict mean = state[0];
  double before = (double)(t - 1), eta = set[0] / pow(1 + set[1] * set[0] * before, set[2]), since = before - set[3];
  float mu = (float)(since > 1 ? 1 / since : 1), shrink = (float)(1 - set[1] * eta), step = (float)eta,
    decay = (float)set[4], sign = set[5] != 0 ? -1.0f : 1.0f;
#pragma omp parallel for simd schedule(static) if (n > SMALL)
  for (int64_t i = 0; i < n; i++) {
    float d = sign * g[i] + decay * p[i], x = p[i] * shrink - step * d;
    p[i] = x;
    mean[i] = mu == 1 ? x : mean[i] + (x - mean[i]) * mu;
  }
}

/* Each number has a step of its own, at first lr: times etas[1] where the gradient keeps its sign, times etas[0] where
 * it changes (there p stays for this step), within step_sizes; p -= sign(g) step. */
#define RPROP "lr etas step_sizes maximize"
static void rprop(float *restrict p, const float *restrict g, float *const *state, const double *set, int64_t t,
  int64_t n) {
  float *restrict last = state[0], *restrict size = state[1];
  float lr = (float)set[0], less = (float)set[1], more = (float)set[2], least = (float)set[3], most = (float)set[4],
    sign = set[5] != 0 ? -1.0f : 1.0f;
  bool first = t == 1;
#pragma omp parallel for simd schedule(static) if (n > SMALL)
  for (int64_t i = 0; i < n; i++) {
    float d = sign * g[i], same = d * last[i], s = (first ? lr : size[i]) * (same > 0 ? more : same < 0 ? less : 1.0f);
    s = s < least ? least : s > most ? most : s;
    size[i] = s;
    d = same < 0 ? 0 : d;
    last[i] = d;
    p[i] -= d > 0 ? s : d < 0 ? -s : 0;
  }
}

const OptimizerKernel *K(optimizer)(const char *name) {
  static const OptimizerKernel rows[] = {
    {"SGD", SGD, sgd}, {"Adam", ADAM, adam}, {"AdamW", ADAM, adamw}, {"RAdam", RADAM, radam},
    {"RMSprop", RMSPROP, rmsprop}, {"NAdam", NADAM, nadam}, {"Adamax", ADAMAX, adamax}, {"Adagrad", ADAGRAD, adagrad},
    {"Adadelta", ADADELTA, adadelta}, {"ASGD", ASGD, asgd}, {"Rprop", RPROP, rprop},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (!strcmp(rows[i].name, name)) return &rows[i];
  return NULL;
}

static double block_squares(const float *x, int64_t n) {
  double lane[LANES] = {0}, sum = 0;
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int l = 0; l < LANES; l++) lane[l] += (double)x[i + l] * (double)x[i + l];
  for (; i < n; i++) lane[i % LANES] += (double)x[i] * (double)x[i];
  for (int l = 0; l < LANES; l++) sum += lane[l];
  return sum;
}

double K(sum_squares)(const float *x, int64_t n) {
  double sum = 0;
  for (int64_t at = 0; at < n; at += (int64_t)ROUND * BLOCK) { /* ROUND blocks at a time, added in order */
    double part[ROUND];
    int64_t blocks = (n - at + BLOCK - 1) / BLOCK;
    if (blocks > ROUND) blocks = ROUND;
#pragma omp parallel for schedule(static) if (blocks > 8)
    for (int64_t i = 0; i < blocks; i++) {
      int64_t lo = at + i * BLOCK;
      part[i] = block_squares(x + lo, n - lo < BLOCK ? n - lo : BLOCK);
    }
    for (int64_t i = 0; i < blocks; i++) sum += part[i];
  }
  return sum;
}

void K(scale)(float *x, float by, int64_t n) {
#pragma omp parallel for simd schedule(static) if (n > SMALL)
  for (int64_t i = 0; i < n; i++) x[i] *= by;
}
