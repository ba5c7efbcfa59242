/* The gradient of 3x3 weights by Winograd's method (winograd.h). The output is linear in the weights, so its transpose is
 *
 *   dw = G^T [ sum over tiles of (A dy A^T) * (B^T d B) ] G
 *
 * one product over tiles per point: for F(4x4) a quarter of the multiplications. E, the transformed gradients, and V, the
 * transformed inputs, are chunked blocks whose rows are tiles (gemm_outer).
 *
 *   in parts    Few channels, many tiles: the tiles are split in a number of parts that depends on the shape alone. A part
 *               transforms a block of tiles at a time and adds its products to sums of its own (all points of dw), which
 *               stay in L2; the parts' sums are added in order.
 *   in squares  Many channels: V and E for as many tiles as fit the last cache, then a piece is a square of dw, 64 x 64
 *               channels at all points, which ends in the last transform without leaving L2. */
#include <omp.h>
#include "winograd.h"

enum { TILES_BLOCK = 48, PARTS = 8, SQUARE = 64, SHARED_FLOATS = 5 << 20 };

typedef struct Plan {
  Tiles t;
  int64_t c, k;               /* in whole chunks */
  bool in_parts;
  int64_t parts;
  int64_t blocks, block_tiles; /* of one part; of all tiles when in squares */
  int64_t v_step, e_step;      /* floats from point to point */
  int64_t squares_k, squares_c;
  bool keep;                   /* squares stay in scratch from block to block */
} Plan;

static Plan make_plan(const ConvShape *s) {
  Plan p = {.t = wino_tiles(s->n, s->oh, s->ow), .c = round_up(s->c, CHUNK),
            .k = round_up(s->k, CHUNK), .parts = 1};
  p.in_parts = p.c * p.k <= 96 * 96;
  if (p.in_parts) {
    p.parts = max_of(1, min_of(PARTS, p.t.count / TILES_BLOCK));
    int64_t most = ceil_div(p.t.count, p.parts);
    p.blocks = ceil_div(most, TILES_BLOCK);
    p.block_tiles = ceil_div(most, p.blocks);
  } else {
    p.blocks = ceil_div(p.t.count * POINTS * (p.c + p.k), SHARED_FLOATS);
    p.block_tiles = ceil_div(p.t.count, p.blocks);
    p.squares_c = ceil_div(p.c, SQUARE), p.squares_k = ceil_div(p.k, SQUARE);
    p.keep = p.blocks > 1;
  }
  p.v_step = p.block_tiles * p.c + CHUNK, p.e_step = p.block_tiles * p.k + CHUNK;
  return p;
}

/* A dy A^T of tiles [t0, t0 + rows), channels [k0, k1), into rows from `at` of blocks of block_rows rows. */
static void gradient_block(const Plan *p, float *e, int64_t block_rows, int64_t at, const float *dy, const ConvShape *s,
                           int64_t t0, int64_t rows, int64_t k0, int64_t k1) {
  float patch[TILE * TILE * VW] __attribute__((aligned(64)));
  for (int64_t r = 0; r < rows; r++) {
    int64_t tile = t0 + r;
    int col = (int)(tile % p->t.tiles_w) * TILE, row = (int)(tile / p->t.tiles_w % p->t.tiles_h) * TILE;
    const float *image = dy + tile / p->t.tiles_w / p->t.tiles_h * s->oh * s->ow * s->k;
    bool inner = wino_inner(TILE, s->oh, s->ow, row, col);
    for (int64_t ch = k0; ch < k1; ch += VW) {
      wino_prefetch(dy, &p->t, s->oh, s->ow, s->k, 0, 0, tile + wino_ahead(k1 - k0), ch);
      Patch q = wino_patch(TILE, image, s->oh, s->ow, s->k, row, col, (int)ch, inner, patch);
      float *to = e + (ch / CHUNK * block_rows + at + r) * CHUNK + ch % CHUNK;
      vf d[TILE], u[SIDE], columns[SIDE][TILE];
#pragma GCC unroll 6
      for (int b = 0; b < TILE; b++) {
#pragma GCC unroll 6
        for (int a = 0; a < TILE; a++) d[a] = v_load(q.at + a * q.down + b * q.right);
        wino_output_t(d, u);
#pragma GCC unroll 6
        for (int a = 0; a < SIDE; a++) columns[a][b] = u[a];
      }
#pragma GCC unroll 6
      for (int a = 0; a < SIDE; a++) {
        wino_output_t(columns[a], u);
#pragma GCC unroll 6
        for (int b = 0; b < SIDE; b++) v_store(to + (a * SIDE + b) * p->e_step, u[b]);
      }
    }
  }
}

