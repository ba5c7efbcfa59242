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

/* nv neighbouring vectors of channels, `lanes` of each, over n rows: read along the rows as far as registers go, since memory that is read
 * across them comes half as fast. Sums of few vectors are two each, of even and of odd rows, lest every product wait for the last. */
enum { WIDE = 8 };
#define EACH(v) _Pragma("GCC unroll 8") for (int v = 0; v < nv; v++)
#define SUMS(v) (nv > 2 ? 0 : odd) * nv + v
INLINE void block_moments(float *mean, float *square, const float *x, int64_t n, int c, const int nv, const int lanes) {
  vf sum[WIDE];
  const float *row = x, *ahead = x + far_enough(n, c);
  const int pairs = nv > 2 ? 1 : 2; /* sums of a vector */
  for (int i = 0; i < nv * pairs; i++) sum[i] = v_zero();
#pragma GCC unroll 1
  for (int64_t r = n / 2; r > 0; r--, row += 2 * c, ahead += 2 * c)
#pragma GCC unroll 2
    for (int odd = 0; odd < 2; odd++) {
      for (int v = 0; v < nv; v += CHUNK / VW) ask(ahead + odd * c + v * VW);
      EACH(v) sum[SUMS(v)] = sum[SUMS(v)] + v_load_n(row + odd * c + v * VW, lanes);
    }
  EACH(v) {
    vf all = sum[v];
    if (pairs > 1) all = all + sum[nv + v];
    if (n & 1) all = all + v_load_n(row + v * VW, lanes);
    v_store_n(mean + v * VW, all * v_set(1.0f / (float)n), lanes);
  }
  for (int i = 0; i < nv * pairs; i++) sum[i] = v_zero();
  row = x;
#pragma GCC unroll 1
  for (int64_t r = n / 2; r > 0; r--, row += 2 * c)
#pragma GCC unroll 2
    for (int odd = 0; odd < 2; odd++)
      EACH(v) {
        vf d = v_load_n(row + odd * c + v * VW, lanes) - v_load_n(mean + v * VW, lanes);
        sum[SUMS(v)] = v_fma(d, d, sum[SUMS(v)]);
      }
  EACH(v) {
    vf all = sum[v];
    if (pairs > 1) all = all + sum[nv + v];
    if (n & 1) {
      vf d = v_load_n(row + v * VW, lanes) - v_load_n(mean + v * VW, lanes);
      all = v_fma(d, d, all);
    }
    v_store_n(square + v * VW, all, lanes);
  }
}

/* The same for sums of dy * (x - mean) and of dy. */
INLINE void block_products(float *product, float *plain, const float *dy, const float *x, const float *mean, int64_t n, int c,
                           const int nv, const int lanes) {
  vf sum[WIDE], plus[WIDE];
  const int64_t ahead = far_enough(n, c);
  const int pairs = nv > 2 ? 1 : 2;
  for (int i = 0; i < nv * pairs; i++) sum[i] = plus[i] = v_zero();
#pragma GCC unroll 1
  for (int64_t r = 0; r < n; r += 2, dy += 2 * c, x += 2 * c)
#pragma GCC unroll 2
    for (int odd = 0; odd < 2; odd++) {
      if (odd && r + 1 == n) break;
      for (int v = 0; v < nv; v += CHUNK / VW) ask(dy + ahead + odd * c + v * VW), ask(x + ahead + odd * c + v * VW);
      EACH(v) {
        vf g = v_load_n(dy + odd * c + v * VW, lanes);
        plus[SUMS(v)] = plus[SUMS(v)] + g;
        sum[SUMS(v)] = v_fma(g, v_load_n(x + odd * c + v * VW, lanes) - v_load_n(mean + v * VW, lanes), sum[SUMS(v)]);
      }
    }
  EACH(v) {
    if (pairs > 1) sum[v] = sum[v] + sum[nv + v], plus[v] = plus[v] + plus[nv + v];
    v_store_n(product + v * VW, sum[v], lanes);
    v_store_n(plain + v * VW, plus[v], lanes);
  }
}
#undef EACH
#undef SUMS

