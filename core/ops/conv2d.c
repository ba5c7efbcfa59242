/* Two-dimensional convolution (cross-correlation, as every framework has it). */
#include "conv.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  const Shape *x = &in[0], *w = &in[1];
  if (x->rank != 4) return err_set(e, "expects x of shape (N, C, H, W), got %s", SHAPE_STR(x));
  if (w->rank != 4) return err_set(e, "expects weights of shape (out, in/groups, kernel, kernel), got %s", SHAPE_STR(w));
  if (!conv_attrs_ok(attr, e)) return false;
  int64_t groups = (int64_t)attr[GROUPS], size[2];
  if (x->dim[1] != w->dim[1] * groups)
    return err_set(e, "expects %lld channels (dim 1), got %lld: x %s, weights %s", (long long)(w->dim[1] * groups),
                   (long long)x->dim[1], SHAPE_STR(x), SHAPE_STR(w));
  if (w->dim[0] % groups)
    return err_set(e, "%lld output channels do not divide into %lld groups", (long long)w->dim[0], (long long)groups);
  if (!want_vector(in, n_in, 2, "bias", w->dim[0], e) || !conv_out(x->dim + 2, w->dim + 2, attr, size, e)) return false;
  *out = shape_of(4, (int64_t[]){x->dim[0], w->dim[0], size[0], size[1]});
  return conv_sizes_ok(x, w, out, e);
}

/* The convolution that a call is, made ready. */
static ConvMap map_of(const Call *c, const ConvShape *s) {
  return (ConvMap){c->in[1].data, conv_prepared(&c->in[1], CONV_FORWARD, s), c->epilogue, s};
}

/* The bias arrives as epilogue.shift, with or without something fused (see Epilogue). */
static void forward(const Call *c) {
  ConvShape s = conv_shape(&c->in[0].shape, &c->in[1].shape, &c->out.shape, c->attr);
  const ConvMap map = map_of(c, &s);
  if (!c->first) {
    kern->conv2d(c->out.data, c->in[0].data, map.w, map.prepared, &map.epilogue, &s, c->scratch);
    return;
  }
  if (c->first_op == &op_mul) {
    const View *in = c->first->in, *x = shape_equal(&in[0].shape, &c->in[0].shape) ? &in[0] : &in[1], *scale = x == in ? &in[1] : &in[0];
    kern->conv2d_scaled(c->out.data, x->data, scale->data, &map, c->scratch);
    return;
  }
  const ConvShape f = conv_shape(&c->first->in[0].shape, &c->first->in[1].shape, &c->in[0].shape, c->first->attr);
  const ConvMap first = map_of(c->first, &f);
  kern->conv2d_pair(c->out.data, c->first->in[0].data, &first, &map, c->scratch);
}

static void grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx) {
  double attr[CONV_ATTRS + 2];
  memcpy(attr, n->attr, CONV_ATTRS * sizeof *attr);
  if (needs[0]) {
    attr[CONV_ATTRS] = (double)n->in[0]->shape.dim[2], attr[CONV_ATTRS + 1] = (double)n->in[0]->shape.dim[3];
    dx[0] = build_a(b, &op_conv2d_dx, 2, (Node *[]){dy, n->in[1]}, CONV_ATTRS + 2, attr);
  }
  if (needs[1]) {
    attr[CONV_ATTRS] = (double)n->in[1]->shape.dim[2], attr[CONV_ATTRS + 1] = (double)n->in[1]->shape.dim[3];
    dx[1] = build_a(b, &op_conv2d_dw, 2, (Node *[]){dy, n->in[0]}, CONV_ATTRS + 2, attr);
  }
  if (input_or_null(n, 2) && needs[2])
    dx[2] = build_a(b, &op_sum, 1, &dy, 4, (double[]){0, 2, 3, ATTR_END});
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in;
  ConvShape s = conv_shape(&in[0], &in[1], out, attr);
  return kern->conv2d_scratch(CONV_FORWARD, &s);
}

/* One number for each channel of a sample: the gate of squeeze-and-excitation. */
static bool is_gate(const Shape *g, const Shape *x) {
  return g->rank == 4 && g->dim[0] == x->dim[0] && g->dim[1] == x->dim[1] && g->dim[2] == 1 && g->dim[3] == 1;
}

