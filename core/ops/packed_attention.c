/* Attention over queries, keys and values as one linear map makes them, side by side: no copy takes them apart or puts the heads
 * together again. */
#include "packed_attention.h"

extern const Op op_packed_attention_dx;

SHAPE_RULE { return packed_fits(&in[0], attention_mask(in, n_in, 1), attr, out, e); }

KEEPS_SAMPLES {
  (void)attr;
  return in[0].rank > 2;
}

FORWARD {
  int64_t part;
  AttentionShape s = packed_shape(&c->in[0].shape, c->n_in > 1 ? &c->in[1].shape : NULL, c->attr, &part);
  const float *q = c->in[0].data;
  s.mask.data = data_or_null(c, 1);
  kern->attention(c->out.data, q, q + part, q + 2 * part, &s, c->scratch);
}

/* One node computes both gradients, one after the other in memory. */
GRAD {
  Node *mask = input_or_null(n, 1);
  bool learns = mask && needs[1];
  if (!needs[0] && !learns) return;
  double attr[] = {n->attr[PACKED_HEADS], n->attr[PACKED_SCALE], n->attr[PACKED_INTERLEAVED], learns};
  Node *all = build_a(b, &op_packed_attention_dx, 3, (Node *[]){dy, n->in[0], mask}, 4, attr);
  attention_gradients(b, n, n->n_in, all, needs, dx);
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out UNUSED) {
  int64_t part;
  AttentionShape s = packed_shape(&in[0], attention_mask(in, n_in, 1), attr, &part);
  return kern->attention_scratch(&s);
}

static int64_t macs(const Shape *in, int n_in UNUSED, const double *attr, const Shape *out UNUSED) {
  int64_t part;
  AttentionShape s = packed_shape(&in[0], NULL, attr, &part);
  return s.batch * s.l * s.s * (s.d + s.dv);
}

REFERENCE {
  int64_t part;
  AttentionShape s = packed_shape(&in_shape[0], attention_mask(in_shape, n_in, 1), attr, &part);
  attention_reference(out, in[0], in[0] + part, in[0] + 2 * part, n_in > 1 ? in[1] : NULL, &s);
  (void)out_shape;
}

CASES = {
  {"5,12 -", "", 0}, {"2,7,48 -", "heads=2", 0}, {"2,7,48 -", "heads=2 interleaved=1 scale=0.5", 0}, {"2,3,9,30 -", "heads=2", 0},
  {"2,7,48 2,7,7", "heads=2", 0}, {"2,7,48 2,1,7,7", "heads=2 interleaved=1", 0}, {"2,4,9,45 4,3,9,9", "heads=3", 0},
  {"2,4,9,45 4,1,9,9", "heads=3", 0}, {"3,70,240 -", "heads=2", 0}, {"0,3,12 -", "heads=2", 0}, {"2,7,48 1,7", "heads=2", 0},
  {0},
};

const Op op_packed_attention = {
  .name = "packed_attention",
  .args = "qkv mask? | heads=1 scale=0 interleaved=0",
  .doc = "scaled_dot_product_attention of each head's q, k, v in qkv (…, L, 3 heads d): all q, all k, all v, or interleaved=1 q k v of "
         "each head in turn; y (…, L, heads d); mask stretches to (…, heads, L, L)",
  .layout = OP_ROW_MAJOR,
  .keeps_samples = keeps_samples,
  .shape = shape,
  .forward = forward,
  .grad = grad,
  .scratch = scratch,
  .macs = macs,
  .reference = reference,
  .cases = cases,
};
