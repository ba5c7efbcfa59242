/* Bytes as a file: the readers of data sets take paths. */
#ifndef FUZZ_SAMPLES_H
#define FUZZ_SAMPLES_H
#include <sys/mman.h>
#include <unistd.h>
#include "fuzz.h"
#include "image/samples.h"

/* Its path lies in `path` until the descriptor that comes back is closed. */
static inline int file_of(const uint8_t *bytes, size_t size, char path[40]) {
  int fd = memfd_create("fuzz", 0);
  fuzz_check(fd >= 0 && write(fd, bytes, size) == (ssize_t)size, "no file in memory");
  snprintf(path, 40, "/proc/self/fd/%d", fd);
  return fd;
}

static inline void look(const Samples *s) {
  Err e;
  for (int64_t i = 0; s && i < s->n; i += 1 + s->n / 4) {
    Image im = {0};
    if (samples_get(s, i, NULL, &im, &e)) image_free(&im);
  }
}
#endif
