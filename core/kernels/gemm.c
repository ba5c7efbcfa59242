/* Register tiles: see gemm.h. The loops over rows and vectors have constant bounds in each instance and are unrolled
 * whole, so the accumulators live in registers; one instance per number of rows, since a block of pixels is cut in
 * panels of nearly equal height instead of full ones and a rest. */
#include "kernels.h"
#include "gemm.h"

/* Over a tile's accumulators: acc[i][v] of row i, vector v. */
#define TILE_LOOP(i, v) \
  _Pragma("GCC unroll 16") for (int i = 0; i < mr; i++) \
    _Pragma("GCC unroll 2") for (int v = 0; v < nv; v++)

INLINE void rows_sum(vf acc[MR][2], const int mr, const int nv, int64_t k, const float *a, const float *b, const float *ahead) {
  while (k > 0) {
    int64_t n = k < CHUNK ? k : CHUNK;
    for (int64_t q = 0; q < n; q += 4, a += 4, b += 4 * nv * VW) {
      if (ahead) {
#pragma GCC unroll 4
        for (int l = 0; l < nv * (int)VW * 2; l += CHUNK) ask(ahead + l);
        ahead += nv * VW * 2;
      }
#pragma GCC unroll 4
      for (int u = 0; u < 4; u++) {
        vf bv[2];
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++) bv[v] = v_load(b + (u * nv + v) * VW);
#pragma GCC unroll 16
        for (int i = 0; i < mr; i++) {
          vf x = v_set(a[i * CHUNK + u]);
#pragma GCC unroll 2
          for (int v = 0; v < nv; v++) acc[i][v] = v_fma(x, bv[v], acc[i][v]);
        }
      }
    }
    a += (mr - 1) * CHUNK;
    k -= CHUNK;
  }
}

INLINE void rows_tile(const int mr, const int nv, int64_t k, const float *a, const float *b, float *c, int64_t ldc,
                      bool add, const float *ahead) {
  vf acc[MR][2];
  TILE_LOOP(i, v) acc[i][v] = add ? v_load(c + i * ldc + v * VW) : v_zero();
  rows_sum(acc, mr, nv, k, a, b, ahead);
  TILE_LOOP(i, v) v_store(c + i * ldc + v * VW, acc[i][v]);
}

/* An epilogue in registers; `last` lanes of the last vector count. */
INLINE void end_tile(vf acc[MR][2], const int mr, const int nv, float *const *y, const TileEnd *e, const int last) {
#define LANES(v) (v == nv - 1 ? last : (int)VW)
  if (e->add) TILE_LOOP(i, v) acc[i][v] = acc[i][v] + v_load_n(y[i] + v * VW, LANES(v));
  if (e->scale) TILE_LOOP(i, v) acc[i][v] = acc[i][v] * v_load_n(e->scale + v * VW, LANES(v));
  if (e->shift) TILE_LOOP(i, v) acc[i][v] = acc[i][v] + v_load_n(e->shift + v * VW, LANES(v));
  if (e->residual) TILE_LOOP(i, v) acc[i][v] = acc[i][v] + v_load_n(e->residual + (y[i] - e->y0) + v * VW, LANES(v));
  if (e->act == ACT_RELU) TILE_LOOP(i, v) acc[i][v] = v_relu(acc[i][v]);
  if (e->gate) TILE_LOOP(i, v) acc[i][v] = v_gate(acc[i][v], v_load_n(e->gate + (y[i] - e->y0) + v * VW, LANES(v)));
  if (e->around) TILE_LOOP(i, v) v_stream(y[i] + v * VW, acc[i][v]);
  else TILE_LOOP(i, v) v_store_n(y[i] + v * VW, acc[i][v], LANES(v));
#undef LANES
}

