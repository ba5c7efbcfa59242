/* What the convolution files share: the choice of algorithm, the lattice of pixels a product reads, scratch.
 * Each algorithm is a set of functions with the kernels' own arguments, one file or two per algorithm:
 *   conv_direct.c, …_dx.c         few input channels (pictures)
 *   conv_gemm.c, conv_gemm_dw.c   implicit GEMM: any stride, padding, dilation, groups; conv_gemm_large_dw.c: many weights
 *   conv_grouped.c, …_dw.c        narrow groups; conv_depthwise.c: one channel a group, for all passes
 *   conv_pair.c                   one tap, then narrow groups, in one pass
 *   winograd.c, winograd_dw.c     3x3 at stride 1; compiled for tiles of 4x4 and (winograd_2x2.c, …_dw.c) of 2x2 outputs */
#ifndef KERNELS_CONV_PARTS_H
#define KERNELS_CONV_PARTS_H
#include "kernels.h"
#include "gemm.h"

/* A regular set of taps over a grid of places: row p = (n, i, j) of the product, i < gh, j < gw, reads the source pixels
 * (n, i*step_h + h0 + t*dh, j*step_w + w0 + u*dw) for t < th, u < tw; a pixel outside reads zeros. Columns of the product
 * run over (t, u, channel). A forward pass is one lattice over x; the gradient of x is one lattice over dy for each of the
 * stride_h * stride_w phases of its pixels. */
typedef struct Lattice {
  const float *src; /* first channel taken of the first pixel */
  const float *scale; /* of single pixels in order: of each sample and channel, its factor; NULL: 1 */
  int64_t ld;       /* floats from pixel to pixel */
  int c;            /* channels taken */
  int h, w;         /* of the source map */
  int gh, gw, step_h, step_w, h0, w0, th, tw, dh, dw;
} Lattice;

/* What a forward pass reads of one of `blocks` parts of the channels, and the pixels of y as they lie; src is the caller's. */
INLINE Lattice lattice_of_x(const ConvShape *s, int blocks) {
  return (Lattice){.ld = s->c, .c = s->c / blocks, .h = s->h, .w = s->w, .gh = s->oh, .gw = s->ow, .step_h = s->stride_h, .step_w = s->stride_w,
                   .h0 = -s->pad_h, .w0 = -s->pad_w, .th = s->r, .tw = s->s, .dh = s->dilation_h, .dw = s->dilation_w};
}
INLINE Lattice lattice_of_y(const ConvShape *s, int blocks) {
  return (Lattice){.ld = s->k, .c = s->k / blocks, .h = s->oh, .w = s->ow, .gh = s->oh, .gw = s->ow, .step_h = 1, .step_w = 1,
                   .th = 1, .tw = 1, .dh = 1, .dw = 1};
}

/* One tap, no padding: a row of the product is one pixel; in order where the step is 1. */
INLINE bool single_pixels(const Lattice *g) { return g->th * g->tw == 1 && !g->h0 && !g->w0; }
INLINE bool in_order(const Lattice *g) { return g->step_h == 1 && g->step_w == 1 && g->gh == g->h && g->gw == g->w; }

/* Row p of the product as a place of its grid, and the row after it. */
typedef struct Site {
  int64_t n;
  int i, j;
} Site;
INLINE Site site_at(const Lattice *g, int64_t p) { return (Site){p / g->gw / g->gh, (int)(p / g->gw % g->gh), (int)(p % g->gw)}; }
INLINE void site_next(Site *s, const Lattice *g) {
  if (++s->j < g->gw) return;
  s->j = 0;
  if (++s->i == g->gh) s->i = 0, s->n++;
}

/* Copies rows [row0, row0 + rows) and columns [k0, k1) of the product's left operand into a chunked block (gemm.h) of
 * block_rows rows, from its row `at` on; columns are filled up with zeros to a multiple of CHUNK. k0 is a multiple of
 * CHUNK. line: k1 - k0 + 2 * CHUNK floats of scratch. */
void K(conv_gather)(float *block, int64_t block_rows, int64_t at, const Lattice *g, int64_t row0, int64_t rows, int64_t k0,
                    int64_t k1, float *line);
/* Asks for what a gather of these rows and columns will read, where that is single pixels (one tap and no padding). */
void K(conv_ask)(const Lattice *g, int64_t row0, int64_t rows, int64_t k0, int64_t k1);

/* Scratch is cut from the front; with base NULL the same calls only measure. */
typedef struct Scratch {
  char *base;
  size_t used;
} Scratch;
INLINE float *take(Scratch *s, int64_t floats) {
  float *p = s->base ? (float *)(s->base + s->used) : NULL;
  s->used += ((size_t)floats * sizeof(float) + 63) / 64 * 64;
  return p;
}

INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
INLINE int64_t round_up(int64_t a, int64_t b) { return (a + b - 1) / b * b; }
INLINE int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t max_of(int64_t a, int64_t b) { return a > b ? a : b; }

/* Piece i of `count` things cut in n nearly equal pieces: [piece_at(i), piece_at(i+1)). */
INLINE int64_t piece_at(int64_t count, int64_t n, int64_t i) { return count / n * i + min_of(count % n, i); }

/* Narrow groups are multiplied several at a time, as one dense block with zeros off its diagonal: 16 columns of which a
 * quarter counts are faster than 4. Returns how many. */
INLINE int conv_merge(const ConvShape *s) {
  int cg = s->c / s->groups, kg = s->k / s->groups, m = 1;
  for (int d = 2; d <= s->groups && d * (cg > kg ? cg : kg) <= CHUNK; d++)
    if (s->groups % d == 0) m = d;
  return m;
}

/* The taps r with (phase + pad - r * dilation) divisible by stride: r = first + t * every, t < count; tap t sits at
 * offset at + t * step in dy. */
INLINE void conv_phase_taps(int phase, int pad, int dilation, int stride, int r, int *first, int *every, int *count, int *at,
                            int *step) {
  int f = 0;
  while (f < r && (phase + pad - f * dilation) % stride) f++;
  int e = 1;
  while (e * dilation % stride) e++;
  *first = f, *every = e, *count = f < r ? (r - f + e - 1) / e : 0;
  *at = f < r ? (phase + pad - f * dilation) / stride : 0;
  *step = -(e * dilation / stride);
}

#define CONV_ALGORITHM(name) \
  void K(name)(float *y, const float *x, const float *w, const float *prepared, const Epilogue *e, const ConvShape *s, void *scratch); \
  void K(name##_dx)(float *dx, const float *dy, const float *w, const float *prepared, const Epilogue *e, const ConvShape *s, void *scratch); \
  int64_t K(name##_prepared)(ConvPass pass, const ConvShape *s); /* floats of prepared weights; 0: has no such form */ \
  void K(name##_prepare)(float *prepared, const float *w, ConvPass pass, const ConvShape *s); \
  void K(name##_dw)(float *dw, const float *dy, const float *x, const ConvShape *s, void *scratch); \
  size_t K(name##_scratch)(ConvPass pass, const ConvShape *s);
CONV_ALGORITHM(conv_gemm)
CONV_ALGORITHM(conv_grouped)
CONV_ALGORITHM(winograd_4x4)
CONV_ALGORITHM(winograd_2x2)
CONV_ALGORITHM(conv_direct)
bool K(conv_direct_fits)(const ConvShape *s); /* but for dx */
bool K(conv_direct_dx_fits)(const ConvShape *s);
int64_t K(conv_direct_dx_prepared)(const ConvShape *s);
void K(conv_direct_dx_prepare)(float *prepared, const float *w, const ConvShape *s);
size_t K(conv_direct_dx_scratch)(const ConvShape *s);
bool K(conv_grouped_fits)(const ConvShape *s);
bool K(conv_pair_fits)(const ConvShape *first, const ConvShape *second);
bool K(conv_gemm_at_once)(ConvPass pass, const ConvShape *s); /* whether every sum is one range, stored once */
/* conv_gemm of x times scale, one tap and pixels in order. */
void K(conv_gemm_scaled)(float *y, const float *x, const float *scale, const float *w, const float *prepared, const Epilogue *e,
                         const ConvShape *s, void *scratch);
/* So many pixels of a convolution of one tap in order, one after the other: a thread's own work. packed: as conv_gemm_prepare leaves them;
 * block: conv_gemm_block floats. */
void K(conv_gemm_pixels)(float *y, const float *x, const float *packed, const Epilogue *e, const ConvShape *s, int64_t pixels, float *block);
int64_t K(conv_gemm_block)(void);
/* conv_gemm_dw of one group, and sum (k) of dy over all pixels, which it copies anyway; NULL: only dw. */
void K(conv_gemm_dw_sum)(float *dw, float *sum, const float *dy, const float *x, const ConvShape *s, void *scratch);
size_t K(conv_gemm_dw_scratch)(const ConvShape *s);
bool K(conv_gemm_large_dw_fits)(const ConvShape *s);
void K(conv_gemm_large_dw)(float *dw, float *sum, const float *dy, const float *x, const ConvShape *s, void *scratch);
size_t K(conv_gemm_large_dw_scratch)(const ConvShape *s);
size_t K(winograd_4x4_dw_scratch)(const ConvShape *s);
size_t K(winograd_2x2_dw_scratch)(const ConvShape *s);
#endif
