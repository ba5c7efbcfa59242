/* Pooling. Work is cut by image and by LANES channels: gradients of overlapping windows meet in one thread, in the order
 * of the windows. */
#include <math.h>
#include <string.h>
#include "kernels.h"
#include "simd.h"

enum { LANES = 64, LINE = 1024, SMALL = 1 << 14 };

static int chunks(const PoolShape *s) { return (s->c + LANES - 1) / LANES; }
static int lanes(const PoolShape *s, int chunk) { return s->c - chunk * LANES < LANES ? s->c - chunk * LANES : LANES; }
static bool big(const PoolShape *s) { return (int64_t)s->n * s->h * s->w * s->c > SMALL; }

void K(max_pool)(float *y, const float *x, const PoolWindow *rows, const PoolWindow *cols, const PoolShape *s) {
#pragma omp parallel for collapse(2) schedule(static) if (big(s))
  for (int n = 0; n < s->n; n++)
    for (int oh = 0; oh < s->oh; oh++)
      for (int ow = 0; ow < s->ow; ow++)
        for (int chunk = 0; chunk < chunks(s); chunk++) {
          int count = lanes(s, chunk);
          float best[LANES];
          for (int j = 0; j < count; j++) best[j] = -INFINITY;
          for (int h = rows[oh].begin; h < rows[oh].end; h += s->step_h)
            for (int w = cols[ow].begin; w < cols[ow].end; w += s->step_w) {
              const float *p = x + (((int64_t)n * s->h + h) * s->w + w) * s->c + chunk * LANES;
              for (int j = 0; j < count; j++) best[j] = ((p[j] > best[j]) | (p[j] != p[j])) ? p[j] : best[j];
            }
          memcpy(y + (((int64_t)n * s->oh + oh) * s->ow + ow) * s->c + chunk * LANES, best, (size_t)count * sizeof *y);
        }
}

void K(max_pool_index)(float *y, const float *x, const PoolWindow *rows, const PoolWindow *cols, const PoolShape *s) {
#pragma omp parallel for collapse(2) schedule(static) if (big(s))
  for (int n = 0; n < s->n; n++)
    for (int oh = 0; oh < s->oh; oh++)
      for (int ow = 0; ow < s->ow; ow++)
        for (int chunk = 0; chunk < chunks(s); chunk++) {
          int count = lanes(s, chunk);
          float best[LANES], place[LANES];
          for (int j = 0; j < count; j++) best[j] = -INFINITY, place[j] = (float)(rows[oh].begin * s->w + cols[ow].begin);
          for (int h = rows[oh].begin; h < rows[oh].end; h += s->step_h)
            for (int w = cols[ow].begin; w < cols[ow].end; w += s->step_w) {
              const float *p = x + (((int64_t)n * s->h + h) * s->w + w) * s->c + chunk * LANES;
              for (int j = 0; j < count; j++) {
                int better = (p[j] > best[j]) | (p[j] != p[j]);
                best[j] = better ? p[j] : best[j];
                place[j] = better ? (float)(h * s->w + w) : place[j];
              }
            }
          memcpy(y + (((int64_t)n * s->oh + oh) * s->ow + ow) * s->c + chunk * LANES, place, (size_t)count * sizeof *y);
        }
}

/* Sets channels chunk of image n to zero. */
static void clear(float *dx, const PoolShape *s, int n, int chunk) {
  for (int64_t i = 0, pixels = (int64_t)s->h * s->w; i < pixels; i++)
    memset(dx + (n * pixels + i) * s->c + chunk * LANES, 0, (size_t)lanes(s, chunk) * sizeof *dx);
}

/* What window (row, col) with the gradient dy and the maximum y gives n channels of x: all to the first pixel that is the maximum. */
INLINE void give(float *dx, const float *x, const float *dy, const float *y, const PoolWindow *row, const PoolWindow *col, const PoolShape *s,
                 const int n) {
  vf left = v_load_n(dy, n), top = v_load_n(y, n); /* left: the gradient until somebody has taken it */
  const vi nan = top != top;
  for (int h = row->begin; h < row->end; h += s->step_h)
    for (int w = col->begin; w < col->end; w += s->step_w) {
      const int64_t at = ((int64_t)h * s->w + w) * s->c;
      const vf p = v_load_n(x + at, n), d = v_load_n(dx + at, n);
      const vi hit = (p == top) | ((p != p) & nan);
      v_store_n(dx + at, d + v_pick(hit, left, v_zero()), n);
      left = v_pick(hit, v_zero(), left);
    }
}

