/* Which algorithm a convolution takes. The choice depends on the shape alone, so it is the same for every thread count.
 * `scripts/bench conv` measures every algorithm at the shapes of well-known networks and says where this rule is wrong. */
#include "conv_parts.h"

typedef enum Algorithm { GEMM, GROUPED, WINOGRAD_4X4, WINOGRAD_2X2 } Algorithm;

#define ENTRY(title, name) {title, K(name), K(name##_dx), K(name##_dw), K(name##_scratch)}
static const struct {
  const char *name;
  void (*forward)(float *y, const float *x, const float *w, const Epilogue *e, const ConvShape *s, void *scratch);
  void (*dx)(float *dx, const float *dy, const float *w, const ConvShape *s, void *scratch);
  void (*dw)(float *dw, const float *dy, const float *x, const ConvShape *s, void *scratch);
  size_t (*scratch)(ConvPass pass, const ConvShape *s);
} algorithm[] = {
  [GEMM] = ENTRY("implicit gemm", conv_gemm),
  [GROUPED] = ENTRY("grouped", conv_grouped),
  [WINOGRAD_4X4] = ENTRY("winograd 4x4", winograd_4x4),
  [WINOGRAD_2X2] = ENTRY("winograd 2x2", winograd_2x2),
};

static bool winograd_fits(const ConvShape *s) {
  return s->groups == 1 && s->r == 3 && s->s == 3 && s->stride_h == 1 && s->stride_w == 1 && s->dilation_h == 1 &&
         s->dilation_w == 1 && s->pad_h <= 2 && s->pad_w <= 2;
}

static bool fits(Algorithm a, const ConvShape *s) {
  return a == GEMM ? true : a == GROUPED ? K(conv_grouped_fits)(s) : winograd_fits(s);
}

/* Winograd's F(4x4,3x3) wins wherever it applies and vectors of channels are full, down to one image of 4x4 pixels: its
 * weights are transformed in L2 as they are used. Only the gradient of the weights, whose sum runs over tiles, needs
 * enough of them: with few, dw is all stores and the plain product makes a quarter as many sums to store. */
static Algorithm rule(ConvPass pass, const ConvShape *s) {
  if (fits(GROUPED, s)) return GROUPED;
  if (!winograd_fits(s) || s->c < CHUNK || s->k < CHUNK) return GEMM;
  int64_t tiles = s->n * ceil_div(s->oh, 4) * ceil_div(s->ow, 4);
  return pass == CONV_DW && tiles < 8 ? GEMM : WINOGRAD_4X4;
}

static Algorithm choose(ConvPass pass, const ConvShape *s) {
  for (Algorithm a = GEMM; kernels_conv_wanted && a <= WINOGRAD_2X2; a++)
    if (!strcmp(kernels_conv_wanted, algorithm[a].name) && fits(a, s)) return a;
  return rule(pass, s);
}

void K(conv2d)(float *y, const float *x, const float *w, const Epilogue *e, const ConvShape *s, void *scratch) {
  algorithm[choose(CONV_FORWARD, s)].forward(y, x, w, e, s, scratch);
}

void K(conv2d_dx)(float *dx, const float *dy, const float *w, const ConvShape *s, void *scratch) {
  algorithm[choose(CONV_DX, s)].dx(dx, dy, w, s, scratch);
}

void K(conv2d_dw)(float *dw, const float *dy, const float *x, const ConvShape *s, void *scratch) {
  algorithm[choose(CONV_DW, s)].dw(dw, dy, x, s, scratch);
}

size_t K(conv2d_scratch)(ConvPass pass, const ConvShape *s) { return algorithm[choose(pass, s)].scratch(pass, s); }

const char *K(conv2d_algorithm)(ConvPass pass, const ConvShape *s) { return algorithm[choose(pass, s)].name; }
