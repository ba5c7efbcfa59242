/* Losses of one number against another, and their gradients. Sums run in pieces whose size depends on n alone. */
#include <math.h>
#include "kernels.h"
#include "vmath.h"

enum { LANES = 16, PIECES = 64, PIECE_LEAST = 4096, SMALL = 1 << 14 };

static inline float f_abs(float x) { return x < 0 ? -x : x; }
static inline float f_max(float x, float y) { return x < y ? y : x; } /* x when it is NaN */

/* ln(1 + e^x) to full relative precision: ln u * e / (u - 1) repairs what rounding u = 1 + e lost (Kahan). */
static inline float f_softplus(float x) {
  float e = v_exp(-f_abs(x)), u = 1 + e, low = u - 1;
  float part = low > 0 ? v_log(u) * (e / (low > 0 ? low : 1)) : e;
  return f_max(x, 0) + part;
}

static inline float value(PairLoss kind, float x, float t, float pw, float beta) {
  float d = x - t, a = f_abs(d);
  switch (kind) {
  case LOSS_MSE: return d * d;
  case LOSS_L1: return a;
  case LOSS_SMOOTH_L1: return a < beta ? 0.5f * d * d / beta : a - 0.5f * beta;
  case LOSS_HUBER: return a < beta ? 0.5f * d * d : beta * (a - 0.5f * beta);
  case LOSS_BCE: return -(t * f_max(logf(x), -100) + (1 - t) * f_max(log1pf(-x), -100));
  case LOSS_BCE_LOGITS: return (1 - t) * x + (1 + (pw - 1) * t) * f_softplus(-x);
  }
  return 0;
}

static inline float slope(PairLoss kind, float x, float t, float pw, float beta, bool by_target) {
  float d = x - t, a = f_abs(d), sign = d > 0 ? 1 : d < 0 ? -1 : d, g = 0;
  switch (kind) {
  case LOSS_MSE: g = 2 * d; break;
  case LOSS_L1: g = sign; break;
  case LOSS_SMOOTH_L1: g = a < beta ? d / beta : sign; break;
  case LOSS_HUBER: g = a < beta ? d : beta * sign; break;
  case LOSS_BCE:
    if (by_target) return f_max(log1pf(-x), -100) - f_max(logf(x), -100);
    return d / f_max((1 - x) * x, 1e-12f);
  case LOSS_BCE_LOGITS:
    if (by_target) return -x + (pw - 1) * f_softplus(-x);
    return (1 - t) - (1 + (pw - 1) * t) / (1 + v_exp(x));
  }
  return by_target ? -g : g;
}

static inline double piece_sum(const float *x, const float *t, const float *w, const float *pw, PairLoss kind, float beta,
                               int64_t lo, int64_t hi) {
  double sum = 0;
  for (int64_t i = lo; i < hi; i += LANES * LANES) {
    float lane[LANES] = {0};
    int64_t end = i + LANES * LANES < hi ? i + LANES * LANES : hi, j = i;
    for (; j + LANES <= end; j += LANES)
      for (int l = 0; l < LANES; l++)
        lane[l] += value(kind, x[j + l], t[j + l], pw ? pw[j + l] : 1, beta) * (w ? w[j + l] : 1);
    for (; j < end; j++) lane[(j - i) % LANES] += value(kind, x[j], t[j], pw ? pw[j] : 1, beta) * (w ? w[j] : 1);
    for (int l = 0; l < LANES; l++) sum += lane[l];
  }
  return sum;
}

/* One copy of the loops for each kind, so that what is inside turns into vectors. */
#define EACH_KIND(DO) \
  switch (kind) { \
  case LOSS_MSE: DO(LOSS_MSE) break; \
  case LOSS_L1: DO(LOSS_L1) break; \
  case LOSS_SMOOTH_L1: DO(LOSS_SMOOTH_L1) break; \
  case LOSS_HUBER: DO(LOSS_HUBER) break; \
  case LOSS_BCE: DO(LOSS_BCE) break; \
  case LOSS_BCE_LOGITS: DO(LOSS_BCE_LOGITS) break; \
  }

static double sum_of(const float *x, const float *t, const float *w, const float *pw, PairLoss kind, float beta, int64_t lo,
                     int64_t hi) {
#define DO(k) return piece_sum(x, t, w, pw, k, beta, lo, hi);
  EACH_KIND(DO)
#undef DO
  return 0;
}

void K(pair_loss)(float *loss, const float *x, const float *t, const float *w, const float *pw, PairLoss kind, double width,
                  int reduction, int64_t n) {
  float beta = (float)width;
  if (reduction == 0) {
#define DO(k) \
  _Pragma("omp parallel for schedule(static) if (n > SMALL)") for (int64_t i = 0; i < n; i++) loss[i] = \
      value(k, x[i], t[i], pw ? pw[i] : 1, beta) * (w ? w[i] : 1);
    EACH_KIND(DO)
#undef DO
    return;
  }
  double part[PIECES];
  int64_t size = (n + PIECES - 1) / PIECES, pieces;
  size = size < PIECE_LEAST ? PIECE_LEAST : size;
  pieces = (n + size - 1) / size;
#pragma omp parallel for schedule(static) if (n > SMALL)
  for (int64_t i = 0; i < pieces; i++) part[i] = sum_of(x, t, w, pw, kind, beta, i * size, (i + 1) * size < n ? (i + 1) * size : n);
  double sum = 0;
  for (int64_t i = 0; i < pieces; i++) sum += part[i];
  *loss = (float)(reduction == 1 ? sum / (double)n : sum);
}

void K(pair_loss_dx)(float *d, const float *dy, const float *x, const float *t, const float *w, const float *pw, PairLoss kind,
                     double width, int reduction, bool by_target, int64_t n) {
  float beta = (float)width, all = reduction == 0 ? 1 : (float)(reduction == 1 ? dy[0] / (double)n : dy[0]);
#define DO(k) \
  _Pragma("omp parallel for schedule(static) if (n > SMALL)") for (int64_t i = 0; i < n; i++) d[i] = \
      slope(k, x[i], t[i], pw ? pw[i] : 1, beta, by_target) * (reduction == 0 ? dy[i] : all) * (w ? w[i] : 1);
  EACH_KIND(DO)
#undef DO
}
