/* The two register-tiled products everything convolutional here is built from. Both multiply operands laid out in
 * chunks of CHUNK floats: element (row, j) of a chunked block of `rows` rows lies at
 *
 *   block[(j / CHUNK * rows + row) * CHUNK + j % CHUNK]
 *
 * so that a copy out of channels-last memory is whole vectors, a block has no gaps, and inside a loop every address is a
 * constant away from one pointer.
 *
 *   gemm_rows   c (mr, nv*VW) [+]= a (mr, k) . b (k, nv*VW)        a chunked over k with exactly mr rows; b one panel,
 *                                                               rows of nv*VW floats. The forward product: rows are pixels
 *                                                               or tiles.
 *   gemm_outer  c (mr, nv*VW) [+]= sum over t of a[t][i] b[t][j]  b chunked over j with rows t; a chunked over i, or packed.
 *                                                               The product of weight gradients: the sum runs over pixels or tiles.
 *
 * Register tiles: 14x32 on AVX-512 (28 of 32 registers accumulate), 6x16 on AVX2, 12x8 on NEON, 4x8 on SSE2; gemm_outer in chunks 8x32,
 * 4x16, 8x8, 4x8. */
#ifndef KERNELS_GEMM_H
#define KERNELS_GEMM_H
#include "kernels.h"
#include "simd.h"
#include "activation.h"

enum {
  CHUNK = 16,
  NR = 2 * VW,                                   /* columns of a tile */
  MR = VW == 16 ? 14 : VW == 8 ? 6 : REGISTERS == 32 ? 12 : 4, /* most rows of a gemm_rows tile */
  OR = REGISTERS == 32 ? 8 : 4,                        /* rows of a gemm_outer tile inside a chunk, which it divides */
  AHEAD_BANDS = VW == 16 ? 4 : 8,                /* see below */
};

/* ahead, below: what is wanted soon and may be far away, asked for on the way, or NULL. All at once would hold up what is wanted now: a
 * product asks for so much that AHEAD_BANDS of them, all with one panel, have asked for a panel. This is band b's part of the next one. */
INLINE const float *ahead_of(const float *next, int64_t floats, int64_t band) {
  return floats && band < AHEAD_BANDS ? next + floats / CHUNK * band / AHEAD_BANDS * CHUNK : NULL;
}

/* k is a multiple of 4 (pad a and b with zeros); 1 <= mr <= MR; nv 1 or 2; ldc in floats. add: c is added to. */
void K(gemm_rows)(int mr, int nv, int64_t k, const float *a, const float *b, float *c, int64_t ldc, bool add, const float *ahead);
/* t rows, 1 <= mr <= MR; a's are lda floats apart: CHUNK where a points into a chunk, mr in a band of its own; b points at a chunk, or
 * a vector inside it; rows_b: rows of the block b is in (distance to the next chunk). */
void K(gemm_outer)(int mr, int nv, int64_t t, const float *a, int64_t lda, const float *b, int64_t rows_b, float *c, int64_t ldc, bool add,
                   const float *ahead);

/* The epilogue (op.h) of rows of n columns, y[i] the rows' addresses; the tile is used up. add: what y holds is added to the tile first.
 * around: stored around the caches, but for a vector of which only a part counts; the rows begin on multiples of a vector. */
typedef struct TileEnd {
  const float *scale, *shift; /* (n), NULL: 1, 0 */
  const float *residual, *gate, *y0; /* the elements for y0[j] are residual[j], gate[j] */
  bool add, around;
  Activation act;
  const double *act_attr;
} TileEnd;
/* The epilogue e from column `from` on, of a result at y0. */
INLINE TileEnd tile_end(const Epilogue *e, int64_t from, const float *y0) {
  return (TileEnd){.scale = e->scale ? e->scale + from : NULL, .shift = e->shift ? e->shift + from : NULL, .residual = e->residual,
                   .gate = e->gate, .y0 = y0, .act = e->act, .act_attr = e->act_attr};
}
/* gemm_rows for columns [n0, n1) of the rows `row` and their epilogue, whose scale and shift are those of column 0. b: their panels,
 * `panel` floats from one to the next; ahead: mr * k floats that the tiles ask for, one after the other. soon: NULL, or as many rows that will be written
 * soon, of which a tile asks for what lies to_soon columns from its own. */
