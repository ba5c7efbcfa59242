/* Register tiles: see gemm.h. The loops over rows and vectors have constant bounds in each instance and are unrolled
 * whole, so the accumulators live in registers; one instance per number of rows, since a block of pixels is cut in
 * panels of nearly equal height instead of full ones and a rest. */
#include "kernels.h"
#include "gemm.h"

/* A step of a sum: acc[i] += a[i * every] * b, whose vectors lie at b0 and b1. */
INLINE void add_step(vf acc[MR][2], const int mr, const int nv, const float *a, const int64_t every, const float *b0, const float *b1) {
  vf b[2];
  b[0] = v_load(b0);
  if (nv > 1) b[1] = v_load(b1);
#pragma GCC unroll 16
  for (int i = 0; i < mr; i++) {
    vf x = v_factor(a[i * every]);
#pragma GCC unroll 2
    for (int v = 0; v < nv; v++) v_add_multiple(&acc[i][v], x, b[v]);
  }
}

/* Asks for so many floats; returns where the next begin. */
INLINE const float *ask_part(const float *ahead, const int floats) {
  if (!ahead) return NULL;
#pragma GCC unroll 8
  for (int l = 0; l < floats / CHUNK; l++) ask(ahead + l * CHUNK);
  return ahead + floats / CHUNK * CHUNK;
}

/* Returns where what is asked for next begins. */
INLINE const float *rows_sum(vf acc[MR][2], const int mr, const int nv, int64_t k, const float *a, const float *b, const float *ahead) {
  enum { STEPS = VW == 8 ? 16 : 4 }; /* without a question; more of the tall tiles of AVX-512 would be a lot of code */
  const int64_t row = nv * VW;
  for (; k >= CHUNK; k -= CHUNK, a += (mr - 1) * CHUNK) {
    ahead = ask_part(ahead, nv * VW * CHUNK / AHEAD_BANDS);
    for (int q = 0; q < CHUNK; q += STEPS, a += STEPS, b += STEPS * row)
#pragma GCC unroll 16
      for (int u = 0; u < STEPS; u++) add_step(acc, mr, nv, a + u, CHUNK, b + u * row, b + u * row + VW);
  }
  for (; k > 0; k -= 4, a += 4, b += 4 * row)
#pragma GCC unroll 4
    for (int u = 0; u < 4; u++) add_step(acc, mr, nv, a + u, CHUNK, b + u * row, b + u * row + VW);
  return ahead;
}

INLINE void rows_tile(const int mr, const int nv, int64_t k, const float *a, const float *b, float *c, int64_t ldc,
                      bool add, const float *ahead) {
  vf acc[MR][2];
  TILE_LOOP(i, v) acc[i][v] = add ? v_load(c + i * ldc + v * VW) : v_zero();
  rows_sum(acc, mr, nv, k, a, b, ahead);
  TILE_LOOP(i, v) v_store(c + i * ldc + v * VW, acc[i][v]);
}

/* The activation of a tile of rows of nv vectors, on its way to columns from n0 on of the rows; `last` lanes of the last vector count. */
static __attribute__((noinline)) void activate_tile(float *const *row, int64_t n0, const float *tile, int rows, int nv, int last, const TileEnd *e) {
#define MAP(act) \
  for (int i = 0; i < rows; i++) { \
    float *y = row[i] + n0; \
    for (int v = 0; v < nv; v++, y += VW, tile += VW) { \
      vf x = v_activate(v_load(tile), act, e->act_attr); \
      if (v == nv - 1 && last < (int)VW) v_store_n(y, x, last); \
      else if (e->around) v_stream(y, x); \
      else v_store(y, x); \
    } \
  }
  EACH_ACTIVATION(e->act, MAP)
#undef MAP
}

