/* Activations of a vector: the one place where they are computed. Rational functions and polynomials of rounded coefficients, errors of
 * a few units in the last place; all keep NaN. */
#ifndef KERNELS_ACTIVATION_H
#define KERNELS_ACTIVATION_H
#include "kernels.h"
#include "simd.h"

INLINE vf v_clamp(vf x, vf min, vf max) { return v_min(max, v_max(min, x)); } /* max where min is above it */

/* 1 / (1 + e^-x), from an exponential that cannot overflow */
INLINE vf v_sigmoid(vf x) {
  vf e = v_exp_falling(v_min(x, -x)), p = v_set(1) / (v_set(1) + e);
  return v_pick(x < v_zero(), e * p, p);
}

/* tanh x as an odd rational function on [-7.9, 7.9] (Eigen, generic_fast_tanh_float); beyond 9.02, where the nearest float is 1, it is
 * 1: what slopes make of 1 - tanh² must vanish there. */
INLINE vf v_tanh(vf given) {
  vf x = v_clamp(given, v_set(-7.90531110763549805f), v_set(7.90531110763549805f));
  vf q = x * x;
  vf a = v_fma(v_set(-2.76076847742355e-16f), q, v_set(2.00018790482477e-13f));
  a = v_fma(a, q, v_set(-8.60467152213735e-11f));
  a = v_fma(a, q, v_set(5.12229709037114e-08f));
  a = v_fma(a, q, v_set(1.48572235717979e-05f));
  a = v_fma(a, q, v_set(6.37261928875436e-04f));
  a = v_fma(a, q, v_set(4.89352455891786e-03f));
  vf b = v_fma(v_set(1.19825839466702e-06f), q, v_set(1.18534705686654e-04f));
  b = v_fma(b, q, v_set(2.26843463243900e-03f));
  b = v_fma(b, q, v_set(4.89352518554385e-03f));
  vf y = x * a / b, one = v_set(1);
  return v_pick(given > v_set(9.02f), one, v_pick(given < v_set(-9.02f), v_zero() - one, y));
}

/* erf x as an odd rational function on [-4, 4] (Eigen, generic_fast_erf_float). */
INLINE vf v_erf(vf x) {
  x = v_clamp(x, v_set(-4), v_set(4));
  vf q = x * x;
  vf a = v_fma(v_set(-2.72614225801306e-10f), q, v_set(2.77068142495902e-08f));
  a = v_fma(a, q, v_set(-2.10102402082508e-06f));
  a = v_fma(a, q, v_set(-5.69250639462346e-05f));
  a = v_fma(a, q, v_set(-7.34990630326855e-04f));
  a = v_fma(a, q, v_set(-2.95459980854025e-03f));
  a = v_fma(a, q, v_set(-1.60960333262415e-02f));
  vf b = v_fma(v_set(-1.45660718464996e-05f), q, v_set(-2.13374055278905e-04f));
  b = v_fma(b, q, v_set(-1.68282697438203e-03f));
  b = v_fma(b, q, v_set(-7.37332916720468e-03f));
  b = v_fma(b, q, v_set(-1.42647390514189e-02f));
  return x * a / b;
}

/* Phi(x), the normal distribution's: GELU is x Phi(x). The other form is Hendrycks and Gimpel's approximation by this tanh. */
INLINE vf v_normal(vf x) { return v_fma(v_erf(x * v_set(0.707106781186547524f)), v_set(0.5f), v_set(0.5f)); }
INLINE vf v_gelu_tanh(vf x) { return v_tanh(v_set(0.797884560802865356f) * v_fma(v_set(0.044715f) * x * x, x, x)); }

/* attr as the op has them: leaky_relu slope; clamp min, max; gelu whether by tanh. */
INLINE vf v_activate(vf x, Activation act, const double *attr) {
  switch (act) {
    case ACT_NONE: return x;
    case ACT_RELU: return v_relu(x);
    case ACT_LEAKY_RELU: return v_pick(x < v_zero(), x * v_set((float)attr[0]), x);
    case ACT_CLAMP: return v_clamp(x, v_set((float)attr[0]), v_set((float)attr[1]));
    case ACT_SIGMOID: return v_sigmoid(x);
    case ACT_TANH: return v_tanh(x);
    case ACT_SILU: return x * v_sigmoid(x);
    case ACT_HARDSWISH: return x * (v_clamp(x + v_set(3), v_zero(), v_set(6)) * v_set(1.0f / 6)); /* 6 times it is 1: exact above 3 */
    case ACT_GELU: return attr[0] != 0 ? v_set(0.5f) * x * (v_set(1) + v_gelu_tanh(x)) : x * v_normal(x);
  }
  return x;
}

/* Short ones are done on values that are in registers anyway, a long one in a loop of its own once they are stored. */
INLINE bool is_short(Activation act) { return act == ACT_NONE || act == ACT_RELU || act == ACT_CLAMP || act == ACT_HARDSWISH; }
INLINE vf v_activate_short(vf x, Activation act, const double *attr) {
  if (act == ACT_RELU) return v_relu(x);
  if (act == ACT_CLAMP) return v_activate(x, ACT_CLAMP, attr);
  if (act == ACT_HARDSWISH) return v_activate(x, ACT_HARDSWISH, attr);
  return x;
}

/* v_activate with `act` a constant in each instance: a loop of one of them has no decisions in it. */
#define EACH_ACTIVATION(act, LOOP) \
  switch (act) { \
    case ACT_NONE: LOOP(ACT_NONE) break; \
    case ACT_RELU: LOOP(ACT_RELU) break; \
    case ACT_LEAKY_RELU: LOOP(ACT_LEAKY_RELU) break; \
    case ACT_CLAMP: LOOP(ACT_CLAMP) break; \
    case ACT_SIGMOID: LOOP(ACT_SIGMOID) break; \
    case ACT_TANH: LOOP(ACT_TANH) break; \
    case ACT_SILU: LOOP(ACT_SILU) break; \
    case ACT_HARDSWISH: LOOP(ACT_HARDSWISH) break; \
    case ACT_GELU: LOOP(ACT_GELU) break; \
  }
#endif
