/* Batch normalisation. Sums run over blocks of BLOCK rows in float, over blocks in double; rows are cut into at most
 * PIECES pieces whatever the number of threads. */
#include <math.h>
#include "kernels.h"
#include "gemm.h"

enum { BLOCK = 32, PIECES = 64, SMALL = 1 << 15 };

/* A piece's share of scratch, per channel: two sums in double, two of the current block in float. */
typedef struct Piece {
  double *a, *b;
  float *block_a, *block_b;
} Piece;

static int64_t piece_rows(int64_t outer) {
  int64_t n = (outer + PIECES - 1) / PIECES;
  return (n + BLOCK - 1) / BLOCK * BLOCK;
}
static int piece_count(int64_t outer) { return outer ? (int)((outer + piece_rows(outer) - 1) / piece_rows(outer)) : 0; }

enum { PIECE_BYTES = 2 * sizeof(double) + 2 * sizeof(float) };
static Piece piece_at(void *scratch, int i, int c) {
  Piece p;
  p.a = (double *)((char *)scratch + (size_t)i * (size_t)c * PIECE_BYTES);
  p.b = p.a + c;
  p.block_a = (float *)(p.b + c);
  p.block_b = p.block_a + c;
  return p;
}

size_t K(bn_scratch)(int64_t outer, int c, int64_t inner) {
  size_t pieces = inner == 1 ? (size_t)piece_count(outer) : 0, coefficients = 4 * sizeof(float) * (size_t)c;
  size_t bytes = pieces * (size_t)c * PIECE_BYTES;
  return bytes > coefficients ? bytes : coefficients;
}

/* How many floats before they are read lines are asked for: read column by column, they would come one at a time. */
INLINE int64_t far_enough(int64_t n, int c) { return n * c > 8192 ? n * c : 8192; }

/* A vector of channels, lanes of them, over n rows: the sums stay in registers, two of each lest every sum wait for the last. */
INLINE void block_moments(float *mean, float *square, const float *x, int64_t n, int c, const int lanes) {
  vf a = v_zero(), b = v_zero(), p = v_zero(), q = v_zero();
  const float *end = x + (n & ~(int64_t)1) * c, *row = x;
#pragma GCC unroll 1
  for (const float *ahead = x + far_enough(n, c); row < end; row += 2 * c, ahead += 2 * c) {
    ask(ahead), ask(ahead + c);
    a = a + v_load_n(row, lanes), b = b + v_load_n(row + c, lanes);
  }
  if (n & 1) a = a + v_load_n(row, lanes);
  vf m = (a + b) * v_set(1.0f / (float)n);
#pragma GCC unroll 1
  for (row = x; row < end; row += 2 * c) {
    vf d = v_load_n(row, lanes) - m, e = v_load_n(row + c, lanes) - m;
    p = v_fma(d, d, p), q = v_fma(e, e, q);
  }
  if (n & 1) {
    vf d = v_load_n(row, lanes) - m;
    p = v_fma(d, d, p);
  }
  v_store_n(mean, m, lanes), v_store_n(square, p + q, lanes);
}

/* The same for sums of dy * (x - mean) and of dy. */
INLINE void block_products(float *product, float *plain, const float *dy, const float *x, const float *mean, int64_t n, int c,
                           const int lanes) {
  vf a = v_zero(), b = v_zero(), p = v_zero(), q = v_zero(), m = v_load_n(mean, lanes);
  const float *end = dy + (n & ~(int64_t)1) * c;
  int64_t ahead = far_enough(n, c);
#pragma GCC unroll 1
  for (; dy < end; dy += 2 * c, x += 2 * c) {
    ask(dy + ahead), ask(dy + ahead + c), ask(x + ahead), ask(x + ahead + c);
    vf g = v_load_n(dy, lanes), h = v_load_n(dy + c, lanes);
    a = a + g, b = b + h;
    p = v_fma(g, v_load_n(x, lanes) - m, p), q = v_fma(h, v_load_n(x + c, lanes) - m, q);
  }
  if (n & 1) {
    vf g = v_load_n(dy, lanes);
    a = a + g, p = v_fma(g, v_load_n(x, lanes) - m, p);
  }
  v_store_n(product, p + q, lanes), v_store_n(plain, a + b, lanes);
}

