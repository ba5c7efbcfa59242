/* Softmax along one dimension, the largest element subtracted first. */
#include <math.h>
#include "kernels.h"
#include "simd.h"
#include "vmath.h"

enum { LANES = 16, COLUMNS = 64, SMALL = 1 << 13 };

static double add_lanes(const float *lane) {
  double sum = 0;
  for (int l = 0; l < LANES; l++) sum += lane[l];
  return sum;
}

/* The last few of a row, less than a vector, with nothing beyond them. */
INLINE vf load_rest(const float *x, int64_t n) {
  float t[VW];
  for (int l = 0; l < (int)VW; l++) t[l] = l < n ? x[l] : -INFINITY;
  return v_load(t);
}

/* Met three times, but in L1 after the first: the largest, the sum of what is below it, the result. */
static void softmax_row(float *y, const float *x, bool logarithm, int64_t n) {
  int64_t whole = n / VW * VW, i;
  int rest = (int)(n - whole);
  vf most = load_rest(x + whole, rest), sum = v_zero();
  for (i = 0; i < whole; i += VW) most = v_max(v_load(x + i), most); /* a NaN shows in the sum */
  most = v_set(v_largest(most));
  if (logarithm) {
    for (i = 0; i < whole; i += VW) sum = sum + v_exp_falling(v_load(x + i) - most);
    sum = sum + v_exp_falling(load_rest(x + whole, rest) - most);
    vf less = v_set((float)log(v_sum(sum)));
    for (i = 0; i < whole; i += VW) v_store(y + i, v_load(x + i) - most - less);
    v_store_n(y + i, v_load_n(x + i, rest) - most - less, rest);
    return;
  }
  for (i = 0; i < whole; i += VW) {
    vf e = v_exp_falling(v_load(x + i) - most);
    v_store(y + i, e);
    sum = sum + e;
  }
  vf e = v_exp_falling(load_rest(x + i, rest) - most), per = v_set(1 / v_sum(sum + e));
  for (i = 0; i < whole; i += VW) v_store(y + i, v_load(y + i) * per);
  v_store_n(y + i, e * per, rest);
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
