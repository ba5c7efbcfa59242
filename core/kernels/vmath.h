/* Transcendental functions without branches or calls, which the compiler turns into vector code inside plain loops. What draws
 * random numbers gives the same bits on every instruction set (C11 mode contracts nothing); activations are rounded once less
 * where a multiply-add is one instruction: their chains of operations are what a loop of them waits for. */
#ifndef KERNELS_VMATH_H
#define KERNELS_VMATH_H
#include <stdint.h>
#include <string.h>

static inline uint32_t v_bits(float x) {
  uint32_t u;
  memcpy(&u, &x, 4);
  return u;
}
static inline float v_float(uint32_t u) {
  float x;
  memcpy(&x, &u, 4);
  return x;
}
static inline float v_mad(float a, float b, float c) { /* a * b + c */
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}
static inline float v_power2(int32_t n) { return v_float((uint32_t)(n + 127) << 23); } /* n in -126 … 127 */

/* e^x, error below 1e-7 relative: Cephes expf (Moshier), argument reduced by n ln 2 in two parts. Overflows to inf,
 * underflows to 0, keeps NaN. */
static inline float v_exp(float x) {
  const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number held in the low bits */
  x = x < -104.0f ? -104.0f : x;
  x = x > 89.0f ? 89.0f : x;
  float t = v_mad(x, 1.44269504088896341f, magic), n = t - magic;
  int32_t k = (int32_t)(v_bits(t) - v_bits(magic));
  float r = v_mad(n, 2.12194440e-4f, v_mad(n, -0.693359375f, x));
  float p = 1.9875691500e-4f;
  p = v_mad(p, r, 1.3981999507e-3f);
  p = v_mad(p, r, 8.3334519073e-3f);
  p = v_mad(p, r, 4.1665795894e-2f);
  p = v_mad(p, r, 1.6666665459e-1f);
  p = v_mad(p, r, 5.0000001201e-1f);
  p = v_mad(p, r * r, r + 1.0f);
  int32_t half = k >> 1;
  return p * v_power2(half) * v_power2(k - half); /* in two steps, for the ends of the range */
}

/* ln x for normal x > 0: Cephes logf. */
static inline float v_log(float x) {
  uint32_t u = v_bits(x);
  int32_t e = (int32_t)(u >> 23) - 126;
  float m = v_float((u & 0x007fffffu) | 0x3f000000u); /* in [0.5, 1) */
  int32_t low = m < 0.707106781186547524f;
  e -= low;
  m = (low ? m + m : m) - 1.0f;
  float z = m * m;
  float p = 7.0376836292e-2f;
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  float f = (float)e;
  return m + (p * m * z + f * -2.12194440e-4f - 0.5f * z) + f * 0.693359375f;
}

/* cos and sin of 2 pi t for t in [0, 1): Cephes' polynomials on a quarter turn. */
static inline void v_turn(float t, float *cosine, float *sine) {
  float quarter = t * 4.0f + 12582912.0f;
  uint32_t k = v_bits(quarter);
  float r = (t - (quarter - 12582912.0f) * 0.25f) * 6.28318530717958648f, z = r * r;
  float s = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * r + r;
  float c = ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z - 0.5f * z + 1.0f;
  float x = k & 1 ? s : c, y = k & 1 ? c : s;
  *cosine = (k + 1) & 2 ? -x : x;
  *sine = k & 2 ? -y : y;
}

/* Bits for place i of the stream `seed`: SplitMix64's finaliser (Steele, Lea, Flood 2014) of a counter, so that every
 * place can be drawn alone and any number of threads draw the same. */
static inline uint64_t v_random(uint64_t seed, uint64_t i) {
  uint64_t z = seed * 0xd1342543de82ef95u + (i + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}
#endif
