/* The gradient of a picture: so few input channels that a column of the product for each (conv_gemm.c) would leave most of a vector
 * empty. Here a column is one weight of a filter, so that vectors are full, and each output's product with all filters,
 *
 *   p[o][t][u] = sum over k of dy[o][k] * w[k][t][u]      t < r rows of the kernel, u < s*c, one run of floats as channels-last has it
 *
 * is added to the runs of dx that the output saw, row(t)[o*step + u] (col2im). A piece of work is a block of rows of dx: it takes
 * of each row of dy the products with those rows of the kernel that fall into it, so that nothing is computed twice and all sums
 * have one order. Rows are summed between margins for the padding. */
#include <omp.h>
#include "conv_parts.h"

enum { ROWS = 16, FILTER_MAX = 4096 };

static int64_t filter_of(const ConvShape *s) { return (int64_t)s->r * s->s * s->c; }

bool K(conv_direct_dx_fits)(const ConvShape *s) {
  return s->groups == 1 && s->c <= 4 && s->r * s->s > 1 && s->dilation_w == 1 && filter_of(s) <= FILTER_MAX;
}

static int64_t rows_of(const ConvShape *s) { return round_up(ROWS, s->stride_h); }
/* Floats of a row: what outputs reach and what dx has, and a chunk that the last vector may touch. */
static int64_t row_of(const ConvShape *s) {
  int64_t reached = ((int64_t)(s->ow - 1) * s->stride_w + s->s) * s->c, kept = (int64_t)(s->pad_w + s->w) * s->c;
  return round_up(max_of(reached, kept), CHUNK) + CHUNK;
}
static int64_t depth_of(const ConvShape *s) { return round_up(s->k, 4); }
static int64_t tile_row(const ConvShape *s) { return round_up(filter_of(s), NR); }

typedef struct Space {
  float *packed, *rows, *band, *tile; /* all but the first one thread's */
  int64_t own;                        /* floats of a thread */
} Space;
static Space space_of(const ConvShape *s, Scratch *mem) {
  Space at = {.packed = take(mem, K(conv_direct_dx_prepared)(s))};
  int64_t rows = rows_of(s) * row_of(s), band = MR * round_up(s->k, CHUNK) + CHUNK, tile = MR * tile_row(s);
  at.own = round_up(rows, CHUNK) + round_up(band, CHUNK) + round_up(tile, CHUNK);
  at.rows = take(mem, at.own * kernels_threads(0));
  if (at.rows) at.band = at.rows + round_up(rows, CHUNK), at.tile = at.band + round_up(band, CHUNK);
  return at;
}

int64_t K(conv_direct_dx_prepared)(const ConvShape *s) { return depth_of(s) * round_up(filter_of(s), VW); }

/* Panels [column / NR][k][NR], the last as many vectors wide as it needs. */
void K(conv_direct_dx_prepare)(float *to, const float *w, const ConvShape *s) {
  int64_t filter = filter_of(s), depth = depth_of(s);
  for (int64_t n = 0; n < filter; n += NR) {
    int64_t width = min_of(NR, round_up(filter - n, VW)), count = min_of(width, filter - n);
    for (int64_t k = 0; k < depth; k++, to += width) {
      memset(to, 0, sizeof *to * (size_t)width);
      if (k < s->k) memcpy(to, w + k * filter + n, sizeof *to * (size_t)count);
    }
  }
}

/* to += from, n floats; up to a vector beyond them is stored as it was. */
INLINE void add_run(float *to, const float *from, int n) {
  int j = 0;
  for (; j + (int)VW <= n; j += VW) v_store(to + j, v_load(to + j) + v_load(from + j));
  if (j < n) v_store(to + j, v_load(to + j) + v_load_n(from + j, n - j));
}

