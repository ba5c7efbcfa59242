/* Attention: y = softmax(scale q k^T + mask) v for each of `batch` problems (a sample's head is one), whole rows of scores in
 * cache and never more than a few rows of them.
 *
 * Vaswani et al.: Attention Is All You Need (2017), https://arxiv.org/abs/1706.03762
 * Dao et al.: FlashAttention (2022), https://arxiv.org/abs/2205.14135 */
#ifndef KERNELS_ATTENTION_H
#define KERNELS_ATTENTION_H
#include "../walk.h"

/* A mask is added to the scores; it is stretched where its steps are 0. Element (b, i, j) is
 * data[walk_at(&batch, 1, b) + i * row + j * column]. */
typedef struct AttentionMask {
  const float *data;    /* NULL: none */
  Walk batch;           /* over the problems; arrays: the problem's number, the mask */
  int64_t row, column;
  int64_t plane;        /* floats of one problem's share, as stored */
} AttentionMask;

/* Where a problem's rows lie, in floats: those of one head of a sample, whose heads may lie side by side. */
typedef struct AttentionRows {
  int64_t sample, head, row;
} AttentionRows;

typedef struct AttentionShape {
  int64_t batch, l, s, d, dv; /* q: (batch, l, d), k: (batch, s, d), v: (batch, s, dv), y: (batch, l, dv) */
  int64_t heads;              /* problem b is head b % heads of sample b / heads */
  AttentionRows q, k, v, y;   /* and their gradients */
  float scale;
  bool causal;                /* row i sees keys 0 … i */
  AttentionMask mask;
} AttentionShape;

/* Where the rows of problem b begin. */
static inline int64_t attention_at(const AttentionRows *r, const AttentionShape *s, int64_t b) {
  return b / s->heads * r->sample + b % s->heads * r->head;
}

#define ATTENTION_KERNELS(ROW) \
  ROW(void, attention, (float *y, const float *q, const float *k, const float *v, const AttentionShape *s, void *scratch)) \
  /* Of y weighted by dy, which lies as y does. The scores are computed again. dmask has the mask's shape; NULL: not wanted */ \
  ROW(void, attention_dx, (float *dq, float *dk, float *dv, float *dmask, const float *dy, const float *q, const float *k, \
                           const float *v, const AttentionShape *s, void *scratch)) \
  /* bytes of scratch with the threads now in force; dmask: whether it is wanted (of attention_dx) */ \
  ROW(size_t, attention_scratch, (const AttentionShape *s)) \
  ROW(size_t, attention_dx_scratch, (const AttentionShape *s, bool dmask))
#endif
