/* Batch normalisation, layer normalisation and dropout. In batch normalisation numbers are seen as (outer, c, inner) around the channels: channels-last images are
 * outer = N*H*W, inner = 1; (N,C,L) is outer = N, inner = L. Vectors have c elements; where NULL is allowed it is said.
 * All scratch is bn_scratch() bytes.
 *
 * Ioffe, Szegedy: Batch Normalization (2015), https://arxiv.org/abs/1502.03167
 * Ba, Kiros, Hinton: Layer Normalization (2016), https://arxiv.org/abs/1607.06450 */
#ifndef KERNELS_NORM_H
#define KERNELS_NORM_H
#define NORM_KERNELS(ROW) \
  ROW(size_t, bn_scratch, (int64_t outer, int c, int64_t inner)) \
  /* stats: (2, c), means and biased variances. Blocks' means and squares about them, merged in double (Chan, Golub, LeVeque) */ \
  ROW(void, bn_stats, (float *stats, const float *x, int64_t outer, int c, int64_t inner, void *scratch)) \
  /* y = (x - mean) * w / sqrt(var + eps) + b, then the epilogue's residual, activation and gate; mean NULL: 0, w NULL: 1,
   * b NULL: 0; y may be x */ \
  ROW(void, bn_apply, (float *y, const float *x, const float *mean, const float *var, const float *w, const float *b, \
                       const Epilogue *e, float eps, int64_t outer, int c, int64_t inner, void *scratch)) \
  /* dparam: (2, c), sums of dy * xhat and of dy, where xhat = (x - mean) / sqrt(var + eps) */ \
  ROW(void, bn_dparam, (float *dparam, const float *dy, const float *x, const float *mean, const float *var, float eps, \
                        int64_t outer, int c, int64_t inner, void *scratch)) \
  /* dx = w / sqrt(var + eps) * (dy - dparam[1] / n - xhat * dparam[0] / n), n = outer * inner; w NULL: 1; dx may be dy or x */ \
  ROW(void, bn_dx, (float *dx, const float *dy, const float *x, const float *mean, const float *var, const float *w, \
                    const float *dparam, float eps, int64_t outer, int c, int64_t inner, void *scratch)) \
  /* What a convolution's epilogue needs to do the normalisation of running statistics:
   * scale = w / sqrt(var + eps), shift = b + (conv_bias - mean) * scale; NULL: mean 0, w 1, b 0, conv_bias 0 */ \
  ROW(void, bn_fold, (float *scale, float *shift, const float *mean, const float *var, const float *w, const float *b, \
                      const float *conv_bias, float eps, int c)) \
  /* y = (x - mean) / sqrt(var + eps) * w + b by the mean and biased variance of each row; x: (rows, n), w and b: (n), NULL: 1 and 0;
   * y may be x */ \
  ROW(void, layer_norm, (float *y, const float *x, const float *w, const float *b, float eps, int64_t rows, int64_t n)) \
  /* dx = (g - mean of g - xhat * mean of g xhat) / sqrt(var + eps), g = dy * w; dx may be dy or x, and dparam: (2, n), sums over rows
   * of dy * xhat and of dy; either may be NULL; scratch: layer_norm_scratch() bytes, for dparam */ \
  ROW(void, layer_norm_grad, (float *dx, float *dparam, const float *dy, const float *x, const float *w, float eps, int64_t rows, int64_t n, \
                              void *scratch)) \
  ROW(size_t, layer_norm_scratch, (int64_t rows, int64_t n)) \
  /* y = x / (1 - p) with probability 1 - p, else 0. One draw per element, or one for all of a channel of a sample:
   * element (o, j, i) of x (outer, c, inner) takes draw o / share * c + j. Same seed, same draws; y may be x */ \
  ROW(void, dropout, (float *y, const float *x, double p, uint64_t seed, int64_t n)) \
  ROW(void, dropout_channels, (float *y, const float *x, double p, uint64_t seed, int64_t outer, int c, int64_t inner, int64_t share))
#endif
