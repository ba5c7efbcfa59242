/* Chooses the kernels for this CPU. */
#include <cblas.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "dispatch.h"
#include "kernels/kernels.h"

/* The sets that were built (the Makefile's ISAS: HAS_name), the best last, and whether this CPU has the instructions. */
typedef struct Set { const Kernels *kernels; bool (*fits)(void); } Set;
static __attribute__((unused)) bool fits_any(void) { return true; }
#if defined(__x86_64__)
static __attribute__((unused)) bool fits_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
static __attribute__((unused)) bool fits_avx512(void) {
  return fits_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#endif
extern const Kernels kernels_generic, kernels_neon, kernels_sse2, kernels_avx2, kernels_avx512;
static const Set sets[] = {
#ifdef HAS_generic
  {&kernels_generic, fits_any},
#endif
#ifdef HAS_neon
  {&kernels_neon, fits_any}, /* which every aarch64 has */
#endif
#ifdef HAS_sse2
  {&kernels_sse2, fits_any},
#endif
#ifdef HAS_avx2
  {&kernels_avx2, fits_avx2},
#endif
#ifdef HAS_avx512
  {&kernels_avx512, fits_avx512},
#endif
};
enum { SETS = sizeof sets / sizeof *sets };

#if defined(HAS_generic)
const Kernels *kern = &kernels_generic;
#elif defined(HAS_neon)
const Kernels *kern = &kernels_neon;
#elif defined(HAS_sse2)
const Kernels *kern = &kernels_sse2;
#else
const Kernels *kern; /* until kernels_init */
#endif
const char *kernels_conv_wanted;

const char *kernels_isa(int i) { return i < SETS ? sets[i].kernels->isa : NULL; }

void kernels_init(void) {
  const char *want = getenv("SUTURE_ISA");
  const Kernels *best = sets[0].kernels, *wanted = NULL;
  for (int i = 0; i < SETS; i++)
    if (sets[i].fits()) {
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

/* OpenBLAS has a buffer of this size for each thread, got when it first multiplies and kept; where there is no room it asks again
 * and again, for ever. */
enum { BLAS_BUFFER = 130 << 20 };
extern void *blas_memory_alloc(int) __attribute__((weak));
extern void blas_memory_free(void *) __attribute__((weak));

bool kernels_room(Err *e) {
  static int have;
  int threads = omp_get_max_threads(), n = threads - have;
  if (n <= 0 || !blas_memory_alloc || !blas_memory_free) return true;
  size_t size = (size_t)n * BLAS_BUFFER;
  void *room = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), **buffer = calloc((size_t)threads, sizeof *buffer);
  bool ok = room != MAP_FAILED && buffer;
  if (room != MAP_FAILED) munmap(room, size);
  for (int i = 0; ok && i < threads; i++) buffer[i] = blas_memory_alloc(0);
  for (int i = 0; ok && i < threads; i++) blas_memory_free(buffer[i]);
  free(buffer);
  if (!ok) return err_memory(e, (double)size, "the buffers of OpenBLAS (fewer threads need fewer: --threads 1)");
  have = threads;
  return true;
}