/* sums[point][k][ld] (+)= E^T V for rows [k0, k1), columns [c0, c1) of dw, whole chunks; sums points at (k0, c0). */
static void multiply(const Plan *p, float *sums, int64_t sum_step, int64_t ld, const float *e, const float *v, int64_t tiles,
                     int64_t k0, int64_t k1, int64_t c0, int64_t c1, bool add) {
  for (int q = 0; q < POINTS; q++)
    for (int64_t c = c0; c < c1; c += NR)
      for (int64_t k = k0; k < k1; k += OR)
        K(gemm_outer)((int)min_of(OR, k1 - k), (int)ceil_div(min_of(NR, c1 - c), VW), tiles,
                      e + q * p->e_step + k / CHUNK * tiles * CHUNK + k % CHUNK, CHUNK,
                      v + q * p->v_step + c / CHUNK * tiles * CHUNK + c % CHUNK, tiles,
                      sums + q * sum_step + (k - k0) * ld + c - c0, ld, add, NULL);
}

/* dw[k][3][3][c..] from `parts` sums of one channel k, part_step floats apart. */
static void finish(float *dw, const float *sums, int64_t sum_step, int64_t parts, int64_t part_step, int64_t c, int64_t n_c) {
  for (int64_t ch = 0; ch < n_c; ch += VW) {
    vf d[SIDE], g[3], half[3][SIDE];
#pragma GCC unroll 6
    for (int b = 0; b < SIDE; b++) {
#pragma GCC unroll 6
      for (int a = 0; a < SIDE; a++) {
        const float *from = sums + (a * SIDE + b) * sum_step + ch;
        d[a] = v_load(from);
        for (int64_t i = 1; i < parts; i++) d[a] = d[a] + v_load(from + i * part_step);
      }
      wino_weight_t(d, g);
#pragma GCC unroll 6
      for (int a = 0; a < 3; a++) half[a][b] = g[a];
    }
    int n = (int)min_of(VW, n_c - ch);
#pragma GCC unroll 6
    for (int a = 0; a < 3; a++) {
      wino_weight_t(half[a], g);
#pragma GCC unroll 6
      for (int b = 0; b < 3; b++) v_store_n(dw + (a * 3 + b) * c + ch, g[b], n);
    }
  }
}

static void run_parts(const Plan *p, float *dw, const float *dy, const float *x, const ConvShape *s, Scratch mem) {
  int64_t sum_step = p->k * p->c + CHUNK, part_step = POINTS * sum_step, own_size = POINTS * (p->v_step + p->e_step);
  float *sums = take(&mem, p->parts * part_step), *own = take(&mem, 0);
#pragma omp parallel for schedule(dynamic)
  for (int64_t part = 0; part < p->parts; part++) {
    float *v = own + omp_get_thread_num() * own_size, *e = v + POINTS * p->v_step;
    int64_t first = piece_at(p->t.count, p->parts, part), count = piece_at(p->t.count, p->parts, part + 1) - first;
    for (int64_t b = 0; b < p->blocks; b++) {
      int64_t t0 = first + piece_at(count, p->blocks, b), tiles = first + piece_at(count, p->blocks, b + 1) - t0;
      wino_transform_input(v, p->v_step, tiles, 0, &p->t, x, s->h, s->w, s->c, s->pad_h, s->pad_w, t0, tiles, 0, p->c);
      gradient_block(p, e, tiles, 0, dy, s, t0, tiles, 0, p->k);
      multiply(p, sums + part * part_step, sum_step, p->c, e, v, tiles, 0, p->k, 0, p->c, b > 0);
    }
  }
#pragma omp parallel for schedule(static)
  for (int64_t k = 0; k < s->k; k++)
    finish(dw + k * 9 * s->c, sums + k * p->c, sum_step, p->parts, part_step, s->c, s->c);
}

