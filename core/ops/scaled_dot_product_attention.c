/* Attention by scaled dot products (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762), its scores never stored whole
 * (Dao et al. 2022, https://arxiv.org/abs/2205.14135). */
#include "scaled_dot_product_attention.h"

extern const Op op_scaled_dot_product_attention_dx;

SHAPE_RULE { return attention_fits(&in[0], &in[1], &in[2], attention_mask(in, n_in, 3), out, e); }

KEEPS_SAMPLES {
  (void)attr;
  return in[0].rank > 2;
}

FORWARD {
  const View *in = c->in;
  AttentionShape s = attention_shape(&in[0].shape, &in[1].shape, &in[2].shape, c->n_in > 3 ? &in[3].shape : NULL, c->attr);
  s.mask.data = data_or_null(c, 3);
  kern->attention(c->out.data, in[0].data, in[1].data, in[2].data, &s, c->scratch);
}

/* One node computes all gradients, one after the other in memory. */
GRAD {
  Node *mask = input_or_null(n, 3);
  bool any = false;
  for (int i = 0; i < n->n_in; i++) any |= n->in[i] && needs[i];
  if (!any) return;
  double attr[] = {n->attr[SCALE], n->attr[CAUSAL], mask && needs[3]};
  Node *all = build_a(b, &op_scaled_dot_product_attention_dx, 5, (Node *[]){dy, n->in[0], n->in[1], n->in[2], mask}, 3, attr);
  attention_gradients(b, n, n->n_in, all, needs, dx);
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out UNUSED) {
  AttentionShape s = attention_shape(&in[0], &in[1], &in[2], attention_mask(in, n_in, 3), attr);
  return kern->attention_scratch(&s);
}

static int64_t macs(const Shape *in, int n_in, const double *attr, const Shape *out UNUSED) {
  AttentionShape s = attention_shape(&in[0], &in[1], &in[2], attention_mask(in, n_in, 3), attr);
  return as_macs((double)(s.batch * s.l) * (double)s.s * (double)(s.d + s.dv));
}

/* Queries do not know each other, but by their place where causal; nor do columns of v. */
NARROW {
  int d = w->part.dim, r = n->shape.rank, mask = attention_mask_dim(input_or_null(n, 3), d, r);
  if (d == r - 1) return narrow_op(w, n, (int[]){-1, -1, d, -1});
  if (d < r - 2) return narrow_op(w, n, (int[]){d, d, d, mask});
  return n->attr[CAUSAL] != 0 ? NULL : narrow_op(w, n, (int[]){d, -1, -1, mask});
}

REFERENCE {
  AttentionShape s = attention_shape(&in_shape[0], &in_shape[1], &in_shape[2], attention_mask(in_shape, n_in, 3), attr);
  attention_reference(out, in[0], in[1], in[2], n_in > 3 ? in[3] : NULL, &s);
  (void)out_shape;
}

CASES = {
  {"5,4 5,4 5,4 -", "", 0}, {"2,3,7,8 2,3,7,8 2,3,7,8 -", "", 0}, {"2,9,33 2,17,33 2,17,5 -", "scale=0.5", 0}, {"3,4 1,4 1,4 -", "", 0},
  {"2,3,19,8 2,3,19,8 2,3,19,8 -", "causal=1", 0}, {"2,9,4 2,5,4 2,5,4 -", "causal=1", 0}, {"2,5,4 2,9,4 2,9,4 5,9", "causal=1", 0},
  {"2,3,7,8 2,3,7,8 2,3,7,8 2,1,7,7", "", 0}, {"2,3,7,8 2,3,7,8 2,3,7,8 3,7,7", "", 0}, {"2,3,7,8 2,3,7,8 2,3,7,8 2,1,1,7", "", 0},
  {"2,3,7,8 2,3,7,8 2,3,7,8 1,1,7,1", "", CASE_NO_GRAD}, /* the same for all keys: no gradient, as far as floats can tell */
  {"2,4,3,9,5 2,4,3,9,5 2,4,3,9,5 4,3,9,9", "", 0}, {"2,4,3,9,5 2,4,3,9,5 2,4,3,9,5 2,1,3,9,9", "", 0},
  {"40,3,4,6 40,3,4,6 40,3,4,6 3,4,4", "", 0}, {"2,2,70,40 2,2,70,40 2,2,70,40 -", "", 0}, {"0,3,4 0,3,4 0,3,4 -", "", 0},
  {"2,0,4 2,3,4 2,3,4 -", "", 0},
  {"1,300,20 1,200,20 1,200,20 1,300,200", "", CASE_NO_GRAD},
  {0},
};

const Op op_scaled_dot_product_attention = {
  .name = "scaled_dot_product_attention",
  .args = "q k v mask? | scale=0.0 causal=0",
  .doc = "y = softmax(scale q k^T + mask) v over the last two dims; q (…, L, d), k (…, S, d), v (…, S, dv); mask stretches to "
         "(…, L, S); scale 0: 1 / sqrt d; causal=1: row i sees keys 0 to i; as torch.nn.functional.scaled_dot_product_attention",
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