/* Rows lo … hi of x (…, c): a = mean, b = sum of squares about it. */
static void piece_moments(Piece p, const float *x, int64_t lo, int64_t hi, int c) {
  for (int j = 0; j < c; j++) p.a[j] = p.b[j] = 0;
  for (int64_t row = lo; row < hi; row += BLOCK) {
    int64_t n = hi - row < BLOCK ? hi - row : BLOCK;
    const float *block = x + row * c;
    float *restrict mean = p.block_a, *restrict square = p.block_b;
    int v = 0;
    for (; v + (int)VW <= c; v += VW) block_moments(mean + v, square + v, block + v, n, c, VW);
    if (v < c) block_moments(mean + v, square + v, block + v, n, c, c - v);
    double before = (double)(row - lo), all = before + (double)n, share = (double)n / all, weight = before * share;
    for (int j = 0; j < c; j++) {
      double delta = mean[j] - p.a[j];
      p.a[j] += delta * share;
      p.b[j] += square[j] + delta * delta * weight;
    }
  }
}

/* One channel of (outer, c, inner) with inner > 1: two passes, eight lanes of double. */
static double channel_sum(const float *x, double mean, bool square, int64_t outer, int c, int64_t inner) {
  double lane[8] = {0};
  for (int64_t o = 0; o < outer; o++, x += c * inner)
    for (int64_t i = 0; i < inner; i++) {
      double d = x[i] - mean;
      lane[i & 7] += square ? d * d : d;
    }
  return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

void K(bn_stats)(float *stats, const float *x, int64_t outer, int c, int64_t inner, void *scratch) {
  float *mean = stats, *var = stats + c;
  double count = (double)outer * (double)inner;
  bool big = outer * c * inner > SMALL;
  if (inner != 1) {
#pragma omp parallel for schedule(static) if (big)
    for (int j = 0; j < c; j++) {
      double m = channel_sum(x + j * inner, 0, false, outer, c, inner) / count;
      mean[j] = (float)m;
      var[j] = (float)(channel_sum(x + j * inner, m, true, outer, c, inner) / count);
    }
    return;
  }
  int pieces = piece_count(outer);
  int64_t rows = piece_rows(outer);
#pragma omp parallel for schedule(static) if (big)
  for (int i = 0; i < pieces; i++)
    piece_moments(piece_at(scratch, i, c), x, i * rows, (i + 1) * rows < outer ? (i + 1) * rows : outer, c);
  Piece sum = piece_at(scratch, 0, c);
  for (int i = 1; i < pieces; i++) {
    Piece p = piece_at(scratch, i, c);
    double before = (double)(i * rows), n = (double)((i + 1) * rows < outer ? rows : outer - i * rows);
    double share = n / (before + n), weight = before * share;
    for (int j = 0; j < c; j++) {
      double delta = p.a[j] - sum.a[j];
      sum.a[j] += delta * share;
      sum.b[j] += p.b[j] + delta * delta * weight;
    }
  }
  for (int j = 0; j < c; j++) mean[j] = (float)sum.a[j], var[j] = (float)(sum.b[j] / count);
}

static double inverse_std(float var, float eps) { return 1.0 / sqrt((double)var + (double)eps); }

/* Channels [j, j + n) of the pixel at `row`. */
INLINE void apply_vector(float *y, const float *x, const float *centre, const float *scale, const float *shift, const Epilogue *e,
                         int64_t row, int j, const int n) {
  vf v = v_fma(v_load_n(x + row + j, n) - v_load_n(centre + j, n), v_load_n(scale + j, n), v_load_n(shift + j, n));
  EPILOGUE(v, (const float *)NULL, (const float *)NULL, e->residual ? e->residual + row + j : NULL, e->gate ? e->gate + row + j : NULL,
           e->act, e->act_attr, j, n);
  v_store_n(y + row + j, v, n);
}

void K(bn_apply)(float *y, const float *x, const float *mean, const float *var, const float *w, const float *b,
                 const Epilogue *e, float eps, int64_t outer, int c, int64_t inner, void *scratch) {
  float *restrict centre = scratch, *restrict scale = centre + c, *restrict shift = scale + c;
  for (int j = 0; j < c; j++) {
    centre[j] = mean ? mean[j] : 0;
    scale[j] = (float)((w ? w[j] : 1) * inverse_std(var[j], eps));
    shift[j] = b ? b[j] : 0;
  }
  bool big = outer * c * inner > SMALL;
  if (inner == 1) {
#pragma omp parallel for schedule(static) if (big)
    for (int64_t o = 0; o < outer; o++) {
      int j = 0;
      for (; j + (int)VW <= c; j += VW) apply_vector(y, x, centre, scale, shift, e, o * c, j, VW);
      if (j < c) apply_vector(y, x, centre, scale, shift, e, o * c, j, c - j);
      activate_row(y + o * c, c, e->act, e->act_attr);
    }
    return;
  }
#pragma omp parallel for schedule(static) if (big)
  for (int64_t o = 0; o < outer * c; o++) {
    const float *xp = x + o * inner;
    float *yp = y + o * inner, m = centre[o % c], s = scale[o % c], t = shift[o % c];
#pragma omp simd
    for (int64_t i = 0; i < inner; i++) yp[i] = (xp[i] - m) * s + t;
    tail_row(y, o * inner, inner, e);
  }
}

/* Rows lo … hi: a = sum of dy * (x - mean), b = sum of dy. */
static void piece_products(Piece p, const float *dy, const float *x, const float *mean, int64_t lo, int64_t hi, int c) {
  for (int j = 0; j < c; j++) p.a[j] = p.b[j] = 0;
  for (int64_t row = lo; row < hi; row += BLOCK) {
    int64_t n = hi - row < BLOCK ? hi - row : BLOCK;
    float *restrict product = p.block_a, *restrict plain = p.block_b;
    int v = 0;
    for (; v + (int)VW <= c; v += VW) block_products(product + v, plain + v, dy + row * c + v, x + row * c + v, mean + v, n, c, VW);
    if (v < c) block_products(product + v, plain + v, dy + row * c + v, x + row * c + v, mean + v, n, c, c - v);
    for (int j = 0; j < c; j++) p.a[j] += product[j], p.b[j] += plain[j];
  }
}

void K(bn_dparam)(float *dparam, const float *dy, const float *x, const float *mean, const float *var, float eps,
                  int64_t outer, int c, int64_t inner, void *scratch) {
  float *dw = dparam, *db = dparam + c;
  bool big = outer * c * inner > SMALL;
  if (inner != 1) {
#pragma omp parallel for schedule(static) if (big)
    for (int j = 0; j < c; j++) {
      double product[8] = {0}, plain[8] = {0};
      for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0, at = (o * c + j) * inner; i < inner; i++) {
          product[i & 7] += (double)dy[at + i] * ((double)x[at + i] - mean[j]);
          plain[i & 7] += dy[at + i];
        }
      for (int l = 1; l < 8; l++) product[0] += product[l], plain[0] += plain[l];
      dw[j] = (float)(product[0] * inverse_std(var[j], eps));
      db[j] = (float)plain[0];
    }
    return;
  }
  int pieces = piece_count(outer);
  int64_t rows = piece_rows(outer);
#pragma omp parallel for schedule(static) if (big)
  for (int i = 0; i < pieces; i++)
    piece_products(piece_at(scratch, i, c), dy, x, mean, i * rows, (i + 1) * rows < outer ? (i + 1) * rows : outer, c);
  Piece sum = piece_at(scratch, 0, c);
  for (int i = 1; i < pieces; i++) {
    Piece p = piece_at(scratch, i, c);
    for (int j = 0; j < c; j++) sum.a[j] += p.a[j], sum.b[j] += p.b[j];
  }
  for (int j = 0; j < c; j++) dw[j] = (float)(sum.a[j] * inverse_std(var[j], eps)), db[j] = (float)sum.b[j];
}

