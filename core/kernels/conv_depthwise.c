/* Depthwise convolution where columns of taps lie side by side. A vector of channels of one input pixel serves all taps of
 * a row of taps at once: it is loaded once and multiplied into the sums of every output of a span that sees it,
 *
 *   y[q] += x[q*step + u] * w[u]       for q < SPAN, u < tw, all in registers
 *
 * A pixel beside the map is passed over, so that the border needs no code of its own. Channels are the innermost loop, as
 * they lie in memory. The gradient of x is the same with dy for x, one phase of a stride at a time; the gradient of w keeps
 * the outputs of a span in registers and sums over them: dw[u] += x[q*step + u] * dy[q]. */
#include <omp.h>
#include "conv_grouped.h"

#ifdef __SANITIZE_ADDRESS__
enum { SPAN = 2 }; /* instrumented, long spans take minutes to compile */
#else
enum { SPAN = 7 }; /* outputs side by side; the maps of most networks are multiples of 7 */
#endif
enum { TAPS_MAX = 7, STEP_MAX = 2 };

INLINE vf load(const float *p, int n) { return n == VW ? v_load(p) : v_load_n(p, n); }

/* Outputs j, j+1, … of grid row i, SPAN of them or what is left, channels [ch, ch + n). Columns of taps ascend. */
INLINE void span(const int tw, const int step, const Rows *a, float *y, const float *image, int i, int j, int t0, int t1, int ch,
                 const int n, const TileEnd *e) {
  const Lattice *g = &a->g;
  vf sum[SPAN], w[TAPS_MAX];
  int first = j * step + g->w0;
  const int64_t next = (int64_t)g->step_h * g->w * g->ld; /* rows of image no row has read yet are asked for one row ahead */
#pragma GCC unroll 8
  for (int q = 0; q < SPAN; q++) sum[q] = v_zero();
  for (int t = t0; t < t1; t++) {
    const float *row = image + (int64_t)(i * g->step_h + g->h0 + t * g->dh) * g->w * g->ld + ch;
    const float *wt = a->w + ((int64_t)ch / VW * a->taps + a->tap0 + t * a->tap_h) * VW;
    const bool fresh = a->ahead && (g->dh < 0 ? t < g->step_h : t >= g->th - g->step_h);
#pragma GCC unroll 8
    for (int u = 0; u < tw; u++) w[u] = v_load(wt + u * a->tap_w * VW);
#pragma GCC unroll 32
    for (int v = 0; v < (SPAN - 1) * step + tw; v++) {
      if (first + v < 0 || first + v >= g->w) continue;
      vf x = load(row + (first + v) * g->ld, n);
      if (fresh) ask(row + (first + v) * g->ld + next);
#pragma GCC unroll 8
      for (int q = 0; q < SPAN; q++)
        if (v - q * step >= 0 && v - q * step < tw) sum[q] = v_fma(x, w[v - q * step], sum[q]);
    }
  }
#pragma GCC unroll 8
  for (int q = 0; q < SPAN; q++) {
    if (j + q >= g->gw) break;
    int64_t at = (int64_t)(j + q) * a->out_step + ch;
    vf v = sum[q];
    if (a->ahead) end_ask(y + at + a->ahead, e);
    v = n == VW ? end_vector(v, e, ch, y + at, VW) : end_vector(v, e, ch, y + at, n);
    if (n == VW) v_store(y + at, v);
    else v_store_n(y + at, v, n);
  }
}

typedef void RowFunction(const Rows *a, float *y, const float *image, int i, int t0, int t1, const TileEnd *e);
#define ROW_FUNCTION(tw, step) \
  static void row_##tw##_##step(const Rows *a, float *y, const float *image, int i, int t0, int t1, const TileEnd *e) { \
    for (int j = 0, c = (int)a->g.ld, ch; j < a->g.gw; j += SPAN) { \
      for (ch = 0; ch + VW <= c; ch += VW) span(tw, step, a, y, image, i, j, t0, t1, ch, VW, e); \
      if (ch < c) span(tw, step, a, y, image, i, j, t0, t1, ch, c - ch, e); \
    } \
  }
