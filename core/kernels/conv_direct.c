/* Convolution of images: so few input channels (red, green, blue) that a chunk of channels would be mostly gaps. Memory is
 * channels-last, so what one row of a kernel sees is one run of s*c floats, and the runs of neighbouring outputs lie a
 * constant number of floats apart. With the rows of the image copied once between zeros for the padding, both products read
 * them where they are; nothing is gathered:
 *
 *   y[p][k]    = sum over rows t of the kernel, u < s*c of row(t)[p*step + u] * w[k][t][u]      tiles of MR outputs x NR channels
 *   dw[k][t][u] = sum over p of dy[p][k] * row(t)[p*step + u]                                   tiles of up to UR weights x NR channels
 *
 * step = stride * c is a constant in each instance, so every address of a tile is a constant away from one pointer. */
#include <omp.h>
#include "conv_parts.h"

enum { ROWS_BLOCK = 8, UR = 9, PARTS = 16 };

bool K(conv_direct_fits)(const ConvShape *s) {
  int step = s->stride_w * s->c;
  return s->groups == 1 && s->c <= 4 && s->dilation_h == 1 && s->dilation_w == 1 && s->ow >= (int)MR &&
         (step == 3 || step == 6 || step == 12 || step == 48);
}

static int64_t padded_row(const ConvShape *s) { return round_up((int64_t)(s->ow - 1) * s->stride_w * s->c + s->s * s->c, CHUNK); }
static int64_t rows_in(const ConvShape *s) { return (int64_t)(ROWS_BLOCK - 1) * s->stride_h + s->r; }
static int64_t blocks_of(const ConvShape *s) { return ceil_div(s->oh, ROWS_BLOCK); }

/* The rows of image x that outputs [i0, i1) see, with zeros for the padding. */
static void copy_rows(float *to, const float *x, const ConvShape *s, int i0, int i1) {
  int64_t ld = padded_row(s), left = (int64_t)s->pad_w * s->c, row = (int64_t)s->w * s->c, n = min_of(row, ld - left);
  for (int h = i0 * s->stride_h - s->pad_h; h < (i1 - 1) * s->stride_h - s->pad_h + s->r; h++, to += ld) {
    bool in = h >= 0 && h < s->h && n > 0;
    if (!in) {
      memset(to, 0, sizeof(float) * (size_t)ld);
      continue;
    }
    memset(to, 0, sizeof(float) * (size_t)left);
    memcpy(to + left, x + h * row, sizeof(float) * (size_t)n);
    memset(to + left + n, 0, sizeof(float) * (size_t)(ld - left - n));
  }
}

/* --- forward --- */

/* Weights as panels [k / NR][t][u][NR], zeros beyond k. */
static int64_t panel_floats(const ConvShape *s) { return (int64_t)s->r * s->s * s->c * NR; }
static void pack(float *to, const float *w, const ConvShape *s) {
  int64_t length = (int64_t)s->r * s->s * s->c;
  for (int64_t k = 0; k < round_up(s->k, NR); k++)
    for (int64_t q = 0; q < length; q++) to[k / NR * panel_floats(s) + q * NR + k % NR] = k < s->k ? w[k * length + q] : 0.0f;
}

/* nv: vectors of channels that count, 1 or 2. */
INLINE void forward_tile(const int step, const int nv, float *tile, const float *rows, int64_t ld, const float *b, int taps, int run) {
  vf acc[MR][2];
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++)
    for (int v = 0; v < nv; v++) acc[i][v] = v_zero();
  for (int t = 0; t < taps; t++, rows += ld)
#pragma GCC unroll 3
    for (int u = 0; u < run; u++, b += NR) {
      vf w[2];
      for (int v = 0; v < nv; v++) w[v] = v_load(b + v * VW);
#pragma GCC unroll 16
      for (int i = 0; i < MR; i++) {
        vf x = v_set(rows[i * step + u]);
        for (int v = 0; v < nv; v++) acc[i][v] = v_fma(x, w[v], acc[i][v]);
      }
    }
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++)
    for (int v = 0; v < nv; v++) v_store(tile + i * NR + v * VW, acc[i][v]);
}

