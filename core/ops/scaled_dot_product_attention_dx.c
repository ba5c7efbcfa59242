/* Gradients of attention by q, k, v and, where asked, the mask: one after the other in one vector. */
#include "scaled_dot_product_attention.h"

SHAPE_RULE {
  const Shape *mask = attention_mask(in, n_in, 4);
  Shape y;
  if (!attention_fits(&in[1], &in[2], &in[3], mask, &y, e) || !want_same(&in[0], "dy", &y, "y", e)) return false;
  if (attr[MASK_GRAD] != 0 && !mask) return err_set(e, "there is no mask to give a gradient for");
  int64_t count = shape_count(&in[1]) + shape_count(&in[2]) + shape_count(&in[3]) + (attr[MASK_GRAD] != 0 ? shape_count(mask) : 0);
  *out = shape_of(1, &count);
  return true;
}

FORWARD {
  const View *in = c->in;
  AttentionShape s = attention_shape(&in[1].shape, &in[2].shape, &in[3].shape, c->n_in > 4 ? &in[4].shape : NULL, c->attr);
  s.mask.data = data_or_null(c, 4);
  float *dq = c->out.data, *dk = dq + shape_count(&in[1].shape), *dv = dk + shape_count(&in[2].shape);
  float *dmask = c->attr[MASK_GRAD] != 0 ? dv + shape_count(&in[3].shape) : NULL;
  kern->attention_dx(dq, dk, dv, dmask, in[0].data, in[1].data, in[2].data, in[3].data, &s, c->scratch);
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out UNUSED) {
  AttentionShape s = attention_shape(&in[1], &in[2], &in[3], attention_mask(in, n_in, 4), attr);
  return kern->attention_dx_scratch(&s, attr[MASK_GRAD] != 0);
}

static int64_t macs(const Shape *in, int n_in, const double *attr, const Shape *out UNUSED) {
  AttentionShape s = attention_shape(&in[1], &in[2], &in[3], attention_mask(in, n_in, 4), attr);
  return as_macs((double)(s.batch * s.l) * (double)s.s * (double)(3 * s.d + 2 * s.dv));
}

REFERENCE {
  AttentionShape s = attention_shape(&in_shape[1], &in_shape[2], &in_shape[3], attention_mask(in_shape, n_in, 4), attr);
  double *dq = out, *dk = dq + s.batch * s.l * s.d, *dv = dk + s.batch * s.s * s.d, *dmask = dv + s.batch * s.s * s.dv;
  memset(out, 0, (size_t)shape_count(out_shape) * sizeof *out);
  attention_dx_reference(dq, dk, dv, attr[MASK_GRAD] != 0 ? dmask : NULL, in[0], in[1], in[2], in[3], n_in > 4 ? in[4] : NULL, &s);
}

CASES = {
  {"5,4 5,4 5,4 5,4 -", "", CASE_NO_GRAD}, {"2,9,5 2,9,33 2,17,33 2,17,5 -", "scale=0.5", CASE_NO_GRAD},
  {"2,3,19,8 2,3,19,8 2,3,19,8 2,3,19,8 3,19,19", "causal=1 mask_grad=1", CASE_NO_GRAD},
  {"2,3,7,8 2,3,7,8 2,3,7,8 2,3,7,8 2,1,7,7", "mask_grad=1", CASE_NO_GRAD}, {"40,3,4,6 40,3,4,6 40,3,4,6 40,3,4,6 3,4,4", "", CASE_NO_GRAD},
  {"1,300,20 1,300,20 1,200,20 1,200,20 1,300,200", "mask_grad=1", CASE_NO_GRAD},
  {0},
};

const Op op_scaled_dot_product_attention_dx = {
  .name = "scaled_dot_product_attention_dx",
  .args = "dy q k v mask? | scale=0.0 causal=0 mask_grad=0",
  .doc = "gradients of scaled_dot_product_attention in one vector: dq, dk, dv and with mask_grad=1 that of the mask, each row-major",
  .layout = OP_ROW_MAJOR,
  .shape = shape,
  .forward = forward,
  .scratch = scratch,
  .macs = macs,
  .reference = reference,
  .cases = cases,
};
