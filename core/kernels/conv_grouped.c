/* Convolution with narrow groups, depthwise (one channel a group) among them. The products of a group are too small to
 * be worth arranging as a matrix product, so the definition is computed where the data lies: vectors run over output
 * channels, and a vector's inputs are the channels of its own groups,
 *
 *   y[p][k] = sum over (r, s), j < width of x[pixel(p, r, s)][first channel of k's group + j] * w[k][r][s][j]
 *
 * For a given j that is one permutation of a vector of x where groups are narrower than a vector, one number for all lanes
 * where they are wider, and x itself for depthwise. A row of outputs is computed a few pixels at a time with the sums in
 * registers, each weight loaded once for all of them. Nothing is copied: pixels whose taps all lie in the map take the
 * fast loop, the few at the border count their taps. The gradient of x is the same loop over dy, one phase of the pixels
 * of a strided convolution at a time (conv_parts.h). Depthwise with the usual taps has a loop of its own (conv_depthwise.c). */
#include <omp.h>
#include "conv_grouped.h"

#ifdef __SANITIZE_ADDRESS__
enum { SPAN = 3 }; /* instrumented, the long spans take minutes to compile */
#else
enum { SPAN = 8 };
#endif
enum { LONE = 4 };

bool K(conv_grouped_fits)(const ConvShape *s) {
  int width = s->c / s->groups;
  if (s->groups == 1 || s->k != s->c) return false;
  if (width == 1) return true;
  if (s->c % VW) return false;
  return width == 4 || width == 8 || width == 16;
}

/* Weights in the order of use, [channel / VW][tap][j][VW], zeros beyond c. */
static void turn_weights(float *to, const float *w, const ConvShape *s, bool dx) {
  int taps = s->r * s->s, width = s->c / s->groups, len = taps * width, run = width < VW ? width : VW;
#pragma omp parallel for schedule(static) if (len * s->c > 16384)
  for (int ch = 0; ch < s->c; ch += VW) {
    float *own = to + (int64_t)ch * len;
    if (dx && width > 1) /* (tap, j) of the inputs of a group are side by side in filter j of it */
      for (int q = 0; q < len; q++)
        for (int l = 0; l < VW; l += run) {
          int first = (ch + l) / width * width;
          memcpy(own + q * VW + l, w + (first + q % width) * (int64_t)len + q / width * width + ch + l - first, (size_t)run * sizeof *w);
        }
    else
      for (int q = 0; q < len; q += VW) {
        vf square[VW];
        for (int l = 0; l < VW; l++)
          square[l] = ch + l < s->c ? v_load_n(w + (int64_t)(ch + l) * len + q, (int)min_of(VW, len - q)) : v_zero();
        v_transpose(square);
        for (int l = 0; l < VW && q + l < len; l++) v_store(own + (q + l) * VW, square[l]);
      }
  }
}

/* Neighbours share rows of inputs: a thread takes several, but leaves some for the others. */
static int rows_at_once(int64_t rows) { return (int)max_of(1, min_of(16, rows / 16)); }

/* How a vector of inputs is found: WIDTH 1: x itself; NARROW: the group's lane j of x; WIDE: channel j of the group. */
typedef enum Kind { DEPTHWISE, NARROW, WIDE } Kind;

/* The input channel a vector at ch starts from. */
INLINE int input_channel(Kind kind, int ch, int width) { return kind == WIDE ? ch / width * width : ch; }

INLINE vf input(const Kind kind, const float *x, int j, vidx index, int n) {
  if (kind == WIDE) return v_set(x[j]);
  vf v = n == VW ? v_load(x) : v_load_n(x, n);
  return kind == NARROW ? v_permute(v, index) : v;
}

/* Outputs j .. j+count of a grid row, channels [ch, ch + n): taps t0 <= t < t1, u0 <= u < u1 are inside for all. A lone
 * output of wider groups has LONE sums, lest every product wait for the last. */