static void run_squares(const Plan *p, float *dw, const float *dy, const float *x, const ConvShape *s, Scratch mem) {
  int64_t sum_step = SQUARE * SQUARE + CHUNK, square = POINTS * sum_step, count = p->squares_c * p->squares_k;
  float *v = take(&mem, POINTS * p->v_step), *e = take(&mem, POINTS * p->e_step), *sums = take(&mem, 0);
  int64_t bands_c = ceil_div(p->c, SQUARE), bands_k = ceil_div(p->k, SQUARE);
  for (int64_t b = 0; b < p->blocks; b++) {
    int64_t t0 = piece_at(p->t.count, p->blocks, b), tiles = piece_at(p->t.count, p->blocks, b + 1) - t0;
    int64_t slices = ceil_div(tiles, 16);
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < slices * (bands_c + bands_k); i++) {
      int64_t slice = i / (bands_c + bands_k), band = i % (bands_c + bands_k);
      int64_t r0 = piece_at(tiles, slices, slice), rows = piece_at(tiles, slices, slice + 1) - r0;
      if (band < bands_c)
        wino_transform_input(v, p->v_step, tiles, r0, &p->t, x, s->h, s->w, s->c, s->pad_h, s->pad_w, t0 + r0, rows,
                             band * SQUARE, min_of(p->c, (band + 1) * SQUARE));
      else
        gradient_block(p, e, tiles, r0, dy, s, t0 + r0, rows, (band - bands_c) * SQUARE,
                       min_of(p->k, (band - bands_c + 1) * SQUARE));
    }
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < count; i++) {
      int64_t k0 = i / p->squares_c * SQUARE, c0 = i % p->squares_c * SQUARE;
      int64_t k1 = min_of(p->k, k0 + SQUARE), c1 = min_of(p->c, c0 + SQUARE);
      float *own = sums + (p->keep ? i : omp_get_thread_num()) * square;
      multiply(p, own, sum_step, SQUARE, e, v, tiles, k0, k1, c0, c1, b > 0);
      if (b == p->blocks - 1)
        for (int64_t k = k0; k < min_of(k1, s->k); k++)
          finish(dw + k * 9 * s->c + c0, own + (k - k0) * SQUARE, sum_step, 1, 0, s->c, min_of(c1, s->c) - c0);
    }
  }
}

size_t WINOGRAD(_dw_scratch)(const ConvShape *s) {
  Plan p = make_plan(s);
  Scratch mem = {NULL, 0};
  if (p.in_parts) {
    take(&mem, p.parts * POINTS * (p.k * p.c + CHUNK));
    take(&mem, kernels_threads(0) * POINTS * (p.v_step + p.e_step));
  } else {
    take(&mem, POINTS * p.v_step);
    take(&mem, POINTS * p.e_step);
    take(&mem, (p.keep ? p.squares_c * p.squares_k : kernels_threads(0)) * POINTS * (SQUARE * SQUARE + CHUNK));
  }
  return mem.used + 64;
}

void WINOGRAD(_dw)(float *dw, const float *dy, const float *x, const ConvShape *s, void *scratch) {
  Plan p = make_plan(s);
  if (p.in_parts) run_parts(&p, dw, dy, x, s, (Scratch){scratch, 0});
  else run_squares(&p, dw, dy, x, s, (Scratch){scratch, 0});
}
