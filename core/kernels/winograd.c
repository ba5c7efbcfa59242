/* Winograd convolution, forward and gradient of x (a forward pass over dy whose weights are turned by 180 degrees with
 * input and output channels exchanged). The mathematics is in winograd.h; here is how the work lies in the caches.
 *
 * Transformed inputs V are one left operand per point (gemm.h), cut in bands of at most MR tiles; transformed weights U are
 * panels of NR output channels, all points of one panel together. A panel is multiplied for all points and its products M
 * (a tile's points together) go back to y at once, through the epilogue, while they are in L2.
 *
 *   by tiles    A piece is a block of tiles: its V (thread's own) stays in L2 and meets all of U, transformed before.
 *               For many tiles.
 *   by panels   V of all tiles first; then a piece is a panel of output channels, whose U is transformed when its turn comes,
 *               U_CHANNELS input channels at a time, and used at once by every tile, so that U (36/9 times the weights)
 *               never leaves L2. For few tiles and many channels, where moving U would cost more than multiplying by it. */
#include <omp.h>
#include "winograd.h"

enum { TILES_BLOCK = 2 * MR > 24 ? 2 * MR : 24, FEW_TILES = 16 * TILES_BLOCK, U_CHANNELS = 64 };

typedef struct Plan {
  int n, h, w, ci, oh, ow, co, pad_h, pad_w; /* of this pass: input and output exchanged for dx */
  bool turned;                               /* weights for dx */
  Tiles t;
  bool by_panels;
  int64_t blocks, block_tiles; /* pieces of tiles, the most in one */
  int64_t depth;               /* ci, in whole chunks: columns of V */
  int64_t u_depth, u_channels; /* ci, in fours: rows of U, and how many are made at a time */
  int64_t panels, u_step, u_panel; /* floats of U from point to point (one panel), panel to panel */
} Plan;

static Plan make_plan(ConvPass pass, const ConvShape *s, bool prepared) {
  bool dx = pass == CONV_DX;
  Plan p = {.n = s->n, .turned = dx, .h = dx ? s->oh : s->h, .w = dx ? s->ow : s->w,
            .ci = dx ? s->k : s->c, .oh = dx ? s->h : s->oh, .ow = dx ? s->w : s->ow, .co = dx ? s->c : s->k,
            .pad_h = dx ? 2 - s->pad_h : s->pad_h, .pad_w = dx ? 2 - s->pad_w : s->pad_w};
  p.t = wino_tiles(p.n, p.oh, p.ow);
  p.depth = round_up(p.ci, CHUNK), p.u_depth = round_up(p.ci, 4);
  p.panels = ceil_div(p.co, NR);
  p.by_panels = p.panels >= 4 && p.t.count <= 160 && (int64_t)p.ci * p.co >= 128 * 128;
  p.u_channels = p.by_panels && !prepared ? min_of(p.u_depth, U_CHANNELS) : p.u_depth;
  p.u_step = p.u_channels * NR + CHUNK; /* + CHUNK: off the powers of two, which would all fall into one set of a cache */
  p.u_panel = p.u_step * POINTS;
  p.blocks = ceil_div(p.t.count, p.by_panels || p.t.count > FEW_TILES ? TILES_BLOCK : MR);
  p.block_tiles = ceil_div(p.t.count, p.blocks);
  return p;
}

/* V of one block of tiles: a point's bands follow each other, band b in rows [piece_at(b), piece_at(b + 1)). */
static int64_t v_step(const Plan *p, int64_t tiles) { return tiles * p->depth + CHUNK; }

static void input_block(const Plan *p, float *v, const float *x, int64_t t0, int64_t tiles, int64_t c0, int64_t c1) {
  int64_t bands = ceil_div(tiles, MR);
  for (int64_t b = 0; b < bands; b++) {
    int64_t r0 = piece_at(tiles, bands, b), rows = piece_at(tiles, bands, b + 1) - r0;
    wino_transform_input(v + r0 * p->depth, v_step(p, tiles), rows, 0, &p->t, x, p->h, p->w, p->ci, p->pad_h, p->pad_w, t0 + r0,
                         rows, c0, c1);
  }
}