/* Rows lo … hi of x (…, c): a = mean, b = sum of squares about it. */
static void piece_moments(Piece p, const float *x, int64_t lo, int64_t hi, int c) {
  for (int j = 0; j < c; j++) p.a[j] = p.b[j] = 0;
  for (int64_t row = lo; row < hi; row += BLOCK) {
    int64_t n = hi - row < BLOCK ? hi - row : BLOCK;
    const float *block = x + row * c;
    float *restrict mean = p.block_a, *restrict square = p.block_b;
    int v = 0;
    for (; v + WIDE * (int)VW <= c; v += WIDE * VW) block_moments(mean + v, square + v, block + v, n, c, WIDE, VW);
    for (; v + 2 * (int)VW <= c; v += 2 * VW) block_moments(mean + v, square + v, block + v, n, c, 2, VW);
    for (; v + (int)VW <= c; v += VW) block_moments(mean + v, square + v, block + v, n, c, 1, VW);
    if (v < c) block_moments(mean + v, square + v, block + v, n, c, 1, c - v);
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
INLINE void apply_vector(float *y, const float *x, const float *centre, const float *scale, const float *shift, const TileEnd *e,
                         int64_t row, int j, const int n) {
  vf v = v_fma(v_load_n(x + row + j, n) - v_load_n(centre + j, n), v_load_n(scale + j, n), v_load_n(shift + j, n));
  v_store_n(y + row + j, end_vector(v, e, j, y + row + j, n), n);
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
  const TileEnd end = tile_end(e, 0, y);
  if (inner == 1) {
#pragma omp parallel for schedule(static) if (big)
    for (int64_t o = 0; o < outer; o++) {
      int j = 0;
      for (; j + (int)VW <= c; j += VW) apply_vector(y, x, centre, scale, shift, &end, o * c, j, VW);
      if (j < c) apply_vector(y, x, centre, scale, shift, &end, o * c, j, c - j);
      activate_row(y + o * c, c, e->act, e->act_attr);
    }
    return;
  }
#pragma omp parallel for schedule(static) if (big)
  for (int64_t o = 0; o < outer * c; o++) {
    vf m = v_set(centre[o % c]), s = v_set(scale[o % c]), t = v_set(shift[o % c]);
    int64_t i = o * inner, to = i + inner;
    for (; i + (int)VW <= to; i += VW) v_store(y + i, end_vector(v_fma(v_load(x + i) - m, s, t), &end, 0, y + i, VW));
    if (i < to) v_store_n(y + i, end_vector(v_fma(v_load_n(x + i, (int)(to - i)) - m, s, t), &end, 0, y + i, (int)(to - i)), (int)(to - i));
    activate_row(y + o * inner, inner, e->act, e->act_attr);
  }
}

/* Rows lo … hi: a = sum of dy * (x - mean), b = sum of dy. */
static void piece_products(Piece p, const float *dy, const float *x, const float *mean, int64_t lo, int64_t hi, int c) {
  for (int j = 0; j < c; j++) p.a[j] = p.b[j] = 0;
  for (int64_t row = lo; row < hi; row += BLOCK) {
    int64_t n = hi - row < BLOCK ? hi - row : BLOCK;
    float *restrict product = p.block_a, *restrict plain = p.block_b;
    int v = 0;
    for (; v + 4 * (int)VW <= c; v += 4 * VW) block_products(product + v, plain + v, dy + row * c + v, x + row * c + v, mean + v, n, c, 4, VW);
    for (; v + 2 * (int)VW <= c; v += 2 * VW) block_products(product + v, plain + v, dy + row * c + v, x + row * c + v, mean + v, n, c, 2, VW);
    for (; v + (int)VW <= c; v += VW) block_products(product + v, plain + v, dy + row * c + v, x + row * c + v, mean + v, n, c, 1, VW);
    if (v < c) block_products(product + v, plain + v, dy + row * c + v, x + row * c + v, mean + v, n, c, 1, c - v);
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
