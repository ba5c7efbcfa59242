/* What the three convolution ops share. Attributes of all begin "stride=1,1 padding=0,0 dilation=1,1 groups=1". */
#ifndef OPS_CONV_H
#define OPS_CONV_H
#include "common.h"
#include "host.h"

enum { STRIDE = 0, PADDING = 2, DILATION = 4, GROUPS = 6, CONV_ATTRS = 7 };

extern const Op op_conv2d, op_conv2d_dx, op_conv2d_dw, op_mul, op_sum;

static inline ConvShape conv_shape(const Shape *x, const Shape *w, const Shape *y, const double *attr) {
  return (ConvShape){
      .n = (int)x->dim[0], .c = (int)x->dim[1], .h = (int)x->dim[2], .w = (int)x->dim[3],
      .k = (int)w->dim[0], .r = (int)w->dim[2], .s = (int)w->dim[3],
      .oh = (int)y->dim[2], .ow = (int)y->dim[3],
      .stride_h = (int)attr[STRIDE], .stride_w = (int)attr[STRIDE + 1],
      .pad_h = (int)attr[PADDING], .pad_w = (int)attr[PADDING + 1],
      .dilation_h = (int)attr[DILATION], .dilation_w = (int)attr[DILATION + 1], .groups = (int)attr[GROUPS]};
}

/* The weights as the kernel keeps them from call to call, or NULL where it does not. */
static inline const float *conv_prepared(const View *w, ConvPass pass, const ConvShape *s) {
  size_t bytes = w->tensor ? kern->conv2d_prepared(pass, s) : 0;
  if (!bytes) return NULL;
  struct { const Kernels *kernels; const char *algorithm; ConvShape shape; int64_t pass, shift; } key;
  memset(&key, 0, sizeof key); /* gaps too: it is compared byte by byte */
  key.kernels = kern, key.algorithm = kern->conv2d_algorithm(pass, s), key.shape = *s, key.pass = pass, key.shift = w->shift;
  key.shape.n = key.shape.h = key.shape.w = key.shape.oh = key.shape.ow = 0; /* pictures of all sizes have one form (conv.h) */
  bool fresh;
  float *form = tensor_form(w->tensor, &key, sizeof key, bytes, &fresh);
  if (fresh) {
    bool computing = host.computing;
    host.computing = false; /* what is kept is made whole, whoever asks to stop */
    kern->conv2d_prepare(form, w->data, pass, s);
    host.computing = computing;
  }
  return form;
}

static inline int64_t conv_macs(const ConvShape *s) {
  return as_macs((double)s->n * s->oh * s->ow * s->k * (s->c / s->groups) * s->r * s->s);
}

static inline bool conv_attrs_ok(const double *attr, Err *e) {
  return want_whole(attr, STRIDE, 2, 1, "stride", e) && want_whole(attr, PADDING, 2, 0, "padding", e) &&
         want_whole(attr, DILATION, 2, 1, "dilation", e) && want_whole(attr, GROUPS, 1, 1, "groups", e);
}

/* Kernels count what one image and one filter hold in an int. */
static inline bool conv_sizes_ok(const Shape *x, const Shape *w, const Shape *y, Err *e) {
  const Shape *all[] = {x, w, y};
  for (int i = 0; i < 3; i++) {
    Shape one = *all[i];
    one.dim[0] = 1;
    if (!want_int_dims(all[i], e) || !shape_check(&one, e)) return false;
    if (shape_count(&one) > INT32_MAX)
      return err_set(e, "one %s of %s is more than a convolution takes (%d numbers)", i == 1 ? "filter" : "image", SHAPE_STR(all[i]), INT32_MAX);
  }
  return true;
}

/* Output height and width of a convolution: floor((in + 2 padding - dilation (kernel - 1) - 1) / stride) + 1. */
static inline bool conv_out(const int64_t *in, const int64_t *kernel, const double *attr, int64_t *out, Err *e) {
  int64_t padded[2], reach[2];
  for (int i = 0; i < 2; i++) {
    if (in[i] > INT32_MAX || kernel[i] > INT32_MAX || in[i] + 2 * (int64_t)attr[PADDING + i] > INT32_MAX)
      return err_set(e, "a side of %lld padded by %g, and a kernel of %lld, are more than a convolution takes (%d)", (long long)in[i], attr[PADDING + i],
                     (long long)kernel[i], INT32_MAX);
    padded[i] = in[i] + 2 * (int64_t)attr[PADDING + i];
    reach[i] = (int64_t)attr[DILATION + i] * (kernel[i] - 1) + 1;
    out[i] = (padded[i] - reach[i]) / (int64_t)attr[STRIDE + i] + 1;
  }
  if (kernel[0] < 1 || kernel[1] < 1)
    return err_set(e, "kernel (%lld, %lld) is empty", (long long)kernel[0], (long long)kernel[1]);
  if (padded[0] < reach[0] || padded[1] < reach[1])
    return err_set(e, "kernel (%lld, %lld) larger than padded input (%lld, %lld)%s", (long long)reach[0], (long long)reach[1],
                   (long long)padded[0], (long long)padded[1],
                   attr[DILATION] > 1 || attr[DILATION + 1] > 1 ? " (kernel size with dilation)" : "");
  return true;
}

/* The naive truth of all three passes over row-major arrays: every product a convolution is made of, once.
 * CONV_FORWARD: y += x w. CONV_DX: x += y w. CONV_DW: w += y x. The one that is summed into must be zero before. */
static inline void conv_terms(ConvPass pass, double *y, double *x, double *w, const ConvShape *s) {
  int cg = s->c / s->groups, kg = s->k / s->groups;
  for (int n = 0; n < s->n; n++)
    for (int k = 0; k < s->k; k++)
      for (int oh = 0; oh < s->oh; oh++)
        for (int ow = 0; ow < s->ow; ow++)
          for (int c = 0; c < cg; c++)
            for (int i = 0; i < s->r; i++)
              for (int j = 0; j < s->s; j++) {
                int h = oh * s->stride_h - s->pad_h + i * s->dilation_h, v = ow * s->stride_w - s->pad_w + j * s->dilation_w;
                if (h < 0 || h >= s->h || v < 0 || v >= s->w) continue;
                double *yp = y + (((int64_t)n * s->k + k) * s->oh + oh) * s->ow + ow;
                double *xp = x + (((int64_t)n * s->c + (k / kg) * cg + c) * s->h + h) * s->w + v;
                double *wp = w + (((int64_t)k * cg + c) * s->r + i) * s->s + j;
                if (pass == CONV_FORWARD) *yp += *xp * *wp;
                if (pass == CONV_DX) *xp += *yp * *wp;
                if (pass == CONV_DW) *wp += *yp * *xp;
              }
}
#endif
