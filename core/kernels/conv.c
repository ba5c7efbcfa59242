/* Which algorithm a convolution takes. The choice depends on the shape alone, so it is the same for every thread count.
 * `scripts/bench/run conv` measures every algorithm at the shapes of well-known networks and says where this rule is wrong. */
#include "conv_parts.h"

typedef enum Algorithm { GEMM, DIRECT, GROUPED, WINOGRAD_4X4, WINOGRAD_2X2 } Algorithm;

#define ENTRY(title, name) {title, K(name), K(name##_dx), K(name##_dw), K(name##_prepared), K(name##_prepare), K(name##_scratch)}
static const struct {
  const char *name;
  void (*forward)(float *y, const float *x, const float *w, const float *prepared, const Epilogue *e, const ConvShape *s, void *scratch);
  void (*dx)(float *dx, const float *dy, const float *w, const float *prepared, const Epilogue *e, const ConvShape *s, void *scratch);
  void (*dw)(float *dw, const float *dy, const float *x, const ConvShape *s, void *scratch);
  int64_t (*prepared)(ConvPass pass, const ConvShape *s);
  void (*prepare)(float *prepared, const float *w, ConvPass pass, const ConvShape *s);
  size_t (*scratch)(ConvPass pass, const ConvShape *s);
} algorithm[] = {
  [GEMM] = ENTRY("implicit gemm", conv_gemm),
  [DIRECT] = ENTRY("direct", conv_direct),
  [GROUPED] = ENTRY("grouped", conv_grouped),
  [WINOGRAD_4X4] = ENTRY("winograd 4x4", winograd_4x4),
  [WINOGRAD_2X2] = ENTRY("winograd 2x2", winograd_2x2),
};

static bool winograd_fits(const ConvShape *s) {
  return s->groups == 1 && s->r == 3 && s->s == 3 && s->stride_h == 1 && s->stride_w == 1 && s->dilation_h == 1 &&
         s->dilation_w == 1 && s->pad_h <= 2 && s->pad_w <= 2;
}

static bool fits(Algorithm a, ConvPass pass, const ConvShape *s) {
  switch (a) {
    case GEMM: return true;
    case DIRECT: return pass == CONV_DX ? K(conv_direct_dx_fits)(s) : K(conv_direct_fits)(s);
    case GROUPED: return K(conv_grouped_fits)(s);
    default: return winograd_fits(s);
  }
}

/* Pictures are read where they lie, but for patches that do not overlap, which a plain product copies but once. Winograd's
 * F(4x4,3x3) does least arithmetic on maps of 4x4 pixels and more and wins wherever it applies and
 * channels fill a chunk on one side at least, unless tiles are few. Then its weights, 36 numbers for 9, are most of the work: F(2x2,3x3) has 16; and
 * the gradient of the weights, whose sum runs over tiles, is all stores, and the plain product makes a quarter as many sums
 * to store. Maps of 2x2 pixels fill a quarter of a 4x4 tile, those one pixel high or wide too little of any tile. */
static Algorithm rule(ConvPass pass, const ConvShape *s) {
  enum { FEW_TILES = 8 };
  if (fits(GROUPED, pass, s)) return GROUPED;
  bool overlap = s->stride_h < s->r || s->stride_w < s->s;
  if (fits(DIRECT, pass, s) && (pass == CONV_DX || (s->k >= (int)VW && overlap))) return DIRECT;
  if (!winograd_fits(s) || (s->c < CHUNK && s->k < CHUNK)) return GEMM;
  int h = pass == CONV_DX ? s->h : s->oh, w = pass == CONV_DX ? s->w : s->ow;
  int64_t tiles_4x4 = ceil_div(h, 4) * ceil_div(w, 4), tiles_2x2 = ceil_div(h, 2) * ceil_div(w, 2);
  bool few = s->n * tiles_4x4 < FEW_TILES || 16 * tiles_2x2 < 36 * tiles_4x4;
  if (9 * h * w <= 16 * tiles_2x2 || (few && pass == CONV_DW)) return GEMM;
  return few ? WINOGRAD_2X2 : WINOGRAD_4X4;
}

