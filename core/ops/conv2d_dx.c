/* Gradient of conv2d by its input; also the transposed convolution. */
#include "conv.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)n_in;
  const Shape *dy = &in[0], *w = &in[1];
  if (dy->rank != 4 || w->rank != 4)
    return err_set(e, "expects dy (N, K, OH, OW) and weights (K, C/groups, R, S), got %s and %s", SHAPE_STR(dy), SHAPE_STR(w));
  if (!conv_attrs_ok(attr, e) || !want_whole(attr, CONV_ATTRS, 2, 1, "size", e)) return false;
  if (dy->dim[1] != w->dim[0] || w->dim[0] % (int64_t)attr[GROUPS])
    return err_set(e, "expects %lld channels (dim 1) in whole groups, got dy %s", (long long)w->dim[0], SHAPE_STR(dy));
  int64_t size[2] = {(int64_t)attr[CONV_ATTRS], (int64_t)attr[CONV_ATTRS + 1]}, want[2];
  if (!conv_out(size, w->dim + 2, attr, want, e)) return false;
  if (want[0] != dy->dim[2] || want[1] != dy->dim[3])
    return err_set(e, "an input of (%lld, %lld) gives maps of (%lld, %lld), got dy %s", (long long)size[0], (long long)size[1],
                   (long long)want[0], (long long)want[1], SHAPE_STR(dy));
  *out = shape_of(4, (int64_t[]){dy->dim[0], w->dim[1] * (int64_t)attr[GROUPS], size[0], size[1]});
  return conv_sizes_ok(out, w, dy, e);
}

static void forward(const Call *c) {
  ConvShape s = conv_shape(&c->out.shape, &c->in[1].shape, &c->in[0].shape, c->attr);
  kern->conv2d_dx(c->out.data, c->in[0].data, c->in[1].data, conv_prepared(&c->in[1], CONV_DX, &s), &c->epilogue, &s, c->scratch);
}

static void grad(Builder *b, Node *n, Node *g, const bool *needs, Node **dx) {
  double attr[CONV_ATTRS + 2];
  memcpy(attr, n->attr, CONV_ATTRS * sizeof *attr);
  attr[CONV_ATTRS] = (double)n->in[1]->shape.dim[2], attr[CONV_ATTRS + 1] = (double)n->in[1]->shape.dim[3];
  if (needs[0]) dx[0] = build_a(b, &op_conv2d, 2, (Node *[]){g, n->in[1]}, CONV_ATTRS, attr);
  if (needs[1]) dx[1] = build_a(b, &op_conv2d_dw, 2, (Node *[]){n->in[0], g}, CONV_ATTRS + 2, attr);
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in;
  ConvShape s = conv_shape(out, &in[1], &in[0], attr);
  return kern->conv2d_scratch(CONV_DX, &s);
}

static int64_t macs(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in;
  ConvShape s = conv_shape(out, &in[1], &in[0], attr);
  return conv_macs(&s);
}

static const char *algorithm(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in;
  ConvShape s = conv_shape(out, &in[1], &in[0], attr);
  return kern->conv2d_algorithm(CONV_DX, &s);
}

static bool over_residual(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in;
  ConvShape s = conv_shape(out, &in[1], &in[0], attr);
  return kern->conv2d_over_residual(CONV_DX, &s);
}

static void reference(const double *const *in, const Shape *in_shape, int n_in, const double *attr, double *out, const Shape *os) {
  (void)n_in;
  ConvShape s = conv_shape(os, &in_shape[1], &in_shape[0], attr);
  memset(out, 0, (size_t)shape_count(os) * sizeof *out);
  conv_terms(CONV_DX, (double *)in[0], out, (double *)in[1], &s);
}

const Op op_conv2d_dx = {
    .name = "conv2d_dx",
    .args = "dy w | stride=1,1 padding=0,0 dilation=1,1 groups=1 size=1,1",
    .doc = "gradient of conv2d by x: dx[n,c,h,w] = sum over the windows that saw it of dy w; size is x's height and width",
    .layout = OP_CHANNELS_LAST, .fuses = FUSE_TAIL, .per_sample = true,
    .shape = shape, .forward = forward, .grad = grad, .scratch = scratch, .over_residual = over_residual, .macs = macs, .algorithm = algorithm,
    .reference = reference,
    .cases = (const OpCase[]){
        {"2,5,6,6 5,3,3,3", "size=8", 0},
        {"1,16,7,7 16,16,3,3", "padding=1 size=7", 0},
        {"2,4,5,4 4,6,1,1", "stride=2 size=9,7", 0},
        {"2,8,9,8 8,3,7,7", "stride=2 padding=3 size=17,15", 0},
        {"2,4,6,4 4,4,3,2", "stride=2,3 padding=2,1 dilation=2,1 size=12,11", 0},
        {"2,6,7,7 6,1,3,3", "padding=1 groups=6 size=7", 0},
        {"2,9,3,3 9,2,3,3", "stride=2 padding=1 groups=3 size=6", 0},
        {"1,1,1,1 1,1,1,1", "size=1", 0},
        {0}},
};
