/* Two convolutions in one pass, the first of one tap, the second of narrow groups: the widening of an inverted bottleneck (Sandler et al.
 * 2018) and the depthwise convolution behind it. What lies between them is the largest map of such networks, and no cache holds it; here
 * rows of it are made a few at a time, where they are wanted, and stay in L2 (layers fused as Alwani et al. 2016 have it).
 *
 * A thread takes an image and goes down its rows of outputs: what the next of them see and what is not there yet is made behind what
 * is. The last images are cut in strips, lest threads wait for each other, though where strips meet rows are made twice. Every element is
 * the sum it would be apart, so the strips do not show. */
#include <omp.h>
#include "conv_grouped.h"

enum {
  HELD_FLOATS = 48 * 1024, /* rows of the first map that are held: three eighths of half a megabyte */
  IMAGES_CUT = 2, PIECES = 8, /* a thread: of the last images, and into how many strips */
};

typedef struct Plan {
  int64_t row;    /* floats of a row of the first map */
  int64_t reach;  /* so many of its rows does a row of outputs see */
  int64_t held;   /* so many are held */
  int at_once;    /* rows of outputs made from those; 0: they do not fit */
  int64_t whole;  /* images that are not cut */
  int64_t strips; /* of each other image */
} Plan;

static Plan make_plan(const ConvShape *first, const ConvShape *s) {
  Plan p = {.row = (int64_t)first->ow * first->k, .reach = (int64_t)(s->r - 1) * s->dilation_h + 1};
  const int64_t most = HELD_FLOATS / p.row;
  if (most < p.reach) return p;
  p.at_once = (int)min_of(s->oh, (most - p.reach) / s->stride_h + 1);
  p.held = (int64_t)(p.at_once - 1) * s->stride_h + p.reach;
  const int64_t threads = kernels_threads(0), twice = max_of(0, p.reach - s->stride_h); /* rows where strips meet */
  p.whole = max_of(0, s->n - IMAGES_CUT * threads);
  p.strips = min_of(ceil_div(s->oh, p.at_once), ceil_div(PIECES * threads, s->n - p.whole));
  if (twice) p.strips = min_of(p.strips, ceil_div(s->h, (p.whole ? 4 : 8) * twice));
  return p;
}

static int64_t pieces_of(const Plan *p, const ConvShape *s) { return p->whole + (s->n - p->whole) * p->strips; }
static int64_t held_floats(const Plan *p) { return round_up(p->held * p->row, CHUNK) + CHUNK; }

/* With work for all threads. */
bool K(conv_pair_fits)(const ConvShape *first, const ConvShape *s) {
  const Plan p = make_plan(first, s);
  return p.at_once && pieces_of(&p, s) >= 2 * kernels_threads(0);
}

size_t K(conv2d_pair_scratch)(const ConvShape *first, const ConvShape *s) {
  const Plan p = make_plan(first, s);
  Scratch mem = {NULL, 0};
  take(&mem, K(conv_gemm_prepared)(CONV_FORWARD, first)), take(&mem, K(conv_grouped_prepared)(CONV_FORWARD, s));
  take(&mem, held_floats(&p) * kernels_threads(0)), take(&mem, K(conv_gemm_block)() * kernels_threads(0));
  return mem.used + 64;
}

/* What all strips share. */
typedef struct Pair {
  Plan p;
  const ConvMap *first, *second; /* prepared, both */
  Rows rows;
  TileEnd end;
} Pair;

/* Rows [i0, i1) of the outputs of an image x, to y on. */
static void strip(const Pair *c, float *y, const float *x, int i0, int i1, float *held, float *block) {
  const ConvShape *first = c->first->shape, *s = c->second->shape;
  const int64_t out_row = (int64_t)s->ow * s->c, row = c->p.row, in_row = (int64_t)first->w * first->c;
  Rows rows = c->rows;
  int64_t from = 0, have = 0; /* rows [from, have) are held */
  for (int i = i0, next; i < i1; i = next) {
    next = (int)min_of(i1, i + c->p.at_once);
    int64_t top = (int64_t)i * s->stride_h - s->pad_h, bottom = (int64_t)(next - 1) * s->stride_h - s->pad_h + c->p.reach;
    top = min_of(s->h, max_of(0, top)), bottom = max_of(top, min_of(s->h, bottom));
    if (have > top) memmove(held, held + (top - from) * row, sizeof *held * (size_t)((have - top) * row));
    else have = top;
    from = top;
    if (have < bottom) {
      K(conv_gemm_pixels)(held + (have - from) * row, x + have * in_row, c->first->prepared, &c->first->epilogue, first,
                          (bottom - have) * first->w, block);
      have = bottom;
    }
    rows.g.h = (int)(bottom - top), rows.g.h0 = (int)(-s->pad_h - top);
    for (int r = i; r < next; r++, y += out_row) {
      K(conv_grouped_row)(&rows, y, held, r, &c->end);
      activate_row(y, out_row, c->end.act, c->end.act_attr);
    }
  }
}

void K(conv2d_pair)(float *y, const float *x, const ConvMap *first, const ConvMap *second, void *scratch) {
  const ConvShape *f = first->shape, *s = second->shape;
  const Plan p = make_plan(f, s);
  Scratch mem = {scratch, 0};
  float *packed = take(&mem, K(conv_gemm_prepared)(CONV_FORWARD, f)), *turned = take(&mem, K(conv_grouped_prepared)(CONV_FORWARD, s));
  float *held = take(&mem, held_floats(&p) * kernels_threads(0)), *blocks = take(&mem, 0);
  ConvMap a = *first, b = *second;
  if (!a.prepared) K(conv_gemm_prepare)(packed, a.w, CONV_FORWARD, f), a.prepared = packed;
  if (!b.prepared) K(conv_grouped_prepare)(turned, b.w, CONV_FORWARD, s), b.prepared = turned;
  Pair c = {p, &a, &b, K(conv_grouped_rows)(s, b.prepared), tile_end(&b.epilogue, 0, y)};
  c.rows.ahead = (int64_t)s->ow * s->c;
#pragma omp parallel for schedule(dynamic)
  for (int64_t piece = 0; piece < pieces_of(&p, s); piece++) {
    int64_t cut = max_of(0, piece - p.whole), strips = piece < p.whole ? 1 : p.strips, thread = omp_get_thread_num();
    int64_t image = min_of(piece, p.whole) + cut / strips, q = cut % strips;
    int i0 = (int)piece_at(s->oh, strips, q), i1 = (int)piece_at(s->oh, strips, q + 1);
    strip(&c, y + (image * s->oh + i0) * s->ow * s->c, x + image * f->h * f->w * f->c, i0, i1, held + thread * held_floats(&p),
          blocks + thread * K(conv_gemm_block)());
  }
}
