/* Which algorithm a convolution takes. The choice depends on the shape alone, so it is the same for every thread count. */
#include "conv_parts.h"

typedef enum Algorithm { GEMM, GROUPED, WINOGRAD } Algorithm;

/* Winograd's F(4x4,3x3) wins wherever it applies and vectors of channels are full, down to one image of 4x4 pixels: its
 * weights are transformed in L2 as they are used. Only the gradient of the weights, whose sum runs over tiles, needs
 * enough of them: with few, dw is all stores and the plain product makes a quarter as many sums to store. */
static Algorithm choose(ConvPass pass, const ConvShape *s) {
  if (K(conv_grouped_fits)(s)) return GROUPED;
  if (s->groups > 1 || s->r != 3 || s->s != 3 || s->stride_h != 1 || s->stride_w != 1 || s->dilation_h != 1 || s->dilation_w != 1 ||
      s->pad_h > 2 || s->pad_w > 2)
    return GEMM;
  if (s->c < CHUNK || s->k < CHUNK) return GEMM;
  int64_t tiles = s->n * ceil_div(s->oh, 4) * ceil_div(s->ow, 4);
  return pass == CONV_DW && tiles < 8 ? GEMM : WINOGRAD;
}

void K(conv2d)(float *y, const float *x, const float *w, const Epilogue *e, const ConvShape *s, void *scratch) {
  switch (choose(CONV_FORWARD, s)) {
    case GEMM: K(conv_gemm)(y, x, w, e, s, scratch); break;
    case GROUPED: K(conv_grouped)(y, x, w, e, s, scratch); break;
    case WINOGRAD: K(winograd)(y, x, w, e, s, scratch); break;
  }
}

void K(conv2d_dx)(float *dx, const float *dy, const float *w, const ConvShape *s, void *scratch) {
  switch (choose(CONV_DX, s)) {
    case GEMM: K(conv_gemm_dx)(dx, dy, w, s, scratch); break;
    case GROUPED: K(conv_grouped_dx)(dx, dy, w, s, scratch); break;
    case WINOGRAD: K(winograd_dx)(dx, dy, w, s, scratch); break;
  }
}

void K(conv2d_dw)(float *dw, const float *dy, const float *x, const ConvShape *s, void *scratch) {
  switch (choose(CONV_DW, s)) {
    case GEMM: K(conv_gemm_dw)(dw, dy, x, s, scratch); break;
    case GROUPED: K(conv_grouped_dw)(dw, dy, x, s, scratch); break;
    case WINOGRAD: K(winograd_dw)(dw, dy, x, s, scratch); break;
  }
}

size_t K(conv2d_scratch)(ConvPass pass, const ConvShape *s) {
  switch (choose(pass, s)) {
    case GEMM: break;
    case GROUPED: return K(conv_grouped_scratch)(pass, s);
    case WINOGRAD: return K(winograd_scratch)(pass, s);
  }
  return K(conv_gemm_scratch)(pass, s);
}

const char *K(conv2d_algorithm)(ConvPass pass, const ConvShape *s) {
  static const char *const name[] = {"implicit gemm", "grouped", "winograd 4x4"};
  return name[choose(pass, s)];
}