void K(bn_dx)(float *dx, const float *dy, const float *x, const float *mean, const float *var, const float *w,
              const float *dparam, float eps, int64_t outer, int c, int64_t inner, void *scratch) {
  float *restrict scale = scratch, *restrict plain = scale + c, *restrict slope = plain + c;
  double count = (double)outer * (double)inner;
  for (int j = 0; j < c; j++) {
    double s = inverse_std(var[j], eps);
    scale[j] = (float)((w ? w[j] : 1) * s);
    plain[j] = (float)(dparam[c + j] / count);
    slope[j] = (float)(dparam[j] * s / count);
  }
  bool big = outer * c * inner > SMALL;
  if (inner == 1) {
#pragma omp parallel for schedule(static) if (big)
    for (int64_t o = 0; o < outer; o++) {
      const float *g = dy + o * c, *xp = x + o * c;
      float *out = dx + o * c;
#pragma omp simd
      for (int j = 0; j < c; j++) out[j] = scale[j] * (g[j] - plain[j] - (xp[j] - mean[j]) * slope[j]);
    }
    return;
  }
#pragma omp parallel for schedule(static) if (big)
  for (int64_t o = 0; o < outer * c; o++) {
    const float *g = dy + o * inner, *xp = x + o * inner;
    float *out = dx + o * inner, m = mean[o % c], s = scale[o % c], p = plain[o % c], k = slope[o % c];
#pragma omp simd
    for (int64_t i = 0; i < inner; i++) out[i] = s * (g[i] - p - (xp[i] - m) * k);
  }
}

void K(bn_fold)(float *scale, float *shift, const float *mean, const float *var, const float *w, const float *b,
                const float *conv_bias, float eps, int c) {
  for (int j = 0; j < c; j++) {
    double s = (w ? w[j] : 1) * inverse_std(var[j], eps);
    scale[j] = (float)s;
    double move = (conv_bias ? conv_bias[j] : 0.0) - (mean ? mean[j] : 0.0);
    shift[j] = (float)((b ? b[j] : 0) + move * s);
  }
}