ROW_FUNCTION(1, 1) ROW_FUNCTION(2, 1) ROW_FUNCTION(3, 1) ROW_FUNCTION(4, 1) ROW_FUNCTION(5, 1) ROW_FUNCTION(7, 1)
ROW_FUNCTION(3, 2) ROW_FUNCTION(5, 2) ROW_FUNCTION(7, 2)
static RowFunction *const row_function[STEP_MAX + 1][TAPS_MAX + 1] = {
  [1] = {NULL, row_1_1, row_2_1, row_3_1, row_4_1, row_5_1, NULL, row_7_1},
  [2] = {[3] = row_3_2, [5] = row_5_2, [7] = row_7_2},
};

bool K(depthwise_fits)(const Lattice *g) {
  bool side_by_side = g->dw == 1 || (g->dw == -1 && g->step_w == 1);
  return side_by_side && g->step_w <= STEP_MAX && g->tw <= TAPS_MAX && row_function[g->step_w][g->tw];
}

void K(depthwise_row)(const Rows *rows, float *y, const float *image, int i, int t0, int t1, const TileEnd *e) {
  Rows a = *rows;
  if (a.g.dw < 0) { /* counted from the other end, columns ascend */
    a.g.w0 -= a.g.tw - 1;
    a.tap0 += (a.g.tw - 1) * a.tap_w, a.tap_w = -a.tap_w;
  }
  row_function[a.g.step_w][a.g.tw](&a, y, image, i, t0, t1, e);
}

/* --- the gradient of the weights --- */

/* Adds what outputs j … j+count of row i of an image give to sums (taps, VW) of channels [ch, ch + n). */
INLINE void add_span(const int count, const int tw, const int step, const ConvShape *s, float *sums, const float *dy, const float *x, int i,
                     int j, int ch, const int n) {
  vf g[SPAN], sum[TAPS_MAX];
  int first = j * step - s->pad_w;
  const bool ahead = beyond_caches(s);
  const int64_t next_x = (int64_t)s->stride_h * s->w * s->c, next_y = (int64_t)s->ow * s->c;
#pragma GCC unroll 8
  for (int q = 0; q < count; q++) {
    const float *from = dy + ((int64_t)i * s->ow + j + q) * s->c + ch;
    g[q] = load(from, n);
    if (ahead) ask(from + next_y);
  }
  for (int r = 0; r < s->r; r++, sums += tw * VW) {
    const bool fresh = ahead && r >= s->r - s->stride_h;
    int h = i * s->stride_h - s->pad_h + r * s->dilation_h;
    if (h < 0 || h >= s->h) continue;
    const float *row = x + (int64_t)h * s->w * s->c + ch;
#pragma GCC unroll 8
    for (int u = 0; u < tw; u++) sum[u] = v_load(sums + u * VW);
#pragma GCC unroll 32
    for (int v = 0; v < (count - 1) * step + tw; v++) {
      if (first + v < 0 || first + v >= s->w) continue;
      vf xv = load(row + (int64_t)(first + v) * s->c, n);
      if (fresh) ask(row + (int64_t)(first + v) * s->c + next_x);
#pragma GCC unroll 8
      for (int q = 0; q < count; q++)
        if (v - q * step >= 0 && v - q * step < tw) sum[v - q * step] = v_fma(xv, g[q], sum[v - q * step]);
    }
#pragma GCC unroll 8
    for (int u = 0; u < tw; u++) v_store(sums + u * VW, sum[u]);
  }
}

