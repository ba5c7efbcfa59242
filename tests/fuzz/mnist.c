/* MNIST's two files: the first two bytes say how long that of the labels is, plain or compressed, which comes first. */
#include "samples.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size < 2) return 0;
  size_t n = (size_t)bytes[0] << 8 | bytes[1];
  bytes += 2, size -= 2;
  if (n > size) n = size;
  char labels[40], images[40];
  int one = file_of(bytes, n, labels), two = file_of(bytes + n, size - n, images);
  Err e = {.text = ""};
  Samples *s = NULL;
  if (!samples_add_mnist(&s, images, labels, &e)) fuzz_check(e.text[0], "refused, and no word why");
  look(s);
  if (s) samples_unref(s);
  close(one);
  close(two);
  return 0;
}