/* A tile's epilogue; long activations are done in a loop over the tile. */
INLINE void end_tile(vf acc[MR][2], const int mr, const int nv, float *const *row, int64_t n0, const TileEnd *e, const int last) {
  end_vectors(acc, mr, nv, row, n0, e, last);
  if (!is_short(e->act)) {
    float tile[MR * NR] __attribute__((aligned(64)));
    TILE_LOOP(i, v) v_store(tile + (i * nv + v) * VW, acc[i][v]);
    activate_tile(row, n0, tile, mr, nv, last, e);
  } else if (e->around && last == VW) {
    TILE_LOOP(i, v) v_stream(TILE_AT(i, v), acc[i][v]);
  } else {
    TILE_LOOP(i, v) v_store_n(TILE_AT(i, v), acc[i][v], TILE_LANES(v));
  }
}

INLINE const float *rows_end(const int mr, const int nv, int64_t k, const float *a, const float *b, float *const *row, int64_t n0, int64_t n,
                            const TileEnd *e, const float *ahead) {
  vf acc[MR][2];
  TILE_LOOP(i, v) acc[i][v] = v_zero();
  ahead = rows_sum(acc, mr, nv, k, a, b, ahead);
  if (n == nv * (int)VW) end_tile(acc, mr, nv, row, n0, e, VW);
  else end_tile(acc, mr, nv, row, n0, e, (int)n - (nv - 1) * (int)VW);
  return ahead;
}

INLINE void rows_band(const int mr, int64_t k, const float *a, const float *b, int64_t panel, float *const *row, int64_t n0, int64_t n1,
                      const TileEnd *e, const float *ahead, float *const *soon, int64_t to_soon) {
  for (const float *end = ahead ? ahead + mr * k : NULL; n0 < n1; n0 += NR, b += panel) {
    if (soon)
#pragma GCC unroll 16
      for (int i = 0; i < mr; i++) end_ask(soon[i] + n0 + to_soon, e);
    if (n1 - n0 > (int)VW) ahead = rows_end(mr, 2, k, a, b, row, n0, n1 - n0 < (int)NR ? n1 - n0 : (int)NR, e, ahead);
    else ahead = rows_end(mr, 1, k, a, b, row, n0, n1 - n0, e, ahead);
    if (ahead >= end) ahead = NULL;
  }
}

/* What c holds is added at the end, so that it may come from far away meanwhile. */
INLINE void outer_tile(const int mr, const int nv, int64_t t, const float *a, const int64_t lda, const float *b, int64_t rows_b, float *c,
                       int64_t ldc, bool add, const float *ahead) {
  enum { STEPS = VW == 8 ? 8 : 4 };
  vf acc[MR][2];
  TILE_LOOP(i, v) acc[i][v] = v_zero();
  if (add)
#pragma GCC unroll 16
    for (int i = 0; i < mr; i++) __builtin_prefetch(c + i * ldc, 1, 3), __builtin_prefetch(c + i * ldc + nv * VW - 1, 1, 3);
  const float *b1 = (int)VW == (int)CHUNK ? b + rows_b * CHUNK : b + VW;
  for (; t >= STEPS; t -= STEPS, a += STEPS * lda, b += STEPS * CHUNK, b1 += STEPS * CHUNK) {
    ahead = ask_part(ahead, nv * VW * STEPS / AHEAD_BANDS);
#pragma GCC unroll 8
    for (int u = 0; u < STEPS; u++) add_step(acc, mr, nv, a + u * lda, 1, b + u * CHUNK, b1 + u * CHUNK);
  }
  for (; t > 0; t--, a += lda, b += CHUNK, b1 += CHUNK) add_step(acc, mr, nv, a, 1, b, b1);
  if (add) TILE_LOOP(i, v) acc[i][v] = acc[i][v] + v_load(c + i * ldc + v * VW);
  TILE_LOOP(i, v) v_store(c + i * ldc + v * VW, acc[i][v]);
}

#if defined(ISA_avx512)
#define ROWS_LIST(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#elif defined(ISA_neon)
#define ROWS_LIST(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12)
#elif defined(ISA_avx2)
#define ROWS_LIST(X) X(1) X(2) X(3) X(4) X(5) X(6)
#else
#define ROWS_LIST(X) X(1) X(2) X(3) X(4)
#endif

