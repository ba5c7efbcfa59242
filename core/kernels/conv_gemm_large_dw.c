/* The gradient of weights as in conv_gemm_dw.c, where they are many: a product of two matrices that no cache holds, blocked as Goto and
 * van de Geijn 2008 have it.
 *
 * A stretch of pixels at a time: all threads pack the columns of x into chunked panels. Then each takes pieces of dw: it packs the
 * channels of dy that are its piece's rows into bands of a tile's rows, pixel after pixel, that stay in its L2, and adds the
 * products of its bands and panels, a tile after the other. */
#include <omp.h>
#include "conv_parts.h"

enum { LARGE = 128 * 1024 /* floats of dw */, STRETCH_MAX = 512, STRETCH_FLOATS = 2048 * 1024, BLOCK_FLOATS = 48 * 1024, PIECES_WANTED = 16,
       BANDS_MIN = 8 /* of a piece, as many as ask for a panel, but where rows are few */, SLICE = 16 /* pixels that a thread packs at a time */,
       PIXELS_AHEAD = 8 };

typedef struct Plan {
  Lattice x, dy;
  int64_t pixels, rows, cols; /* dw is rows x cols, a sum over pixels */
  int64_t stretches, longest; /* pixels of the longest */
  int64_t bands, panels, row_blocks, col_blocks;
} Plan;

static Plan make_plan(const ConvShape *s) {
  Plan p = {
    .x = lattice_of_x(s, 1), .dy = lattice_of_y(s, 1),
    .pixels = (int64_t)s->n * s->oh * s->ow, .rows = s->k, .cols = (int64_t)s->r * s->s * s->c,
  };
  p.stretches = ceil_div(p.pixels, max_of(CHUNK, min_of(STRETCH_MAX, STRETCH_FLOATS / p.cols)));
  p.longest = ceil_div(p.pixels, p.stretches);
  p.bands = ceil_div(p.rows, MR);
  p.panels = ceil_div(p.cols, NR);
  p.row_blocks = max_of(ceil_div(p.bands, max_of(1, BLOCK_FLOATS / p.longest / MR)), min_of(PIECES_WANTED, p.bands / BANDS_MIN));
  p.col_blocks = min_of(p.panels, ceil_div(PIECES_WANTED, p.row_blocks));
  return p;
}

/* One whose columns are whole chunks, and are stored to dw. */
bool K(conv_gemm_large_dw_fits)(const ConvShape *s) {
  int64_t cols = (int64_t)s->r * s->s * s->c;
  return s->groups == 1 && cols % CHUNK == 0 && s->k * cols >= LARGE && (int64_t)s->n * s->oh * s->ow > 0;
}

/* `len` pixels from t0 on and their columns, panels that are blocks of len rows. */
typedef struct Stretch {
  int64_t t0, len;
  float *panels;
} Stretch;
static const float *panel_at(const Stretch *s, int64_t n) { return s->panels + n / CHUNK * s->len * CHUNK + n % CHUNK; } /* of column n */
static int64_t panels_floats(const Plan *p) { return p->longest * p->cols; }
static int64_t line_floats(const Plan *p) { return p->cols + 2 * CHUNK; }

/* A piece's bands are so many floats apart. */
static int64_t band_step(int64_t len) { return round_up(len * MR + VW, CHUNK); }
static int64_t bands_floats(const Plan *p) { return ceil_div(p->bands, p->row_blocks) * (band_step(p->longest) + VW); } /* and their sums */

static void pack_panels(const Plan *p, const Stretch *s, int64_t r0, int64_t r1, float *line) {
  int64_t next = s->t0 + r1;
  K(conv_ask)(&p->x, next, min_of(SLICE, p->pixels - next), 0, p->cols);
  K(conv_gather)(s->panels, s->len, r0, &p->x, s->t0 + r0, r1 - r0, 0, p->cols, line);
}

