/* Chooses the kernels for this CPU. */
#include <cblas.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "dispatch.h"
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
