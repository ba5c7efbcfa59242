/* Chooses the kernels for this CPU. */
#include <cblas.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/kernels.h"

/* The sets that the Makefile builds for this target, the best last, and whether this CPU has the instructions. */
#if defined(__x86_64__)
extern const Kernels kernels_sse2, kernels_avx2, kernels_avx512;
static bool has_sse2(void) { return true; }
static bool has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
static bool has_avx512(void) {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl");
}
static const struct { const Kernels *kernels; bool (*has)(void); } sets[] = {
  {&kernels_sse2, has_sse2}, {&kernels_avx2, has_avx2}, {&kernels_avx512, has_avx512}};
#define FIRST kernels_sse2
#else
#if defined(__aarch64__)
#define FIRST kernels_neon
#else
#define FIRST kernels_generic
#endif
extern const Kernels FIRST;
static bool has_it(void) { return true; }
static const struct { const Kernels *kernels; bool (*has)(void); } sets[] = {{&FIRST, has_it}};
#endif
enum { SETS = sizeof sets / sizeof *sets };

const Kernels *kern = &FIRST;
const char *kernels_conv_wanted;

const char *kernels_isa(int i) { return i < SETS ? sets[i].kernels->isa : NULL; }

void kernels_init(void) {
  const char *want = getenv("SUTURE_ISA");
  const Kernels *best = NULL, *wanted = NULL;
  for (int i = 0; i < SETS; i++)
    if (sets[i].has()) {
      best = sets[i].kernels;
      if (want && !strcmp(want, best->isa)) wanted = best;
    }
  kern = wanted ? wanted : best;
  kernels_conv_wanted = getenv("SUTURE_CONV");
  openblas_set_num_threads(1); /* threads are ours: pieces of work, not of one product */
}

int kernels_threads(int n) {
  if (n > 0) omp_set_num_threads(n);
  return omp_get_max_threads();
}