/* U[point][c1 - c0][width] of one panel of output channels, for input channels [c0, c1) (c0 a multiple of CHUNK). Rows of
 * w lie far apart and the lines read per step are too many for the prefetcher of the hardware: they are asked for two
 * steps ahead. */
static void weight_panel(const Plan *p, float *u, const float *w, int64_t panel, int64_t first, int64_t last) {
  int64_t n0 = panel * NR, width = min_of(NR, round_up(p->co - n0, VW));
  for (int64_t v = 0; v < width; v += VW) {
    int cols = (int)max_of(0, min_of(VW, p->co - n0 - v));
    for (int64_t c0 = first; c0 < last; c0 += VW) {
      int rows = (int)max_of(0, min_of(VW, p->ci - c0));
      vf g[9][VW]; /* g[tap][i]: input channel c0 + i, a vector of output channels */
      for (int tap = 0; tap < 9; tap++) {
        if (p->turned) {
          if (c0 + 3 * VW <= p->ci)
            for (int i = 0; i < (int)VW; i++) ask(w + ((c0 + 2 * VW + i) * 9 + tap) * p->co + n0 + v);
          for (int i = 0; i < rows; i++) g[tap][i] = v_load_n(w + ((c0 + i) * 9 + 8 - tap) * p->co + n0 + v, cols);
        } else {
          for (int i = 0; i < cols; i++) ask(w + ((n0 + v + i) * 9 + tap) * p->ci + c0 + 2 * VW);
          for (int i = 0; i < (int)VW; i++)
            g[tap][i] = i < cols ? v_load_n(w + ((n0 + v + i) * 9 + tap) * p->ci + c0, rows) : v_zero();
          v_transpose(g[tap]);
        }
      }
      for (int i = 0; i < (int)VW && c0 + i < last; i++) {
        float *to = u + (c0 - first + i) * width + v;
        if (i >= rows) {
          for (int q = 0; q < POINTS; q++) v_store(to + q * p->u_step, v_zero());
          continue;
        }
        vf columns[SIDE][3], a[3], b[SIDE];
#pragma GCC unroll 6
        for (int q = 0; q < 3; q++) {
#pragma GCC unroll 6
          for (int r = 0; r < 3; r++) a[r] = g[r * 3 + q][i];
          wino_weight(a, b);
#pragma GCC unroll 6
          for (int r = 0; r < SIDE; r++) columns[r][q] = b[r];
        }
#pragma GCC unroll 6
        for (int r = 0; r < SIDE; r++) {
          wino_weight(columns[r], b);
#pragma GCC unroll 6
          for (int q = 0; q < SIDE; q++) v_store(to + (r * SIDE + q) * p->u_step, b[q]);
        }
      }
    }
  }
}

static void all_weights(const Plan *p, float *u, const float *w) {
#pragma omp parallel for schedule(dynamic)
  for (int64_t panel = 0; panel < p->panels; panel++) weight_panel(p, u + panel * p->u_panel, w, panel, 0, p->u_depth);
}

