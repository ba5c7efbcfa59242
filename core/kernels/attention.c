/* Attention, forward and backward. A problem's keys and values are packed once into panels that lie in L2; then a band of
 * rows at a time (as high as a register tile) is multiplied with all keys, made into probabilities in L1 and multiplied with
 * all values. Whole rows of scores fit up to some ten thousand keys, so their softmax is the plain one.
 *
 * Backward computes the scores again. With P the probabilities and dP = dy v^T,
 *
 *   dS = P * (dP - rowsum(P * dP))      dq = scale dS k      dk = scale dS^T q      dv = P^T dy      dmask = sum of dS
 *
 * P and dS of a block of rows are kept for the two products over rows. Problems that share a mask are added to its gradient
 * in order, in parts whose number depends on the shape alone, so the bits do not depend on the number of threads. */
#include <math.h>
#include <omp.h>
#include <string.h>
#include "conv_parts.h"

enum { PIECES_WANTED = 16, ROWS_LEAST = 4 * MR, BLOCK_FLOATS = 32 * 1024, WIDE = NR > CHUNK ? NR : CHUNK };

/* --- packing --- */

/* Rows of x (rows, n), ld apart, as the columns of panels [n in fours][width], zeros beyond: the right operand of a . x^T. */
static void pack_columns(float *to, const float *x, int64_t ld, int64_t rows, int64_t n) {
  int64_t depth = round_up(n, 4);
  for (int64_t r0 = 0; r0 < rows; r0 += NR) {
    int64_t width = min_of(NR, round_up(rows - r0, VW));
    for (int64_t k = 0; k < depth; k += VW)
      for (int64_t r = 0; r < width; r += VW) {
        const float *from = x + (r0 + r) * ld + k;
        float *panel = to + k * width + r;
        int64_t left = rows - r0 - r, deep = depth - k;
        vf t[VW];
        if (left >= VW && n - k >= VW) {
#pragma GCC unroll 16
          for (int i = 0; i < (int)VW; i++) t[i] = v_load(from + i * ld);
        } else {
#pragma GCC unroll 16
          for (int i = 0; i < (int)VW; i++) t[i] = i < left ? v_load_n(from + i * ld, (int)min_of(VW, n - k)) : v_zero();
        }
        v_transpose(t);
#pragma GCC unroll 16
        for (int i = 0; i < (int)VW; i++)
          if (i < deep) v_store(panel + i * width, t[i]);
      }
    to += depth * width;
  }
}

/* `width` columns of rows ld apart, of which n are there, one row after the other, times scale; zeros beyond. Returns the end. */
INLINE float *pack_columns_of_rows(float *to, const float *x, int64_t ld, int64_t rows, const int width, int64_t n, vf scale) {
  for (int64_t r = 0; r < rows; r++, x += ld, to += width)
#pragma GCC unroll 4
    for (int j = 0; j < width; j += VW)
      v_store(to + j, (n >= width ? v_load(x + j) : v_load_n(x + j, (int)max_of(0, min_of(VW, n - j)))) * scale);
  return to;
}

/* x (rows, n), rows ld apart, in panels of columns [rows in fours][width], zeros beyond: the right operand of a . x. */
static void pack_rows(float *to, const float *x, int64_t ld, int64_t rows, int64_t n) {
  for (int64_t n0 = 0; n0 < n; n0 += NR) {
    const int wide = n - n0 > (int)VW ? NR : VW;
    to = wide == NR ? pack_columns_of_rows(to, x + n0, ld, rows, NR, n - n0, v_set(1)) : pack_columns_of_rows(to, x + n0, ld, rows, VW, n - n0, v_set(1));
    for (int64_t rest = (round_up(rows, 4) - rows) * wide; rest > 0; rest -= VW, to += VW) v_store(to, v_zero());
  }
}

