/* What attention and its gradient share. Attributes of both begin "scale=0 causal=0"; scale 0 stands for 1 / sqrt(d). */
#ifndef OPS_SCALED_DOT_PRODUCT_ATTENTION_H
#define OPS_SCALED_DOT_PRODUCT_ATTENTION_H
#include <stdlib.h>
#include "rules.h"

enum { SCALE, CAUSAL, MASK_GRAD };

/* q (…, l, d), k (…, s, d), v (…, s, dv), mask that stretches to (…, l, s) or NULL; y is filled with (…, l, dv). */
static inline bool attention_fits(const Shape *q, const Shape *k, const Shape *v, const Shape *mask, Shape *y, Err *e) {
  int r = q->rank;
  bool fits = r >= 2 && k->rank == r && v->rank == r && k->dim[r - 1] == q->dim[r - 1] && v->dim[r - 2] == k->dim[r - 2];
  for (int i = 0; fits && i + 2 < r; i++) fits = k->dim[i] == q->dim[i] && v->dim[i] == q->dim[i];
  if (!fits)
    return err_set(e, "expects q (…, L, d), k (…, S, d) and v (…, S, dv), got %s, %s and %s", SHAPE_STR(q), SHAPE_STR(k), SHAPE_STR(v));
  if (!k->dim[r - 2] || !k->dim[r - 1]) return err_set(e, "expects at least one key, got k %s", SHAPE_STR(k));
  if (mask && mask->rank >= 0) {
    Shape scores = *q;
    scores.dim[r - 1] = k->dim[r - 2];
    bool stretches = mask->rank >= 2 && mask->rank <= r;
    for (int i = 1; stretches && i <= mask->rank; i++)
      stretches = mask->dim[mask->rank - i] == 1 || mask->dim[mask->rank - i] == scores.dim[r - i];
    if (!stretches) return err_set(e, "mask %s does not stretch to the scores' shape %s", SHAPE_STR(mask), SHAPE_STR(&scores));
  }
  *y = *q;
  y->dim[r - 1] = v->dim[r - 1];
  return true;
}

/* The call in the kernel's words; the mask's data may be filled in later. */
static inline AttentionShape attention_shape(const Shape *q, const Shape *k, const Shape *v, const Shape *mask, const double *attr) {
  int r = q->rank;
  AttentionShape s = {.batch = 1, .l = q->dim[r - 2], .s = k->dim[r - 2], .d = q->dim[r - 1], .dv = v->dim[r - 1]};
  s.causal = attr[CAUSAL] != 0;
  s.scale = (float)(attr[SCALE] != 0 ? attr[SCALE] : 1 / sqrt((double)s.d));
  Shape batch = {.rank = r - 2};
  for (int i = 0; i < r - 2; i++) batch.dim[i] = q->dim[i], s.batch *= q->dim[i];
  if (!mask || mask->rank < 0) return s;
  int m = mask->rank;
  int64_t step[2][MAX_RANK], rows = mask->dim[m - 2], columns = mask->dim[m - 1];
  s.mask.row = rows > 1 ? columns : 0, s.mask.column = columns > 1, s.mask.plane = rows * columns;
  View planes = {.shape = {.rank = m - 2}};
  for (int i = 0; i < m - 2; i++) planes.shape.dim[i] = mask->dim[i];
  shape_strides(&batch, ROW_MAJOR, step[0]);
  walk_steps(&planes, &batch, step[1]);
  for (int i = 0; i < r - 2; i++) step[1][i] *= s.mask.plane;
  walk_make(&s.mask.batch, &batch, 2, step);
  return s;
}
static inline const Shape *attention_mask(const Shape *in, int n_in, int i) { return given(in, n_in, i) ? &in[i] : NULL; }

/* For references: the probabilities of row i of problem b. */
static inline void attention_row(double *p, const double *q, const double *k, const double *mask, const AttentionShape *s, int64_t b,
                                 int64_t i) {
  double largest = -INFINITY, sum = 0;
  int64_t plane = walk_at(&s->mask.batch, 1, b), seen = s->causal && i + 1 < s->s ? i + 1 : s->s;
  for (int64_t j = 0; j < s->s; j++) {
    p[j] = 0;
    if (j >= seen) continue;
    for (int64_t c = 0; c < s->d; c++) p[j] += s->scale * q[(b * s->l + i) * s->d + c] * k[(b * s->s + j) * s->d + c];
    if (mask) p[j] += mask[plane + i * s->mask.row + j * s->mask.column];
    largest = fmax(largest, p[j]);
  }
  for (int64_t j = 0; j < seen; j++) sum += p[j] = exp(p[j] - largest);
  for (int64_t j = 0; j < seen; j++) p[j] /= sum;
}
#endif
