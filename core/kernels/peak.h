/* What the machine can do at most, for profiles to compare with. */
#ifndef KERNELS_PEAK_H
#define KERNELS_PEAK_H

#define PEAK_KERNELS(ROW) \
  /* n rounds of independent multiply-adds in registers, in each of `threads` threads at once. y, seconds: a number for each \
   * thread: what came out, and the processor's time it took. Returns how many floating-point operations a thread did, a \
   * multiply-add counting two. */ \
  ROW(int64_t, peak_fma, (float *y, double *seconds, int threads, int64_t n))
#endif