/* x (rows, n), rows ld apart, times scale as a chunked block (gemm.h). */
static void pack_chunks(float *to, const float *x, int64_t ld, int64_t rows, int64_t n, float scale) {
  for (int64_t j = 0; j < n; j += CHUNK) to = pack_columns_of_rows(to, x + j, ld, rows, CHUNK, n - j, v_set(scale));
}

/* Asks for rows [from, to) of n floats each, ld apart, of a matrix that comes next. */
INLINE void ask_rows(const float *x, int64_t ld, int64_t from, int64_t to, int64_t n) {
  for (x += from * ld; from < to; from++, x += ld)
    for (int64_t j = 0; j < n; j += CHUNK) ask(x + j);
}

/* Problems that a thread takes at a time: the heads of a sample, which lie side by side, where there are many. */
static int problems_at_once(const AttentionShape *s, int64_t problems) { return (int)max_of(1, min_of(s->heads, problems / PIECES_WANTED)); }

/* c (mr, n) = a . b, a chunked over k, b in panels. */
static void multiply(float *c, int64_t ldc, const float *a, const float *b, int64_t mr, int64_t n, int64_t k) {
  int64_t depth = round_up(k, 4);
  for (int64_t n0 = 0; n0 < n; n0 += NR, b += depth * NR)
    K(gemm_rows)((int)mr, (int)ceil_div(min_of(NR, n - n0), VW), depth, a, b, c + n0, ldc, false, NULL);
}

/* c (m, n) [+]= a^T . b over t rows, both chunked. */
static void multiply_rows(float *c, int64_t ldc, const float *a, const float *b, int64_t m, int64_t n, int64_t t, bool add) {
  for (int64_t n0 = 0; n0 < n; n0 += NR)
    for (int64_t m0 = 0; m0 < m; m0 += OR)
      K(gemm_outer)((int)min_of(OR, m - m0), (int)ceil_div(min_of(NR, n - n0), VW), t, a + m0 / CHUNK * t * CHUNK + m0 % CHUNK, CHUNK,
                    b + n0 / CHUNK * t * CHUNK + n0 % CHUNK, t, c + m0 * ldc + n0, ldc, add, NULL);
}

static void store_scaled(float *y, const float *x, int64_t n, float scale) {
  int64_t j = 0;
  for (; j + VW <= n; j += VW) v_store(y + j, v_load(x + j) * v_set(scale));
  if (j < n) v_store_part(y + j, v_load(x + j) * v_set(scale), (int)(n - j));
}

/* --- rows of scores --- */

/* Adds the mask (NULL: none; its one number where it has no columns) to the n scores of a row; minus infinity follows up to `whole`. Returns
 * the largest; a NaN shows in the sum of exponentials. */
INLINE vf mask_scores(float *row, int64_t n, int64_t whole, const float *mask, const bool columns) {
  vf most = v_set(-INFINITY), level = v_set(mask && !columns ? *mask : 0);
  int64_t j = 0;
  for (; j + VW <= n; j += VW) {
    vf v = v_load(row + j);
    if (mask) v_store(row + j, v = v + (columns ? v_load(mask + j) : level));
    most = v_max(v, most);
  }
  if (j < n) {
    vf v = v_load(row + j);
    if (mask) v = v + (columns ? v_load_part(mask + j, (int)(n - j)) : level);
    v = v_first(v, v_set(-INFINITY), (int)(n - j));
    v_store(row + j, v);
    most = v_max(v, most);
    j += VW;
  }
  for (; j < whole; j += VW) v_store(row + j, v_set(-INFINITY));
  return v_set(v_largest(most));
}

/* A row of raw scores becomes e^(score - largest), chunk by chunk, `step` floats apart; returns their sum. Where the row does not
 * see, and up to a whole chunk, probabilities are zeros. */
