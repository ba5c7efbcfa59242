/* im2col in pieces: see conv_parts.h. A column range of one row is a sequence of runs, pieces of memory that are
 * contiguous in the source: one tap's channels, or a whole row of taps when neighbouring taps are neighbouring pixels
 * with all their channels. With channels a multiple of CHUNK a run is moved chunk by chunk straight to its place, else
 * the row is put together in `line` first. */
#include "conv_parts.h"

INLINE void chunk_copy(float *to, const float *from) {
#pragma GCC unroll 4
  for (int v = 0; v < (int)CHUNK; v += VW) v_store(to + v, v_load(from + v));
}

INLINE void chunk_zero(float *to) {
#pragma GCC unroll 4
  for (int v = 0; v < (int)CHUNK; v += VW) v_store(to + v, v_zero());
}

/* May write up to VW - 1 floats past to[n]. */
INLINE void run_copy(float *to, const float *from, int64_t n) {
  int64_t j = 0;
  for (; j + VW <= n; j += VW) v_store(to + j, v_load(from + j));
  if (j < n) v_store(to + j, v_load_n(from + j, (int)(n - j)));
}

INLINE void run_zero(float *to, int64_t n) {
  for (int64_t j = 0; j < n; j += VW) v_store(to + j, v_zero());
}

/* n lanes of a pixel, times their factors, if any. */
INLINE vf pixel(const float *from, const float *factor, const int n) {
  vf x = v_load_n(from, n);
  if (factor) x = x * v_load_n(factor, n);
  return x;
}

/* Columns [k0, k0 + n) of rows of single pixels in order, from row0 on; scale: Lattice's, a constant where it is NULL. */
INLINE void copy_pixels(float *to, int64_t step, const Lattice *g, const float *scale, int64_t row0, int64_t rows, int64_t k0, int64_t n) {
  const int64_t map = (int64_t)g->gh * g->gw;
  const float *from = g->src + row0 * g->ld + k0;
  for (int64_t row = row0; row < row0 + rows; row++, to += CHUNK, from += g->ld) {
    const float *factor = scale ? scale + row / map * g->ld + k0 : NULL;
    int64_t f = 0;
    float *chunk = to;
    for (; f + CHUNK <= n; f += CHUNK, chunk += step)
#pragma GCC unroll 4
      for (int v = 0; v < (int)CHUNK; v += VW) v_store(chunk + v, pixel(from + f + v, factor ? factor + f + v : NULL, VW));
    if (f < n)
      for (int64_t v = 0; v < (int)CHUNK; v += VW) {
        vf x = v_zero();
        if (f + v < n) x = pixel(from + f + v, factor ? factor + f + v : NULL, (int)min_of(VW, n - f - v));
        v_store(chunk + v, x);
      }
  }
}

void K(conv_gather)(float *block, int64_t block_rows, int64_t at, const Lattice *g, int64_t row0, int64_t rows, int64_t k0,
                    int64_t k1, float *line) {
  if (k1 == k0) return;
  if (single_pixels(g) && in_order(g)) {
    if (g->scale) copy_pixels(block + at * CHUNK, block_rows * CHUNK, g, g->scale, row0, rows, k0, k1 - k0);
    else copy_pixels(block + at * CHUNK, block_rows * CHUNK, g, NULL, row0, rows, k0, k1 - k0);
    return;
  }
  bool whole = g->dw == 1 && g->ld == g->c; /* a run is a row of taps */
  int64_t run = whole ? (int64_t)g->tw * g->c : g->c;
  int taps = whole ? g->tw : 1, runs_w = whole ? 1 : g->tw;
  bool chunks = g->c % CHUNK == 0;
  int64_t step = block_rows * CHUNK;
  Site site = site_at(g, row0);
  int first = (int)(k0 / run);
  for (int64_t row = 0; row < rows; row++, site_next(&site, g)) {
    float *to = block + (at + row) * CHUNK;
    const float *image = g->src + site.n * g->h * g->w * g->ld;
    int h_base = site.i * g->step_h + g->h0, w_base = site.j * g->step_w + g->w0;
    int t = first / runs_w, u = first % runs_w;
    for (int64_t f = k0, r0 = first * run; f < k1; r0 += run) {
      int64_t end = min_of(r0 + run, k1);
      int64_t h = h_base + (int64_t)t * g->dh, w = w_base + (int64_t)u * g->dw;
      int64_t lo = f, hi = f; /* the part of [f, end) that lies in the map */
      if (h >= 0 && h < g->h) {
        lo = max_of(f, r0 + max_of(0, -w) * g->c);
        hi = min_of(end, r0 + min_of(taps, g->w - w) * g->c);
        if (hi < lo) lo = hi = f;
      }
      const float *from = image + (h * g->w + w) * g->ld - r0; /* from[f] */
      if (chunks) {
        for (; f < lo; f += CHUNK, to += step) chunk_zero(to);
        for (; f < hi; f += CHUNK, to += step) chunk_copy(to, from + f);
        for (; f < end; f += CHUNK, to += step) chunk_zero(to);
      } else {
        if (lo > f) run_zero(line + f - k0, lo - f);
        if (hi > lo) run_copy(line + lo - k0, from + lo, hi - lo);
        if (end > hi) run_zero(line + max_of(hi, f) - k0, end - max_of(hi, f));
        f = end;
      }
      if (++u == runs_w) u = 0, t++;
    }
    if (!chunks) {
      run_zero(line + k1 - k0, CHUNK);
      for (int64_t f = 0; f < k1 - k0; f += CHUNK, to += step) chunk_copy(to, line + f);
    }
  }
}

void K(conv_ask)(const Lattice *g, int64_t row0, int64_t rows, int64_t k0, int64_t k1) {
  if (!single_pixels(g)) return;
  Site at = site_at(g, row0);
  for (int64_t row = 0; row < rows; row++, site_next(&at, g)) {
    const float *from = g->src + ((at.n * g->h + (int64_t)at.i * g->step_h) * g->w + (int64_t)at.j * g->step_w) * g->ld;
    for (int64_t k = k0; k < k1; k += CHUNK) ask(from + k);
  }
}
