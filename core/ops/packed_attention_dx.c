/* Gradients of packed attention by qkv and, where asked, the mask: one after the other in one vector. */
#include "packed_attention.h"

SHAPE_RULE {
  const Shape *mask = attention_mask(in, n_in, 2);
  Shape y;
  if (!packed_fits(&in[1], mask, attr, &y, e) || !want_same(&in[0], "dy", &y, "y", e)) return false;
  if (attr[PACKED_MASK_GRAD] != 0 && !mask) return err_set(e, "there is no mask to give a gradient for");
  int64_t count = shape_count(&in[1]) + (attr[PACKED_MASK_GRAD] != 0 ? shape_count(mask) : 0);
  *out = shape_of(1, &count);
  return true;
}

FORWARD {
  int64_t part;
  AttentionShape s = packed_shape(&c->in[1].shape, c->n_in > 2 ? &c->in[2].shape : NULL, c->attr, &part);
  const float *q = c->in[1].data;
  float *dq = c->out.data, *dmask = c->attr[PACKED_MASK_GRAD] != 0 ? dq + shape_count(&c->in[1].shape) : NULL;
  s.mask.data = data_or_null(c, 2);
  kern->attention_dx(dq, dq + part, dq + 2 * part, dmask, c->in[0].data, q, q + part, q + 2 * part, &s, c->scratch);
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out UNUSED) {
  int64_t part;
  AttentionShape s = packed_shape(&in[1], attention_mask(in, n_in, 2), attr, &part);
  return kern->attention_dx_scratch(&s, attr[PACKED_MASK_GRAD] != 0);
}

static int64_t macs(const Shape *in, int n_in UNUSED, const double *attr, const Shape *out UNUSED) {
  int64_t part;
  AttentionShape s = packed_shape(&in[1], NULL, attr, &part);
  return as_macs((double)(s.batch * s.l) * (double)s.s * (double)(3 * s.d + 2 * s.dv));
}

REFERENCE {
  int64_t part;
  AttentionShape s = packed_shape(&in_shape[1], attention_mask(in_shape, n_in, 2), attr, &part);
  double *dmask = attr[PACKED_MASK_GRAD] != 0 ? out + shape_count(&in_shape[1]) : NULL;
  memset(out, 0, (size_t)shape_count(out_shape) * sizeof *out);
  attention_dx_reference(out, out + part, out + 2 * part, dmask, in[0], in[1], in[1] + part, in[1] + 2 * part, n_in > 2 ? in[2] : NULL, &s);
}

CASES = {
  {"5,4 5,12 -", "", CASE_NO_GRAD}, {"2,7,16 2,7,48 -", "heads=2 interleaved=1 scale=0.5", CASE_NO_GRAD},
  {"2,4,9,15 2,4,9,45 4,3,9,9", "heads=3 mask_grad=1", CASE_NO_GRAD}, {"2,4,9,15 2,4,9,45 3,9,9", "heads=3 mask_grad=1", CASE_NO_GRAD},
  {"3,70,80 3,70,240 -", "heads=2", CASE_NO_GRAD},
  {0},
};

const Op op_packed_attention_dx = {
  .name = "packed_attention_dx",
  .args = "dy qkv mask? | heads=1 scale=0.0 interleaved=0 mask_grad=0",
  .doc = "gradients of packed_attention in one vector: that of qkv and with mask_grad=1 that of the mask, each row-major",
  .layout = OP_ROW_MAJOR,
  .shape = shape,
  .forward = forward,
  .scratch = scratch,
  .macs = macs,
  .reference = reference,
  .cases = cases,
};
