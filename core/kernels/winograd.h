/* Winograd's minimal filtering for 3x3 kernels at stride 1 (Lavin and Gray, "Fast Algorithms for Convolutional Neural
 * Networks", 2015). A tile of TILE x TILE outputs comes from SIDE x SIDE inputs through as many products as it has inputs:
 *
 *   y = A^T [ (G g G^T) * (B^T d B) ] A          F(4x4): 36 products for 16 outputs, where the definition takes 144
 *                                                F(2x2): 16 products for 4 outputs, where the definition takes 36
 *
 * and with a sum over channels each of the points is a matrix product of its own. The matrices are those of Toom and
 * Cook's interpolation at points a_j and infinity: A^T[i][j] = a_j^i, G[j][i] = a_j^i / prod(a_j - a_l), and B^T[j] holds
 * the coefficients of prod(x - a_l) over l != j. F(4x4) has the points 0, +-3/4, +-3/2 and infinity: all constants are
 * exact in binary and errors are a quarter of those of the usual 0, +-1, +-2. F(2x2) has 0, +-1 and infinity. Larger tiles
 * lose too many digits. Which of the two a convolution takes is said in conv.c.
 *
 * The transforms below are the one-dimensional ones over vectors of channels; two dimensions are columns, then rows. The
 * file that includes this one says which TILE it is for. */
#ifndef KERNELS_WINOGRAD_H
#define KERNELS_WINOGRAD_H
#include "conv_parts.h"

#ifndef TILE
#define TILE 4
#endif
enum { SIDE = TILE + 2, POINTS = SIDE * SIDE };
#if TILE == 4
#define WINOGRAD(suffix) K(winograd_4x4##suffix)
#else
#define WINOGRAD(suffix) K(winograd_2x2##suffix)
#endif

#if TILE == 4
#define WINO_P 0.75f
#define WINO_Q 1.5f
#define WINO_PP (WINO_P * WINO_P)
#define WINO_QQ (WINO_Q * WINO_Q)
#define WINO_F0 (1.0f / (WINO_PP * WINO_QQ))                    /* 1 / prod(a_0 - a_l) */
#define WINO_F1 (1.0f / (2.0f * WINO_PP * (WINO_PP - WINO_QQ))) /* of +-3/4 */
#define WINO_F3 (1.0f / (2.0f * WINO_QQ * (WINO_QQ - WINO_PP))) /* of +-3/2 */

/* v = B^T d, SIDE to SIDE. */
INLINE void wino_input(const vf *d, vf *v) {
  vf a = v_fnma(v_set(WINO_QQ), d[2], d[4]), b = v_fnma(v_set(WINO_QQ), d[1], d[3]);
  vf c = v_fnma(v_set(WINO_PP), d[2], d[4]), e = v_fnma(v_set(WINO_PP), d[1], d[3]);
  v[0] = v_fma(v_set(WINO_PP * WINO_QQ), d[0], v_fnma(v_set(WINO_PP + WINO_QQ), d[2], d[4]));
  v[1] = v_fma(v_set(WINO_P), b, a), v[2] = v_fnma(v_set(WINO_P), b, a);
  v[3] = v_fma(v_set(WINO_Q), e, c), v[4] = v_fnma(v_set(WINO_Q), e, c);
  v[5] = v_fma(v_set(WINO_PP * WINO_QQ), d[1], v_fnma(v_set(WINO_PP + WINO_QQ), d[3], d[5]));
}

/* y = A^T v, SIDE to TILE. */
INLINE void wino_output(const vf *v, vf *y) {
  vf s = v[1] + v[2], d = v[1] - v[2], t = v[3] + v[4], e = v[3] - v[4];
  y[0] = v[0] + s + t;
  y[1] = v_fma(v_set(WINO_P), d, v_set(WINO_Q) * e);
  y[2] = v_fma(v_set(WINO_PP), s, v_set(WINO_QQ) * t);
  y[3] = v_fma(v_set(WINO_P * WINO_PP), d, v_fma(v_set(WINO_Q * WINO_QQ), e, v[5]));
}

