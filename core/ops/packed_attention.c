/* Attention over queries, keys and values as one linear map makes them, side by side: no copy takes them apart or puts the heads
 * together again. */
#include "packed_attention.h"

extern const Op op_packed_attention_dx, op_linear, op_scaled_dot_product_attention;

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
  return as_macs((double)(s.batch * s.l) * (double)s.s * (double)(s.d + s.dv));
}

static Node *rows_of(Builder *b, Node *x, int64_t from, int64_t to) {
  return x ? build_a(b, &op_slice, 1, &x, 3, (double[]){0, (double)from, (double)to}) : NULL;
}

/* x (…, L, parts heads d) as (parts, …, heads, L, d), or with one part as (…, heads, L, d). */
static Node *heads_of(Builder *b, Node *x, int64_t parts, int64_t heads) {
  if (b->failed) return NULL;
  int r = x->shape.rank, first = parts > 1;
  Shape s = x->shape;
  double dims[MAX_IN];
  s.rank = r + 1 + first;
  if (first) s.dim[r - 1] = parts;
  s.dim[s.rank - 2] = heads;
  s.dim[s.rank - 1] = x->shape.dim[r - 1] / parts / heads;
  for (int i = 0; i < MAX_IN; i++) dims[i] = i < s.rank ? i - first : ATTR_END;
  if (first) dims[0] = r - 1;
  dims[s.rank - 3] = s.rank - 2, dims[s.rank - 2] = r - 2, dims[s.rank - 1] = s.rank - 1;
  x = build_shape(b, &op_reshape, x, &s);
  return build_a(b, &op_permute, 1, &x, MAX_IN, dims);
}

/* Some queries against all keys. The linear map that makes both falls into two, of which one makes queries only where they are asked for. */
static Node *some_queries(Narrowing *w, Node *n) {
  Node *all = n->in[0], *mask = input_or_null(n, 1);
  int d = w->part.dim, r = n->shape.rank;
  if (n->attr[PACKED_INTERLEAVED] != 0 || all->op != &op_linear || r + 2 > MAX_RANK || !narrow_alone(w, all)) return NULL;
  Node *x = narrow_whole(w, all->in[0]), *some = narrow_part(w, all->in[0], d), *weight = narrow_whole(w, all->in[1]);
  Node *bias = narrow_whole(w, input_or_null(all, 2));
  int mask_dim = attention_mask_dim(mask, r - 1, r + 1);
  mask = mask_dim < 0 ? narrow_whole(w, mask) : narrow_part(w, mask, mask_dim);
  if (!w->b) return n;
  int64_t heads = (int64_t)n->attr[PACKED_HEADS], e = n->shape.dim[r - 1];
  Node *q = build(w->b, &op_linear, NULL, 3, (Node *[]){some, rows_of(w->b, weight, 0, e), rows_of(w->b, bias, 0, e)});
  Node *kv = build(w->b, &op_linear, NULL, 3, (Node *[]){x, rows_of(w->b, weight, e, 3 * e), rows_of(w->b, bias, e, 3 * e)});
  if (w->b->failed) return NULL;
  q->recorded_as = kv->recorded_as = all->order;
  q = heads_of(w->b, q, 1, heads), kv = heads_of(w->b, kv, 2, heads);
  if (w->b->failed) return NULL;
  Shape half = kv->shape, y = n->shape;
  half.rank--;
  memmove(half.dim, half.dim + 1, (size_t)half.rank * sizeof *half.dim);
  Node *k = build_shape(w->b, &op_reshape, rows_of(w->b, kv, 0, 1), &half), *v = build_shape(w->b, &op_reshape, rows_of(w->b, kv, 1, 2), &half);
  Node *mixed = build_a(w->b, &op_scaled_dot_product_attention, 4, (Node *[]){q, k, v, mask}, 1, (double[]){n->attr[PACKED_SCALE]});
  double dims[MAX_IN];
  for (int i = 0; i < MAX_IN; i++) dims[i] = i <= r ? i : ATTR_END;
  dims[r - 2] = r - 1, dims[r - 1] = r - 2;
  y.dim[d] = w->part.count;
  return build_shape(w->b, &op_reshape, build_a(w->b, &op_permute, 1, &mixed, MAX_IN, dims), &y);
}

NARROW {
  int d = w->part.dim, r = n->shape.rank;
  if (d == r - 1) return NULL;
  return d == r - 2 ? some_queries(w, n) : narrow_op(w, n, (int[]){d, attention_mask_dim(input_or_null(n, 1), d, r + 1)});
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
  .args = "qkv mask? | heads=1 scale=0.0 interleaved=0",
  .doc = "scaled_dot_product_attention of each head's q, k, v in qkv (…, L, 3 heads d): all q, all k, all v, or interleaved=1 q k v of "
         "each head in turn; y (…, L, heads d); mask stretches to (…, heads, L, L)",
  .layout = OP_ROW_MAJOR,
  .keeps_samples = keeps_samples,
  .shape = shape,
  .forward = forward,
  .grad = grad,
  .narrow = narrow,
  .scratch = scratch,
  .macs = macs,
  .reference = reference,
  .cases = cases,
};