/* y of the block's tiles and one panel's channels from its products prod[tile][point][NR]. */
static void output_block(const Plan *p, float *y, const float *prod, const Epilogue *e, int64_t t0, int64_t tiles,
                         int64_t panel) {
  int64_t ahead = wino_ahead(min_of(NR, p->co - panel * NR));
  const bool late = !is_short(e->act); /* in one loop, when the whole tile is ready */
  TileEnd end = tile_end(e, 0, y);
  end.scale = end.shift = NULL; /* done here, in one instruction */
  float ready[TILE][TILE][NR] __attribute__((aligned(64)));
  if (late) memset(ready, 0, sizeof ready);
  for (int64_t r = 0; r < tiles; r++) {
    int64_t tile = t0 + r;
    int j0 = (int)(tile % p->t.tiles_w) * TILE, i0 = (int)(tile / p->t.tiles_w % p->t.tiles_h) * TILE;
    int64_t image = tile / p->t.tiles_w / p->t.tiles_h;
    int rows = (int)min_of(TILE, p->oh - i0), cols = (int)min_of(TILE, p->ow - j0);
    int64_t width = min_of(NR, p->co - panel * NR), y0 = ((image * p->oh + i0) * p->ow + j0) * p->co + panel * NR;
    for (int64_t v = 0; v < NR && panel * NR + v < p->co; v += VW) {
      int64_t ch = panel * NR + v;
      int n = (int)min_of(VW, p->co - ch);
      if (r + ahead < tiles) {
        wino_prefetch(y, &p->t, p->oh, p->ow, p->co, 0, 0, tile + ahead, ch);
        if (e->residual) wino_prefetch(e->residual, &p->t, p->oh, p->ow, p->co, 0, 0, tile + ahead, ch);
        if (e->gate) wino_prefetch(e->gate, &p->t, p->oh, p->ow, p->co, 0, 0, tile + ahead, ch);
      }
      const float *from = prod + r * POINTS * NR + v;
      vf d[SIDE], o[TILE], half[TILE][SIDE];
#pragma GCC unroll 6
      for (int b = 0; b < SIDE; b++) {
#pragma GCC unroll 6
        for (int a = 0; a < SIDE; a++) d[a] = v_load(from + (a * SIDE + b) * NR);
        wino_output(d, o);
#pragma GCC unroll 6
        for (int a = 0; a < TILE; a++) half[a][b] = o[a];
      }
      vf scale = e->scale ? v_load_n(e->scale + ch, n) : v_set(1.0f), shift = e->shift ? v_load_n(e->shift + ch, n) : v_zero();
      bool affine = e->scale || e->shift;
      for (int a = 0; a < rows; a++) {
        int64_t at = y0 + (int64_t)a * p->ow * p->co + v;
        wino_output(half[a], o);
#pragma GCC unroll 6
        for (int b = 0; b < TILE; b++, at += p->co) {
          if (b >= cols) break;
          vf out = o[b];
          if (affine) out = v_fma(out, scale, shift);
          out = n == VW ? end_vector(out, &end, ch, y + at, VW) : end_vector(out, &end, ch, y + at, n);
          if (late) v_store(ready[a][b] + v, out);
          else v_store_n(y + at, out, n);
        }
      }
    }
    if (late) {
      activate_row(ready[0][0], rows * TILE * NR, e->act, e->act_attr);
      for (int a = 0; a < rows; a++)
        for (int b = 0; b < cols; b++) memcpy(y + y0 + ((int64_t)a * p->ow + b) * p->co, ready[a][b], (size_t)width * sizeof(float));
    }
  }
}

/* Input channels [c0, c1) of the products; u holds those alone. */
static void multiply(const Plan *p, float *prod, const float *v, const float *u, int64_t tiles, int64_t panel, int64_t c0, int64_t c1) {
  int64_t bands = ceil_div(tiles, MR);
  int nv = (int)ceil_div(min_of(NR, p->co - panel * NR), VW);
  for (int q = 0; q < POINTS; q++)
    for (int64_t b = 0; b < bands; b++) {
      int64_t r0 = piece_at(tiles, bands, b), mr = piece_at(tiles, bands, b + 1) - r0;
      int64_t floats = q + 1 < POINTS && bands > 1 ? (c1 - c0) * nv * VW : 0;
      const float *ahead = ahead_of(u + (q + 1) * p->u_step, floats, b);
      K(gemm_rows)((int)mr, nv, c1 - c0, v + q * v_step(p, tiles) + r0 * p->depth + c0 * mr, u + q * p->u_step,
                   prod + (r0 * POINTS + q) * NR, (int64_t)POINTS * NR, c0 > 0, ahead);
    }
}