INLINE void span(const Kind kind, const int width, const Rows *a, const int count, float *y, const float *image, int i, int j, int t0,
                 int t1, int u0, int u1, int ch, int n, const TileEnd *e) {
  const Lattice *g = &a->g;
  const int sums = count == 1 && width % LONE == 0 ? LONE : count;
  vf sum[8];
  vidx index[8];
  for (int q = 0; q < sums; q++) sum[q] = v_zero();
  if (kind == NARROW)
    for (int m = 0; m < width; m++) index[m] = v_index(width, m);
  int64_t step = g->step_w * g->ld;
  for (int t = t0; t < t1; t++) {
    const float *row = image + ((int64_t)(i * g->step_h + g->h0 + t * g->dh) * g->w + j * g->step_w + g->w0 + u0 * g->dw) * g->ld +
                       input_channel(kind, ch, width);
    const float *wt = a->w + ((int64_t)ch / VW * a->taps + a->tap0 + t * a->tap_h + u0 * a->tap_w) * width * VW;
    for (int u = u0; u < u1; u++, row += (int64_t)g->dw * g->ld, wt += (int64_t)a->tap_w * width * VW)
#pragma GCC unroll 8
      for (int m = 0; m < width; m++) {
        vf wv = v_load(wt + m * VW);
#pragma GCC unroll 8
        for (int q = 0; q < count; q++) {
          int at = sums > count ? m % LONE : q;
          sum[at] = v_fma(input(kind, row + q * step, m, index[m & 7], n), wv, sum[at]);
        }
      }
  }
  if (sums > count) sum[0] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  for (int q = 0; q < count; q++) {
    float *to = y + q * a->out_step;
    if (n == VW) v_store(to, end_vector(sum[q], e, ch, to, VW));
    else v_store_n(to, end_vector(sum[q], e, ch, to, n), n);
  }
}

/* The places j for which at + j*step and at + j*step + last both lie in [0, size). */
static void inside(int at, int step, int last, int size, int count, int *lo, int *hi) {
  int first = at + (last < 0 ? last : 0), end = at + (last > 0 ? last : 0);
  *lo = first >= 0 ? 0 : (-first + step - 1) / step;
  *hi = end >= size ? 0 : (size - 1 - end) / step + 1;
  if (*hi > count) *hi = count;
  if (*lo > count) *lo = count;
  if (*hi < *lo) *hi = *lo;
}

/* The columns of taps u0 <= u < u1 that output j sees inside the map. */
INLINE void columns_inside(const Lattice *g, int j, int *u0, int *u1) {
  int w = j * g->step_w + g->w0;
  *u0 = 0, *u1 = g->tw;
  while (*u0 < *u1 && (w + *u0 * g->dw < 0 || w + *u0 * g->dw >= g->w)) ++*u0;
  while (*u1 > *u0 && (w + (*u1 - 1) * g->dw < 0 || w + (*u1 - 1) * g->dw >= g->w)) --*u1;
}

/* A row of outputs, channels [ch, ch + n): at places lo <= j < hi all columns of taps are inside. Kind, width where it is
 * small, and n of full vectors are constants. */
INLINE void row_of(const Kind kind, const int width, const Rows *a, float *y, const float *image, int i, int lo, int hi, int t0, int t1,
                   int ch, const int n, const TileEnd *e) {
  const Lattice *g = &a->g;
  for (int j = 0; j < g->gw;) {
    int u0 = 0, u1 = g->tw, left = j < lo || n < (int)VW ? 1 : hi - j;
    if (j < lo || j >= hi) columns_inside(g, j, &u0, &u1);
#define SPAN_AT(count) \
    span(kind, width, a, count, y + j * a->out_step, image, i, j, t0, t1, u0, u1, ch, n, e), j += count
    if (left >= SPAN) SPAN_AT(SPAN);
    else if (left >= 3) SPAN_AT(3);
    else SPAN_AT(1);
#undef SPAN_AT
  }
}

void K(conv_grouped_row)(const Rows *a, float *y, const float *image, int i, const TileEnd *e) {
  const Lattice *g = &a->g;
  int h = i * g->step_h + g->h0, t0 = 0, t1 = g->th, lo, hi;
  while (t0 < t1 && (h + t0 * g->dh < 0 || h + t0 * g->dh >= g->h)) t0++;
  while (t1 > t0 && (h + (t1 - 1) * g->dh < 0 || h + (t1 - 1) * g->dh >= g->h)) t1--;
  if (a->width == 1 && K(depthwise_fits)(g)) {
    K(depthwise_row)(a, y, image, i, t0, t1, e);
    return;
  }
  inside(g->w0, g->step_w, (g->tw - 1) * g->dw, g->w, g->gw, &lo, &hi);
  if (g->tw == 0) lo = hi = 0;
  for (int ch = 0; ch < g->ld; ch += VW) {
    float *to = y + ch;
    if (ch + (int)VW > g->ld) row_of(DEPTHWISE, 1, a, to, image, i, lo, hi, t0, t1, ch, (int)(g->ld - ch), e);
    else if (a->width == 1) row_of(DEPTHWISE, 1, a, to, image, i, lo, hi, t0, t1, ch, VW, e);
    else if (a->width == 16) row_of(WIDE, 16, a, to, image, i, lo, hi, t0, t1, ch, VW, e);
    else if (a->width == 8) row_of((int)VW > 8 ? NARROW : WIDE, 8, a, to, image, i, lo, hi, t0, t1, ch, VW, e);
    else row_of((int)VW > 4 ? NARROW : WIDE, 4, a, to, image, i, lo, hi, t0, t1, ch, VW, e);
  }
}

