/* Reductions. Either the dimension that lies side by side in memory goes (a row becomes one number) or it stays (rows
 * are added to a row of accumulators). Few and long ones are cut in chunks whose number depends on the shape only. */
#include <math.h>
#include "kernels.h"
#include "simd.h"

enum { TILE = 768, CHUNK = 16384, CHUNKS = 32, LANES = 16, FEW = 16, ROWS_AHEAD = 16, ROWS_AT_ONCE = 4 };

typedef struct Kind {
  double init;
  double (*row)(double acc, const float *x, int64_t n, int64_t step, float centre); /* over n elements */
  void (*columns)(double *acc, const float *x, int64_t n, int64_t rows, int64_t step, const float *centre); /* acc[n] over rows */
  double (*join)(double a, double b);
} Kind;

#define REDUCTION(name, first, expr, both) \
  static inline double name##_step(double acc, double v, double m) { (void)m; return (expr); } \
  static double name##_join(double a, double b) { return (both); } \
  static double name##_row(double acc, const float *x, int64_t n, int64_t step, float centre) { \
    if (step == 1 && n >= LANES) { \
      double lane[LANES]; \
      for (int j = 0; j < LANES; j++) lane[j] = first; \
      for (; n >= LANES; n -= LANES, x += LANES) \
        _Pragma("omp simd") for (int j = 0; j < LANES; j++) lane[j] = name##_step(lane[j], x[j], centre); \
      for (int half = LANES / 2; half; half /= 2) \
        for (int j = 0; j < half; j++) lane[j] = name##_join(lane[j], lane[j + half]); \
      acc = name##_join(acc, lane[0]); \
    } \
    for (int64_t i = 0; i < n; i++) acc = name##_step(acc, x[i * step], centre); \
    return acc; \
  } \
  INLINE void name##_add(double *acc, const float *x, int64_t n, const int rows, int64_t step, const float *centre) { \
    for (int64_t from = 0, to; from < n; from = to) { \
      to = n - from < 4 * LANES ? n : from + 4 * LANES; \
      for (int64_t r = ROWS_AHEAD; r < ROWS_AHEAD + rows; r++) \
        for (int64_t i = from; i < to; i += LANES) ask(x + r * step + i); \
      _Pragma("omp simd") for (int64_t i = from; i < to; i++) { \
        double a = acc[i]; \
        _Pragma("GCC unroll 4") for (int r = 0; r < rows; r++) a = name##_step(a, x[r * step + i], centre[i]); \
        acc[i] = a; \
      } \
    } \
  } \
  static void name##_columns(double *acc, const float *x, int64_t n, int64_t rows, int64_t step, const float *centre) { \
    for (; rows >= ROWS_AT_ONCE; rows -= ROWS_AT_ONCE, x += ROWS_AT_ONCE * step) name##_add(acc, x, n, ROWS_AT_ONCE, step, centre); \
    for (; rows > 0; rows--, x += step) name##_add(acc, x, n, 1, step, centre); \
  } \
  static const Kind name = {first, name##_row, name##_columns, name##_join};

REDUCTION(sum, 0.0, acc + v, a + b)
REDUCTION(square, 0.0, acc + (v - m) * (v - m), a + b)
REDUCTION(prod, 1.0, acc * v, a * b)
REDUCTION(largest_of, -HUGE_VAL, v > acc || v != v ? v : acc, b > a || b != b ? b : a)
REDUCTION(smallest_of, HUGE_VAL, v < acc || v != v ? v : acc, b < a || b != b ? b : a)

/* Elements [lo, hi) of the reduced walk, from x on, into one number. */
static double row_part(const Kind *k, const float *x, const Walk *over, int64_t lo, int64_t hi, float centre) {
  double acc = k->init;
  if (over->rank == 0) return k->row(acc, x, 1, 1, centre);
  int last = over->rank - 1;
  Place p = place_at(over, 1, lo);
  for (int64_t left = hi - lo, m; left > 0; left -= m, place_next(&p, over, 1, m)) {
    m = over->dim[last] - p.index[last];
    if (m > left) m = left;
    acc = k->row(acc, x + p.at[0], m, over->step[0][last], centre);
  }
  return acc;
}

static void rows(const Kind *k, float *y, const float *x, const float *mean, const Reduce *r, double scale) {
  int64_t m = r->keep.count, n = r->over.count;
  if (m >= FEW || n < 2 * CHUNK) {
    _Pragma("omp parallel for schedule(static) if (m * n > 2 * CHUNK)")
    for (int64_t i = 0; i < m; i++) {
      int64_t at = walk_at(&r->keep, 1, i);
      y[at] = (float)(scale * row_part(k, x + walk_at(&r->keep, 0, i), &r->over, 0, n, mean ? mean[at] : 0));
    }
    return;
  }
  int64_t chunks = (n + CHUNK - 1) / CHUNK;
  if (chunks > CHUNKS) chunks = CHUNKS;
  for (int64_t i = 0; i < m; i++) {
    int64_t at = walk_at(&r->keep, 1, i);
    const float *from = x + walk_at(&r->keep, 0, i);
    double part[CHUNKS], acc;
    _Pragma("omp parallel for schedule(static)")
    for (int64_t c = 0; c < chunks; c++)
      part[c] = row_part(k, from, &r->over, n * c / chunks, n * (c + 1) / chunks, mean ? mean[at] : 0);
    acc = part[0];
    for (int64_t c = 1; c < chunks; c++) acc = k->join(acc, part[c]);
    y[at] = (float)(scale * acc);
  }
}

/* The same for a tile of n columns: acc[n]. */
static void column_part(const Kind *k, double *acc, const float *x, int64_t n, const Walk *over, int64_t lo, int64_t hi, const float *centre) {
  for (int64_t i = 0; i < n; i++) acc[i] = k->init;
  if (over->rank == 0) {
    k->columns(acc, x, n, 1, 0, centre);
    return;
  }
  int last = over->rank - 1;
  Place p = place_at(over, 1, lo);
  for (int64_t left = hi - lo, m; left > 0; left -= m, place_next(&p, over, 1, m)) {
    m = over->dim[last] - p.index[last];
    if (m > left) m = left;
    k->columns(acc, x + p.at[0], n, m, over->step[0][last], centre);
  }
}

static void columns(const Kind *k, float *y, const float *x, const float *mean, const Reduce *r, double scale) {
  int last = r->keep.rank - 1;
  int64_t width = r->keep.dim[last], step = r->keep.step[1][last], n = r->over.count;
  int64_t tiles = (width + TILE - 1) / TILE, tasks = r->keep.count / width * tiles, tile = width < TILE ? width : TILE;
  Walk outer = r->keep;
  outer.rank = last;
  int64_t chunks = tasks >= FEW ? 1 : n * tile / CHUNK;
  chunks = chunks < 1 ? 1 : chunks > CHUNKS ? CHUNKS : chunks;
  int64_t at_once = chunks > 1 ? 1 : tasks; /* chunked: one task after the other, its chunks in parallel */
  for (int64_t first = 0; first < tasks; first += at_once) {
    double part[CHUNKS][TILE];
    _Pragma("omp parallel for schedule(static) if (at_once * n * tile > 2 * CHUNK)")
    for (int64_t item = 0; item < at_once * chunks; item++) {
      int64_t task = first + item / chunks, c = item % chunks;
      int64_t column = task % tiles * TILE, m = width - column < TILE ? width - column : TILE;
      int64_t to = walk_at(&outer, 1, task / tiles) + column * step;
      double own[TILE], *acc = chunks > 1 ? part[c] : own;
      float centre[TILE] = {0};
      for (int64_t i = 0; mean && i < m; i++) centre[i] = mean[to + i * step];
      column_part(k, acc, x + walk_at(&outer, 0, task / tiles) + column, m, &r->over, n * c / chunks, n * (c + 1) / chunks, centre);
      for (int64_t i = 0; chunks == 1 && i < m; i++) y[to + i * step] = (float)(scale * acc[i]);
    }
    if (chunks == 1) continue;
    int64_t column = first % tiles * TILE, m = width - column < TILE ? width - column : TILE;
    int64_t to = walk_at(&outer, 1, first / tiles) + column * step;
    for (int64_t i = 0; i < m; i++) {
      double acc = part[0][i];
      for (int64_t c = 1; c < chunks; c++) acc = k->join(acc, part[c][i]);
      y[to + i * step] = (float)(scale * acc);
    }
  }
}

static void reduce(const Kind *k, float *y, const float *x, const float *mean, const Reduce *r, double scale) {
  int last = r->keep.rank - 1;
  if (!r->keep.count) return;
  if (last >= 0 && r->keep.step[0][last] == 1 && r->keep.dim[last] > 1) columns(k, y, x, mean, r, scale);
  else rows(k, y, x, mean, r, scale);
}

void K(reduce_sum)(float *y, const float *x, const Reduce *r, double scale) { reduce(&sum, y, x, NULL, r, scale); }
void K(reduce_square)(float *y, const float *x, const float *mean, const Reduce *r, double scale) { reduce(&square, y, x, mean, r, scale); }
void K(reduce_prod)(float *y, const float *x, const Reduce *r) { reduce(&prod, y, x, NULL, r, 1); }
void K(reduce_max)(float *y, const float *x, const Reduce *r) { reduce(&largest_of, y, x, NULL, r, 1); }
void K(reduce_min)(float *y, const float *x, const Reduce *r) { reduce(&smallest_of, y, x, NULL, r, 1); }

void K(reduce_arg)(float *y, const float *x, int64_t outer, int64_t n, int64_t inner, bool largest) {
  _Pragma("omp parallel for schedule(static) if (outer * n * inner > 2 * CHUNK)")
  for (int64_t o = 0; o < outer; o++)
    for (int64_t i = 0; i < inner; i++) {
      const float *row = x + o * n * inner + i;
      float best = row[0];
      int64_t place = 0;
      for (int64_t j = 1; j < n && best == best; j++) {
        float v = row[j * inner];
        if (v != v || (largest ? v > best : v < best)) best = v, place = j;
      }
      y[o * inner + i] = (float)place;
    }
}
