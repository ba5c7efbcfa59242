/* Depthwise convolution where columns of taps lie side by side. A vector of channels of one input pixel serves all taps of
 * a row of taps at once: it is loaded once and multiplied into the sums of every output of a span that sees it,
 *
 *   y[q] += x[q*step + u] * w[u]       for q < SPAN, u < tw, all in registers
 *
 * A pixel beside the map is passed over; spans that see none have code without the question. Channels are the innermost loop, as
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

/* Of the input columns first, first + 1, … under `outputs` neighbours, bit v: column v lies beside the map. */
INLINE unsigned beside(int first, const int outputs, const int tw, const int step, int w) {
  const int columns = (outputs - 1) * step + tw;
  if (first >= 0 && first + columns <= w) return 0;
  unsigned bits = 0;
  for (int v = 0; v < columns; v++) bits |= (unsigned)(first + v < 0 || first + v >= w) << v;
  return bits;
}

/* Of what outputs j … of the next grid row will read and write, and row i has not, asks for one share for every vector of
 * channels: shares follow each other in memory, which answers sooner than to the order in which they will be used. */
INLINE void ask_below(const Rows *a, const float *y, const float *image, int i, int j, int ch, const TileEnd *e) {
  const Lattice *g = &a->g;
  const int64_t share = SPAN * g->step_w * VW, from = (int64_t)j * g->step_w * g->ld + (int64_t)ch * SPAN * g->step_w;
  int rows = g->th < g->step_h ? g->th : g->step_h, t0 = g->dh < 0 ? 0 : g->th - rows;
  for (int t = t0; t < t0 + rows; t++) {
    const float *row = image + (int64_t)((i + 1) * g->step_h + g->h0 + t * g->dh) * g->w * g->ld + from;
    for (int64_t k = 0; k < share; k += CHUNK) ask(row + k);
  }
  const int64_t every = a->out_step / g->ld;
  y += a->ahead + j * a->out_step + (int64_t)ch * SPAN * every;
  for (int64_t k = 0; k < SPAN * every * VW; k += CHUNK) end_ask(y + k, e);
}

/* A row of outputs: its taps' rows t0 <= t < t1 are inside the map. */
typedef struct Line {
  const Rows *a;
  float *y;           /* the row of outputs */
  const float *image;
  int i, t0, t1;
  const TileEnd *e;
} Line;

/* `outputs` neighbours from j on, channels [ch, c) but for a rest that is no whole vector, n lanes of it where `rest`; out: columns that see
 * nothing. */
INLINE void span(const Line *l, const int outputs, const int tw, const int step, int j, const bool rest, const unsigned out) {
  const Rows *a = l->a;
  const Lattice *g = &a->g;
  const int c = (int)g->ld, whole = c / VW * VW;
  const int64_t ld = g->ld, row = (int64_t)g->dh * g->w * ld, tap = (int64_t)a->tap_w * VW, row_w = (int64_t)a->tap_h * VW;
  const float *first = l->image + ((int64_t)(l->i * g->step_h + g->h0 + l->t0 * g->dh) * g->w + g->w0 + j * step) * ld;
  const float *weights = a->w + (int64_t)(a->tap0 + l->t0 * a->tap_h) * VW;
  float *to[SPAN];
#pragma GCC unroll 8
  for (int q = 0; q < outputs; q++) to[q] = l->y + (j + q) * a->out_step;
  for (int ch = rest ? whole : 0; ch < (rest ? c : whole); ch += VW) {
    const int n = rest ? c - ch : (int)VW;
    const float *x = first + ch, *w = weights + (int64_t)ch * a->taps;
    vf sum[SPAN][2];
    if (a->ahead && outputs == SPAN && !rest) ask_below(a, l->y, l->image, l->i, j, ch, l->e);
#pragma GCC unroll 8
    for (int q = 0; q < outputs; q++) sum[q][0] = v_zero();
    for (int t = l->t0; t < l->t1; t++, x += row, w += row_w) {
      vf weight[TAPS_MAX];
#pragma GCC unroll 8
      for (int u = 0; u < tw; u++) weight[u] = v_load(w + u * tap);
#pragma GCC unroll 32
      for (int v = 0; v < (outputs - 1) * step + tw; v++) {
        if (out >> v & 1) continue;
        vf xv = load(x + v * ld, n);
#pragma GCC unroll 8
        for (int q = 0; q < outputs; q++)
          if (v - q * step >= 0 && v - q * step < tw) v_add_product(&sum[q][0], xv, weight[v - q * step]);
      }
    }
    end_vectors(sum, outputs, 1, to, ch, l->e, n);
#pragma GCC unroll 8
    for (int q = 0; q < outputs; q++) v_store_n(to[q] + ch, sum[q][0], n);
  }
}

