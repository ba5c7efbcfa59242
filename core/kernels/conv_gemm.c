/* Convolution as a matrix product whose left operand is never stored whole (implicit GEMM, as Chellapilla et al. 2006
 * and cuDNN, Chetlur et al. 2014, have it):
 *
 *   y[p][k] = sum over (r, s, c) of x[pixel(p, r, s)][c] * w[k][r][s][c]
 *   dx[q][c] = sum over (r, s, k) of dy[pixel(q, r, s)][k] * w[k][r][s][c]
 *
 * The second is the first over dy once the pixels q are sorted by phase, (h mod stride, w mod stride): those of one phase
 * see the same taps of w, and see them on a lattice of dy at step 1. So both passes are a list of Products.
 *
 * A product is cut in pieces, a block of rows by a block of columns; a piece gathers its rows for one range of the sum
 * (a quarter of a megabyte, to stay in L2), runs them against the packed weights, and goes on to the next range. Rows of
 * one chunk lie in memory as the product wants them, and are multiplied there. Piece sizes depend on the shape alone. */
#include <omp.h>
#include "conv_parts.h"

enum {
  DEPTH_MAX = 1024,          /* of a range of the sum */
  BLOCK_FLOATS = 64 * 1024,  /* of the rows that are gathered before they are multiplied, to stay in L2 */
  BLOCK_ROWS = 16 * MR,
  FIT_FLOATS = 80 * 1024,    /* of weights that stay in L2: five eighths of half a megabyte */
  FIT_ROWS = 64 * MR,        /* of a piece with those */
  GROUP_FLOATS = 2048,       /* of the rows gathered before they are multiplied with those, to stay in L1 */
  PIECES_WANTED = 16, FIT_PIECES = 64,
  STREAM_MIN = 8 << 20,      /* floats of a result that no cache holds */
  BANDS_AHEAD = 4, TILES_AHEAD = 3,
};

typedef struct Product {
  Lattice g;
  int64_t m;             /* rows */
  int64_t k;             /* length of the sum */
  int64_t n;             /* columns, of one group block */
  int64_t depth, depths; /* ranges of the sum: length (a multiple of CHUNK) and number */
  int64_t row_blocks, col_blocks, panels;
  bool fit;              /* the weights of a piece fit L2 */
  int64_t group;         /* bands that are gathered before they are multiplied */
  bool lie;              /* they are not gathered: they lie as the product wants them */
  bool fed;              /* the products of a band ask for the rows of a later one, two in a tile: they follow each other in memory */
  int64_t packed;        /* floats of one group block's packed weights */
  bool in_order;         /* row p is pixel p of the source and goes to pixel p */
  int r0, rd, s0, sd;    /* taps t, u are r0 + t*rd, s0 + u*sd of w */
  /* where row (n, i, j) goes: pixel (n, i*out_step_h + out_h0, …) of the output map */
  int64_t out_ld;
  int out_h, out_w, out_step_h, out_step_w, out_h0, out_w0;
} Product;

static void size_product(Product *p, int64_t n_images, int blocks) {
  p->m = n_images * p->g.gh * p->g.gw;
  p->k = (int64_t)p->g.th * p->g.tw * p->g.c;
  p->depths = max_of(1, ceil_div(p->k, DEPTH_MAX));
  p->depth = round_up(max_of(1, ceil_div(p->k, p->depths)), CHUNK);
  p->depths = max_of(1, ceil_div(p->k, p->depth));
  p->panels = ceil_div(p->n, NR);
  p->packed = p->depths * p->depth * round_up(p->n, VW);
  const Lattice *g = &p->g;
  p->in_order = single_pixels(g) && in_order(g) && p->out_h == g->h && p->out_w == g->w && p->out_step_h == 1 && p->out_step_w == 1;
  int64_t rows = max_of(MR, min_of(BLOCK_ROWS, BLOCK_FLOATS / p->depth / MR * MR));
  p->row_blocks = max_of(1, ceil_div(p->m, rows));
  p->col_blocks = max_of(1, min_of(p->panels, ceil_div(PIECES_WANTED, p->row_blocks * blocks)));
  p->group = ceil_div(rows, MR);
  p->fit = min_of(p->n, ceil_div(p->panels, p->col_blocks) * NR) * p->depth <= FIT_FLOATS;
  p->lie = p->in_order && p->k == CHUNK && g->ld == CHUNK;
  if (p->fit && single_pixels(g)) {
    p->group = p->lie ? 1 : max_of(1, GROUP_FLOATS / (MR * p->depth));
    if (p->col_blocks == 1) p->row_blocks = max_of(1, min_of(p->row_blocks, max_of(FIT_PIECES, ceil_div(p->m, FIT_ROWS))));
  }
  p->fed = p->fit && p->group == 1 && p->in_order && g->ld == p->k && p->depths == 1 && p->n > 2 * NR;
}