void K(max_pool_dx)(float *dx, const float *dy, const float *x, const float *y, const PoolWindow *rows,
                    const PoolWindow *cols, const PoolShape *s) {
#pragma omp parallel for collapse(2) schedule(static) if (big(s))
  for (int n = 0; n < s->n; n++)
    for (int chunk = 0; chunk < chunks(s); chunk++) {
      int count = lanes(s, chunk);
      clear(dx, s, n, chunk);
      for (int oh = 0; oh < s->oh; oh++)
        for (int ow = 0; ow < s->ow; ow++) {
          int64_t out = (((int64_t)n * s->oh + oh) * s->ow + ow) * s->c + chunk * LANES;
          int64_t in = (int64_t)n * s->h * s->w * s->c + chunk * LANES;
          int j = 0;
          for (; j + (int)VW <= count; j += VW) give(dx + in + j, x + in + j, dy + out + j, y + out + j, &rows[oh], &cols[ow], s, VW);
          if (j < count) give(dx + in + j, x + in + j, dy + out + j, y + out + j, &rows[oh], &cols[ow], s, count - j);
        }
    }
}

static float per_window(const PoolWindow *row, const PoolWindow *col, const PoolShape *s) {
  return (float)(1.0 / (s->divisor != 0 ? s->divisor : (double)row->size * col->size));
}
static bool empty(const PoolWindow *row, const PoolWindow *col) { return row->begin >= row->end || col->begin >= col->end; }

/* As many channels at a time as the first cache holds sums of, so that pixels are read in the order in which they lie. */
void K(avg_pool)(float *y, const float *x, const PoolWindow *rows, const PoolWindow *cols, const PoolShape *s) {
#pragma omp parallel for collapse(2) schedule(static) if (big(s))
  for (int n = 0; n < s->n; n++)
    for (int oh = 0; oh < s->oh; oh++)
      for (int ow = 0; ow < s->ow; ow++)
        for (int c0 = 0; c0 < s->c; c0 += LINE) {
          const int count = s->c - c0 < LINE ? s->c - c0 : LINE;
          const float per = empty(&rows[oh], &cols[ow]) ? 0 : per_window(&rows[oh], &cols[ow], s);
          float sum[LINE], line[LINE]; /* lines first: large windows stay exact */
          memset(sum, 0, (size_t)count * sizeof *sum);
          for (int h = rows[oh].begin; h < rows[oh].end; h += s->step_h) {
            memset(line, 0, (size_t)count * sizeof *line);
            for (int w = cols[ow].begin; w < cols[ow].end; w += s->step_w) {
              const float *p = x + (((int64_t)n * s->h + h) * s->w + w) * s->c + c0;
              for (int j = 0; j < count; j++) line[j] += p[j];
            }
            for (int j = 0; j < count; j++) sum[j] += line[j];
          }
          float *out = y + (((int64_t)n * s->oh + oh) * s->ow + ow) * s->c + c0;
          for (int j = 0; j < count; j++) out[j] = sum[j] * per;
        }
}

/* Whether one window is the whole map, so that every element of it has one gradient. */
static bool is_global(const PoolWindow *rows, const PoolWindow *cols, const PoolShape *s) {
  return s->oh == 1 && s->ow == 1 && s->step_h == 1 && s->step_w == 1 && rows->begin <= 0 && cols->begin <= 0 && rows->end >= s->h && cols->end >= s->w;
}

void K(avg_pool_dx)(float *dx, const float *dy, const PoolWindow *rows, const PoolWindow *cols, const PoolShape *s) {
  if (is_global(rows, cols, s)) {
    const float per = per_window(rows, cols, s);
    const int64_t pixels = (int64_t)s->h * s->w;
#pragma omp parallel for schedule(static) if (big(s))
    for (int64_t i = 0; i < s->n * pixels; i++)
      for (int j = 0; j < s->c; j++) dx[i * s->c + j] = dy[i / pixels * s->c + j] * per;
    return;
  }
#pragma omp parallel for collapse(2) schedule(static) if (big(s))
  for (int n = 0; n < s->n; n++)
    for (int chunk = 0; chunk < chunks(s); chunk++) {
      int count = lanes(s, chunk);
      clear(dx, s, n, chunk);
      for (int oh = 0; oh < s->oh; oh++)
        for (int ow = 0; ow < s->ow; ow++) {
          if (empty(&rows[oh], &cols[ow])) continue;
          const float *g = dy + (((int64_t)n * s->oh + oh) * s->ow + ow) * s->c + chunk * LANES;
          float each[LANES], per = per_window(&rows[oh], &cols[ow], s);
          for (int j = 0; j < count; j++) each[j] = g[j] * per;
          for (int h = rows[oh].begin; h < rows[oh].end; h += s->step_h)
            for (int w = cols[ow].begin; w < cols[ow].end; w += s->step_w) {
              float *d = dx + (((int64_t)n * s->h + h) * s->w + w) * s->c + chunk * LANES;
              for (int j = 0; j < count; j++) d[j] += each[j];
            }
        }
    }
}