/* A row of `count` outputs, by SPAN or one by one, with do_span(outputs, tw, step, j, rest, out). Borders of a map that is as wide as the
 * common padding wants it have code without the question which columns see nothing (a stride of 2 leaves one less on the right). */
#define EACH_SPAN(count, first, w, some_rest, tw, step, do_span) \
  const int columns = (SPAN - 1) * step + tw, pad = tw / 2, over = step == 1 ? pad : pad - 1; \
  const unsigned left = (1u << pad) - 1, right = over > 0 ? ((1u << over) - 1) << (columns - over) : 0; \
  for (int j = 0, outputs; j < count; j += outputs) { \
    const bool all = count - j >= SPAN; \
    const unsigned out = beside(j * step + first, all ? SPAN : 1, tw, step, w); \
    outputs = all && (!out || out == left || out == right || out == (left | right)) ? SPAN : 1; \
    if (outputs == 1) do_span(1, tw, step, j, false, out & ((1u << tw) - 1)); \
    else if (!out) do_span(SPAN, tw, step, j, false, 0); \
    else if (out == left) do_span(SPAN, tw, step, j, false, left); \
    else if (out == right) do_span(SPAN, tw, step, j, false, right); \
    else do_span(SPAN, tw, step, j, false, left | right); \
  } \
  for (int j = 0, outputs; some_rest && j < count; j += outputs) { \
    outputs = count - j >= SPAN ? SPAN : 1; \
    const unsigned out = beside(j * step + first, outputs, tw, step, w); \
    if (outputs == SPAN) do_span(SPAN, tw, step, j, true, out); \
    else do_span(1, tw, step, j, true, out); \
  }

typedef void RowFunction(const Line *l);
#define LINE_SPAN(outputs, tw, step, j, rest, out) span(l, outputs, tw, step, j, rest, out)
#define ROW_FUNCTION(tw, step) \
  static void row_##tw##_##step(const Line *l) { \
    const Lattice *g = &l->a->g; \
    EACH_SPAN(g->gw, g->w0, g->w, g->ld % VW, tw, step, LINE_SPAN) \
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
  row_function[a.g.step_w][a.g.tw](&(Line){&a, y, image, i, t0, t1, e});
}

/* --- the gradient of the weights --- */

/* What SPAN outputs of the next row will read of channels [from, to), and row i has not: pixels one after the other, asked for a few
 * lines at a time; see ask_below. */
typedef struct Below {
  const float *row[1 + STEP_MAX], *pixel; /* of dy and of x; and how far it is */
  int pixels[1 + STEP_MAX], rows, at, p, q;
} Below;
INLINE Below below_of(const ConvShape *s, const float *dy, const float *x, int i, int j, int from) {
  const int h = i * s->stride_h - s->pad_h + (s->r - 1) * s->dilation_h + 1;
  Below b = {.row = {dy + ((int64_t)(i + 1) * s->ow + j) * s->c}, .pixels = {SPAN}, .rows = 1, .q = from};
  for (; b.rows <= s->stride_h && b.rows <= STEP_MAX; b.rows++) {
    b.row[b.rows] = x + ((int64_t)(h + b.rows - 1) * s->w + j * s->stride_w) * s->c;
    b.pixels[b.rows] = SPAN * s->stride_w;
  }
  b.pixel = b.row[0];
  return b;
}
INLINE void ask_more(Below *b, int lines, int from, int to, int c) {
  for (; lines > 0 && b->at < b->rows; lines--) {
    ask(b->pixel + b->q);
    if ((b->q += CHUNK) < to) continue;
    b->q = from, b->pixel += c;
    if (++b->p < b->pixels[b->at]) continue;
    b->p = 0;
    if (++b->at < b->rows) b->pixel = b->row[b->at];
  }
}

