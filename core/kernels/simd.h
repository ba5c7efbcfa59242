/* Vectors of the width this file is compiled for: `vf` holds VW floats (16 on AVX-512, 8 on AVX2, 4 elsewhere), REGISTERS of them.
 * `vi` as many 32-bit whole numbers. + - * / work on both as on numbers; a bare number needs v_set. Loads and stores need no alignment. The _n forms touch
 * only the first n floats of memory (0 <= n <= VW) and read zeros beyond. v_fma(a, b, c) is a * b + c, rounded once where
 * the instruction set can. */
#ifndef KERNELS_SIMD_H
#define KERNELS_SIMD_H
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline, unused))

#if defined(ISA_avx512)
#include <immintrin.h>
typedef __m512 vf;
typedef int32_t vi __attribute__((vector_size(64)));
enum { VW = 16, REGISTERS = 32 };
INLINE vf v_load(const float *p) { return _mm512_loadu_ps(p); }
INLINE void v_store(float *p, vf v) { _mm512_storeu_ps(p, v); }
INLINE void v_stream(float *p, vf v) { _mm512_stream_ps(p, v); } /* around the caches; p is a multiple of the vector */
INLINE vf v_set(float x) { return _mm512_set1_ps(x); }
INLINE vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
INLINE vf v_fnma(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); } /* c - a * b */
INLINE vf v_max(vf a, vf b) { return _mm512_max_ps(a, b); }
INLINE vf v_min(vf a, vf b) { return _mm512_min_ps(a, b); }
INLINE vf v_load_part(const float *p, int n) { return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
INLINE void v_store_part(float *p, vf v, int n) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v); }
INLINE vf v_first(vf v, vf rest, int n) { return _mm512_mask_mov_ps(rest, (__mmask16)((1u << n) - 1), v); } /* n lanes of v, then of rest */
#elif defined(ISA_avx2)
#include <immintrin.h>
typedef __m256 vf;
typedef int32_t vi __attribute__((vector_size(32)));
enum { VW = 8, REGISTERS = 16 };
INLINE vf v_load(const float *p) { return _mm256_loadu_ps(p); }
INLINE void v_store(float *p, vf v) { _mm256_storeu_ps(p, v); }
INLINE void v_stream(float *p, vf v) { _mm256_stream_ps(p, v); }
INLINE vf v_set(float x) { return _mm256_set1_ps(x); }
INLINE vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
INLINE vf v_fnma(vf a, vf b, vf c) { return _mm256_fnmadd_ps(a, b, c); }
INLINE vf v_max(vf a, vf b) { return _mm256_max_ps(a, b); }
INLINE vf v_min(vf a, vf b) { return _mm256_min_ps(a, b); }
INLINE __m256i v_mask(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE vf v_load_part(const float *p, int n) { return _mm256_maskload_ps(p, v_mask(n)); }
INLINE void v_store_part(float *p, vf v, int n) { _mm256_maskstore_ps(p, v_mask(n), v); }
INLINE vf v_first(vf v, vf rest, int n) { return _mm256_blendv_ps(rest, v, _mm256_castsi256_ps(v_mask(n))); }
#else /* 16-byte vectors in GCC's own notation: SSE2 on x86-64, NEON on ARM, and what other machines have */
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
INLINE vf v_load(const float *p) { vf v; memcpy(&v, p, sizeof v); return v; }
INLINE void v_store(float *p, vf v) { memcpy(p, &v, sizeof v); }
INLINE void v_stream(float *p, vf v) { v_store(p, v); }
INLINE vf v_set(float x) { return (vf){x, x, x, x}; }
INLINE vf v_pick(vi mask, vf a, vf b);
INLINE vf v_max(vf a, vf b) { return v_pick(a > b, a, b); } /* as maxps: b when either is NaN */
INLINE vf v_min(vf a, vf b) { return v_pick(a < b, a, b); }
#if defined(ISA_neon)
#include <arm_neon.h>
enum { VW = 4, REGISTERS = 32 };
INLINE vf v_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
INLINE vf v_fnma(vf a, vf b, vf c) { return vfmsq_f32(c, a, b); }
INLINE vf v_load_part(const float *p, int n) {
  vf v = v_set(0);
  if (n > 0) v[0] = p[0];
  if (n > 1) v[1] = p[1];
  if (n > 2) v[2] = p[2];
  if (n > 3) v[3] = p[3];
  return v;
}
INLINE void v_store_part(float *p, vf v, int n) {
  if (n > 0) p[0] = v[0];
  if (n > 1) p[1] = v[1];
  if (n > 2) p[2] = v[2];
  if (n > 3) p[3] = v[3];
}
#else
enum { VW = 4, REGISTERS = 16 };
INLINE vf v_fma(vf a, vf b, vf c) { return a * b + c; }
INLINE vf v_fnma(vf a, vf b, vf c) { return c - a * b; }
INLINE vf v_load_part(const float *p, int n) {
  vf v = {0, 0, 0, 0};
  for (int i = 0; i < n; i++) v[i] = p[i];
  return v;
}
INLINE void v_store_part(float *p, vf v, int n) {
  for (int i = 0; i < n; i++) p[i] = v[i];
}
#endif
INLINE vf v_first(vf v, vf rest, int n) { return v_pick(n > (vi){0, 1, 2, 3}, v, rest); }
#endif

/* sum += a * b in one instruction that leaves the sum in its register: of many sums GCC otherwise moves some about, and spills. */
INLINE void v_add_product(vf *sum, vf a, vf b) {
#if defined(ISA_avx512) || defined(ISA_avx2)
  __asm__("vfmadd231ps %2, %1, %0" : "+v"(*sum) : "v"(a), "v"(b));
#elif defined(ISA_neon)
  __asm__("fmla %0.4s, %1.4s, %2.4s" : "+w"(*sum) : "w"(a), "w"(b));
#else
  *sum = v_fma(a, b, *sum);
#endif
}
/* The same where a is one number, from v_factor: NEON takes it from a register's first lane, where a load leaves it. */
#if defined(ISA_neon)
INLINE vf v_factor(float x) {
  vf v;
  __asm__("" : "=w"(v) : "0"(x));
  return v;
}
INLINE void v_add_multiple(vf *sum, vf a, vf b) { __asm__("fmla %0.4s, %2.4s, %1.s[0]" : "+w"(*sum) : "w"(a), "w"(b)); }
#else
INLINE vf v_factor(float x) { return v_set(x); }
INLINE void v_add_multiple(vf *sum, vf a, vf b) { v_add_product(sum, a, b); }
#endif

/* Where the compiler knows that n is VW these are plain loads and stores. Where it does not, a store asks: one of a part takes some of
 * these CPUs (Zen) twenty cycles, of all lanes too. */
INLINE vf v_load_n(const float *p, int n) { return __builtin_constant_p(n) && n == (int)VW ? v_load(p) : v_load_part(p, n); }
INLINE void v_store_n(float *p, vf v, int n) {
  if (n == (int)VW) v_store(p, v);
  else v_store_part(p, v, n);
}

/* Lane l of the result is lane index[l] of v; v_index makes the index that gives, in every run of n lanes (n a power of
 * two, at most VW), the run's lane j. */
#if defined(ISA_avx512)
typedef __m512i vidx;
INLINE vf v_permute(vf v, vidx index) { return _mm512_permutexvar_ps(index, v); }
#elif defined(ISA_avx2)
typedef __m256i vidx;
INLINE vf v_permute(vf v, vidx index) { return _mm256_permutevar8x32_ps(v, index); }
#elif defined(ISA_neon)
typedef uint8x16_t vidx; /* of bytes */
INLINE vf v_permute(vf v, vidx index) { return (vf)vqtbl1q_u8((uint8x16_t)v, index); }
#else
typedef vi vidx;
INLINE vf v_permute(vf v, vidx index) {
#if defined(__clang__)
  return (vf){v[index[0]], v[index[1]], v[index[2]], v[index[3]]};
#else
  return __builtin_shuffle(v, index);
#endif
}
#endif
INLINE vidx v_index(int n, int j) {
#if defined(ISA_avx512)
  const vi iota = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#elif defined(ISA_avx2)
  const vi iota = {0, 1, 2, 3, 4, 5, 6, 7};
#else
  const vi iota = {0, 1, 2, 3};
#endif
#if defined(ISA_neon)
  return (vidx)(((iota & -n) + j) * 0x04040404 + 0x03020100);
#else
  return (vidx)((iota & -n) + j);
#endif
}

/* Whole numbers, VW of them, 32 bits each: v_bytes widens as many bytes; v_put_bytes stores each as one, clipped to 0 … 255,
 * from numbers within ± 32767. */
#if defined(ISA_avx512)
INLINE vi v_bytes(const uint8_t *p) { return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)); }
INLINE void v_put_bytes(uint8_t *p, vi v) {
  __m512i up = _mm512_max_epi32((__m512i)v, _mm512_setzero_si512());
  _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtusepi32_epi8(up));
}
#elif defined(ISA_avx2)
INLINE vi v_bytes(const uint8_t *p) { return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)); }
INLINE void v_put_bytes(uint8_t *p, vi v) {
  __m128i h = _mm_packs_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1));
  _mm_storel_epi64((__m128i *)(void *)p, _mm_packus_epi16(h, h));
}
#else
INLINE vi v_bytes(const uint8_t *p) {
  typedef uint8_t bytes __attribute__((vector_size(16)));
  typedef uint16_t halves __attribute__((vector_size(16)));
  int32_t four;
  memcpy(&four, p, 4);
  halves h = (halves)__builtin_shufflevector((bytes)(vi){four}, (bytes){0}, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  return (vi)__builtin_shufflevector(h, (halves){0}, 0, 8, 1, 9, 2, 10, 3, 11);
}
#if defined(ISA_neon)
INLINE void v_put_bytes(uint8_t *p, vi v) {
  uint16x4_t h = vqmovun_s32(v);
  uint8x8_t four = vqmovn_u16(vcombine_u16(h, h));
  memcpy(p, &four, 4);
}
#else
INLINE void v_put_bytes(uint8_t *p, vi v) {
  for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v[i] < 0 ? 0 : v[i] > 255 ? 255 : v[i]);
}
#endif
#endif

