/* Chooses the kernels for this CPU. */
#include <cblas.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/kernels.h"

extern const Kernels kernels_sse2;
#if defined(__x86_64__)
extern const Kernels kernels_avx2, kernels_avx512;
#endif

const Kernels *kern = &kernels_sse2;
const char *kernels_conv_wanted;

void kernels_init(void) {
  const Kernels *best = &kernels_sse2;
#if defined(__x86_64__)
  const char *want = getenv("SUTURE_ISA");
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (avx2) best = &kernels_avx2;
  if (avx512) best = &kernels_avx512;
  if (want && !strcmp(want, "sse2")) best = &kernels_sse2;
  if (want && !strcmp(want, "avx2") && avx2) best = &kernels_avx2;
#endif
  kern = best;
  kernels_conv_wanted = getenv("SUTURE_CONV");
  openblas_set_num_threads(1); /* threads are ours: pieces of work, not of one product */
}

int kernels_threads(int n) {
  if (n > 0) omp_set_num_threads(n);
  return omp_get_max_threads();
}