/* A row of outputs of an image, of channels [from, to), whose rows of taps r0 <= r < r1 are inside the map. */
typedef struct Added {
  const ConvShape *s;
  float *sums;         /* (channels / VW, taps, VW) */
  const float *dy, *x; /* the image's */
  int i, from, to, r0, r1;
  bool ahead;
} Added;

/* Adds what `count` outputs from j on give; rest, out: as span's. */
INLINE void add_span(const Added *a, const int count, const int tw, const int step, int j, const bool rest, const unsigned out) {
  const ConvShape *s = a->s;
  const int whole = a->from + (a->to - a->from) / VW * VW, lines = (SPAN + (int)min_of(s->stride_h, STEP_MAX) * SPAN * step) * (int)VW / (int)CHUNK + 1;
  const int64_t c = s->c, row = (int64_t)s->dilation_h * s->w * c, every = (int64_t)s->r * tw;
  const float *first = a->x + ((int64_t)(a->i * s->stride_h - s->pad_h + a->r0 * s->dilation_h) * s->w + j * step - s->pad_w) * c;
  const float *dy = a->dy + ((int64_t)a->i * s->ow + j) * c;
  Below below = {0};
  if (a->ahead && count == SPAN && !rest) below = below_of(s, a->dy, a->x, a->i, j, a->from);
  for (int ch = rest ? whole : a->from; ch < (rest ? a->to : whole); ch += VW) {
    const int n = rest ? a->to - ch : (int)VW;
    const float *x = first + ch;
    float *sums = a->sums + (ch - a->from) * every + a->r0 * tw * VW;
    vf g[SPAN], sum[TAPS_MAX];
    if (below.rows) ask_more(&below, lines, a->from, a->to, s->c);
#pragma GCC unroll 8
    for (int q = 0; q < count; q++) g[q] = load(dy + q * c + ch, n);
    for (int r = a->r0; r < a->r1; r++, x += row, sums += tw * VW) {
#pragma GCC unroll 8
      for (int u = 0; u < tw; u++) sum[u] = v_load(sums + u * VW);
#pragma GCC unroll 32
      for (int v = 0; v < (count - 1) * step + tw; v++) {
        if (out >> v & 1) continue;
        vf xv = load(x + v * c, n);
#pragma GCC unroll 8
        for (int q = 0; q < count; q++)
          if (v - q * step >= 0 && v - q * step < tw) v_add_product(&sum[v - q * step], xv, g[q]);
      }
#pragma GCC unroll 8
      for (int u = 0; u < tw; u++) v_store(sums + u * VW, sum[u]);
    }
  }
}

typedef void AddFunction(const Added *a);
#define ADD_SPAN(outputs, tw, step, j, rest, out) add_span(a, outputs, tw, step, j, rest, out)
#define ADD_FUNCTION(tw, step) \
  static void add_##tw##_##step(const Added *a) { \
    EACH_SPAN(a->s->ow, -a->s->pad_w, a->s->w, (a->to - a->from) % VW, tw, step, ADD_SPAN) \
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
    Added a = {.s = s, .sums = own, .from = (int)from, .to = (int)to, .ahead = beyond_caches(s)};
    for (int64_t p = piece_at(rows, parts, part); p < piece_at(rows, parts, part + 1); p++) {
      a.dy = dy + p / s->oh * image_y, a.x = x + p / s->oh * image_x, a.i = (int)(p % s->oh);
      int h = a.i * s->stride_h - s->pad_h;
      for (a.r0 = 0; a.r0 < s->r && h + a.r0 * s->dilation_h < 0;) a.r0++;
      for (a.r1 = s->r; a.r1 > a.r0 && h + (a.r1 - 1) * s->dilation_h >= s->h;) a.r1--;
      add(&a);
    }
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
