/* The gradient of the weights as a matrix product over pixels:
 *
 *   dw[k][(r, s, c)] = sum over p of dy[p][k] * x[pixel(p, r, s)][c]
 *
 * Both operands lie in memory as the product wants them, rows of contiguous channels; they are copied, a stretch of
 * pixels at a time, into chunked blocks that stay in L2 while every tile of dw adds its part. Where dw is small and
 * pixels are many, the pixels are split in a number of parts that depends on the shape alone, each with a sum of its own;
 * the sums are added in order at the end, so the bits do not depend on the number of threads. A large dw has a file of its own. */
#include <omp.h>
#include "conv_parts.h"

enum { STRETCH = 128, LD_ROWS = STRETCH + 1 /* chunks off one set of L1 */, ROWS_MAX = 512, COLS_MAX = 320, PIECES_WANTED = 16, PIXELS_MIN = 2 * STRETCH };

typedef struct Plan {
  Lattice x, dy;
  int blocks, merge;         /* group blocks, groups in one */
  int64_t pixels, rows, cols; /* of one block: dw is rows x cols, a sum over pixels */
  int64_t ld, row_blocks, col_blocks, parts;
  bool direct;               /* tiles go straight to dw */
} Plan;

static Plan make_plan(const ConvShape *s) {
  int merge = conv_merge(s), blocks = s->groups / merge;
  Plan p = {
    .x = lattice_of_x(s, blocks), .dy = lattice_of_y(s, blocks),
    .blocks = blocks, .merge = merge, .pixels = (int64_t)s->n * s->oh * s->ow,
  };
  p.rows = p.dy.c;
  p.cols = (int64_t)s->r * s->s * p.x.c;
  p.ld = round_up(p.cols, CHUNK);
  p.row_blocks = ceil_div(p.rows, ROWS_MAX);
  p.col_blocks = ceil_div(p.cols, COLS_MAX);
  int64_t pieces = max_of(1, blocks * p.row_blocks * p.col_blocks); /* of an empty dw: one */
  p.parts = 1;
  if (pieces < PIECES_WANTED / 2) p.parts = max_of(1, min_of(PIECES_WANTED / pieces, p.pixels / PIXELS_MIN));
  else if (pieces < PIECES_WANTED) p.col_blocks = min_of(ceil_div(p.cols, NR), round_up(p.col_blocks, 2));
  p.direct = p.parts == 1 && merge == 1 && p.cols % CHUNK == 0;
  return p;
}

static int64_t thread_floats(void) { return LD_ROWS * (ROWS_MAX + COLS_MAX + 4 * NR) + round_up(COLS_MAX, 64) + ROWS_MAX + 8 * CHUNK; }

/* sum[r] = (add: sum[r] +) the sum over len pixels of each of `rows` rows of a chunked block. */
static void add_pixels(float *sum, const float *a, int64_t len, int64_t rows, bool add) {
  enum { WIDE = CHUNK / VW, DEEP = 8 / WIDE }; /* eight sums hide what an addition takes */
  for (int64_t m = 0; m < rows; m += CHUNK, a += LD_ROWS * CHUNK, sum += CHUNK) {
    vf acc[DEEP][WIDE];
#pragma GCC unroll 8
    for (int i = 0; i < DEEP * WIDE; i++) acc[i / WIDE][i % WIDE] = v_zero();
    int64_t t = 0;
    for (; t + DEEP <= len; t += DEEP)
#pragma GCC unroll 8
      for (int i = 0; i < DEEP * WIDE; i++) acc[i / WIDE][i % WIDE] = acc[i / WIDE][i % WIDE] + v_load(a + t * CHUNK + i * VW);
    for (; t < len; t++)
#pragma GCC unroll 4
      for (int v = 0; v < WIDE; v++) acc[0][v] = acc[0][v] + v_load(a + t * CHUNK + v * VW);
#pragma GCC unroll 4
    for (int v = 0; v < WIDE; v++) {
      const int n = (int)max_of(0, min_of(VW, rows - m - v * VW));
      vf total = acc[0][v];
#pragma GCC unroll 8
      for (int i = 1; i < DEEP; i++) total = total + acc[i][v];
      if (add) total = total + v_load_n(sum + v * VW, n);
      v_store_n(sum + v * VW, total, n);
    }
  }
}