/* Bands [b0, b1). A vector at a time is written, and the next pixel writes over what is too much. summed: sums, a vector a band, are added to. */
INLINE void pack_bands(const Plan *p, const Stretch *s, int64_t b0, int64_t b1, float *bands, float *sums, const bool summed) {
  const int64_t step = band_step(s->len), m0 = piece_at(p->rows, p->bands, b0), m1 = piece_at(p->rows, p->bands, b1);
  const int64_t tall = p->rows % p->bands - b0; /* so many of them are of one row more than the others */
  const int mr = (int)(p->rows / p->bands);
  for (int64_t t = 0; t < s->len; t++) {
    const float *pixel = p->dy.src + (s->t0 + t) * p->dy.ld, *from = pixel + m0;
    float *to = bands;
    if (t + PIXELS_AHEAD < s->len)
      for (int64_t m = m0; m < m1; m += CHUNK) ask(pixel + PIXELS_AHEAD * p->dy.ld + m);
    for (int64_t b = 0; b < b1 - b0; b++, to += step) {
      int n = b < tall ? mr + 1 : mr;
      vf v = from + VW <= pixel + p->rows ? v_load(from) : v_load_n(from, n);
      v_store(to + t * n, v);
      if (summed) v_store(sums + b * VW, v_load(sums + b * VW) + v);
      from += n;
    }
  }
}

/* The same, and sum (of p->rows) gets, or is added, those of the bands' rows; a band holds as many floats as a vector. */
static void pack_and_sum(const Plan *p, const Stretch *s, int64_t b0, int64_t b1, float *bands, float *sum, bool add) {
  float *sums = bands + (b1 - b0) * band_step(s->len);
  memset(sums, 0, sizeof(float) * (size_t)(b1 - b0) * VW);
  pack_bands(p, s, b0, b1, bands, sums, true);
  for (int64_t b = b0; b < b1; b++, sums += VW) {
    int64_t m = piece_at(p->rows, p->bands, b), end = piece_at(p->rows, p->bands, b + 1);
    for (int64_t i = m; i < end; i++) sum[i] = add ? sum[i] + sums[i - m] : sums[i - m];
  }
}

static void multiply(const Plan *p, float *dw, float *sum, const Stretch *s, int64_t piece, bool add, float *bands) {
  int64_t rb = piece / p->col_blocks, cb = piece % p->col_blocks;
  int64_t b0 = piece_at(p->bands, p->row_blocks, rb), b1 = piece_at(p->bands, p->row_blocks, rb + 1);
  int64_t n1 = min_of(p->cols, piece_at(p->panels, p->col_blocks, cb + 1) * NR);
  if (sum && cb == 0) pack_and_sum(p, s, b0, b1, bands, sum, add);
  else pack_bands(p, s, b0, b1, bands, NULL, false);
  for (int64_t n = piece_at(p->panels, p->col_blocks, cb) * NR, to; n < n1; n = to) {
    to = min_of(n1, n + NR);
    int64_t next = s->len * min_of(NR, n1 - to); /* floats of the next panel */
    for (int64_t b = b0, m = piece_at(p->rows, p->bands, b0), mr; b < b1; b++, m += mr) {
      mr = piece_at(p->rows, p->bands, b + 1) - m;
      K(gemm_outer)((int)mr, (int)ceil_div(to - n, VW), s->len, bands + (b - b0) * band_step(s->len), mr, panel_at(s, n), s->len,
                    dw + m * p->cols + n, p->cols, add, ahead_of(panel_at(s, to), next, b - b0));
    }
  }
}

void K(conv_gemm_large_dw)(float *dw, float *sum, const float *dy, const float *x, const ConvShape *s, void *scratch) {
  Plan p = make_plan(s);
  p.x.src = x, p.dy.src = dy;
  Scratch mem = {scratch, 0};
  float *panels = take(&mem, panels_floats(&p)), *bands = take(&mem, bands_floats(&p) * kernels_threads(0)), *lines = take(&mem, 0);
  for (int64_t i = 0; i < p.stretches; i++) {
    int64_t t0 = piece_at(p.pixels, p.stretches, i);
    Stretch at = {t0, piece_at(p.pixels, p.stretches, i + 1) - t0, panels};
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < at.len; r += SLICE)
      pack_panels(&p, &at, r, min_of(at.len, r + SLICE), lines + omp_get_thread_num() * line_floats(&p));
#pragma omp parallel for schedule(dynamic)
    for (int64_t q = 0; q < p.row_blocks * p.col_blocks; q++) multiply(&p, dw, sum, &at, q, i > 0, bands + omp_get_thread_num() * bands_floats(&p));
  }
}

size_t K(conv_gemm_large_dw_scratch)(const ConvShape *s) {
  Plan p = make_plan(s);
  Scratch mem = {NULL, 0};
  take(&mem, panels_floats(&p));
  take(&mem, bands_floats(&p) * kernels_threads(0));
  take(&mem, line_floats(&p) * kernels_threads(0));
  return mem.used + 64;
}
