/* What attention, that of packed projections and their gradients share. Attributes of the first two begin "scale=0 causal=0"; scale 0 stands for 1 / sqrt(d). */
#ifndef OPS_SCALED_DOT_PRODUCT_ATTENTION_H
#define OPS_SCALED_DOT_PRODUCT_ATTENTION_H
#include <stdlib.h>
#include "rules.h"

enum { SCALE, CAUSAL, MASK_GRAD };

/* A mask fits when it stretches to the scores' shape. */
static inline bool attention_mask_fits(const Shape *mask, const Shape *scores, Err *e) {
  int r = scores->rank;
  bool stretches = mask->rank >= 2 && mask->rank <= r;
  for (int i = 1; stretches && i <= mask->rank; i++)
    stretches = mask->dim[mask->rank - i] == 1 || mask->dim[mask->rank - i] == scores->dim[r - i];
  return stretches || err_set(e, "mask %s does not stretch to the scores' shape %s", SHAPE_STR(mask), SHAPE_STR(scores));
}

/* q (…, l, d), k (…, s, d), v (…, s, dv), mask that stretches to (…, l, s) or NULL; y is filled with (…, l, dv). */
static inline bool attention_fits(const Shape *q, const Shape *k, const Shape *v, const Shape *mask, Shape *y, Err *e) {
  int r = q->rank;
  bool fits = r >= 2 && k->rank == r && v->rank == r && k->dim[r - 1] == q->dim[r - 1] && v->dim[r - 2] == k->dim[r - 2];
  for (int i = 0; fits && i + 2 < r; i++) fits = k->dim[i] == q->dim[i] && v->dim[i] == q->dim[i];
  if (!fits)
    return err_set(e, "expects q (…, L, d), k (…, S, d) and v (…, S, dv), got %s, %s and %s", SHAPE_STR(q), SHAPE_STR(k), SHAPE_STR(v));
  if (!k->dim[r - 2] || !k->dim[r - 1]) return err_set(e, "expects at least one key, got k %s", SHAPE_STR(k));
  Shape scores = *q;
  scores.dim[r - 1] = k->dim[r - 2];
  if (!shape_check(&scores, e)) return err_within(e, "scores");
  if (mask && !attention_mask_fits(mask, &scores, e)) return false;
  *y = *q;
  y->dim[r - 1] = v->dim[r - 1];
  return true;
}

/* How the mask, if there is one, lies over the problems of shape `batch`; its data may be filled in later. */
static inline void attention_stretch(AttentionShape *s, const Shape *mask, const Shape *batch) {
  if (!mask || mask->rank < 0) return;
  int m = mask->rank;
  int64_t step[2][MAX_RANK], rows = mask->dim[m - 2], columns = mask->dim[m - 1];
  s->mask.row = rows > 1 ? columns : 0, s->mask.column = columns > 1, s->mask.plane = rows * columns;
  View planes = {.shape = {.rank = m - 2}};
  for (int i = 0; i < m - 2; i++) planes.shape.dim[i] = mask->dim[i];
  shape_strides(batch, ROW_MAJOR, step[0]);
  walk_steps(&planes, batch, step[1]);
  for (int i = 0; i < batch->rank; i++) step[1][i] *= s->mask.plane;
  walk_make(&s->mask.batch, batch, 2, step);
}

static inline float attention_scale(double scale, int64_t d) { return (float)(scale != 0 ? scale : 1 / sqrt((double)d)); }

/* The call in the kernel's words. */
static inline AttentionShape attention_shape(const Shape *q, const Shape *k, const Shape *v, const Shape *mask, const double *attr) {
  int r = q->rank;
  AttentionShape s = {.batch = 1, .heads = 1, .l = q->dim[r - 2], .s = k->dim[r - 2], .d = q->dim[r - 1], .dv = v->dim[r - 1]};
  s.causal = attr[CAUSAL] != 0;
  s.scale = attention_scale(attr[SCALE], s.d);
  s.q = (AttentionRows){s.l * s.d, 0, s.d}, s.k = (AttentionRows){s.s * s.d, 0, s.d};
  s.v = (AttentionRows){s.s * s.dv, 0, s.dv}, s.y = (AttentionRows){s.l * s.dv, 0, s.dv};
  Shape batch = {.rank = r - 2};
  for (int i = 0; i < r - 2; i++) batch.dim[i] = q->dim[i], s.batch *= q->dim[i];
  attention_stretch(&s, mask, &batch);
  return s;
}
static inline const Shape *attention_mask(const Shape *in, int n_in, int i) { return given(in, n_in, i) ? &in[i] : NULL; }