/* sum: NULL, or the rows' own. */
static void run_piece(const Plan *p, float *out, float *sum, const Lattice *x, const Lattice *dy, int64_t t0, int64_t t1, int64_t m0,
                      int64_t m1, int64_t n0, int64_t n1, float *mem) {
  float *a = mem, *b = a + LD_ROWS * round_up(ROWS_MAX, CHUNK), *line = b + LD_ROWS * (COLS_MAX + 4 * NR);
  if (t1 == t0)
    for (int64_t m = m0; m < m1; m++) memset(out + m * p->ld + n0, 0, sizeof(float) * (size_t)(n1 - n0));
  if (t1 == t0 && sum) memset(sum + m0, 0, sizeof(float) * (size_t)(m1 - m0));
  for (int64_t t = t0; t < t1; t += STRETCH) {
    int64_t len = min_of(STRETCH, t1 - t);
    K(conv_gather)(a, LD_ROWS, 0, dy, t, len, m0, m1, line);
    K(conv_gather)(b, LD_ROWS, 0, x, t, len, n0, n1, line);
    if (sum) add_pixels(sum + m0, a, len, m1 - m0, t > t0);
    int64_t next = t + STRETCH, tiles = ceil_div(n1 - n0, NR) * ceil_div(m1 - m0, OR), tile = 0, asked = 0;
    for (int64_t n = n0; n < n1; n += NR) {
      int nv = (int)ceil_div(min_of(NR, n1 - n), VW);
      const float *bn = b + (n - n0) / CHUNK * LD_ROWS * CHUNK + (n - n0) % CHUNK;
      for (int64_t m = m0; m < m1; m += OR) {
        int64_t due = min_of(STRETCH, t1 - next) * ++tile / tiles; /* rows of the next stretch, asked for evenly over the tiles */
        if (due > asked) {
          K(conv_ask)(dy, next + asked, due - asked, m0, m1);
          K(conv_ask)(x, next + asked, due - asked, n0, n1);
          asked = due;
        }
        const float *am = a + (m - m0) / CHUNK * LD_ROWS * CHUNK + (m - m0) % CHUNK;
        K(gemm_outer)((int)min_of(OR, m1 - m), nv, len, am, CHUNK, bn, LD_ROWS, out + m * p->ld + n, p->ld, t > t0, NULL);
      }
    }
  }
}

void K(conv_gemm_dw)(float *dw, const float *dy, const float *x, const ConvShape *s, void *scratch) { K(conv_gemm_dw_sum)(dw, NULL, dy, x, s, scratch); }

void K(conv_gemm_dw_sum)(float *dw, float *sum, const float *dy, const float *x, const ConvShape *s, void *scratch) {
  if (K(conv_gemm_large_dw_fits)(s)) {
    K(conv_gemm_large_dw)(dw, sum, dy, x, s, scratch);
    return;
  }
  Plan p = make_plan(s);
  Scratch mem = {scratch, 0};
  int64_t block_floats = p.rows * p.ld;
  float *sums = take(&mem, p.direct ? 0 : p.blocks * p.parts * block_floats), *row_sums = take(&mem, p.parts * p.rows);
  float *own = take(&mem, 0);
  int64_t per_part = p.row_blocks * p.col_blocks, count = p.blocks * p.parts * per_part;
#pragma omp parallel for schedule(dynamic)
  for (int64_t i = 0; i < count; i++) {
    int64_t block = i / per_part / p.parts, part = i / per_part % p.parts, rb = i % per_part / p.col_blocks, cb = i % p.col_blocks;
    Lattice gx = p.x, gy = p.dy;
    gx.src = x + block * gx.c, gy.src = dy + block * gy.c;
    float *out = p.direct ? dw + block * block_floats : sums + (block * p.parts + part) * block_floats;
    int64_t chunks_m = ceil_div(p.rows, CHUNK), chunks_n = ceil_div(p.cols, CHUNK);
    run_piece(&p, out, sum && cb == 0 ? row_sums + part * p.rows : NULL, &gx, &gy, piece_at(p.pixels, p.parts, part), piece_at(p.pixels, p.parts, part + 1),
              piece_at(chunks_m, p.row_blocks, rb) * CHUNK, min_of(p.rows, piece_at(chunks_m, p.row_blocks, rb + 1) * CHUNK),
              piece_at(chunks_n, p.col_blocks, cb) * CHUNK, min_of(p.cols, piece_at(chunks_n, p.col_blocks, cb + 1) * CHUNK),
              own + omp_get_thread_num() * thread_floats());
  }
  for (int64_t k = 0; sum && k < p.rows; k++) {
    sum[k] = row_sums[k];
    for (int64_t part = 1; part < p.parts; part++) sum[k] += row_sums[part * p.rows + k];
  }
  if (p.direct) return;
  int cg = s->c / s->groups, kg = s->k / s->groups;
#pragma omp parallel for schedule(static)
  for (int64_t k = 0; k < s->k; k++) {
    const float *row = sums + k / p.rows * p.parts * block_floats + k % p.rows * p.ld;
    float *to = dw + k * s->r * s->s * cg;
    for (int tap = 0; tap < s->r * s->s; tap++) {
      const float *from = row + (int64_t)tap * p.x.c + (p.merge > 1 ? k % p.rows / kg * cg : 0);
      for (int c = 0; c < cg; c += VW) {
        int n = (int)min_of(VW, cg - c);
        vf total = v_load_n(from + c, n);
        for (int64_t part = 1; part < p.parts; part++) total = total + v_load_n(from + c + part * block_floats, n);
        v_store_n(to + (int64_t)tap * cg + c, total, n);
      }
    }
  }
}

size_t K(conv_gemm_dw_scratch)(const ConvShape *s) {
  if (K(conv_gemm_large_dw_fits)(s)) return K(conv_gemm_large_dw_scratch)(s);
  Plan p = make_plan(s);
  Scratch mem = {NULL, 0};
  take(&mem, p.direct ? 0 : p.blocks * p.parts * p.rows * p.ld);
  take(&mem, p.parts * p.rows);
  take(&mem, thread_floats() * kernels_threads(0));
  return mem.used + 64;
}
