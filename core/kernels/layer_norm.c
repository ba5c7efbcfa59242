/* Layer normalisation: each row is read from memory once and met again in L1, forward and backward: its mean and its variance
 * about it cost less to compute again than to keep. Sums run over blocks in float, over blocks in double. */
#include <math.h>
#include <string.h>
#include "kernels.h"

enum { BLOCK = 4096, SMALL = 1 << 14, PIECES = 256, PIECE_ROWS = 64 };

/* The sum over j < n of an expression in j, as a double. */
#define SUM_ROW(total, n, ...) do { \
    total = 0; \
    for (int64_t at = 0; at < n; at += BLOCK) { \
      int64_t end = at + BLOCK < n ? at + BLOCK : n; \
      float part = 0; \
      _Pragma("omp simd reduction(+:part)") \
      for (int64_t j = at; j < end; j++) part += (__VA_ARGS__); \
      total += part; \
    } \
  } while (0)

/* Mean and 1 / sqrt(var + eps) of a row. */
typedef struct Moments { float mean, scale; } Moments;
static Moments moments(const float *x, int64_t n, float eps) {
  double sum, square;
  SUM_ROW(sum, n, x[j]);
  float mean = (float)(sum / (double)n);
  SUM_ROW(square, n, (x[j] - mean) * (x[j] - mean));
  return (Moments){mean, (float)(1 / sqrt(square / (double)n + (double)eps))};
}

void K(layer_norm)(float *y, const float *x, const float *w, const float *b, float eps, int64_t rows, int64_t n) {
#pragma omp parallel for schedule(static) if (rows * n > SMALL)
  for (int64_t r = 0; r < rows; r++) {
    const float *xr = x + r * n;
    float *yr = y + r * n;
    Moments m = moments(xr, n, eps);
#define APPLY(after) _Pragma("omp simd") for (int64_t j = 0; j < n; j++) yr[j] = (xr[j] - m.mean) * m.scale after
    if (w && b) APPLY(* w[j] + b[j]);
    else if (w) APPLY(* w[j]);
    else if (b) APPLY(+ b[j]);
    else APPLY();
#undef APPLY
  }
}

static void dx_row(float *to, const float *g, const float *x, const float *w, Moments m, int64_t n) {
  double plain, product;
  if (w) {
    SUM_ROW(plain, n, g[j] * w[j]);
    SUM_ROW(product, n, g[j] * w[j] * (x[j] - m.mean));
  } else {
    SUM_ROW(plain, n, g[j]);
    SUM_ROW(product, n, g[j] * (x[j] - m.mean));
  }
  float level = (float)(plain / (double)n), slope = (float)(product * m.scale * m.scale / (double)n);
  if (w) {
#pragma omp simd
    for (int64_t j = 0; j < n; j++) to[j] = m.scale * (g[j] * w[j] - level - (x[j] - m.mean) * slope);
  } else {
#pragma omp simd
    for (int64_t j = 0; j < n; j++) to[j] = m.scale * (g[j] - level - (x[j] - m.mean) * slope);
  }
}

static int64_t piece_count(int64_t rows) {
  int64_t pieces = (rows + PIECE_ROWS - 1) / PIECE_ROWS;
  return pieces < PIECES ? pieces : PIECES;
}

size_t K(layer_norm_scratch)(int64_t rows, int64_t n) { return (size_t)piece_count(rows) * 2 * (size_t)n * sizeof(float); }

void K(layer_norm_grad)(float *dx, float *dparam, const float *dy, const float *x, const float *w, float eps, int64_t rows, int64_t n, void *scratch) {
  float *parts = scratch; /* of each piece of rows: (2, n) */
  int64_t pieces = piece_count(rows);
#pragma omp parallel for schedule(static) if (rows * n > SMALL)
  for (int64_t p = 0; p < pieces; p++) {
    float *restrict dw = dparam ? parts + p * 2 * n : NULL, *restrict db = dparam ? dw + n : NULL;
    if (dparam) memset(dw, 0, 2 * (size_t)n * sizeof *dw);
    for (int64_t r = rows * p / pieces; r < rows * (p + 1) / pieces; r++) {
      const float *xr = x + r * n, *g = dy + r * n;
      Moments m = moments(xr, n, eps);
      if (dparam)
#pragma omp simd
        for (int64_t j = 0; j < n; j++) dw[j] += g[j] * ((xr[j] - m.mean) * m.scale), db[j] += g[j];
      if (dx) dx_row(dx + r * n, g, xr, w, m, n);
    }
  }
#pragma omp parallel for schedule(static) if (pieces * n > SMALL)
  for (int64_t j = 0; j < (dparam ? 2 * n : 0); j++) {
    double sum = 0;
    for (int64_t p = 0; p < pieces; p++) sum += parts[p * 2 * n + j];
    dparam[j] = (float)sum;
  }
}