/* A row of outputs, channels [from, to). sums: (channels / VW, taps, VW) */
typedef void AddFunction(const ConvShape *s, float *sums, const float *dy, const float *x, int i, int from, int to);
#define ADD_FUNCTION(tw, step) \
  static void add_##tw##_##step(const ConvShape *s, float *sums, const float *dy, const float *x, int i, int from, int to) { \
    for (int j = 0, ch; j < s->ow; j += s->ow - j >= SPAN ? SPAN : 1) { \
      float *own = sums; \
      for (ch = from; ch + VW <= to; ch += VW, own += s->r * tw * VW) \
        if (s->ow - j >= SPAN) add_span(SPAN, tw, step, s, own, dy, x, i, j, ch, VW); \
        else add_span(1, tw, step, s, own, dy, x, i, j, ch, VW); \
      if (ch < to && s->ow - j >= SPAN) add_span(SPAN, tw, step, s, own, dy, x, i, j, ch, to - ch); \
      else if (ch < to) add_span(1, tw, step, s, own, dy, x, i, j, ch, to - ch); \
    } \
  }
ADD_FUNCTION(3, 1) ADD_FUNCTION(5, 1) ADD_FUNCTION(7, 1) ADD_FUNCTION(3, 2) ADD_FUNCTION(5, 2) ADD_FUNCTION(7, 2)
static AddFunction *const add_function[STEP_MAX + 1][TAPS_MAX + 1] = {
  [1] = {[3] = add_3_1, [5] = add_5_1, [7] = add_7_1},
  [2] = {[3] = add_3_2, [5] = add_5_2, [7] = add_7_2},
};

bool K(depthwise_dw_fits)(const ConvShape *s) {
  return s->c == s->groups && s->dilation_w == 1 && s->stride_w <= STEP_MAX && s->s <= TAPS_MAX && add_function[s->stride_w][s->s];
}

/* The rows of all images are cut in parts, each with its own sums, added in order at the end; channels in blocks whose sums
 * stay in the first cache. There are about TASKS of both, however many threads, but no part so small that adding up costs
 * as much as what is added. */
enum { TASKS = 16, BLOCK = 128 /* vectors of sums */, PART = 512 /* outputs of a channel */ };
static int64_t block_of(const ConvShape *s) { return max_of(1, BLOCK / (s->r * s->s)) * VW; }
static int64_t parts_of(const ConvShape *s) {
  int64_t rows = (int64_t)s->n * s->oh, most = min_of(rows, max_of(2, rows * s->ow / PART));
  return min_of(most, ceil_div(TASKS, ceil_div(s->c, block_of(s))));
}

int64_t K(depthwise_dw_sums)(const ConvShape *s) { return parts_of(s) * round_up(s->c, VW) * s->r * s->s; }

void K(depthwise_dw)(float *dw, const float *dy, const float *x, const ConvShape *s, float *sums) {
  const int taps = s->r * s->s;
  const int64_t block = block_of(s), blocks = ceil_div(s->c, block), parts = parts_of(s), size = round_up(s->c, VW) * taps;
  const int64_t image_x = (int64_t)s->h * s->w * s->c, image_y = (int64_t)s->oh * s->ow * s->c, rows = (int64_t)s->n * s->oh;
  AddFunction *const add = add_function[s->stride_w][s->s];
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t task = 0; task < parts * blocks; task++) {
    int64_t part = task / blocks, from = task % blocks * block, to = min_of(from + block, s->c);
    float *own = sums + part * size + from * taps;
    memset(own, 0, (size_t)(round_up(to - from, VW) * taps) * sizeof *own);
    for (int64_t p = piece_at(rows, parts, part); p < piece_at(rows, parts, part + 1); p++)
      add(s, own, dy + p / s->oh * image_y, x + p / s->oh * image_x, (int)(p % s->oh), (int)from, (int)to);
  }
#pragma omp parallel for schedule(static) if (parts * size > 8192)
  for (int64_t ch = 0; ch < s->c; ch += VW)
    for (int t = 0; t < taps; t += VW) { /* a square of (taps, channels), turned */
      vf sum[VW];
      for (int q = 0; q < VW; q++) {
        sum[q] = v_zero();
        const float *from = sums + ch * taps + (t + q) * VW;
        for (int64_t part = 0; part < parts && t + q < taps; part++) sum[q] = sum[q] + v_load(from + part * size);
      }
      v_transpose(sum);
      for (int l = 0; l < VW && ch + l < s->c; l++) v_store_n(dw + (ch + l) * taps + t, sum[l], (int)min_of(VW, taps - t));
    }
}