int64_t K(conv_grouped_prepared)(ConvPass pass, const ConvShape *s) {
  (void)pass;
  return round_up(s->c, VW) * s->r * s->s * (s->c / s->groups);
}
void K(conv_grouped_prepare)(float *prepared, const float *w, ConvPass pass, const ConvShape *s) {
  turn_weights(prepared, w, s, pass == CONV_DX);
}

Rows K(conv_grouped_rows)(const ConvShape *s, const float *prepared) {
  return (Rows){.g = lattice_of_x(s, 1), .w = prepared, .taps = s->r * s->s, .width = s->c / s->groups, .tap_h = s->s, .tap_w = 1, .out_step = s->c};
}

void K(conv_grouped)(float *y, const float *x, const float *w, const float *prepared, const Epilogue *e, const ConvShape *s, void *scratch) {
  if (!prepared) turn_weights(scratch, w, s, false);
  Rows a = K(conv_grouped_rows)(s, prepared ? prepared : scratch);
  a.ahead = beyond_caches(s) ? (int64_t)s->ow * s->c : 0;
  const int64_t rows = (int64_t)s->n * s->oh;
  const TileEnd end = tile_end(e, 0, y);
#pragma omp parallel for schedule(dynamic, rows_at_once(rows))
  for (int64_t p = 0; p < rows; p++) {
    int64_t at = p * s->ow * s->c;
    K(conv_grouped_row)(&a, y + at, x + p / s->oh * s->h * s->w * s->c, (int)(p % s->oh), &end);
    activate_row(y + at, (int64_t)s->ow * s->c, e->act, e->act_attr);
  }
}

void K(conv_grouped_dx)(float *dx, const float *dy, const float *w, const float *prepared, const Epilogue *e, const ConvShape *s, void *scratch) {
  if (!prepared) turn_weights(scratch, w, s, true);
  const int64_t rows = (int64_t)s->n * s->h;
  const TileEnd end = tile_end(e, 0, dx);
#pragma omp parallel for schedule(dynamic, rows_at_once(rows))
  for (int64_t p = 0; p < rows; p++) {
    for (int pw = 0; pw < s->stride_w && pw < s->w; pw++) {
      int h = (int)(p % s->h), ph = h % s->stride_h, r0, rd, s0, sd;
      Rows a = {.g = {.ld = s->k, .c = s->k, .h = s->oh, .w = s->ow, .step_h = 1, .step_w = 1, .gh = s->h,
                      .gw = (s->w - pw + s->stride_w - 1) / s->stride_w},
                .w = prepared ? prepared : scratch, .taps = s->r * s->s, .width = s->c / s->groups, .out_step = (int64_t)s->stride_w * s->c,
                .ahead = beyond_caches(s) && pw == 0 ? (int64_t)s->w * s->c : 0}; /* the first phase asks for both */
      conv_phase_taps(ph, s->pad_h, s->dilation_h, s->stride_h, s->r, &r0, &rd, &a.g.th, &a.g.h0, &a.g.dh);
      conv_phase_taps(pw, s->pad_w, s->dilation_w, s->stride_w, s->s, &s0, &sd, &a.g.tw, &a.g.w0, &a.g.dw);
      a.tap0 = r0 * s->s + s0, a.tap_h = rd * s->s, a.tap_w = sd;
      K(conv_grouped_row)(&a, dx + (p * s->w + pw) * s->c, dy + p / s->h * s->oh * s->ow * s->c, h / s->stride_h, &end);
    }
    activate_row(dx + p * s->w * s->c, (int64_t)s->w * s->c, e->act, e->act_attr);
  }
}