/* Asks for a line of memory into the second cache: far more of these may be on their way than of those into the first, where what is
 * asked for a row ahead would not stay anyway. */
INLINE void ask(const float *p) { __builtin_prefetch(p, 0, 2); }

/* a in the lanes where a comparison held, b in the others */
INLINE vf v_pick(vi mask, vf a, vf b) { return (vf)(((vi)a & mask) | ((vi)b & ~mask)); }

INLINE vf v_zero(void) { return v_set(0.0f); }
/* max(x, 0) that keeps NaN, as PyTorch's relu does (the second operand comes back when either is NaN) */
INLINE vf v_relu(vf v) { return v_max(v_zero(), v); }

/* v where gate is above 0, else 0 */
INLINE vf v_gate(vf v, vf gate) {
#if defined(ISA_avx512)
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(gate, v_zero(), _CMP_GT_OQ), v);
#elif defined(ISA_avx2)
  return _mm256_and_ps(v, _mm256_cmp_ps(gate, v_zero(), _CMP_GT_OQ));
#else
  return v_pick(gate > v_zero(), v, v_zero());
#endif
}

/* The sum and the largest of a vector's lanes, in an order that VW decides; of the largest a NaN is no part. */
#if defined(ISA_avx512) || defined(ISA_avx2)
#define REDUCE_LANES(name, of) \
  INLINE float name(vf v) { \
    __m256 h = HALF(of, v); \
    __m128 q = _mm_##of##_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1)); \
    q = _mm_##of##_ps(q, _mm_movehl_ps(q, q)); \
    return _mm_cvtss_f32(_mm_##of##_ss(q, _mm_movehdup_ps(q))); \
  }
#if defined(ISA_avx512)
#define HALF(of, v) _mm256_##of##_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1))
#else
#define HALF(of, v) (v)
#endif
REDUCE_LANES(v_sum, add)
REDUCE_LANES(v_largest, max)
#else
INLINE float v_sum(vf v) { return (v[0] + v[2]) + (v[1] + v[3]); }
INLINE float v_largest(vf v) {
  float a = v[0] > v[2] ? v[0] : v[2], b = v[1] > v[3] ? v[1] : v[3];
  return a > b ? a : b;
}
#endif

/* e^x for x <= 0, error below 1e-7 relative: Cephes expf as v_exp of vmath.h, with half the work since it need not overflow and
 * may fuse. Zero below -87, minus infinity too; keeps NaN. */
INLINE vf v_exp_falling(vf x) {
  typedef int32_t lanes __attribute__((vector_size(4 * VW)));
  const vf magic = v_set(12582912.0f);
  vf t = v_fma(x, v_set(1.44269504088896341f), magic), n = t - magic;
  vf r = v_fnma(n, v_set(-2.12194440e-4f), v_fnma(n, v_set(0.693359375f), x));
  vf p = v_fma(v_set(1.9875691500e-4f), r, v_set(1.3981999507e-3f));
  p = v_fma(p, r, v_set(8.3334519073e-3f));
  p = v_fma(p, r, v_set(4.1665795894e-2f));
  p = v_fma(p, r, v_set(1.6666665459e-1f));
  p = v_fma(p, r, v_set(5.0000001201e-1f));
  p = v_fma(p, r * r, r) + v_set(1.0f);
  lanes power = ((lanes)t + (127 - 0x4b400000)) << 23; /* the whole number sits in t's low bits */
  return (vf)((lanes)(p * (vf)power) & ~(lanes)(x < v_set(-87.0f)));
}

/* Turns a square of VW rows into its transpose, in registers. */
#if defined(ISA_avx512)
INLINE void v_transpose(vf *r) {
  vf t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) {
    t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) { /* r[4i+j]: in each quarter q, column 4q+j of rows 4i..4i+3 */
    r[4 * i] = _mm512_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
    r[4 * i + 1] = _mm512_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
    r[4 * i + 2] = _mm512_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
    r[4 * i + 3] = _mm512_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    vf lo = _mm512_shuffle_f32x4(r[j], r[4 + j], 0x88), lo2 = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0x88);
    vf hi = _mm512_shuffle_f32x4(r[j], r[4 + j], 0xdd), hi2 = _mm512_shuffle_f32x4(r[8 + j], r[12 + j], 0xdd);
    t[j] = _mm512_shuffle_f32x4(lo, lo2, 0x88);
    t[8 + j] = _mm512_shuffle_f32x4(lo, lo2, 0xdd);
    t[4 + j] = _mm512_shuffle_f32x4(hi, hi2, 0x88);
    t[12 + j] = _mm512_shuffle_f32x4(hi, hi2, 0xdd);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) r[i] = t[i];
}
#elif defined(ISA_avx2)
INLINE void v_transpose(vf *r) {
  vf t[8];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; i++) {
    r[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
    r[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
    r[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
    r[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    t[j] = _mm256_permute2f128_ps(r[j], r[4 + j], 0x20);
    t[4 + j] = _mm256_permute2f128_ps(r[j], r[4 + j], 0x31);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) r[i] = t[i];
}
#else
INLINE void v_transpose(vf *r) {
  vf a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5), b = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
  vf c = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5), d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
  r[0] = __builtin_shufflevector(a, c, 0, 1, 4, 5);
  r[1] = __builtin_shufflevector(a, c, 2, 3, 6, 7);
  r[2] = __builtin_shufflevector(b, d, 0, 1, 4, 5);
  r[3] = __builtin_shufflevector(b, d, 2, 3, 6, 7);
}
#endif
#endif
