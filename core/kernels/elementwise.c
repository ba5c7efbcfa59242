/* Element-wise kernels: memory-bound loops over fixed pieces. Each formula is written once, as an expression in x (or a
 * and b); the loops around it are what the compiler vectorises. */
#include <math.h>
#include "../host.h"
#include "kernels.h"
#include "activation.h"
#include "vmath.h"

enum { LONG = 1 << 24 }; /* elements, some hundredths of a second: loops over more end early where the host asks to stop (the run is given up) */
enum { PIECE = 16384 }; /* elements: 64 kB of each array, half of a second-level cache with three */

#define SIMD _Pragma("omp simd")

/* --- one input, dense --- */

/* Over n elements: [lo, lo + PIECE). */
#define FOR_PIECES \
  _Pragma("omp parallel for schedule(static) if (n > 2 * PIECE)") \
  for (int64_t lo = 0; lo < n; lo += PIECE) \
    if (n < LONG || !host_should_stop())

#define UNARY_LOOP(expr) \
  FOR_PIECES { \
    int64_t hi = lo + PIECE < n ? lo + PIECE : n; \
    SIMD for (int64_t i = lo; i < hi; i++) { \
      float v = x[i]; \
      y[i] = (expr); \
    } \
  }
#define UNARY(name, expr) \
  void K(name)(float *y, const float *x, int64_t n) { UNARY_LOOP(expr) }

UNARY(neg, -v)
UNARY(exp, v_exp(v))
UNARY(log, logf(v))
UNARY(sqrt, sqrtf(v))
UNARY(rsqrt, 1.0f / sqrtf(v))
UNARY(abs, fabsf(v))
UNARY(sign, v > 0 ? 1.0f : v < 0 ? -1.0f : v)
UNARY(square, v * v)
UNARY(sin, sinf(v))
UNARY(cos, cosf(v))
UNARY(floor, floorf(v))
UNARY(round, rintf(v)) /* half to even */
/* Over n elements, by one thread. Two vectors at a time: each is one long chain of operations, and either waits for its own. */
static void activate(float *y, const float *x, int64_t n, Activation act, const double *attr) {
#define MAP(act) { \
    int64_t i = 0; \
    for (; i + 2 * VW <= n; i += 2 * VW) { \
      vf one = v_activate(v_load(x + i), act, attr), two = v_activate(v_load(x + i + VW), act, attr); \
      v_store(y + i, one), v_store(y + i + VW, two); \
    } \
    for (; i + VW <= n; i += VW) v_store(y + i, v_activate(v_load(x + i), act, attr)); \
    if (i < n) v_store_n(y + i, v_activate(v_load_n(x + i, (int)(n - i)), act, attr), (int)(n - i)); \
  }
  EACH_ACTIVATION(act, MAP)
#undef MAP
}

void K(activate)(float *y, const float *x, int64_t n, Activation act, const double *attr) {
  if (n <= PIECE) { /* a row of a kernel that has threads of its own, too */
    activate(y, x, n, act, attr);
    return;
  }
  FOR_PIECES activate(y + lo, x + lo, n - lo < PIECE ? n - lo : PIECE, act, attr);
}
void K(elu)(float *y, const float *x, int64_t n, float alpha) { UNARY_LOOP(v > 0 ? v : alpha * expm1f(v)) }
void K(softplus)(float *y, const float *x, int64_t n, float beta, float threshold) {
  UNARY_LOOP(v * beta > threshold ? v : log1pf(expf(v * beta)) / beta)
}

void K(fill)(float *y, int64_t n, float value) {
  FOR_PIECES {
    int64_t hi = lo + PIECE < n ? lo + PIECE : n;
    SIMD for (int64_t i = lo; i < hi; i++) y[i] = value;
  }
}

/* --- two inputs along a walk --- */

/* n elements side by side in y; steps 1 or 0 have loops of their own. */
typedef void BinaryRun(float *y, const float *a, const float *b, int64_t n, int64_t step_y, int64_t step_a, int64_t step_b);

