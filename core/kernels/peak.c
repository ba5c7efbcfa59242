/* Multiply-adds as fast as they go: enough chains for two units of latency four or five, few enough for 16 registers. */
#include <time.h>
#include "kernels.h"
#include "simd.h"

enum { CHAINS = 12 };

/* Time of this thread while it runs: where another program has the core for a while, that does not count. */
static double thread_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int64_t K(peak_fma)(float *y, double *seconds, int threads, int64_t n) {
#pragma omp parallel for schedule(static)
  for (int t = 0; t < threads; t++) {
    double begin = thread_seconds();
    vf chain[CHAINS], scale = v_set(0.75f), shift = v_set(0.25f); /* towards 1: no number gets too large or too small */
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++) chain[i] = v_set((float)i);
    for (int64_t k = 0; k < n; k++) {
#pragma GCC unroll 12
      for (int i = 0; i < CHAINS; i++) chain[i] = v_fma(chain[i], scale, shift);
    }
    for (int i = 1; i < CHAINS; i++) chain[0] = chain[0] + chain[i];
    float lane[VW];
    v_store(lane, chain[0]);
    y[t] = lane[0];
    seconds[t] = thread_seconds() - begin;
  }
  return n * CHAINS * VW * 2;
}