static Product forward_product(const ConvShape *s) {
  int merge = conv_merge(s), blocks = s->groups / merge;
  Product p = {
    .g = lattice_of_x(s, blocks),
    .n = s->k / blocks, .rd = 1, .sd = 1, .out_ld = s->k, .out_h = s->oh, .out_w = s->ow, .out_step_h = 1, .out_step_w = 1,
  };
  size_product(&p, s->n, blocks);
  return p;
}

static Product phase_product(const ConvShape *s, int phase) {
  int merge = conv_merge(s), blocks = s->groups / merge;
  int ph = phase / s->stride_w, pw = phase % s->stride_w;
  Product p = {
    .g = {.ld = s->k, .c = s->k / blocks, .h = s->oh, .w = s->ow, .step_h = 1, .step_w = 1,
          .gh = ph < s->h ? (s->h - ph + s->stride_h - 1) / s->stride_h : 0,
          .gw = pw < s->w ? (s->w - pw + s->stride_w - 1) / s->stride_w : 0},
    .n = s->c / blocks, .out_ld = s->c, .out_h = s->h, .out_w = s->w, .out_step_h = s->stride_h, .out_step_w = s->stride_w,
    .out_h0 = ph, .out_w0 = pw,
  };
  conv_phase_taps(ph, s->pad_h, s->dilation_h, s->stride_h, s->r, &p.r0, &p.rd, &p.g.th, &p.g.h0, &p.g.dh);
  conv_phase_taps(pw, s->pad_w, s->dilation_w, s->stride_w, s->s, &p.s0, &p.sd, &p.g.tw, &p.g.w0, &p.g.dw);
  if (!p.g.th || !p.g.tw) p.g.th = p.g.tw = 0; /* no tap reaches this phase: zeros */
  size_product(&p, s->n, blocks);
  return p;
}

/* One panel, [depth][width], of the packed weights for a forward product: columns are rows of w, so it is a transpose. */
static void forward_panel(float *to, const Product *p, const float *w, const ConvShape *s, int block, int64_t k0, int64_t n0) {
  int merge = conv_merge(s), cg = s->c / s->groups, kg = s->k / s->groups;
  int64_t width = min_of(NR, round_up(p->n - n0, VW)), k1 = min_of(p->k, k0 + p->depth), row = (int64_t)s->r * s->s * cg;
  int64_t out0 = block * p->n;
  if (merge == 1) {
    for (int64_t k = k0; k < k1; k += VW)
      for (int64_t v = 0; v < width; v += VW) {
        vf t[VW];
        for (int i = 0; i < (int)VW; i++)
          t[i] = n0 + v + i < p->n ? v_load_n(w + (out0 + n0 + v + i) * row + k, (int)min_of(VW, k1 - k)) : v_zero();
        v_transpose(t);
        for (int i = 0; i < (int)VW; i++) v_store(to + (k - k0 + i) * width + v, t[i]);
      }
    for (int64_t k = round_up(k1 - k0, VW); k < p->depth; k++)
      for (int64_t v = 0; v < width; v += VW) v_store(to + k * width + v, v_zero());
    return;
  }
  memset(to, 0, sizeof(float) * (size_t)(p->depth * width));
  for (int64_t k = k0; k < k1; k++) {
    int64_t tap = k / p->g.c, c = k % p->g.c, group = c / cg;
    for (int64_t n = max_of(n0, group * kg); n < min_of(n0 + width, (group + 1) * kg); n++)
      to[(k - k0) * width + n - n0] = w[(out0 + n) * row + tap * cg + c % cg];
  }
}

