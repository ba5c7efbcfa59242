/* Optimizer steps, with the formulas and the order of operations of torch.optim 1.13. */
#include <math.h>
#include "kernels.h"

enum { LANES = 16, BLOCK = 4096, SMALL = 1 << 15, ROUND = 64 };

void K(sgd_step)(float *restrict p, float *restrict buf, const float *restrict g, const SgdStep *s, int64_t n) {
  float lr = (float)s->lr, momentum = (float)s->momentum, keep = (float)(1 - s->dampening), decay = (float)s->weight_decay;
  float sign = s->maximize ? -1.0f : 1.0f;
  if (!buf) {
#pragma omp parallel for simd schedule(static) if (n > SMALL)
    for (int64_t i = 0; i < n; i++) p[i] -= lr * (sign * g[i] + decay * p[i]);
    return;
  }
  bool first = s->first, nesterov = s->nesterov;
#pragma omp parallel for simd schedule(static) if (n > SMALL)
  for (int64_t i = 0; i < n; i++) {
    float d = sign * g[i] + decay * p[i];
    float b = first ? d : momentum * buf[i] + keep * d;
    buf[i] = b;
    p[i] -= lr * (nesterov ? d + momentum * b : b);
  }
}

void K(adam_step)(float *restrict p, float *restrict m, float *restrict v, float *restrict largest, const float *restrict g,
                  const AdamStep *s, int64_t n) {
  float b1 = (float)s->beta1, b2 = (float)s->beta2, rest1 = (float)(1 - s->beta1), rest2 = (float)(1 - s->beta2);
  float eps = (float)s->eps, step = (float)s->step_size, root = (float)s->root, decay = (float)s->weight_decay;
  float shrink = (float)s->shrink, sign = s->maximize ? -1.0f : 1.0f;
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

void K(rmsprop_step)(float *restrict p, float *restrict v, float *restrict mean, float *restrict buf, const float *restrict g,
                     const RmspropStep *s, int64_t n) {
  float alpha = (float)s->alpha, rest = (float)(1 - s->alpha), sign = s->maximize ? -1.0f : 1.0f;
  float lr = (float)s->lr, eps = (float)s->eps, decay = (float)s->weight_decay, momentum = (float)s->momentum;
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