int64_t K(conv_direct_prepared)(ConvPass pass, const ConvShape *s) {
  if (pass == CONV_DX) return K(conv_direct_dx_prepared)(s);
  return pass == CONV_FORWARD ? ceil_div(s->k, NR) * panel_floats(s) : 0;
}
void K(conv_direct_prepare)(float *prepared, const float *w, ConvPass pass, const ConvShape *s) {
  if (pass == CONV_DX) K(conv_direct_dx_prepare)(prepared, w, s);
  else pack(prepared, w, s);
}

/* --- the gradient of the weights --- */

/* sums[u][NR] += over the outputs of one row; `count` of the u, n of the channels. */
INLINE void dw_tile(const int step, const int count, const int nv, float *sums, const float *dy, int64_t k, const float *row, int ow,
                    const int n) {
  vf acc[UR][2];
#pragma GCC unroll 9
  for (int u = 0; u < count; u++)
    for (int v = 0; v < nv; v++) acc[u][v] = v_load(sums + u * NR + v * VW);
  for (int j = 0; j < ow; j++, dy += k, row += step) {
    vf g[2];
    for (int v = 0; v < nv; v++) g[v] = v_load_n(dy + v * VW, (int)max_of(0, min_of(VW, n - v * VW)));
#pragma GCC unroll 9
    for (int u = 0; u < count; u++) {
      vf x = v_set(row[u]);
      for (int v = 0; v < nv; v++) acc[u][v] = v_fma(x, g[v], acc[u][v]);
    }
  }
#pragma GCC unroll 9
  for (int u = 0; u < count; u++)
    for (int v = 0; v < nv; v++) v_store(sums + u * NR + v * VW, acc[u][v]);
}

/* How many of the `left` weights of a run are summed at once: what divides the run, as far as registers go. */
static int dw_count(int run, int left) {
  int count = REGISTERS < 32 ? 6 : run % 9 == 0 ? 9 : run % 7 == 0 ? 7 : 6;
  return left >= count ? count : left >= 3 ? 3 : 1;
}

#define STEPS(X) X(3) X(6) X(12) X(48)
#define STEP_DEFINE(step) \
  static void forward_##step(float *tile, const float *rows, int64_t ld, const float *b, int taps, int run, int n) { \
    if (n > (int)VW) forward_tile(step, 2, tile, rows, ld, b, taps, run); \
    else forward_tile(step, 1, tile, rows, ld, b, taps, run); } \
  static void dw_##step(int count, float *sums, const float *dy, int64_t k, const float *row, int ow, int n) { \
    switch (n >= (int)NR ? count : n == VW ? -count : 0) { \
      case 9: dw_tile(step, 9, 2, sums, dy, k, row, ow, NR); break; \
      case 7: dw_tile(step, 7, 2, sums, dy, k, row, ow, NR); break; \
      case 6: dw_tile(step, 6, 2, sums, dy, k, row, ow, NR); break; \
      case 3: dw_tile(step, 3, 2, sums, dy, k, row, ow, NR); break; \
      case -9: dw_tile(step, 9, 1, sums, dy, k, row, ow, VW); break; \
      default: for (int u = 0; u < count; u++) dw_tile(step, 1, 2, sums + u * NR, dy, k, row + u, ow, (int)min_of(n, NR)); \
    } }
STEPS(STEP_DEFINE)

typedef struct Instance {
  int step;
  void (*forward)(float *tile, const float *rows, int64_t ld, const float *b, int taps, int run, int n);
  void (*dw)(int count, float *sums, const float *dy, int64_t k, const float *row, int ow, int n);
} Instance;
static const Instance *instance_of(const ConvShape *s) {
#define STEP_ENTRY(step) {step, forward_##step, dw_##step},
  static const Instance all[] = {STEPS(STEP_ENTRY)};
  const Instance *i = all;
  while (i->step != s->stride_w * s->c) i++;
  return i;
}

