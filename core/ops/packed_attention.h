/* What attention over packed projections and its gradient share. Attributes of both begin "heads=1 scale=0 interleaved=0". */
#ifndef OPS_PACKED_ATTENTION_H
#define OPS_PACKED_ATTENTION_H
#include "scaled_dot_product_attention.h"

enum { PACKED_HEADS, PACKED_SCALE, PACKED_INTERLEAVED, PACKED_MASK_GRAD };

/* qkv (…, l, 3 heads d), mask that stretches to (…, heads, l, l) or NULL; y is filled with (…, l, heads d). */
static inline bool packed_fits(const Shape *qkv, const Shape *mask, const double *attr, Shape *y, Err *e) {
  int r = qkv->rank;
  if (!want_whole(attr, PACKED_HEADS, 1, 1, "heads", e)) return false;
  int64_t heads = (int64_t)attr[PACKED_HEADS];
  if (r < 2 || r >= MAX_RANK || qkv->dim[r - 1] % (3 * heads) || !qkv->dim[r - 1])
    return err_set(e, "expects q, k and v side by side, (…, L, 3 * %lld heads * d), got %s", (long long)heads, SHAPE_STR(qkv));
  Shape scores = {.rank = r + 1};
  for (int i = 0; i < r - 2; i++) scores.dim[i] = qkv->dim[i];
  scores.dim[r - 2] = heads, scores.dim[r - 1] = scores.dim[r] = qkv->dim[r - 2];
  if (!shape_check(&scores, e)) return err_within(e, "scores");
  if (mask && !attention_mask_fits(mask, &scores, e)) return false;
  *y = *qkv;
  y->dim[r - 1] /= 3;
  return true;
}

/* The call in the kernel's words; k and v lie *part floats behind q and k. */
static inline AttentionShape packed_shape(const Shape *qkv, const Shape *mask, const double *attr, int64_t *part) {
  int r = qkv->rank;
  int64_t heads = (int64_t)attr[PACKED_HEADS], l = qkv->dim[r - 2], wide = qkv->dim[r - 1], d = wide / 3 / heads;
  bool interleaved = attr[PACKED_INTERLEAVED] != 0;
  *part = interleaved ? d : wide / 3;
  AttentionShape s = {.batch = heads, .heads = heads, .l = l, .s = l, .d = d, .dv = d, .scale = attention_scale(attr[PACKED_SCALE], d)};
  s.q = s.k = s.v = (AttentionRows){l * wide, interleaved ? 3 * d : d, wide};
  s.y = (AttentionRows){l * wide / 3, d, wide / 3};
  Shape batch = {.rank = r - 1};
  for (int i = 0; i < r - 2; i++) batch.dim[i] = qkv->dim[i], s.batch *= qkv->dim[i];
  batch.dim[r - 2] = heads;
  attention_stretch(&s, mask, &batch);
  return s;
}
#endif