/* The mask of the part of y, whose dim is dim d of the scores (of rank r): -1: all of it. */
static inline int attention_mask_dim(const Node *mask, int d, int r) {
  if (!mask) return -1;
  d += mask->shape.rank - r;
  return d >= 0 && mask->shape.dim[d] > 1 ? d : -1;
}

/* The gradients of n's first `count` inputs lie one after the other in one vector, those that are given: each is a part of it. */
static inline void attention_gradients(Builder *b, const Node *n, int count, Node *all, const bool *needs, Node **dx) {
  int64_t at = 0;
  for (int i = 0; i < count; i++) {
    if (!n->in[i]) continue;
    int64_t end = at + shape_count(&n->in[i]->shape);
    Node *part = needs[i] ? build_a(b, &op_slice, 1, &all, 4, (double[]){0, (double)at, (double)end, 1}) : NULL;
    if (part) dx[i] = build_shape(b, &op_reshape, part, &n->in[i]->shape);
    at = end;
  }
}

/* --- references --- */

/* The probabilities of row i of problem b. */
static inline void attention_row(double *p, const double *q, const double *k, const double *mask, const AttentionShape *s, int64_t b,
                                 int64_t i) {
  double largest = -INFINITY, sum = 0;
  int64_t plane = walk_at(&s->mask.batch, 1, b), seen = s->causal && i + 1 < s->s ? i + 1 : s->s;
  q += attention_at(&s->q, s, b) + i * s->q.row, k += attention_at(&s->k, s, b);
  for (int64_t j = 0; j < s->s; j++) {
    p[j] = 0;
    if (j >= seen) continue;
    for (int64_t c = 0; c < s->d; c++) p[j] += s->scale * q[c] * k[j * s->k.row + c];
    if (mask) p[j] += mask[plane + i * s->mask.row + j * s->mask.column];
    largest = fmax(largest, p[j]);
  }
  for (int64_t j = 0; j < seen; j++) sum += p[j] = exp(p[j] - largest);
  for (int64_t j = 0; j < seen; j++) p[j] /= sum;
}

static inline void attention_reference(double *y, const double *q, const double *k, const double *v, const double *mask,
                                       const AttentionShape *s) {
  double *p = malloc((size_t)s->s * sizeof *p);
  for (int64_t row = 0; row < s->batch * s->l; row++) {
    int64_t b = row / s->l, i = row % s->l;
    attention_row(p, q, k, mask, s, b, i);
    for (int64_t c = 0; c < s->dv; c++) {
      double sum = 0;
      for (int64_t j = 0; j < s->s; j++) sum += p[j] * v[attention_at(&s->v, s, b) + j * s->v.row + c];
      y[attention_at(&s->y, s, b) + i * s->y.row + c] = sum;
    }
  }
  free(p);
}

/* Adds to the gradients; dmask NULL: not wanted. */
static inline void attention_dx_reference(double *dq, double *dk, double *dv, double *dmask, const double *dy, const double *q, const double *k,
                                          const double *v, const double *mask, const AttentionShape *s) {
  double *p = malloc((size_t)s->s * sizeof *p), *dp = malloc((size_t)s->s * sizeof *dp);
  for (int64_t row = 0; row < s->batch * s->l; row++) {
    int64_t b = row / s->l, i = row % s->l, at_q = attention_at(&s->q, s, b) + i * s->q.row, at_y = attention_at(&s->y, s, b) + i * s->y.row;
    double level = 0;
    attention_row(p, q, k, mask, s, b, i);
    for (int64_t j = 0; j < s->s; j++) {
      int64_t at_v = attention_at(&s->v, s, b) + j * s->v.row;
      dp[j] = 0;
      for (int64_t c = 0; c < s->dv; c++) {
        dp[j] += dy[at_y + c] * v[at_v + c];
        dv[at_v + c] += p[j] * dy[at_y + c];
      }
      level += p[j] * dp[j];
    }
    for (int64_t j = 0; j < s->s; j++) {
      int64_t at_k = attention_at(&s->k, s, b) + j * s->k.row;
      double ds = p[j] * (dp[j] - level);
      if (dmask) dmask[walk_at(&s->mask.batch, 1, b) + i * s->mask.row + j * s->mask.column] += ds;
      for (int64_t c = 0; c < s->d; c++) {
        dq[at_q + c] += s->scale * ds * k[at_k + c];
        dk[at_k + c] += s->scale * ds * q[at_q + c];
      }
    }
  }
  free(p);
  free(dp);
}
#endif