static void pack_forward(float *to, const Product *p, const float *w, const ConvShape *s, int block, int64_t k0, int64_t n0, int64_t n1) {
  for (int64_t n = n0; n < n1; n += NR, to += NR * p->depth) forward_panel(to, p, w, s, block, k0, n);
}

/* The same of all panels from n0 to n1 for the gradient of x: columns are input channels, contiguous in w, so its rows are read along. */
static void pack_backward(float *to, const Product *p, const float *w, const ConvShape *s, int block, int64_t k0, int64_t n0, int64_t n1) {
  enum { AHEAD = 8 };
  int merge = conv_merge(s), cg = s->c / s->groups, kg = s->k / s->groups;
  int64_t filter = (int64_t)s->r * s->s * cg, k1 = min_of(p->k, k0 + p->depth), c = k0 % max_of(1, p->g.c), tap = k0 / max_of(1, p->g.c);
  for (int64_t k = k0; k < k0 + p->depth; k++) {
    int64_t r = p->r0 + tap / max_of(1, p->g.tw) * p->rd, q = p->s0 + tap % max_of(1, p->g.tw) * p->sd;
    int64_t first = merge > 1 ? c / kg * cg : 0, last = k < k1 ? first + cg : first; /* columns of its group */
    const float *from = w + (block * p->g.c + c) * filter + (r * s->s + q) * cg - first;
    for (int64_t n = n0; n < n1; n += NR) {
      int64_t width = min_of(NR, round_up(p->n - n, VW));
      float *row = to + (n - n0) * p->depth + (k - k0) * width;
      for (int64_t v = n; v < n + width; v += VW, row += VW) {
        if (c + AHEAD < p->g.c) ask(from + v + AHEAD * filter);
        if (v >= first && v + VW <= last) v_store(row, v_load(from + v));
        else
          for (int64_t l = 0; l < VW; l++) row[l] = v + l >= first && v + l < last ? from[v + l] : 0;
      }
    }
    if (++c == p->g.c) c = 0, tap++;
  }
}

typedef void Pack(float *to, const Product *p, const float *w, const ConvShape *s, int block, int64_t k0, int64_t n0, int64_t n1);

/* A few panels at a time. */
static void pack_all(float *packed, const Product *p, const float *w, const ConvShape *s, Pack *pack) {
  enum { PANELS = 4 };
  int blocks = s->groups / conv_merge(s);
  int64_t parts = ceil_div(p->panels, PANELS), count = blocks * p->depths * parts;
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < count; i++) {
    int64_t n0 = i % parts * PANELS * NR, d = i / parts % p->depths, block = i / parts / p->depths;
    float *to = packed + block * p->packed + d * p->depth * round_up(p->n, VW) + n0 * p->depth;
    pack(to, p, w, s, (int)block, d * p->depth, n0, min_of(p->n, n0 + PANELS * NR));
  }
}

/* Rows [m0, m1) times column panels [q0, q1) of one group block. Where the weights fit L2, a band is multiplied with them all before the
 * next, and stored in whole rows; else a panel with all bands. A tile's rows lie far apart, and the prefetcher of the hardware does not
 * follow: what a tile is finished with is asked for while the third before it is multiplied, and the rows of a band four bands before they
 * are gathered. */