INLINE void rows_end(const int mr, const int nv, int64_t k, const float *a, const float *b, float *const *y, int n, const TileEnd *e,
                     const float *ahead) {
  vf acc[MR][2];
  TILE_LOOP(i, v) acc[i][v] = v_zero();
  rows_sum(acc, mr, nv, k, a, b, ahead);
  if (n == nv * (int)VW) end_tile(acc, mr, nv, y, e, VW);
  else end_tile(acc, mr, nv, y, e, n - (nv - 1) * (int)VW);
}

INLINE void outer_tile(const int mr, const int nv, int64_t t, const float *a, const float *b, int64_t rows_b, float *c,
                       int64_t ldc, bool add) {
  vf acc[OR][2];
#pragma GCC unroll 16
  for (int i = 0; i < mr; i++)
#pragma GCC unroll 2
    for (int v = 0; v < nv; v++) acc[i][v] = add ? v_load(c + i * ldc + v * VW) : v_zero();
  const float *b1 = (int)VW == (int)CHUNK ? b + rows_b * CHUNK : b + VW;
#pragma GCC unroll 2
  for (; t > 0; t--, a += CHUNK, b += CHUNK, b1 += CHUNK) {
    vf bv[2];
    bv[0] = v_load(b);
    if (nv > 1) bv[1] = v_load(b1);
#pragma GCC unroll 16
    for (int i = 0; i < mr; i++) {
      vf x = v_set(a[i]);
#pragma GCC unroll 2
      for (int v = 0; v < nv; v++) acc[i][v] = v_fma(x, bv[v], acc[i][v]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < mr; i++)
#pragma GCC unroll 2
    for (int v = 0; v < nv; v++) v_store(c + i * ldc + v * VW, acc[i][v]);
}

#if defined(ISA_avx512)
#define ROWS_LIST(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define OUTER_LIST(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#elif defined(ISA_avx2)
#define ROWS_LIST(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define OUTER_LIST(X) X(1) X(2) X(3) X(4)
#else
#define ROWS_LIST(X) X(1) X(2) X(3) X(4)
#define OUTER_LIST(X) X(1) X(2) X(3) X(4)
#endif

#define ROWS_DEFINE(m) \
  static void rows_##m##_1(int64_t k, const float *a, const float *b, float *c, int64_t ldc, bool add, const float *ahead) { \
    rows_tile(m, 1, k, a, b, c, ldc, add, ahead); } \
  static void rows_##m##_2(int64_t k, const float *a, const float *b, float *c, int64_t ldc, bool add, const float *ahead) { \
    rows_tile(m, 2, k, a, b, c, ldc, add, ahead); } \
  static void end_##m##_1(int64_t k, const float *a, const float *b, float *const *y, int n, const TileEnd *e, const float *ahead) { \
    rows_end(m, 1, k, a, b, y, n, e, ahead); } \
  static void end_##m##_2(int64_t k, const float *a, const float *b, float *const *y, int n, const TileEnd *e, const float *ahead) { \
    rows_end(m, 2, k, a, b, y, n, e, ahead); }
ROWS_LIST(ROWS_DEFINE)

#define OUTER_DEFINE(m) \
  static void outer_##m##_1(int64_t t, const float *a, const float *b, int64_t rb, float *c, int64_t ldc, bool add) { \
    outer_tile(m, 1, t, a, b, rb, c, ldc, add); } \
  static void outer_##m##_2(int64_t t, const float *a, const float *b, int64_t rb, float *c, int64_t ldc, bool add) { \
    outer_tile(m, 2, t, a, b, rb, c, ldc, add); }
OUTER_LIST(OUTER_DEFINE)

void K(gemm_rows)(int mr, int nv, int64_t k, const float *a, const float *b, float *c, int64_t ldc, bool add, const float *ahead) {
  static void (*const tile[])(int64_t, const float *, const float *, float *, int64_t, bool, const float *) = {
#define ROWS_ENTRY(m) rows_##m##_1, rows_##m##_2,
    ROWS_LIST(ROWS_ENTRY)
  };
  tile[2 * (mr - 1) + nv - 1](k, a, b, c, ldc, add, ahead);
}