/* v = A y, TILE to SIDE: the transpose of the output's transform, for the gradient of the weights. */
INLINE void wino_output_t(const vf *y, vf *v) {
  vf a = v_fma(v_set(WINO_PP), y[2], y[0]), b = v_fma(v_set(WINO_PP), y[3], y[1]);
  vf c = v_fma(v_set(WINO_QQ), y[2], y[0]), d = v_fma(v_set(WINO_QQ), y[3], y[1]);
  v[0] = y[0];
  v[1] = v_fma(v_set(WINO_P), b, a), v[2] = v_fnma(v_set(WINO_P), b, a);
  v[3] = v_fma(v_set(WINO_Q), d, c), v[4] = v_fnma(v_set(WINO_Q), d, c);
  v[5] = y[3];
}

/* u = G g, 3 to SIDE. */
INLINE void wino_weight(const vf *g, vf *u) {
  vf a = v_fma(v_set(WINO_PP), g[2], g[0]) * v_set(WINO_F1), b = g[1] * v_set(WINO_P * WINO_F1);
  vf c = v_fma(v_set(WINO_QQ), g[2], g[0]) * v_set(WINO_F3), d = g[1] * v_set(WINO_Q * WINO_F3);
  u[0] = g[0] * v_set(WINO_F0);
  u[1] = a + b, u[2] = a - b, u[3] = c + d, u[4] = c - d;
  u[5] = g[2];
}

/* g = G^T u, SIDE to 3. */
INLINE void wino_weight_t(const vf *u, vf *g) {
  vf s = (u[1] + u[2]) * v_set(WINO_F1), d = (u[1] - u[2]) * v_set(WINO_P * WINO_F1);
  vf t = (u[3] + u[4]) * v_set(WINO_F3), e = (u[3] - u[4]) * v_set(WINO_Q * WINO_F3);
  g[0] = v_fma(u[0], v_set(WINO_F0), s + t);
  g[1] = d + e;
  g[2] = v_fma(s, v_set(WINO_PP), v_fma(t, v_set(WINO_QQ), u[5]));
}

#else
INLINE void wino_input(const vf *d, vf *v) { v[0] = d[0] - d[2], v[1] = d[1] + d[2], v[2] = d[2] - d[1], v[3] = d[3] - d[1]; }
INLINE void wino_output(const vf *v, vf *y) { y[0] = v[0] + v[1] + v[2], y[1] = v[1] - v[2] + v[3]; }
INLINE void wino_output_t(const vf *y, vf *v) { v[0] = y[0], v[1] = y[0] + y[1], v[2] = y[0] - y[1], v[3] = y[1]; }
INLINE void wino_weight(const vf *g, vf *u) {
  vf half = v_set(0.5f), even = (g[0] + g[2]) * half, odd = g[1] * half;
  u[0] = g[0], u[1] = even + odd, u[2] = even - odd, u[3] = g[2];
}
INLINE void wino_weight_t(const vf *u, vf *g) {
  vf even = (u[1] + u[2]) * v_set(0.5f);
  g[0] = u[0] + even, g[1] = (u[1] - u[2]) * v_set(0.5f), g[2] = even + u[3];
}
#endif

/* A map cut in tiles of TILE x TILE places; tile t is (n, i, j) with i < tiles_h, j < tiles_w. */
typedef struct Tiles {
  int h, w, tiles_h, tiles_w;
  int64_t count;
} Tiles;
INLINE Tiles wino_tiles(int n, int h, int w) {
  Tiles t = {h, w, (h + TILE - 1) / TILE, (w + TILE - 1) / TILE, 0};
  t.count = (int64_t)n * t.tiles_h * t.tiles_w;
  return t;
}

/* A block of `size` x `size` pixels of an image (h, w, c), its corner at (row, col), channels [ch, ch + VW): where it lies,
 * if all of it lies inside; else a copy in `patch`, with zeros outside. */