static void run_piece(const Product *p, const Lattice *g, float *out, const float *packed, const TileEnd *end, int64_t m0,
                      int64_t m1, int64_t q0, int64_t q1, float *block) {
  float *row[FIT_ROWS], *line = block + BLOCK_ROWS * CHUNK + BLOCK_FLOATS;
  int64_t rows = m1 - m0, bands = ceil_div(rows, MR), start[FIT_ROWS / MR + 1], n0 = q0 * NR, n1 = min_of(q1 * NR, p->n);
  for (int64_t b = 0; b <= bands; b++) start[b] = piece_at(rows, bands, b);
  if (p->in_order)
    for (int64_t r = 0; r < rows; r++) row[r] = out + (m0 + r) * p->out_ld;
  else {
    Site at = site_at(g, m0);
    for (int64_t r = 0; r < rows; r++, site_next(&at, g))
      row[r] = out + ((at.n * p->out_h + at.i * p->out_step_h + p->out_h0) * p->out_w + at.j * p->out_step_w + p->out_w0) * p->out_ld;
  }
  const bool lie = p->lie && !g->scale;
  for (int64_t d = 0; d < p->depths; d++) {
    int64_t k0 = d * p->depth, k1 = min_of(p->k, k0 + p->depth), len = round_up(k1 - k0, 4), wide = p->fit ? n1 - n0 : NR;
    TileEnd e = {.add = d > 0, .y0 = end->y0};
    if (d == p->depths - 1) e = *end, e.add = d > 0, e.around = end->around && d == 0;
    const float *weights = packed + d * p->depth * round_up(p->n, VW);
    K(conv_ask)(g, m0, min_of(rows, BANDS_AHEAD * MR), k0, k1);
    for (int64_t first = 0, last; first < bands; first = last) {
      last = min_of(bands, first + p->group);
      for (int64_t b = first; b < last; b++) {
        int64_t far = start[b] + BANDS_AHEAD * MR;
        if (far < rows && !p->fed) K(conv_ask)(g, m0 + far, min_of(MR, rows - far), k0, k1);
        if (lie) continue;
        K(conv_gather)(block + (start[b] - start[first]) * p->depth, start[b + 1] - start[b], 0, g, m0 + start[b], start[b + 1] - start[b],
                       k0, k1, line);
      }
      for (int64_t n = n0; n < n1; n += wide)
        for (int64_t b = first; b < last; b++) {
          int64_t to = min_of(n + wide, n1), mr = start[b + 1] - start[b], third = b + TILES_AHEAD, next_n = 0;
          if (third >= bands) third -= bands, next_n = wide;
          bool soon = !e.around && third < bands && n + next_n < n1;
          const float *a = lie ? g->src + (m0 + start[b]) * g->ld : block + (start[b] - start[first]) * p->depth, *ahead = NULL;
          if (p->fed) ahead = g->src + min_of(p->m, m0 + start[b] + BANDS_AHEAD * MR) * g->ld;
          else if (to < n1) ahead = ahead_of(weights + to * p->depth, min_of(NR, round_up(n1 - to, VW)) * len, b);
          K(gemm_band)((int)mr, len, a, weights + n * p->depth, NR * p->depth, row + start[b], n, to, &e, ahead,
                       soon ? row + min_of(start[third], rows - mr) : NULL, next_n);
        }
    }
  }
}

int64_t K(conv_gemm_block)(void) { return BLOCK_ROWS * CHUNK + BLOCK_FLOATS + DEPTH_MAX + 4 * CHUNK; }

static void run(const Product *p, float *out, const float *src, const float *packed, const Epilogue *e, const ConvShape *s,
                float *blocks_scratch) {
  int blocks = s->groups / conv_merge(s);
  int64_t per_block = p->row_blocks * p->col_blocks, count = p->m ? blocks * per_block : 0;
  /* A result that no cache holds is stored around them: its lines need not be read before they are written, and the operands stay. */
  bool around = p->m * p->out_ld >= STREAM_MIN && (uintptr_t)out % 64 == 0 && p->out_ld % CHUNK == 0 && (blocks == 1 || p->n % CHUNK == 0) &&
                !e->residual && !e->gate;
#pragma omp parallel for schedule(dynamic)
  for (int64_t i = 0; i < count; i++) {
    int64_t block = i / per_block, rb = i % per_block / p->col_blocks, cb = i % p->col_blocks;
    Lattice g = p->g;
    g.src = src + block * g.c;
    int64_t ch = block * p->n;
    TileEnd end = tile_end(e, ch, out);
    end.around = around;
    run_piece(p, &g, out + ch, packed + block * p->packed, &end, piece_at(p->m, p->row_blocks, rb),
              piece_at(p->m, p->row_blocks, rb + 1), piece_at(p->panels, p->col_blocks, cb),
              piece_at(p->panels, p->col_blocks, cb + 1), blocks_scratch + omp_get_thread_num() * K(conv_gemm_block)());
  }
}

static int64_t packed_floats(const Product *p, const ConvShape *s) { return round_up(p->packed * (s->groups / conv_merge(s)), CHUNK); }