static float exponentials(float *p, int64_t step, float *row, const AttentionShape *s, const float *mask, int64_t i) {
  int64_t n = s->causal ? min_of(s->s, i + 1) : s->s, whole = round_up(s->s, CHUNK);
  vf sum = v_zero(), most;
  if (!mask) most = mask_scores(row, n, whole, NULL, false);
  else if (s->mask.column) most = mask_scores(row, n, whole, mask, true);
  else most = mask_scores(row, n, whole, mask, false);
  for (int64_t j = 0; j < whole; j += CHUNK, p += step)
#pragma GCC unroll 4
    for (int l = 0; l < (int)CHUNK; l += VW) {
      vf e = v_exp_falling(v_load(row + j + l) - most);
      v_store(p + l, e);
      sum = sum + e;
    }
  return v_sum(sum);
}

static const float *mask_row(const AttentionShape *s, const float *plane, int64_t i) { return plane ? plane + i * s->mask.row : NULL; }

/* --- forward --- */

typedef struct Buffers {
  float *keys, *values, *scores, *chunks, *rows, *out;
} Buffers;

static Buffers forward_buffers(Scratch *mem, const AttentionShape *s) {
  return (Buffers){
    .keys = take(mem, round_up(s->s, NR) * round_up(s->d, 4)), .values = take(mem, round_up(s->s, 4) * round_up(s->dv, NR)),
    .scores = take(mem, MR * round_up(s->s, WIDE)), .chunks = take(mem, MR * round_up(s->s, CHUNK)),
    .rows = take(mem, MR * round_up(s->d, CHUNK)), .out = take(mem, MR * round_up(s->dv, NR)),
  };
}

/* Rows are cut in pieces where there are few problems. */
static int64_t row_pieces(const AttentionShape *s) {
  int64_t wanted = ceil_div(PIECES_WANTED, max_of(1, s->batch));
  return max_of(1, min_of(wanted, s->l / ROWS_LEAST));
}

void K(attention)(float *y, const float *q, const float *k, const float *v, const AttentionShape *s, void *scratch) {
  Scratch one = {NULL, 0};
  forward_buffers(&one, s);
  const int64_t pieces = row_pieces(s), items = s->batch * pieces, lds = round_up(s->s, WIDE), ldv = round_up(s->dv, NR);
#pragma omp parallel for schedule(dynamic, problems_at_once(s, items))
  for (int64_t item = 0; item < items; item++) {
    Scratch mem = {(char *)scratch + (size_t)omp_get_thread_num() * one.used, 0};
    Buffers at = forward_buffers(&mem, s);
    int64_t b = item / pieces, first = piece_at(s->l, pieces, item % pieces), rows = piece_at(s->l, pieces, item % pieces + 1) - first;
    int64_t bands = ceil_div(rows, MR);
    const float *plane = s->mask.data ? s->mask.data + walk_at(&s->mask.batch, 1, b) : NULL;
    const int64_t next = item + 1 < items ? (item + 1) / pieces : b;
    const float *qb = q + attention_at(&s->q, s, b);
    const float *next_q = q + attention_at(&s->q, s, next), *next_k = k + attention_at(&s->k, s, next), *next_v = v + attention_at(&s->v, s, next);
    float *yb = y + attention_at(&s->y, s, b);
    pack_columns(at.keys, k + attention_at(&s->k, s, b), s->k.row, s->s, s->d);
    pack_rows(at.values, v + attention_at(&s->v, s, b), s->v.row, s->s, s->dv);
    for (int64_t band = 0; band < bands; band++) {
      int64_t r0 = first + piece_at(rows, bands, band), mr = first + piece_at(rows, bands, band + 1) - r0;
      float sum[MR];
      if (next != b) {
        int64_t k0 = piece_at(s->s, bands, band), k1 = piece_at(s->s, bands, band + 1);
        ask_rows(next_q, s->q.row, r0, r0 + mr, s->d);
        ask_rows(next_k, s->k.row, k0, k1, s->d);
        ask_rows(next_v, s->v.row, k0, k1, s->dv);
      }
      pack_chunks(at.rows, qb + r0 * s->q.row, s->q.row, mr, s->d, s->scale);
      multiply(at.scores, lds, at.rows, at.keys, mr, s->s, s->d);
      for (int64_t r = 0; r < mr; r++)
        sum[r] = exponentials(at.chunks + r * CHUNK, mr * CHUNK, at.scores + r * lds, s, mask_row(s, plane, r0 + r), r0 + r);
      multiply(at.out, ldv, at.chunks, at.values, mr, s->dv, s->s);
      for (int64_t r = 0; r < mr; r++) store_scaled(yb + (r0 + r) * s->y.row, at.out + r * ldv, s->dv, 1 / sum[r]);
    }
  }
}

