/* The gradient of the weights of narrow groups (conv_grouped.c), where the data lies:
 *
 *   dw[k][r][s][j] = sum over p of dy[p][k] * x[pixel(p, r, s)][first channel of k's group + j]
 *
 * Vectors run over k; a few taps, or a few j of one tap, are summed at a time in registers over all pixels of an image. The
 * batch is split in a number of parts that depends on the shape alone, each with its own sums, added in order at the end.
 * Depthwise with the usual taps has a loop of its own (conv_depthwise.c). */
#include <omp.h>
#include "conv_grouped.h"

enum { PARTS_MAX = 32, J_MAX = 8, SUMS_MAX = 12 };

/* Taps u0 .. u0+count of row r, channels m0 .. m0+per of the group, over one image: sum[u * per + m], for the vector of
 * output channels at ch (n of
 * them). wide: groups are no narrower than vectors. */
INLINE void tap_sums(vf *sums, const int count, const int per, const bool wide, const ConvShape *s, const float *dy, const float *x, int r, int u0,
                     int m0, int ch, const int n) {
  int width = s->c / s->groups;
  const bool narrow = per > 1 && !wide;
  vf sum[SUMS_MAX];
  vidx index[J_MAX];
  for (int m = 0; m < per; m++) index[m] = v_index(narrow ? width : 1, narrow ? m : 0);
#pragma GCC unroll 16
  for (int q = 0; q < count * per; q++) sum[q] = sums[q];
  for (int i = 0; i < s->oh; i++) {
    int64_t h = (int64_t)i * s->stride_h - s->pad_h + (int64_t)r * s->dilation_h;
    if (h < 0 || h >= s->h) continue;
    const float *g = dy + (int64_t)i * s->ow * s->c + ch;
    const float *row = x + h * s->w * s->c + (wide ? ch / width * width + m0 : ch);
    for (int j = 0; j < s->ow; j++) {
      vf gv = n == VW ? v_load(g + (int64_t)j * s->c) : v_load_n(g + (int64_t)j * s->c, n);
      int64_t w = (int64_t)j * s->stride_w - s->pad_w + (int64_t)u0 * s->dilation_w;
#pragma GCC unroll 8
      for (int u = 0; u < count; u++) {
        int64_t at = w + (int64_t)u * s->dilation_w;
        if (at < 0 || at >= s->w) continue;
        const float *from = row + at * s->c;
        vf v = wide ? v_zero() : n == VW ? v_load(from) : v_load_n(from, n);
#pragma GCC unroll 8
        for (int m = 0; m < per; m++)
          sum[u * per + m] = v_fma(gv, wide ? v_set(from[m]) : narrow ? v_permute(v, index[m]) : v, sum[u * per + m]);
      }
    }
  }
#pragma GCC unroll 16
  for (int q = 0; q < count * per; q++) sums[q] = sum[q];
}

static int64_t parts_of(const ConvShape *s) { return min_of(s->n, PARTS_MAX); }

/* One part's sums of row r of taps, [s][width][c] at `to`, for the vector of channels at ch. */
static void tap_row(float *to, const ConvShape *s, const float *dy, const float *x, int64_t n0, int64_t n1, int r, int ch) {
  int width = s->c / s->groups, n = (int)min_of(VW, s->c - ch), per = width == 1 ? 1 : width == 4 ? 4 : J_MAX;
  for (int u0 = 0; u0 < s->s;) {
    int left = s->s - u0, count = width <= 4 && left >= 3 ? 3 : 1;
    for (int m0 = 0; m0 < width; m0 += per) {
      vf sum[SUMS_MAX];
      for (int q = 0; q < count * per; q++) sum[q] = v_zero();
      for (int64_t i = n0; i < n1; i++) {
        const float *gi = dy + i * s->oh * s->ow * s->c, *xi = x + i * s->h * s->w * s->c;
        if (n < (int)VW)
          for (int u = 0; u < count; u++) tap_sums(sum + u, 1, 1, false, s, gi, xi, r, u0 + u, m0, ch, n);
        else if (per == J_MAX && width < (int)VW) tap_sums(sum, 1, J_MAX, false, s, gi, xi, r, u0, m0, ch, VW);
        else if (per == J_MAX) tap_sums(sum, 1, J_MAX, true, s, gi, xi, r, u0, m0, ch, VW);
        else if (per == 4 && count == 3) tap_sums(sum, 3, 4, 4 >= (int)VW, s, gi, xi, r, u0, m0, ch, VW);
        else if (per == 4) tap_sums(sum, 1, 4, 4 >= (int)VW, s, gi, xi, r, u0, m0, ch, VW);
        else if (count == 3) tap_sums(sum, 3, 1, false, s, gi, xi, r, u0, m0, ch, VW);
        else tap_sums(sum, 1, 1, false, s, gi, xi, r, u0, m0, ch, VW);
      }
      for (int u = 0; u < count; u++)
        for (int m = 0; m < per; m++) v_store_n(to + ((int64_t)(u0 + u) * width + m0 + m) * s->c + ch, sum[u * per + m], n);
    }
    u0 += count;
  }
}

void K(conv_grouped_dw)(float *dw, const float *dy, const float *x, const ConvShape *s, void *scratch) {
  float *sums = scratch; /* (parts, r, s, width, c) */
  if (K(depthwise_dw_fits)(s)) {
    K(depthwise_dw)(dw, dy, x, s, sums);
    return;
  }
  int width = s->c / s->groups;
  int64_t parts = parts_of(s), vectors = ceil_div(s->c, VW), row = (int64_t)s->s * width * s->c, size = row * s->r;
#pragma omp parallel for schedule(dynamic, 4)
  for (int64_t p = 0; p < parts * vectors * s->r; p++) {
    int64_t part = p / vectors / s->r, r = p / vectors % s->r;
    tap_row(sums + part * size + r * row, s, dy, x, piece_at(s->n, parts, part), piece_at(s->n, parts, part + 1), (int)r,
            (int)(p % vectors * VW));
  }
  int64_t per = (int64_t)s->r * s->s * width;
#pragma omp parallel for schedule(static) if (size > 4096)
  for (int64_t k = 0; k < s->c; k++)
    for (int64_t q = 0; q < per; q++) {
      float sum = sums[q * s->c + k];
      for (int64_t part = 1; part < parts; part++) sum += sums[part * size + q * s->c + k];
      dw[k * per + q] = sum;
    }
}

size_t K(conv_grouped_scratch)(ConvPass pass, const ConvShape *s) {
  int64_t floats = pass != CONV_DW ? K(conv_grouped_prepared)(pass, s)
                   : K(depthwise_dw_fits)(s) ? K(depthwise_dw_sums)(s)
                                             : parts_of(s) * s->c * s->r * s->s * (s->c / s->groups);
  return (size_t)floats * sizeof(float);
}