typedef struct Patch {
  const float *at;
  int64_t down, right; /* floats to the next row, column */
} Patch;
INLINE Patch wino_patch(const int size, const float *image, int h, int w, int c, int row, int col, int ch, bool inner, float *patch) {
  if (inner && ch + (int)VW <= c) return (Patch){image + ((int64_t)row * w + col) * c + ch, (int64_t)w * c, c};
  int n = (int)max_of(0, min_of(VW, c - ch));
  int j0 = (int)max_of(0, -col), j1 = (int)min_of(size, w - col);
  for (int i = 0; i < size; i++) {
    bool in = row + i >= 0 && row + i < h;
    const float *from = image + ((int64_t)(row + i) * w + col) * c + ch;
    float *to = patch + i * size * VW;
    int j = 0;
    for (int end = in ? j0 : size; j < end; j++) v_store(to + j * VW, v_zero());
    if (n == VW)
      for (; j < j1; j++) v_store(to + j * VW, v_load(from + j * c));
    for (; j < j1; j++) v_store(to + j * VW, v_load_n(from + j * c, n));
    for (; j < size; j++) v_store(to + j * VW, v_zero());
  }
  return (Patch){patch, size * VW, VW};
}

/* Maps are read and written in small squares, which the prefetcher of the hardware does not follow: while a tile is worked on,
 * the lines of tile `tile` are asked for: TILE x TILE pixels, move pixels down and right of its outputs' place, channels
 * [ch, ch + VW). */
INLINE void wino_prefetch(const float *map, const Tiles *t, int h, int w, int c, int move_h, int move_w, int64_t tile, int64_t ch) {
  if (tile >= t->count) return;
  int64_t row = tile / t->tiles_w % t->tiles_h * TILE + move_h, col = tile % t->tiles_w * TILE + move_w;
  const float *at = map + ((tile / t->tiles_w / t->tiles_h * h + row) * w + col) * c + ch;
#pragma GCC unroll 6
  for (int a = 0; a < TILE; a++)
#pragma GCC unroll 6
    for (int b = 0; b < TILE; b++) ask(at + (a * (int64_t)w + b) * c);
}
/* How many tiles ahead: work between asking and using must be some hundred cycles. */
INLINE int64_t wino_ahead(int64_t channels) { return max_of(1, 64 / max_of(1, channels)); }
INLINE bool wino_inner(int size, int h, int w, int row, int col) {
  return row >= 0 && col >= 0 && row + size <= h && col + size <= w;
}

/* Tiles [t0, t0 + rows) of x, transformed (B^T d B), into rows [at, at + rows) of one chunked block of block_rows rows per
 * point, point_step floats apart. pad_h, pad_w: how far a tile's inputs start before its outputs. Channels [c0, c1), c0 a
 * multiple of CHUNK, are written up to a multiple of CHUNK, zeros beyond c. */
INLINE void wino_transform_input(float *v, int64_t point_step, int64_t block_rows, int64_t at, const Tiles *t,
                                 const float *x, int h, int w, int c, int pad_h, int pad_w, int64_t t0, int64_t rows, int64_t c0,
                                 int64_t c1) {
  float patch[POINTS * VW] __attribute__((aligned(64)));
  for (int64_t r = 0; r < rows; r++) {
    int64_t tile = t0 + r;
    int j = (int)(tile % t->tiles_w), i = (int)(tile / t->tiles_w % t->tiles_h);
    const float *image = x + tile / t->tiles_w / t->tiles_h * h * w * c;
    int row = i * TILE - pad_h, col = j * TILE - pad_w;
    bool inner = wino_inner(SIDE, h, w, row, col);
    for (int64_t ch = c0; ch < c1; ch += VW) {
      wino_prefetch(x, t, h, w, c, SIDE - TILE - pad_h, SIDE - TILE - pad_w, tile + wino_ahead(c1 - c0), ch);
      Patch p = wino_patch(SIDE, image, h, w, c, row, col, (int)ch, inner, patch);
      float *to = v + (ch / CHUNK * block_rows + at + r) * CHUNK + ch % CHUNK;
      vf d[SIDE], u[SIDE], columns[SIDE][SIDE];
#pragma GCC unroll 6
      for (int b = 0; b < SIDE; b++) {
#pragma GCC unroll 6
        for (int a = 0; a < SIDE; a++) d[a] = v_load(p.at + a * p.down + b * p.right);
        wino_input(d, u);
#pragma GCC unroll 6
        for (int a = 0; a < SIDE; a++) columns[a][b] = u[a];
      }
#pragma GCC unroll 6
      for (int a = 0; a < SIDE; a++) {
        wino_input(columns[a], u);
#pragma GCC unroll 6
        for (int b = 0; b < SIDE; b++) v_store(to + (a * SIDE + b) * point_step, u[b]);
      }
    }
  }
}
#endif
