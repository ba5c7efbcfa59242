/* What the tests of kernels share: each instruction set this CPU has in turn, and memory that tells when something beside it
 * was touched. */
#ifndef KERNEL_TEST_H
#define KERNEL_TEST_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "kernels/kernels.h"
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
enum { SANITIZED = true };
#else
enum { SANITIZED = false };
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

enum { ISAS = 3 }; /* at most */

/* Kernels of the i-th set from here on; false where this CPU has it not, or the SUTURE_ISA that the test began with is another. */
static inline bool use_isa(int i) {
  static const char *only;
  if (!only) only = getenv("SUTURE_ISA") ? strdup(getenv("SUTURE_ISA")) : "";
  const char *isa = kernels_isa(i);
  if (!isa || (*only && strcmp(only, isa) != 0)) return false;
  setenv("SUTURE_ISA", isa, 1);
  kernels_init();
  return !strcmp(kern->isa, isa);
}

/* Runs tests in a process for each set, before any thread exists: plans remember what they chose. SUTURE_ISA: that set alone.
 * The sum of what failed. */
static inline int each_isa(int (*tests)(void)) {
  const char *only = getenv("SUTURE_ISA");
  int failed = 0;
  for (int i = 0; kernels_isa(i); i++) {
    if (only && strcmp(only, kernels_isa(i)) != 0) continue;
    fflush(NULL);
    pid_t child = fork();
    if (child) {
      int status = 1;
      waitpid(child, &status, 0);
      failed += status != 0;
      continue;
    }
    if (!use_isa(i)) {
      printf("ok - every test # SKIP this CPU has no %s\n", kernels_isa(i));
      exit(0);
    }
    exit(tests() != 0);
  }
  return failed;
}

/* n floats, NaN, between guards. A guard is a NaN too, so that who reads it and uses what it says is seen in the result; with
 * AddressSanitizer whoever reads it at all is. */
enum { GUARD = 32 };
static const uint32_t GUARD_BITS = 0x7fc5a5a5;
static inline float *guarded(int64_t n) {
  float *p = aligned_alloc(64, ((size_t)(n + 2 * GUARD) * sizeof *p + 63) / 64 * 64);
  assert_non_null(p);
  for (int64_t i = 0; i < n + 2 * GUARD; i++) memcpy(p + i, &GUARD_BITS, sizeof *p);
  ASAN_POISON_MEMORY_REGION(p, GUARD * sizeof *p);
  ASAN_POISON_MEMORY_REGION(p + GUARD + n, GUARD * sizeof *p);
  return p + GUARD;
}

/* Frees it; whether nothing was written beside it. */
static inline bool guards_held(float *p, int64_t n) {
  ASAN_UNPOISON_MEMORY_REGION(p - GUARD, GUARD * sizeof *p);
  ASAN_UNPOISON_MEMORY_REGION(p + n, GUARD * sizeof *p);
  bool held = true;
  for (int i = 0; i < GUARD; i++) held &= !memcmp(p - 1 - i, &GUARD_BITS, sizeof *p) && !memcmp(p + n + i, &GUARD_BITS, sizeof *p);
  free(p - GUARD);
  return held;
}
#endif
