/* CIFAR-10's binary batches. */
#include "samples.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  char path[40];
  int fd = file_of(bytes, size, path);
  Err e = {.text = ""};
  Samples *s = samples_new(32, 32, 3, &e);
  if (samples_add_cifar(s, path, &e)) fuzz_check(s->n == (int64_t)(size / 3073), "%d samples of %zu bytes", (int)s->n, size);
  else fuzz_check(e.text[0], "refused, and no word why");
  look(s);
  samples_unref(s);
  close(fd);
  return 0;
}