/* Adds to rows [h0, h1) of dx what row `oh` of dy, at `from`, gives them. */
static void add_row(const Space *at, const float *from, const float *packed, const ConvShape *s, int oh, int h0, int h1) {
  int64_t top = (int64_t)oh * s->stride_h - s->pad_h, dilation = s->dilation_h;
  int64_t t0 = top >= h0 ? 0 : ceil_div(h0 - top, dilation), t1 = top >= h1 ? 0 : min_of(s->r, ceil_div(h1 - top, dilation));
  if (t0 >= t1) return;
  int64_t run = (int64_t)s->s * s->c, step = (int64_t)s->stride_w * s->c;
  int64_t n0 = t0 * run / NR * NR, n1 = min_of(filter_of(s), round_up(t1 * run, NR)); /* columns, by whole panels */
  int64_t depth = depth_of(s), ld = row_of(s), bands = ceil_div(s->ow, MR);
  Lattice g = lattice_of_y(s, 1);
  g.src = from, g.h = g.gh = 1;
  TileEnd end = {.act = ACT_NONE};
  float *row[MR];
  for (int i = 0; i < (int)MR; i++) row[i] = at->tile + i * tile_row(s);
  for (int64_t b = 0; b < bands; b++) {
    int64_t j0 = piece_at(s->ow, bands, b), rows = piece_at(s->ow, bands, b + 1) - j0;
    K(conv_gather)(at->band, rows, 0, &g, j0, rows, 0, s->k, NULL);
    K(gemm_band)((int)rows, depth, at->band, packed + n0 * depth, NR * depth, row, n0, n1, &end, NULL, NULL, 0);
    for (int64_t t = t0; t < t1; t++) {
      float *to = at->rows + (top + t * dilation - h0) * ld + j0 * step;
      for (int64_t i = 0; i < rows; i++) add_run(to + i * step, row[i] + t * run, (int)run);
    }
  }
}

void K(conv_direct_dx)(float *dx, const float *dy, const float *w, const float *prepared, const Epilogue *e, const ConvShape *s, void *scratch) {
  Scratch mem = {scratch, 0};
  const Space all = space_of(s, &mem);
  if (!prepared) K(conv_direct_dx_prepare)(all.packed, w, s);
  const float *packed = prepared ? prepared : all.packed;
  const bool plain = !e->scale && !e->shift && !e->residual && !e->gate && e->act == ACT_NONE;
  const int64_t blocks = ceil_div(s->h, rows_of(s)), reach = (int64_t)(s->r - 1) * s->dilation_h, ld = row_of(s);
#pragma omp parallel for schedule(dynamic)
  for (int64_t p = 0; p < s->n * blocks; p++) {
    Space at = all;
    int64_t own = omp_get_thread_num() * all.own, n = p / blocks;
    at.rows += own, at.band += own, at.tile += own;
    int h0 = (int)(p % blocks * rows_of(s)), h1 = (int)min_of(s->h, h0 + rows_of(s));
    memset(at.rows, 0, sizeof(float) * (size_t)((h1 - h0) * ld));
    int64_t first = h0 + s->pad_h - reach, oh0 = first > 0 ? ceil_div(first, s->stride_h) : 0;
    int64_t oh1 = min_of(s->oh, (h1 - 1 + (int64_t)s->pad_h) / s->stride_h + 1);
    for (int64_t oh = oh0; oh < oh1; oh++) add_row(&at, dy + (n * s->oh + oh) * s->ow * s->k, packed, s, (int)oh, h0, h1);
    for (int h = h0; h < h1; h++) {
      float *from = at.rows + (h - h0) * ld + (int64_t)s->pad_w * s->c, *to = dx + (n * s->h + h) * s->w * s->c;
      if (plain) memcpy(to, from, sizeof *to * (size_t)s->w * (size_t)s->c);
      else
        for (int64_t j = 0; j < s->w; j += MR) {
          float *pixel[MR];
          int count = (int)min_of(MR, s->w - j);
          TileEnd end = tile_end(e, 0, dx);
          for (int i = 0; i < count; i++) pixel[i] = to + (j + i) * s->c;
          K(gemm_finish)(pixel, from + j * s->c, s->c, count, s->c, &end);
        }
    }
  }
}

size_t K(conv_direct_dx_scratch)(const ConvShape *s) {
  Scratch mem = {NULL, 0};
  space_of(s, &mem);
  return mem.used + 64;
}