size_t K(attention_scratch)(const AttentionShape *s) {
  Scratch one = {NULL, 0};
  forward_buffers(&one, s);
  return one.used * (size_t)kernels_threads(0);
}

/* --- backward --- */

/* What problems share: those of a group have one plane of the mask. Without its gradient each is a group of its own. */
typedef struct Groups {
  Walk own, shared; /* arrays of own: problem, mask; of shared: problem */
  int64_t parts, items;
} Groups;

static Groups make_groups(const AttentionShape *s, bool dmask) {
  const Walk *w = &s->mask.batch;
  Groups g = {.own = {.count = 1}, .shared = {.count = 1}, .parts = 1, .items = s->batch};
  if (!dmask) return g;
  for (int i = 0; i < w->rank; i++) {
    Walk *to = w->step[1][i] ? &g.own : &g.shared;
    to->dim[to->rank] = w->dim[i];
    to->step[0][to->rank] = w->step[0][i], to->step[1][to->rank] = w->step[1][i];
    to->count *= w->dim[i], to->rank++;
  }
  g.parts = max_of(1, min_of(g.shared.count, PIECES_WANTED / max_of(1, g.own.count)));
  g.items = g.own.count * g.parts;
  return g;
}

static int64_t block_rows(const AttentionShape *s) { return min_of(max_of(1, s->l), max_of(MR, BLOCK_FLOATS / round_up(s->s, CHUNK) / MR * MR)); }

typedef struct Back {
  float *keys, *values, *key_rows;   /* k and v as columns, k as rows */
  float *scores, *products;          /* of a band: q k^T and dy v^T, row by row */
  float *q_band, *dy_band, *ds_band; /* of a band, chunked */
  float *q, *dy, *p, *ds;            /* of a block, chunked */
  float *dq, *dk, *dv;               /* dq of a band; sums */
} Back;

static Back back_buffers(Scratch *mem, const AttentionShape *s) {
  int64_t wide = round_up(s->s, WIDE), t = block_rows(s);
  int64_t s16 = round_up(s->s, CHUNK), d16 = round_up(s->d, CHUNK), dv16 = round_up(s->dv, CHUNK);
  return (Back){
    .keys = take(mem, wide * round_up(s->d, 4)), .values = take(mem, wide * round_up(s->dv, 4)),
    .key_rows = take(mem, round_up(s->s, 4) * round_up(s->d, NR)), .scores = take(mem, MR * wide), .products = take(mem, MR * wide),
    .q_band = take(mem, MR * d16), .dy_band = take(mem, MR * dv16), .ds_band = take(mem, MR * s16),
    .q = take(mem, t * d16), .dy = take(mem, t * dv16), .p = take(mem, t * s16), .ds = take(mem, t * s16),
    .dq = take(mem, MR * round_up(s->d, NR)), .dk = take(mem, s->s * round_up(s->d, NR)),
    .dv = take(mem, s->s * round_up(s->dv, NR)),
  };
}

/* The row's exponentials p become probabilities, and dp the gradient of the scores; both chunk by chunk, `step` floats apart,
 * dS again in its band. */