#define ROWS_DEFINE(m) \
  static void rows_##m##_1(int64_t k, const float *a, const float *b, float *c, int64_t ldc, bool add, const float *ahead) { \
    rows_tile(m, 1, k, a, b, c, ldc, add, ahead); } \
  static void rows_##m##_2(int64_t k, const float *a, const float *b, float *c, int64_t ldc, bool add, const float *ahead) { \
    rows_tile(m, 2, k, a, b, c, ldc, add, ahead); } \
  static void band_##m(int64_t k, const float *a, const float *b, int64_t panel, float *const *row, int64_t n0, int64_t n1, \
                       const TileEnd *e, const float *ahead, float *const *soon, int64_t to_soon) { \
    rows_band(m, k, a, b, panel, row, n0, n1, e, ahead, soon, to_soon); }
ROWS_LIST(ROWS_DEFINE)

/* The distance of a's rows is known in each: they are packed in a band, or, no more than OR, lie in a chunk. */
#define OUTER_OF(m, nv) \
  static void outer_##m##_##nv(int64_t t, const float *a, int64_t lda, const float *b, int64_t rb, float *c, int64_t ldc, bool add, \
                               const float *ahead) { \
    if (m > OR || lda == m) outer_tile(m, nv, t, a, m, b, rb, c, ldc, add, ahead); \
    else outer_tile(m, nv, t, a, CHUNK, b, rb, c, ldc, add, ahead); }
#define OUTER_DEFINE(m) OUTER_OF(m, 1) OUTER_OF(m, 2)
ROWS_LIST(OUTER_DEFINE)

void K(gemm_rows)(int mr, int nv, int64_t k, const float *a, const float *b, float *c, int64_t ldc, bool add, const float *ahead) {
  static void (*const tile[])(int64_t, const float *, const float *, float *, int64_t, bool, const float *) = {
#define ROWS_ENTRY(m) rows_##m##_1, rows_##m##_2,
    ROWS_LIST(ROWS_ENTRY)
  };
  tile[2 * (mr - 1) + nv - 1](k, a, b, c, ldc, add, ahead);
}

void K(gemm_outer)(int mr, int nv, int64_t t, const float *a, int64_t lda, const float *b, int64_t rows_b, float *c, int64_t ldc, bool add,
                   const float *ahead) {
  static void (*const tile[])(int64_t, const float *, int64_t, const float *, int64_t, float *, int64_t, bool, const float *) = {
#define OUTER_ENTRY(m) outer_##m##_1, outer_##m##_2,
    ROWS_LIST(OUTER_ENTRY)
  };
  tile[2 * (mr - 1) + nv - 1](t, a, lda, b, rows_b, c, ldc, add, ahead);
}

void K(gemm_finish)(float *const *y, float *tile, int64_t ld_tile, int rows, int n, const TileEnd *e) {
  for (int i = 0; i < rows; i++) {
    float *from = tile + i * ld_tile, *to = is_short(e->act) ? y[i] : from;
    int j = 0;
    for (; j + (int)VW <= n; j += VW) v_store(to + j, end_vector(v_load(from + j), e, j, y[i] + j, VW));
    if (j < n) v_store_n(to + j, end_vector(v_load(from + j), e, j, y[i] + j, n - j), n - j);
    if (to == from) K(activate)(y[i], from, n, e->act, e->act_attr);
  }
}

void K(gemm_band)(int mr, int64_t k, const float *a, const float *b, int64_t panel, float *const *row, int64_t n0, int64_t n1,
                  const TileEnd *e, const float *ahead, float *const *soon, int64_t to_soon) {
  static void (*const band[])(int64_t, const float *, const float *, int64_t, float *const *, int64_t, int64_t, const TileEnd *,
                              const float *, float *const *, int64_t) = {
#define BAND_ENTRY(m) band_##m,
    ROWS_LIST(BAND_ENTRY)
  };
  band[mr - 1](k, a, b, panel, row, n0, n1, e, ahead, soon, to_soon);
}
