/* Softmax along one dimension, the largest element subtracted first. */
#include <math.h>
#include "kernels.h"
#include "vmath.h"

enum { LANES = 16, COLUMNS = 64, SMALL = 1 << 13 };

static double add_lanes(const float *lane) {
  double sum = 0;
  for (int l = 0; l < LANES; l++) sum += lane[l];
  return sum;
}

static float row_max(const float *x, int64_t n) {
  float lane[LANES], m = -INFINITY;
  int64_t i = 0;
  for (int l = 0; l < LANES; l++) lane[l] = -INFINITY;
  for (; i + LANES <= n; i += LANES)
    for (int l = 0; l < LANES; l++) lane[l] = x[i + l] > lane[l] ? x[i + l] : lane[l]; /* a NaN shows in the sum */
  for (; i < n; i++) m = x[i] > m ? x[i] : m;
  for (int l = 0; l < LANES; l++) m = lane[l] > m ? lane[l] : m;
  return m;
}

static void softmax_row(float *y, const float *x, bool logarithm, int64_t n) {
  float lane[LANES] = {0}, m = row_max(x, n);
  int64_t i = 0;
  if (logarithm) {
    for (; i + LANES <= n; i += LANES)
      for (int l = 0; l < LANES; l++) lane[l] += v_exp(x[i + l] - m);
    for (; i < n; i++) lane[i % LANES] += v_exp(x[i] - m);
    float less = (float)log(add_lanes(lane));
    for (i = 0; i < n; i++) y[i] = x[i] - m - less;
    return;
  }
  for (; i + LANES <= n; i += LANES)
    for (int l = 0; l < LANES; l++) {
      float v = v_exp(x[i + l] - m);
      y[i + l] = v;
      lane[l] += v;
    }
  for (; i < n; i++) lane[i % LANES] += y[i] = v_exp(x[i] - m);
  float per = (float)(1 / add_lanes(lane));
  for (i = 0; i < n; i++) y[i] *= per;
}

/* `count` neighbouring columns of (len, inner). */
static void softmax_columns(float *y, const float *x, bool logarithm, int64_t len, int64_t inner, int count) {
  float m[COLUMNS], sum[COLUMNS];
  for (int j = 0; j < count; j++) m[j] = -INFINITY, sum[j] = 0;
  for (int64_t i = 0; i < len; i++)
    for (int j = 0; j < count; j++) m[j] = x[i * inner + j] > m[j] ? x[i * inner + j] : m[j];
  for (int64_t i = 0; i < len; i++)
    for (int j = 0; j < count; j++) sum[j] += v_exp(x[i * inner + j] - m[j]);
  for (int j = 0; j < count; j++) sum[j] = logarithm ? logf(sum[j]) : 1 / sum[j];
  for (int64_t i = 0; i < len; i++)
    for (int j = 0; j < count; j++) {
      float d = x[i * inner + j] - m[j];
      y[i * inner + j] = logarithm ? d - sum[j] : v_exp(d) * sum[j];
    }
}

void K(softmax)(float *y, const float *x, bool logarithm, int64_t outer, int64_t len, int64_t inner) {
  bool big = outer * len * inner > SMALL;
  if (inner == 1) {
#pragma omp parallel for schedule(static) if (big)
    for (int64_t o = 0; o < outer; o++) softmax_row(y + o * len, x + o * len, logarithm, len);
    return;
  }
  int64_t parts = (inner + COLUMNS - 1) / COLUMNS;
#pragma omp parallel for schedule(static) if (big)
  for (int64_t i = 0; i < outer * parts; i++) {
    int64_t column = i % parts * COLUMNS, at = i / parts * len * inner + column;
    softmax_columns(y + at, x + at, logarithm, len, inner, (int)(inner - column < COLUMNS ? inner - column : COLUMNS));
  }
}

static void softmax_dx_row(float *dx, const float *dy, const float *y, bool logarithm, int64_t n) {
  float lane[LANES] = {0};
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int l = 0; l < LANES; l++) lane[l] += logarithm ? dy[i + l] : dy[i + l] * y[i + l];
  for (; i < n; i++) lane[i % LANES] += logarithm ? dy[i] : dy[i] * y[i];
  float sum = (float)add_lanes(lane);
  if (logarithm)
    for (i = 0; i < n; i++) dx[i] = dy[i] - v_exp(y[i]) * sum;
  else
    for (i = 0; i < n; i++) dx[i] = y[i] * (dy[i] - sum);
}

static void softmax_dx_columns(float *dx, const float *dy, const float *y, bool logarithm, int64_t len, int64_t inner, int count) {
  float sum[COLUMNS] = {0};
  for (int64_t i = 0; i < len; i++)
    for (int j = 0; j < count; j++) sum[j] += logarithm ? dy[i * inner + j] : dy[i * inner + j] * y[i * inner + j];
  for (int64_t i = 0; i < len; i++)
    for (int j = 0; j < count; j++) {
      float g = dy[i * inner + j], v = y[i * inner + j];
      dx[i * inner + j] = logarithm ? g - v_exp(v) * sum[j] : v * (g - sum[j]);
    }
}

void K(softmax_dx)(float *dx, const float *dy, const float *y, bool logarithm, int64_t outer, int64_t len, int64_t inner) {
  bool big = outer * len * inner > SMALL;
  if (inner == 1) {
#pragma omp parallel for schedule(static) if (big)
    for (int64_t o = 0; o < outer; o++) softmax_dx_row(dx + o * len, dy + o * len, y + o * len, logarithm, len);
    return;
  }
  int64_t parts = (inner + COLUMNS - 1) / COLUMNS;
#pragma omp parallel for schedule(static) if (big)
  for (int64_t i = 0; i < outer * parts; i++) {
    int64_t column = i % parts * COLUMNS, at = i / parts * len * inner + column;
    softmax_dx_columns(dx + at, dy + at, y + at, logarithm, len, inner, (int)(inner - column < COLUMNS ? inner - column : COLUMNS));
  }
}