static void score_gradients(float *p, float *ds, int64_t step, float *band, int64_t band_step, float *dp, int64_t s, float sum) {
  int64_t whole = round_up(s, CHUNK);
  vf per = v_set(1 / sum), level = v_zero();
  for (int64_t j = s; j < whole; j++) dp[j] = 0;
  float *at = p;
  for (int64_t j = 0; j < whole; j += CHUNK, at += step)
#pragma GCC unroll 4
    for (int l = 0; l < (int)CHUNK; l += VW) {
      vf v = v_load(at + l) * per;
      v_store(at + l, v);
      level = v_fma(v, v_load(dp + j + l), level);
    }
  level = v_set(v_sum(level));
  for (int64_t j = 0; j < whole; j += CHUNK, p += step, ds += step, band += band_step)
#pragma GCC unroll 4
    for (int l = 0; l < (int)CHUNK; l += VW) {
      vf v = v_load(p + l) * (v_load(dp + j + l) - level);
      v_store(dp + j + l, v);
      v_store(ds + l, v);
      v_store(band + l, v);
    }
}

/* Problem b, its share of the mask's gradient added to dplane; `next` comes after it. */
static void problem_dx(float *dq, float *dk, float *dv, float *dplane, const float *dy, const float *q, const float *k, const float *v,
                       const AttentionShape *s, int64_t b, int64_t next, const Back *at) {
  int64_t wide = round_up(s->s, WIDE), ldd = round_up(s->d, NR), ldv = round_up(s->dv, NR);
  const float *plane = s->mask.data ? s->mask.data + walk_at(&s->mask.batch, 1, b) : NULL;
  int64_t at_q = attention_at(&s->q, s, b), at_k = attention_at(&s->k, s, b), at_v = attention_at(&s->v, s, b);
  int64_t to_q = attention_at(&s->q, s, next) - at_q, to_k = attention_at(&s->k, s, next) - at_k, to_v = attention_at(&s->v, s, next) - at_v;
  int64_t at_y = attention_at(&s->y, s, b), to_y = attention_at(&s->y, s, next) - at_y;
  q += at_q, dq += at_q, k += at_k, dk += at_k, v += at_v, dv += at_v, dy += at_y;
  pack_columns(at->keys, k, s->k.row, s->s, s->d);
  pack_columns(at->values, v, s->v.row, s->s, s->dv);
  pack_rows(at->key_rows, k, s->k.row, s->s, s->d);
  int64_t blocks = ceil_div(s->l, block_rows(s));
  for (int64_t block = 0; block < blocks; block++) {
    int64_t t0 = piece_at(s->l, blocks, block), t = piece_at(s->l, blocks, block + 1) - t0, bands = ceil_div(t, MR), step = t * CHUNK;
    pack_chunks(at->q, q + t0 * s->q.row, s->q.row, t, s->d, s->scale);
    pack_chunks(at->dy, dy + t0 * s->y.row, s->y.row, t, s->dv, 1);
    for (int64_t band = 0; band < bands; band++) {
      int64_t b0 = piece_at(t, bands, band), mr = piece_at(t, bands, band + 1) - b0, r0 = t0 + b0;
      if (next != b) {
        int64_t k0 = s->s * r0 / s->l, k1 = s->s * (r0 + mr) / s->l;
        ask_rows(q + to_q, s->q.row, r0, r0 + mr, s->d);
        ask_rows(dy + to_y, s->y.row, r0, r0 + mr, s->dv);
        ask_rows(k + to_k, s->k.row, k0, k1, s->d);
        ask_rows(v + to_v, s->v.row, k0, k1, s->dv);
      }
      pack_chunks(at->q_band, q + r0 * s->q.row, s->q.row, mr, s->d, s->scale);
      pack_chunks(at->dy_band, dy + r0 * s->y.row, s->y.row, mr, s->dv, 1);
      multiply(at->scores, wide, at->q_band, at->keys, mr, s->s, s->d);
      multiply(at->products, wide, at->dy_band, at->values, mr, s->s, s->dv);
      for (int64_t r = 0; r < mr; r++) {
        float *p = at->p + (b0 + r) * CHUNK, *dp = at->products + r * wide;
        float sum = exponentials(p, step, at->scores + r * wide, s, mask_row(s, plane, r0 + r), r0 + r);
        score_gradients(p, at->ds + (b0 + r) * CHUNK, step, at->ds_band + r * CHUNK, mr * CHUNK, dp, s->s, sum);
        if (!dplane) continue;
        float *to = dplane + (r0 + r) * s->mask.row;
        if (s->mask.column) {
          for (int64_t j = 0; j < s->s; j++) to[j] += dp[j];
        } else {
          for (int64_t j = 0; j < s->s; j++) to[0] += dp[j];
        }
      }
      multiply(at->dq, ldd, at->ds_band, at->key_rows, mr, s->d, s->s);
      for (int64_t r = 0; r < mr; r++) store_scaled(dq + (r0 + r) * s->q.row, at->dq + r * ldd, s->d, s->scale);
    }
    multiply_rows(at->dv, ldv, at->p, at->dy, s->s, s->dv, t, block > 0);
    multiply_rows(at->dk, ldd, at->ds, at->q, s->s, s->d, t, block > 0);
  }
  if (!blocks) memset(at->dk, 0, sizeof(float) * (size_t)(s->s * ldd)), memset(at->dv, 0, sizeof(float) * (size_t)(s->s * ldv));
  for (int64_t j = 0; j < s->s; j++) {
    store_scaled(dk + j * s->k.row, at->dk + j * ldd, s->d, 1);
    store_scaled(dv + j * s->v.row, at->dv + j * ldv, s->dv, 1);
  }
}