/* With prepared weights U is whole in either order of work. */
static void run(ConvPass pass, float *y, const float *x, const float *w, const float *prepared, const Epilogue *e,
                const ConvShape *s, void *scratch) {
  Plan p = make_plan(pass, s, prepared != NULL);
  Scratch mem = {scratch, 0};
  int64_t prod_size = p.block_tiles * POINTS * NR, v_size = POINTS * v_step(&p, p.block_tiles);
  if (p.by_panels) {
    float *v = take(&mem, p.blocks * v_size), *own = take(&mem, 0);
    int64_t own_size = p.blocks * prod_size + (prepared ? 0 : p.u_panel), groups = ceil_div(p.depth, 4 * CHUNK);
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < p.blocks * groups; i++) {
      int64_t b = i / groups, t0 = piece_at(p.t.count, p.blocks, b), t1 = piece_at(p.t.count, p.blocks, b + 1);
      input_block(&p, v + b * v_size, x, t0, t1 - t0, i % groups * 4 * CHUNK, min_of(p.depth, (i % groups + 1) * 4 * CHUNK));
    }
#pragma omp parallel for schedule(dynamic)
    for (int64_t panel = 0; panel < p.panels; panel++) {
      float *prod = own + omp_get_thread_num() * own_size, *u = prod + p.blocks * prod_size;
      for (int64_t c0 = 0; c0 < p.u_depth; c0 += p.u_channels) {
        int64_t c1 = min_of(p.u_depth, c0 + p.u_channels);
        if (!prepared) weight_panel(&p, u, w, panel, c0, c1);
        for (int64_t b = 0; b < p.blocks; b++) {
          int64_t t0 = piece_at(p.t.count, p.blocks, b), tiles = piece_at(p.t.count, p.blocks, b + 1) - t0;
          multiply(&p, prod + b * prod_size, v + b * v_size, prepared ? prepared + panel * p.u_panel : u, tiles, panel, c0, c1);
          if (c1 == p.u_depth) output_block(&p, y, prod + b * prod_size, e, t0, tiles, panel);
        }
      }
    }
    return;
  }
  float *made = take(&mem, p.panels * p.u_panel), *own = take(&mem, 0);
  if (!prepared) all_weights(&p, made, w);
  const float *u = prepared ? prepared : made;
#pragma omp parallel for schedule(dynamic)
  for (int64_t b = 0; b < p.blocks; b++) {
    float *prod = own + omp_get_thread_num() * (prod_size + v_size), *v = prod + prod_size;
    int64_t t0 = piece_at(p.t.count, p.blocks, b), tiles = piece_at(p.t.count, p.blocks, b + 1) - t0;
    input_block(&p, v, x, t0, tiles, 0, p.depth);
    for (int64_t panel = 0; panel < p.panels; panel++) {
      multiply(&p, prod, v, u + panel * p.u_panel, tiles, panel, 0, p.u_depth);
      output_block(&p, y, prod, e, t0, tiles, panel);
    }
  }
}

void WINOGRAD()(float *y, const float *x, const float *w, const float *prepared, const Epilogue *e, const ConvShape *s, void *scratch) {
  run(CONV_FORWARD, y, x, w, prepared, e, s, scratch);
}

void WINOGRAD(_dx)(float *dx, const float *dy, const float *w, const float *prepared, const Epilogue *e, const ConvShape *s, void *scratch) {
  run(CONV_DX, dx, dy, w, prepared, e, s, scratch);
}

int64_t WINOGRAD(_prepared)(ConvPass pass, const ConvShape *s) {
  Plan p = make_plan(pass, s, true);
  return p.panels * p.u_panel;
}

void WINOGRAD(_prepare)(float *prepared, const float *w, ConvPass pass, const ConvShape *s) {
  Plan p = make_plan(pass, s, true);
  all_weights(&p, prepared, w);
}

size_t WINOGRAD(_scratch)(ConvPass pass, const ConvShape *s) {
  if (pass == CONV_DW) return WINOGRAD(_dw_scratch)(s);
  Plan p = make_plan(pass, s, false);
  int64_t prod_size = p.block_tiles * POINTS * NR, v_size = POINTS * v_step(&p, p.block_tiles);
  Scratch mem = {NULL, 0};
  take(&mem, p.by_panels ? p.blocks * v_size : p.panels * p.u_panel);
  take(&mem, kernels_threads(0) * (p.by_panels ? p.blocks * prod_size + p.u_panel : prod_size + v_size));
  return mem.used + 64;
}
