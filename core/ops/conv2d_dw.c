/* Gradient of conv2d by its weights. */
#include "conv.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)n_in;
  const Shape *dy = &in[0], *x = &in[1];
  if (dy->rank != 4 || x->rank != 4 || dy->dim[0] != x->dim[0])
    return err_set(e, "expects dy (N, K, OH, OW) and x (N, C, H, W), got %s and %s", SHAPE_STR(dy), SHAPE_STR(x));
  if (!conv_attrs_ok(attr, e) || !want_whole(attr, CONV_ATTRS, 2, 1, "kernel", e)) return false;
  int64_t groups = (int64_t)attr[GROUPS];
  if (dy->dim[1] % groups || x->dim[1] % groups)
    return err_set(e, "channels of dy %s and x %s do not divide into %lld groups", SHAPE_STR(dy), SHAPE_STR(x), (long long)groups);
  int64_t kernel[2] = {(int64_t)attr[CONV_ATTRS], (int64_t)attr[CONV_ATTRS + 1]}, want[2];
  if (!conv_out(x->dim + 2, kernel, attr, want, e)) return false;
  if (want[0] != dy->dim[2] || want[1] != dy->dim[3])
    return err_set(e, "x %s gives maps of (%lld, %lld), got dy %s", SHAPE_STR(x), (long long)want[0], (long long)want[1],
                   SHAPE_STR(dy));
  *out = shape_of(4, (int64_t[]){dy->dim[1], x->dim[1] / groups, kernel[0], kernel[1]});
  return conv_sizes_ok(x, out, dy, e);
}

static void forward(const Call *c) {
  ConvShape s = conv_shape(&c->in[1].shape, &c->out.shape, &c->in[0].shape, c->attr);
  kern->conv2d_dw(c->out.data, c->in[0].data, c->in[1].data, &s, c->scratch);
}

static void grad(Builder *b, Node *n, Node *g, const bool *needs, Node **dx) {
  double attr[CONV_ATTRS + 2];
  memcpy(attr, n->attr, CONV_ATTRS * sizeof *attr);
  attr[CONV_ATTRS] = (double)n->in[1]->shape.dim[2], attr[CONV_ATTRS + 1] = (double)n->in[1]->shape.dim[3];
  if (needs[0]) dx[0] = build_a(b, &op_conv2d, 2, (Node *[]){n->in[1], g}, CONV_ATTRS, attr);
  if (needs[1]) dx[1] = build_a(b, &op_conv2d_dx, 2, (Node *[]){n->in[0], g}, CONV_ATTRS + 2, attr);
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in;
  ConvShape s = conv_shape(&in[1], out, &in[0], attr);
  return kern->conv2d_scratch(CONV_DW, &s);
}

static int64_t macs(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in;
  ConvShape s = conv_shape(&in[1], out, &in[0], attr);
  return conv_macs(&s);
}

static const char *algorithm(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in;
  ConvShape s = conv_shape(&in[1], out, &in[0], attr);
  return kern->conv2d_algorithm(CONV_DW, &s);
}

static void reference(const double *const *in, const Shape *in_shape, int n_in, const double *attr, double *out, const Shape *os) {
  (void)n_in;
  ConvShape s = conv_shape(&in_shape[1], os, &in_shape[0], attr);
  memset(out, 0, (size_t)shape_count(os) * sizeof *out);
  conv_terms(CONV_DW, (double *)in[0], (double *)in[1], out, &s);
}

const Op op_conv2d_dw = {
    .name = "conv2d_dw",
    .args = "dy x | stride=1,1 padding=0,0 dilation=1,1 groups=1 kernel=1,1",
    .doc = "gradient of conv2d by w: dw[k,c,r,s] = sum over n,i,j of dy[n,k,i,j] x[n,c, i stride + r dilation - padding, …]",
    .layout = OP_CHANNELS_LAST,
    .shape = shape, .forward = forward, .grad = grad, .scratch = scratch, .macs = macs, .algorithm = algorithm,
    .reference = reference,
    .cases = (const OpCase[]){
        {"2,5,6,6 2,3,8,8", "kernel=3", 0},
        {"1,16,7,7 1,16,7,7", "padding=1 kernel=3", 0},
        {"2,4,5,4 2,6,9,7", "stride=2", 0},
        {"2,8,9,8 2,3,17,15", "stride=2 padding=3 kernel=7", 0},
        {"2,4,6,4 2,4,12,11", "stride=2,3 padding=2,1 dilation=2,1 kernel=3,2", 0},
        {"2,6,7,7 2,6,7,7", "padding=1 groups=6 kernel=3", 0},
        {"2,9,3,3 2,6,6,6", "stride=2 padding=1 groups=3 kernel=3", 0},
        {"1,1,1,1 1,1,1,1", "", 0},
        {0}},
};