void K(attention_dx)(float *dq, float *dk, float *dv, float *dmask, const float *dy, const float *q, const float *k, const float *v,
                     const AttentionShape *s, void *scratch) {
  Groups g = make_groups(s, dmask != NULL);
  Scratch one = {NULL, 0}, all = {scratch, 0};
  back_buffers(&one, s);
  float *sums = take(&all, dmask ? g.items * s->mask.plane : 0), *own = take(&all, 0);
#pragma omp parallel for schedule(dynamic, dmask ? 1 : problems_at_once(s, g.items))
  for (int64_t item = 0; item < g.items; item++) {
    Scratch mem = {(char *)own + (size_t)omp_get_thread_num() * one.used, 0};
    Back at = back_buffers(&mem, s);
    if (!dmask) {
      problem_dx(dq, dk, dv, NULL, dy, q, k, v, s, item, min_of(item + 1, g.items - 1), &at);
      continue;
    }
    float *plane = sums + item * s->mask.plane;
    memset(plane, 0, sizeof(float) * (size_t)s->mask.plane);
    int64_t first = walk_at(&g.own, 0, item / g.parts), part = item % g.parts;
    for (int64_t m = piece_at(g.shared.count, g.parts, part), end = piece_at(g.shared.count, g.parts, part + 1); m < end; m++)
      problem_dx(dq, dk, dv, plane, dy, q, k, v, s, first + walk_at(&g.shared, 0, m), first + walk_at(&g.shared, 0, min_of(m + 1, end - 1)), &at);
  }
  if (!dmask) return;
#pragma omp parallel for schedule(static) if (g.own.count * s->mask.plane > 16384)
  for (int64_t i = 0; i < g.own.count; i++) {
    float *to = dmask + walk_at(&g.own, 1, i);
    const float *from = sums + i * g.parts * s->mask.plane;
    for (int64_t j = 0; j < s->mask.plane; j++) {
      float sum = from[j];
      for (int64_t part = 1; part < g.parts; part++) sum += from[part * s->mask.plane + j];
      to[j] = sum;
    }
  }
}

size_t K(attention_dx_scratch)(const AttentionShape *s, bool dmask) {
  Groups g = make_groups(s, dmask);
  Scratch one = {NULL, 0}, all = {NULL, 0};
  back_buffers(&one, s);
  take(&all, dmask ? g.items * s->mask.plane : 0);
  return all.used + one.used * (size_t)kernels_threads(0);
}
