/* Convolution in channels-last memory. x: (N,H,W,C), w: (K,R,S,C/groups), y: (N,OH,OW,K). */
#ifndef KERNELS_CONV_H
#define KERNELS_CONV_H

typedef struct ConvShape {
  int n, h, w, c;  /* input */
  int k, r, s;     /* output channels, kernel height and width */
  int oh, ow;      /* output */
  int stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups;
} ConvShape;

typedef enum ConvPass { CONV_FORWARD, CONV_DX, CONV_DW } ConvPass;

/* What a convolution's forward pass knows but x and y. */
typedef struct ConvMap {
  const float *w, *prepared;
  Epilogue epilogue;
  const ConvShape *shape;
} ConvMap;

#define CONV_KERNELS(ROW) \
  /* y = w * x through the epilogue; e is never NULL; prepared: the weights as conv2d_prepare left them, or NULL */ \
  ROW(void, conv2d, (float *y, const float *x, const float *w, const float *prepared, const Epilogue *e, const ConvShape *s, void *scratch)) \
  /* dx: (N,H,W,C) from dy: (N,OH,OW,K), through the epilogue */ \
  ROW(void, conv2d_dx, (float *dx, const float *dy, const float *w, const float *prepared, const Epilogue *e, const ConvShape *s, void *scratch)) \
  /* dw: (K,R,S,C/groups) */ \
  ROW(void, conv2d_dw, (float *dw, const float *dy, const float *x, const ConvShape *s, void *scratch)) \
  /* dw, and sum: (K), that of dy's pixels, for shapes of which conv2d_dw_sums says so; with conv2d's scratch */ \
  ROW(void, conv2d_dw_sum, (float *dw, float *sum, const float *dy, const float *x, const ConvShape *s, void *scratch)) \
  ROW(bool, conv2d_dw_sums, (const ConvShape *s)) \
  /* bytes of the weights' own form for this pass (packed, transformed), or 0 where keeping it would not pay; and making it */ \
  ROW(size_t, conv2d_prepared, (ConvPass pass, const ConvShape *s)) \
  ROW(void, conv2d_prepare, (float *prepared, const float *w, ConvPass pass, const ConvShape *s)) \
  /* bytes of scratch that the pass wants for this shape with the threads now in force: ask again when their number changes */ \
  ROW(size_t, conv2d_scratch, (ConvPass pass, const ConvShape *s)) \
  /* whether the epilogue's residual may be the output's own memory: no element is stored before its sum is whole */ \
  ROW(bool, conv2d_over_residual, (ConvPass pass, const ConvShape *s)) \
  /* y = w * (x times scale (N,C)), for shapes of which conv2d_scales says so, with conv2d's scratch */ \
  ROW(void, conv2d_scaled, (float *y, const float *x, const float *scale, const ConvMap *map, void *scratch)) \
  ROW(bool, conv2d_scales, (const ConvShape *s)) \
  /* y: second of first of x, where their shapes pair: whether they do, and bytes of scratch with the threads now in force */ \
  ROW(void, conv2d_pair, (float *y, const float *x, const ConvMap *first, const ConvMap *second, void *scratch)) \
  ROW(bool, conv2d_pairs, (const ConvShape *first, const ConvShape *second)) \
  ROW(size_t, conv2d_pair_scratch, (const ConvShape *first, const ConvShape *second)) \
  /* the algorithm chosen ("winograd 4x4", "implicit gemm", "direct" …), for profiles */ \
  ROW(const char *, conv2d_algorithm, (ConvPass pass, const ConvShape *s))
#endif