void K(gemm_outer)(int mr, int nv, int64_t t, const float *a, const float *b, int64_t rows_b, float *c, int64_t ldc, bool add) {
  static void (*const tile[])(int64_t, const float *, const float *, int64_t, float *, int64_t, bool) = {
#define OUTER_ENTRY(m) outer_##m##_1, outer_##m##_2,
    OUTER_LIST(OUTER_ENTRY)
  };
  tile[2 * (mr - 1) + nv - 1](t, a, b, rows_b, c, ldc, add);
}

/* The activation of a tile whose rows go to y: in one loop where the tile has no gaps. */
static void activate_tile(float *const *y, float *tile, int64_t ld_tile, int rows, int n, const TileEnd *e) {
  if (n == ld_tile) activate_row(tile, rows * ld_tile, e->act, e->act_attr);
  for (int i = 0; i < rows; i++, tile += ld_tile) {
    int j = 0;
    if (n < ld_tile) activate_row(tile, n, e->act, e->act_attr);
    if (e->around)
      for (; j < n; j += VW) v_stream(y[i] + j, v_load(tile + j));
    for (; j + VW <= n; j += VW) v_store(y[i] + j, v_load(tile + j));
    if (j < n) v_store_n(y[i] + j, v_load_n(tile + j, n - j), n - j);
  }
}

void K(gemm_finish)(float *const *y, float *tile, int64_t ld_tile, int rows, int n, const TileEnd *e) {
  const bool relu = e->act == ACT_RELU, late = e->act > ACT_RELU; /* late: when the whole tile is ready, in one loop */
  for (int i = 0; i < rows; i++) {
    float *yi = y[i], *ti = tile + i * ld_tile, *to = late ? ti : yi;
    const float *ri = e->residual ? e->residual + (yi - e->y0) : NULL, *gi = e->gate ? e->gate + (yi - e->y0) : NULL;
    int j = 0;
    for (; j + VW <= n; j += VW) {
      vf v = v_load(ti + j);
      if (e->add) v = v + v_load(yi + j);
      if (e->scale) v = v * v_load(e->scale + j);
      if (e->shift) v = v + v_load(e->shift + j);
      if (ri) v = v + v_load(ri + j);
      if (relu) v = v_relu(v);
      if (gi) v = v_gate(v, v_load(gi + j));
      v_store(to + j, v);
    }
    if (j < n) {
      vf v = v_load(ti + j);
      if (e->add) v = v + v_load_n(yi + j, n - j);
      EPILOGUE(v, e->scale, e->shift, ri ? ri + j : NULL, gi ? gi + j : NULL, relu, j, n - j);
      v_store_n(to + j, v, n - j);
    }
  }
  if (late) activate_tile(y, tile, ld_tile, rows, n, e);
}

void K(gemm_rows_end)(int mr, int nv, int64_t k, const float *a, const float *b, float *const *y, int n, const TileEnd *e, const float *ahead) {
  static void (*const end[])(int64_t, const float *, const float *, float *const *, int, const TileEnd *, const float *) = {
#define END_ENTRY(m) end_##m##_1, end_##m##_2,
    ROWS_LIST(END_ENTRY)
  };
  if (e->act <= ACT_RELU) {
    end[2 * (mr - 1) + nv - 1](k, a, b, y, n, e, ahead);
    return;
  }
  float tile[MR * NR] __attribute__((aligned(64)));
  if (e->add || e->residual || e->gate) {
    K(gemm_rows)(mr, nv, k, a, b, tile, NR, false, ahead);
    K(gemm_finish)(y, tile, NR, mr, n, e);
    return;
  }
  float *row[MR];
  for (int i = 0; i < mr; i++) row[i] = tile + i * NR;
  TileEnd line = {.scale = e->scale, .shift = e->shift};
  end[2 * (mr - 1) + nv - 1](k, a, b, row, n, &line, ahead);
  activate_tile(y, tile, NR, mr, n, e);
}