static void binary(float *y, const float *a, const float *b, const Walk *w, BinaryRun *run) {
  if (w->rank == 0) {
    run(y, a, b, 1, 1, 1, 1);
    return;
  }
  int last = w->rank - 1;
  int64_t n = w->count, sy = w->step[0][last], sa = w->step[1][last], sb = w->step[2][last];
  FOR_PIECES {
    int64_t left = n - lo < PIECE ? n - lo : PIECE, m;
    for (Place p = place_at(w, 3, lo); left > 0; left -= m, place_next(&p, w, 3, m)) {
      m = w->dim[last] - p.index[last];
      if (m > left) m = left;
      run(y + p.at[0], a + p.at[1], b + p.at[2], m, sy, sa, sb);
    }
  }
}

#define BINARY(name, expr) \
  static inline float name##_one(float a, float b) { return (expr); } \
  static void name##_run(float *y, const float *a, const float *b, int64_t n, int64_t sy, int64_t sa, int64_t sb) { \
    if (sy == 1 && sa == 1 && sb == 1) { \
      SIMD for (int64_t i = 0; i < n; i++) y[i] = name##_one(a[i], b[i]); \
    } else if (sy == 1 && sa == 1 && sb == 0) { \
      float q = *b; \
      SIMD for (int64_t i = 0; i < n; i++) y[i] = name##_one(a[i], q); \
    } else if (sy == 1 && sa == 0 && sb == 1) { \
      float p = *a; \
      SIMD for (int64_t i = 0; i < n; i++) y[i] = name##_one(p, b[i]); \
    } else { \
      for (int64_t i = 0; i < n; i++) y[i * sy] = name##_one(a[i * sa], b[i * sb]); \
    } \
  } \
  void K(name)(float *y, const float *a, const float *b, const Walk *w) { binary(y, a, b, w, name##_run); }

BINARY(add, a + b)
BINARY(sub, a - b)
BINARY(mul, a * b)
BINARY(div, a / b)
BINARY(pow, b == 2.0f ? a * a : powf(a, b))
BINARY(maximum, a > b || a != a ? a : b) /* NaN wins */
BINARY(minimum, a < b || a != a ? a : b)
BINARY(eq, a == b ? 1.0f : 0.0f)
BINARY(ne, a != b ? 1.0f : 0.0f)
BINARY(lt, a < b ? 1.0f : 0.0f)
BINARY(le, a <= b ? 1.0f : 0.0f)
BINARY(gt, a > b ? 1.0f : 0.0f)
BINARY(ge, a >= b ? 1.0f : 0.0f)
BINARY(relu_dx, b <= 0 ? 0.0f : a)
BINARY(sigmoid_dx, a * b * (1.0f - b))
BINARY(tanh_dx, a * (1.0f - b * b))

/* The same for formulas of vectors: a times the slope of an activation at b. */
#define SLOPE(name, slope) \
  static void name##_run(float *y, const float *a, const float *b, int64_t n, int64_t sy, int64_t sa, int64_t sb) { \
    const bool rows = sy == 1 && sa == 1 && sb == 1; \
    int64_t i = 0; \
    for (; rows && i + 2 * VW <= n; i += 2 * VW) { \
      vf one = v_load(a + i) * slope(v_load(b + i)), two = v_load(a + i + VW) * slope(v_load(b + i + VW)); \
      v_store(y + i, one), v_store(y + i + VW, two); \
    } \
    for (int64_t m; i < n; i += m) { \
      m = !rows ? 1 : n - i < VW ? n - i : VW; \
      v_store_n(y + i * sy, v_load_n(a + i * sa, (int)m) * slope(v_load_n(b + i * sb, (int)m)), (int)m); \
    } \
  } \
  void K(name)(float *y, const float *a, const float *b, const Walk *w) { binary(y, a, b, w, name##_run); }

/* (x s(x))' = s (1 + x (1 - s)) */
INLINE vf silu_slope(vf x) {
  vf s = v_sigmoid(x);
  return s * v_fma(x, v_set(1) - s, v_set(1));
}
SLOPE(silu_dx, silu_slope)
/* (x Phi(x))' = Phi + x phi, phi(x) = e^(-x^2/2) / sqrt(2 pi) */
INLINE vf gelu_slope(vf x) { return v_fma(x * v_set(0.398942280401432678f), v_exp_falling(v_set(-0.5f) * x * x), v_normal(x)); }
SLOPE(gelu_dx, gelu_slope)
INLINE vf gelu_tanh_slope(vf x) {
  vf t = v_gelu_tanh(x), inner = v_set(0.797884560802865356f) * v_fma(v_set(3 * 0.044715f) * x, x, v_set(1));
  return v_set(0.5f) * (v_set(1) + t + x * v_fnma(t, t, v_set(1)) * inner);
}
SLOPE(gelu_tanh_dx, gelu_tanh_slope)
BINARY(hardswish_dx, b <= -3 ? 0.0f : b >= 3 ? a : a * (b / 3.0f + 0.5f))

void K(where)(float *y, const float *cond, const float *a, const float *b, const Walk *w) {
  Walk all = *w;
  if (all.rank == 0) { /* one element: a loop of one */
    all.rank = 1, all.dim[0] = 1;
    for (int k = 0; k < 4; k++) all.step[k][0] = 1;
  }
  int last = all.rank - 1;
  int64_t n = all.count, s0 = all.step[0][last], s1 = all.step[1][last], s2 = all.step[2][last], s3 = all.step[3][last];
  FOR_PIECES {
    int64_t left = n - lo < PIECE ? n - lo : PIECE, m;
    for (Place p = place_at(&all, 4, lo); left > 0; left -= m, place_next(&p, &all, 4, m)) {
      m = all.dim[last] - p.index[last];
      if (m > left) m = left;
      float *yy = y + p.at[0];
      const float *cc = cond + p.at[1], *aa = a + p.at[2], *bb = b + p.at[3];
      if (s0 == 1 && s1 == 1 && s2 == 1 && s3 == 1) {
        SIMD for (int64_t i = 0; i < m; i++) {
          float u = aa[i], v = bb[i];
          yy[i] = cc[i] != 0 ? u : v;
        }
      } else {
        for (int64_t i = 0; i < m; i++) yy[i * s0] = cc[i * s1] != 0 ? aa[i * s2] : bb[i * s3];
      }
    }
  }
}

/* --- copies --- */

enum { TILE = 16 }; /* 16 floats are a cache line */

/* y[i * sy + j] = x[i + j * sx] for i < m, j < n: rows of y from columns of x, tile by tile. */
static void transpose(float *y, int64_t sy, const float *x, int64_t sx, int64_t m, int64_t n) {
  for (int64_t i0 = 0; i0 < m; i0 += TILE)
    for (int64_t j0 = 0; j0 < n; j0 += TILE) {
      int64_t i1 = i0 + TILE < m ? i0 + TILE : m, j1 = j0 + TILE < n ? j0 + TILE : n;
      if (i1 - i0 == TILE && j1 - j0 == TILE) {
        float tile[TILE][TILE];
        for (int j = 0; j < TILE; j++)
          for (int i = 0; i < TILE; i++) tile[i][j] = x[i0 + i + (j0 + j) * sx];
        for (int i = 0; i < TILE; i++)
          for (int j = 0; j < TILE; j++) y[(i0 + i) * sy + j0 + j] = tile[i][j];
      } else {
        for (int64_t i = i0; i < i1; i++)
          for (int64_t j = j0; j < j1; j++) y[i * sy + j] = x[i + j * sx];
      }
    }
}

/* Rows that lie crosswise: y's last dimension is x's dimension c, and x's own last (step 1) is dimension d of the walk. */
static void copy_crosswise(float *y, const float *x, const Walk *w, int d) {
  int last = w->rank - 1;
  int64_t m = w->dim[d], n = w->dim[last], block = 64; /* rows of y per piece of work */
  Walk outer = *w; /* the dimensions but these two, and blocks of d */
  outer.rank = 0;
  for (int k = 0; k < last; k++) {
    if (k == d) continue;
    outer.dim[outer.rank] = w->dim[k];
    for (int s = 0; s < 2; s++) outer.step[s][outer.rank] = w->step[s][k];
    outer.rank++;
  }
  int64_t blocks = (m + block - 1) / block, pieces = w->count / (m * n) * blocks;
  _Pragma("omp parallel for schedule(static) if (w->count > 2 * PIECE)")
  for (int64_t p = 0; p < pieces; p++) {
    int64_t i = p % blocks * block, rows = m - i < block ? m - i : block;
    transpose(y + walk_at(&outer, 0, p / blocks) + i * w->step[0][d], w->step[0][d],
              x + walk_at(&outer, 1, p / blocks) + i, w->step[1][last], rows, n);
  }
}

static void copy_run(float *y, const float *x, const float *unused, int64_t n, int64_t sy, int64_t sx, int64_t s) {
  (void)unused, (void)s;
  if (sy == 1 && sx == 1) {
    memcpy(y, x, (size_t)n * sizeof *y);
  } else if (sy == 1 && sx == 0) {
    float v = *x;
    SIMD for (int64_t i = 0; i < n; i++) y[i] = v;
  } else {
    for (int64_t i = 0; i < n; i++) y[i * sy] = x[i * sx];
  }
}

void K(copy)(float *y, const float *x, const Walk *w) {
  int last = w->rank - 1;
  if (last > 0 && w->count && w->step[0][last] == 1 && w->step[1][last] > 1)
    for (int d = 0; d < last; d++)
      if (w->step[1][d] == 1 && w->dim[d] > 1 && w->dim[last] > 1) {
        copy_crosswise(y, x, w, d);
        return;
      }
  Walk with = *w; /* a third array that stands still */
  for (int d = 0; d < with.rank; d++) with.step[2][d] = 0;
  binary(y, x, x, &with, copy_run);
}

/* --- random numbers --- */

void K(fill_uniform)(float *x, int64_t n, uint64_t seed, float low, float high) {
  float width = high - low;
  FOR_PIECES {
    int64_t hi = lo + PIECE < n ? lo + PIECE : n;
    SIMD for (int64_t i = lo; i < hi; i++) {
      float u = (float)(int32_t)(v_random(seed, (uint64_t)i) >> 40) * 0x1p-24f, v = low + u * width;
      x[i] = v < high || width <= 0 ? v : low; /* rounding must not reach the open end */
    }
  }
}

/* Two numbers from each place: sqrt(-2 ln u) (cos, sin)(2 pi t), u in (0, 1], t in [0, 1). */
void K(fill_normal)(float *x, int64_t n, uint64_t seed, float mean, float std) {
  FOR_PIECES { /* PIECE is even: pairs are whole but the last */
    int64_t end = lo + PIECE < n ? lo + PIECE : n;
    SIMD for (int64_t i = lo / 2; i < end / 2; i++) {
      uint64_t z = v_random(seed, (uint64_t)i);
      float u = (float)((int32_t)(z >> 40) + 1) * 0x1p-24f, t = (float)(int32_t)((z >> 16) & 0xffffff) * 0x1p-24f, c, s;
      float r = std * sqrtf(-2.0f * v_log(u));
      v_turn(t, &c, &s);
      x[2 * i] = mean + r * c;
      x[2 * i + 1] = mean + r * s;
    }
  }
  if (n % 2) {
    uint64_t z = v_random(seed, (uint64_t)(n / 2));
    float u = (float)((int32_t)(z >> 40) + 1) * 0x1p-24f, t = (float)(int32_t)((z >> 16) & 0xffffff) * 0x1p-24f, c, s;
    v_turn(t, &c, &s);
    x[n - 1] = mean + std * sqrtf(-2.0f * v_log(u)) * c;
  }
}