void K(conv_gemm_scaled)(float *y, const float *x, const float *scale, const float *w, const float *prepared, const Epilogue *e,
                         const ConvShape *s, void *scratch) {
  Product p = forward_product(s);
  p.g.scale = scale;
  Scratch mem = {scratch, 0};
  float *packed = take(&mem, packed_floats(&p, s)), *blocks = take(&mem, K(conv_gemm_block)());
  if (!prepared) pack_all(packed, &p, w, s, pack_forward);
  run(&p, y, x, prepared ? prepared : packed, e, s, blocks);
}

void K(conv_gemm)(float *y, const float *x, const float *w, const float *prepared, const Epilogue *e, const ConvShape *s, void *scratch) {
  K(conv_gemm_scaled)(y, x, NULL, w, prepared, e, s, scratch);
}

void K(conv_gemm_dx)(float *dx, const float *dy, const float *w, const float *prepared, const Epilogue *e, const ConvShape *s, void *scratch) {
  Scratch mem = {scratch, 0};
  float *blocks = take(&mem, K(conv_gemm_block)() * kernels_threads(0));
  float *packed = (float *)((char *)scratch + mem.used);
  for (int phase = 0; phase < s->stride_h * s->stride_w; phase++) {
    Product p = phase_product(s, phase);
    if (!prepared) pack_all(packed, &p, w, s, pack_backward);
    run(&p, dx, dy, prepared ? prepared : packed, e, s, blocks);
    if (prepared) prepared += packed_floats(&p, s);
  }
}

void K(conv_gemm_pixels)(float *y, const float *x, const float *packed, const Epilogue *e, const ConvShape *s, int64_t pixels, float *block) {
  Product p = forward_product(s);
  const int64_t pieces = ceil_div(pixels, ceil_div(p.m, p.row_blocks));
  const TileEnd end = tile_end(e, 0, y);
  Lattice g = p.g;
  g.src = x, p.m = pixels;
  for (int64_t i = 0; i < pieces * p.col_blocks; i++) {
    int64_t rb = i / p.col_blocks, cb = i % p.col_blocks;
    run_piece(&p, &g, y, packed, &end, piece_at(pixels, pieces, rb), piece_at(pixels, pieces, rb + 1), piece_at(p.panels, p.col_blocks, cb),
              piece_at(p.panels, p.col_blocks, cb + 1), block);
  }
}

int64_t K(conv_gemm_prepared)(ConvPass pass, const ConvShape *s) {
  Product forward = forward_product(s);
  if (pass == CONV_FORWARD) return packed_floats(&forward, s);
  int64_t floats = 0;
  for (int phase = 0; phase < s->stride_h * s->stride_w; phase++) {
    Product p = phase_product(s, phase);
    floats += packed_floats(&p, s);
  }
  return floats;
}

void K(conv_gemm_prepare)(float *prepared, const float *w, ConvPass pass, const ConvShape *s) {
  Product forward = forward_product(s);
  if (pass == CONV_FORWARD) pack_all(prepared, &forward, w, s, pack_forward);
  for (int phase = 0; pass == CONV_DX && phase < s->stride_h * s->stride_w; phase++) {
    Product p = phase_product(s, phase);
    pack_all(prepared, &p, w, s, pack_backward);
    prepared += packed_floats(&p, s);
  }
}

bool K(conv_gemm_at_once)(ConvPass pass, const ConvShape *s) {
  if (pass == CONV_FORWARD) return forward_product(s).depths == 1;
  for (int phase = 0; phase < s->stride_h * s->stride_w; phase++)
    if (phase_product(s, phase).depths > 1) return false;
  return true;
}

size_t K(conv_gemm_scratch)(ConvPass pass, const ConvShape *s) {
  if (pass == CONV_DW) return K(conv_gemm_dw_scratch)(s);
  int64_t packed = 0;
  if (pass == CONV_FORWARD) packed = K(conv_gemm_prepared)(pass, s);
  for (int phase = 0; pass == CONV_DX && phase < s->stride_h * s->stride_w; phase++) {
    Product p = phase_product(s, phase);
    packed = max_of(packed, packed_floats(&p, s));
  }
  Scratch mem = {NULL, 0};
  take(&mem, K(conv_gemm_block)() * kernels_threads(0));
  take(&mem, packed);
  return mem.used + 64;
}
