/* Dropout: the draw of element i is a hash of the seed and i (v_random), so that threads need no order and the gradient
 * draws the same again. */
#include "kernels.h"
#include "vmath.h"

enum { SMALL = 1 << 14 };

static inline uint32_t draw(uint64_t seed, uint64_t i) { return (uint32_t)(v_random(seed, i) >> 32); }

/* Draws below the threshold are dropped. p = 1 drops all, and divides by nothing. */
static uint64_t threshold(double p) { return (uint64_t)(p * 4294967296.0); }
static float kept(double p) { return p < 1 ? (float)(1 / (1 - p)) : 0; }

void K(dropout)(float *y, const float *x, double p, uint64_t seed, int64_t n) {
  uint64_t least = threshold(p);
  float scale = kept(p);
#pragma omp parallel for simd schedule(static) if (n > SMALL)
  for (int64_t i = 0; i < n; i++) y[i] = draw(seed, (uint64_t)i) >= least ? x[i] * scale : 0.0f;
}

void K(dropout_channels)(float *y, const float *x, double p, uint64_t seed, int64_t outer, int c, int64_t inner, int64_t share) {
  uint64_t least = threshold(p);
  float scale = kept(p);
#pragma omp parallel for schedule(static) if (outer * c * inner > SMALL)
  for (int64_t o = 0; o < outer; o++)
    for (int j = 0; j < c; j++) {
      bool keep = draw(seed, (uint64_t)(o / share * c + j)) >= least;
      const float *xp = x + (o * c + j) * inner;
      float *yp = y + (o * c + j) * inner;
      for (int64_t i = 0; i < inner; i++) yp[i] = keep ? xp[i] * scale : 0.0f;
    }
}