static size_t pair(const Op *first_op, const Shape *first, const double *first_attr, const Shape *in, const double *attr, const Shape *out) {
  const ConvShape s = conv_shape(&in[0], &in[1], out, attr);
  if (first_op == &op_mul) {
    bool gated = (shape_equal(&first[0], &in[0]) && is_gate(&first[1], &in[0])) || (shape_equal(&first[1], &in[0]) && is_gate(&first[0], &in[0]));
    return gated && kern->conv2d_scales(&s) ? kern->conv2d_scratch(CONV_FORWARD, &s) : 0;
  }
  if (first_op != &op_conv2d) return 0;
  const ConvShape f = conv_shape(&first[0], &first[1], &in[0], first_attr);
  return kern->conv2d_pairs(&f, &s) ? kern->conv2d_pair_scratch(&f, &s) : 0;
}

static int64_t macs(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in;
  ConvShape s = conv_shape(&in[0], &in[1], out, attr);
  return conv_macs(&s);
}

static const char *algorithm(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in;
  ConvShape s = conv_shape(&in[0], &in[1], out, attr);
  return kern->conv2d_algorithm(CONV_FORWARD, &s);
}

static bool over_residual(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in;
  ConvShape s = conv_shape(&in[0], &in[1], out, attr);
  return kern->conv2d_over_residual(CONV_FORWARD, &s);
}

static void reference(const double *const *in, const Shape *in_shape, int n_in, const double *attr, double *out, const Shape *os) {
  ConvShape s = conv_shape(&in_shape[0], &in_shape[1], os, attr);
  int64_t map = os->dim[2] * os->dim[3];
  for (int64_t i = 0, n = shape_count(os); i < n; i++)
    out[i] = n_in > 2 && in[2] ? in[2][i / map % os->dim[1]] : 0;
  conv_terms(CONV_FORWARD, out, (double *)in[0], (double *)in[1], &s);
}

const Op op_conv2d = {
    .name = "conv2d",
    .args = "x w b? | stride=1,1 padding=0,0 dilation=1,1 groups=1",
    .doc = "y[n,k,i,j] = b[k] + sum over c,r,s of w[k,c,r,s] x[n,c, i stride + r dilation - padding, …]; "
           "x (N,C,H,W), w (K,C/groups,R,S), b (K); as torch.nn.functional.conv2d",
    .layout = OP_CHANNELS_LAST, .fuses = FUSE_MAP, .per_sample = true,
    .shape = shape, .forward = forward, .grad = grad, .scratch = scratch, .over_residual = over_residual, .pair = pair, .macs = macs, .algorithm = algorithm,
    .reference = reference,
    .cases = (const OpCase[]){
        {"2,3,8,8 5,3,3,3 5", "", 0},
        {"2,3,8,9 5,3,3,3 -", "padding=1", 0},
        {"1,16,7,7 16,16,3,3 16", "padding=1", 0},
        {"2,5,9,7 4,5,1,1 4", "", 0},
        {"2,6,9,9 8,6,1,1 -", "stride=2", 0},
        {"2,3,17,15 8,3,7,7 8", "stride=2 padding=3", 0},
        {"1,4,9,8 6,4,3,3 -", "stride=2,1 padding=1,0", 0},
        {"2,4,11,10 4,4,3,2 4", "stride=1,2 padding=2,1 dilation=2,3", 0},
        {"2,6,7,7 6,1,3,3 6", "padding=1 groups=6", 0},
        {"2,4,8,8 8,1,5,5 -", "padding=2 stride=2 groups=4", 0},
        {"2,6,6,5 9,2,3,3 9", "padding=1 groups=3", 0},
        {"1,1,1,1 1,1,1,1 1", "", 0},
        {"3,2,4,4 3,2,4,4 3", "", 0},
        {"1,33,14,14 35,33,3,3 35", "padding=1", CASE_NO_GRAD},
        {"1,17,5,5 19,17,1,1 19", "padding=1", CASE_NO_GRAD},
        {0}},
};