static Algorithm choose(ConvPass pass, const ConvShape *s) {
  for (Algorithm a = GEMM; kernels_conv_wanted && a <= WINOGRAD_2X2; a++)
    if (!strcmp(kernels_conv_wanted, algorithm[a].name) && fits(a, pass, s)) return a;
  return rule(pass, s);
}

/* A plain product whose rows are the pixels of x, one after the other. */
static bool takes_pixels(const ConvShape *s) {
  const Lattice g = lattice_of_x(s, 1);
  return s->groups == 1 && single_pixels(&g) && in_order(&g) && choose(CONV_FORWARD, s) == GEMM;
}

/* They can be scaled where they are gathered. */
bool K(conv2d_scales)(const ConvShape *s) { return takes_pixels(s); }

void K(conv2d_scaled)(float *y, const float *x, const float *scale, const ConvMap *map, void *scratch) {
  K(conv_gemm_scaled)(y, x, scale, map->w, map->prepared, &map->epilogue, map->shape, scratch);
}

/* Two in one pass where the map between them is more than caches hold, and the weights of the first stay in L2 beside its rows. */
bool K(conv2d_pairs)(const ConvShape *first, const ConvShape *second) {
  enum { BETWEEN_MIN = 512 * 1024, WEIGHTS_MAX = 48 * 1024 };
  return takes_pixels(first) && choose(CONV_FORWARD, second) == GROUPED && second->c == second->groups &&
         (int64_t)first->c * first->k <= WEIGHTS_MAX && (int64_t)first->n * first->oh * first->ow * first->k >= BETWEEN_MIN &&
         K(conv_pair_fits)(first, second);
}

void K(conv2d)(float *y, const float *x, const float *w, const float *prepared, const Epilogue *e, const ConvShape *s, void *scratch) {
  algorithm[choose(CONV_FORWARD, s)].forward(y, x, w, prepared, e, s, scratch);
}

void K(conv2d_dx)(float *dx, const float *dy, const float *w, const float *prepared, const Epilogue *e, const ConvShape *s, void *scratch) {
  algorithm[choose(CONV_DX, s)].dx(dx, dy, w, prepared, e, s, scratch);
}

void K(conv2d_dw)(float *dw, const float *dy, const float *x, const ConvShape *s, void *scratch) {
  algorithm[choose(CONV_DW, s)].dw(dw, dy, x, s, scratch);
}

bool K(conv2d_dw_sums)(const ConvShape *s) { return s->groups == 1 && s->c > 0 && choose(CONV_DW, s) == GEMM; }

void K(conv2d_dw_sum)(float *dw, float *sum, const float *dy, const float *x, const ConvShape *s, void *scratch) {
  K(conv_gemm_dw_sum)(dw, sum, dy, x, s, scratch);
}

/* Preparing weights costs as much as some pixels' products: with many pixels it is lost among them, and the memory (up to
 * four times the weights) is better left free. */
size_t K(conv2d_prepared)(ConvPass pass, const ConvShape *s) {
  enum { MANY_PIXELS = 1024 };
  int64_t pixels = (int64_t)s->n * (pass == CONV_DX ? s->h * s->w : s->oh * s->ow);
  return pass == CONV_DW || pixels > MANY_PIXELS ? 0 : (size_t)algorithm[choose(pass, s)].prepared(pass, s) * sizeof(float);
}

void K(conv2d_prepare)(float *prepared, const float *w, ConvPass pass, const ConvShape *s) {
  algorithm[choose(pass, s)].prepare(prepared, w, pass, s);
}

size_t K(conv2d_scratch)(ConvPass pass, const ConvShape *s) { return algorithm[choose(pass, s)].scratch(pass, s); }

const char *K(conv2d_algorithm)(ConvPass pass, const ConvShape *s) { return algorithm[choose(pass, s)].name; }

bool K(conv2d_over_residual)(ConvPass pass, const ConvShape *s) {
  return pass != CONV_DW && (choose(pass, s) != GEMM || K(conv_gemm_at_once)(pass, s));
}
