/* What the files of narrow groups share. */
#ifndef KERNELS_CONV_GROUPED_H
#define KERNELS_CONV_GROUPED_H
#include "conv_parts.h"

/* Rows of outputs on a lattice. Weights lie in the order of use, [channel / VW][tap][j][VW], zeros beyond c. */
typedef struct Rows {
  Lattice g;
  const float *w;
  int taps, width;
  int tap0, tap_h, tap_w; /* tap (t, u) is number tap0 + t*tap_h + u*tap_w */
  int64_t out_step;       /* floats from output pixel to output pixel of this lattice */
  int64_t ahead;          /* floats from a row of outputs to the next where memory is to be asked for it beforehand, else 0 */
} Rows;

/* Maps that no cache holds are asked for a row ahead; those that one holds are faster without. */
INLINE bool beyond_caches(const ConvShape *s) {
  enum { CACHED = 1 << 21 };
  return (int64_t)s->n * s->c * ((int64_t)s->h * s->w + (int64_t)s->oh * s->ow) > CACHED;
}

/* The rows of a forward pass, weights as conv_grouped_prepare leaves them; and row i of the outputs of an image. */
Rows K(conv_grouped_rows)(const ConvShape *s, const float *prepared);
void K(conv_grouped_row)(const Rows *a, float *y, const float *image, int i, const TileEnd *e);

/* One channel a group, columns of taps side by side, 1, 2, 3, 4, 5 or 7 of them (conv_depthwise.c). A row of outputs, whose
 * taps t0 <= t < t1 are inside the map; and the gradient of the weights, whose scratch is so many floats. */
bool K(depthwise_fits)(const Lattice *g);
void K(depthwise_row)(const Rows *a, float *y, const float *image, int i, int t0, int t1, const TileEnd *e);
bool K(depthwise_dw_fits)(const ConvShape *s);
void K(depthwise_dw)(float *dw, const float *dy, const float *x, const ConvShape *s, float *sums);
int64_t K(depthwise_dw_sums)(const ConvShape *s);
#endif
