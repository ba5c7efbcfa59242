#include "peak.h"
#include <stdlib.h>
#include <sys/mman.h>
#include "clock.h"
#include "kernels/kernels.h"

enum { TRIES = 6, THREADS_MAX = 256 };
static const int64_t rounds = 1 << 20, floats = 1 << 24; /* 2 to 5 ms of multiply-adds; 64 MB an array */

static void try_flops(double *best, int threads) {
  float y[THREADS_MAX];
  double seconds[THREADS_MAX];
  for (int i = 0; i < TRIES; i++) {
    double rate = 0, operations = (double)kern->peak_fma(y, seconds, threads, rounds);
    for (int t = 0; t < threads; t++) rate += operations / seconds[t];
    if (rate > *best) *best = rate;
  }
}

/* The "add" of STREAM (McCalpin 1995), with the kernel that networks add with; writes are counted once, as steps count theirs. */
static void try_bandwidth(double *best, float *y, float *a, float *b) {
  Walk w = {.rank = 1, .count = floats, .dim = {floats}, .step = {{1}, {1}, {1}}};
  kern->fill(a, floats, 1);
  kern->fill(b, floats, 2);
  for (int i = 0; i < TRIES; i++) {
    double begin = clock_seconds();
    kern->add(y, a, b, &w);
    double rate = 3.0 * sizeof(float) * (double)floats / (clock_seconds() - begin);
    if (rate > *best) *best = rate;
  }
}

bool peak_measure(Peak *out, Err *e) {
  static Peak best;
  static const Kernels *best_for;
  static int best_threads;
  int threads = kernels_threads(0);
  size_t size = 3 * sizeof(float) * (size_t)floats;
  float *a = aligned_alloc((size_t)1 << 21, size);
  if (!a) return err_memory(e, (double)size, "measuring the memory");
  madvise(a, size, MADV_HUGEPAGE); /* as tensors lie (tensor.c) */
  if (best_for != kern || best_threads != threads) best = (Peak){0};
  try_flops(&best.flops, threads < THREADS_MAX ? threads : THREADS_MAX);
  try_bandwidth(&best.bandwidth, a, a + floats, a + 2 * floats);
  free(a);
  best_for = kern;
  best_threads = threads;
  *out = best;
  return true;
}