void K(gemm_band)(int mr, int64_t k, const float *a, const float *b, int64_t panel, float *const *row, int64_t n0, int64_t n1,
                  const TileEnd *e, const float *ahead, float *const *soon, int64_t to_soon);
void K(gemm_finish)(float *const *y, float *tile, int64_t ld_tile, int rows, int n, const TileEnd *e);

/* Over a tile's accumulators, acc[i][v] of row i, vector v; where that goes, and how many of its lanes count. */
#define TILE_LOOP(i, v) \
  _Pragma("GCC unroll 16") for (int i = 0; i < mr; i++) \
    _Pragma("GCC unroll 2") for (int v = 0; v < nv; v++)
#define TILE_AT(i, v) (row[i] + n0 + (v) * VW)
#define TILE_LANES(v) (v == nv - 1 ? last : (int)VW)

/* The epilogue of a tile in registers but for its long activations, see end_vector: mr rows of nv vectors for columns from n0 on of
 * `row`, `last` lanes of the last vector. */
INLINE void end_vectors(vf (*acc)[2], const int mr, const int nv, float *const *row, int64_t n0, const TileEnd *e, const int last) {
  if (e->add) TILE_LOOP(i, v) acc[i][v] = acc[i][v] + v_load_n(TILE_AT(i, v), TILE_LANES(v));
  if (e->scale) TILE_LOOP(i, v) acc[i][v] = acc[i][v] * v_load_n(e->scale + n0 + v * VW, TILE_LANES(v));
  if (e->shift) TILE_LOOP(i, v) acc[i][v] = acc[i][v] + v_load_n(e->shift + n0 + v * VW, TILE_LANES(v));
  if (e->residual) TILE_LOOP(i, v) acc[i][v] = acc[i][v] + v_load_n(e->residual + (TILE_AT(i, v) - e->y0), TILE_LANES(v));
  if (e->act == ACT_RELU) TILE_LOOP(i, v) acc[i][v] = v_activate(acc[i][v], ACT_RELU, NULL);
  if (e->act == ACT_HARDSWISH) TILE_LOOP(i, v) acc[i][v] = v_activate(acc[i][v], ACT_HARDSWISH, NULL);
  if (e->act == ACT_CLAMP) TILE_LOOP(i, v) acc[i][v] = v_activate(acc[i][v], ACT_CLAMP, e->act_attr);
  if (e->gate) TILE_LOOP(i, v) acc[i][v] = v_gate(acc[i][v], v_load_n(e->gate + (TILE_AT(i, v) - e->y0), TILE_LANES(v)));
}

/* The epilogue of a vector of results, n lanes of it for y, columns from ch on. Of activations the short are done here, in registers; a
 * kernel does the others with activate_row once a tile or a row of its results is ready, still in L1. */
INLINE vf end_vector(vf v, const TileEnd *e, int64_t ch, const float *y, const int n) {
  if (e->scale) v = v * v_load_n(e->scale + ch, n);
  if (e->shift) v = v + v_load_n(e->shift + ch, n);
  if (e->residual) v = v + v_load_n(e->residual + (y - e->y0), n);
  v = v_activate_short(v, e->act, e->act_attr);
  return e->gate ? v_gate(v, v_load_n(e->gate + (y - e->y0), n)) : v;
}
/* Asks for the line at y, and for what the epilogue reads for it. */
INLINE void end_ask(const float *y, const TileEnd *e) {
  ask(y);
  if (e->residual) ask(e->residual + (y - e->y0));
  if (e->gate) ask(e->gate + (y - e->y0));
}
INLINE void activate_row(float *y, int64_t n, Activation act, const double *attr) {
  if (!is_short(act)) K(activate)(y, y, n, act, attr);
}
#endif