void K(conv_direct)(float *y, const float *x, const float *w, const float *prepared, const Epilogue *e, const ConvShape *s, void *scratch) {
  Scratch mem = {scratch, 0};
  int64_t panels = ceil_div(s->k, NR), own_size = rows_in(s) * padded_row(s), blocks = blocks_of(s);
  float *packed = take(&mem, panels * panel_floats(s)), *own = take(&mem, 0);
  if (!prepared) pack(packed, w, s);
  const float *b = prepared ? prepared : packed;
  const Instance *at = instance_of(s);
  int run = s->s * s->c, bands = (int)ceil_div(s->ow, MR);
#pragma omp parallel for schedule(dynamic)
  for (int64_t p = 0; p < s->n * blocks; p++) {
    float tile[MR * NR] __attribute__((aligned(64)));
    float *rows = own + omp_get_thread_num() * own_size, *to[MR];
    int64_t n = p / blocks, ld = padded_row(s);
    int i0 = (int)(p % blocks) * ROWS_BLOCK, i1 = (int)min_of(s->oh, i0 + ROWS_BLOCK);
    copy_rows(rows, x + n * s->h * s->w * s->c, s, i0, i1);
    for (int64_t q = 0; q < panels; q++) {
      int64_t ch = q * NR;
      TileEnd end = tile_end(e, ch, y);
      for (int i = i0; i < i1; i++)
        for (int band = 0; band < bands; band++) { /* the last band overlaps the one before; what both compute is stored once */
          int j0 = band * (int)MR, first = (int)min_of(j0, s->ow - (int)MR), count = (int)min_of(MR, s->ow - j0);
          at->forward(tile, rows + (int64_t)(i - i0) * s->stride_h * ld + (int64_t)first * at->step, ld, b + q * panel_floats(s), s->r, run,
                      (int)(s->k - ch));
          for (int m = 0; m < count; m++) to[m] = y + ((n * s->oh + i) * s->ow + j0 + m) * s->k + ch;
          K(gemm_finish)(to, tile + (j0 - first) * NR, NR, count, (int)min_of(NR, s->k - ch), &end);
        }
    }
  }
}

/* Images are cut in parts whose number depends on the shape alone, each with sums of its own, added in order at the end. */
void K(conv_direct_dw)(float *dw, const float *dy, const float *x, const ConvShape *s, void *scratch) {
  Scratch mem = {scratch, 0};
  int64_t panels = ceil_div(s->k, NR), own_size = rows_in(s) * padded_row(s), blocks = blocks_of(s), all = s->n * blocks;
  int64_t parts = min_of(PARTS, all), part_size = panels * panel_floats(s);
  float *sums = take(&mem, parts * part_size), *own = take(&mem, 0);
  const Instance *at = instance_of(s);
  int run = s->s * s->c;
#pragma omp parallel for schedule(dynamic)
  for (int64_t part = 0; part < parts; part++) {
    float *rows = own + omp_get_thread_num() * own_size, *sum = sums + part * part_size;
    int64_t ld = padded_row(s);
    memset(sum, 0, sizeof(float) * (size_t)part_size);
    for (int64_t p = piece_at(all, parts, part); p < piece_at(all, parts, part + 1); p++) {
      int64_t n = p / blocks;
      int i0 = (int)(p % blocks) * ROWS_BLOCK, i1 = (int)min_of(s->oh, i0 + ROWS_BLOCK);
      copy_rows(rows, x + n * s->h * s->w * s->c, s, i0, i1);
      for (int i = i0; i < i1; i++)
        for (int64_t q = 0; q < panels; q++)
          for (int t = 0; t < s->r; t++)
            for (int u = 0, count; u < run; u += count) {
              count = dw_count(run, run - u);
              at->dw(count, sum + q * panel_floats(s) + ((int64_t)t * run + u) * NR,
                     dy + ((n * s->oh + i) * s->ow) * s->k + q * NR, s->k, rows + ((int64_t)(i - i0) * s->stride_h + t) * ld + u, s->ow,
                     (int)(s->k - q * NR));
            }
    }
  }
  int64_t length = (int64_t)s->r * run;
  for (int64_t k = 0; k < s->k; k++)
    for (int64_t q = 0; q < length; q++) {
      const float *from = sums + k / NR * panel_floats(s) + q * NR + k % NR;
      float sum = from[0];
      for (int64_t part = 1; part < parts; part++) sum += from[part * part_size];
      dw[k * length + q] = sum;
    }
}

size_t K(conv_direct_scratch)(ConvPass pass, const ConvShape *s) {
  if (pass == CONV_DX) return K(conv_direct_dx_scratch)(s);
  Scratch mem = {NULL, 0};
  int64_t packed = ceil_div(s->k, NR) * panel_floats(s);
  take(&mem, pass == CONV_DW ? min_of(PARTS, s->n * blocks_of(s)) * packed : packed);
  take(&mem, kernels_threads(0) * rows_in(s) * padded_row(s));
  return mem.used + 64;
}
