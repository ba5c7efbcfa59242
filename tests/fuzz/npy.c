/* The header of a .npy file; the magic, its length and 600 bytes of numbers are put around it. The first byte: its version. */
#include "archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  enum { NUMBERS = 600, BEFORE = 12 };
  if (!size) return 0;
  uint8_t *file = calloc(1, BEFORE + size + NUMBERS);
  bool two = *bytes++ % 4 == 1;
  size_t at = two ? 12 : 10;
  memcpy(file, two ? "\x93NUMPY\2\0" : "\x93NUMPY\1\0", 8);
  for (size_t i = 8; i < at; i++) file[i] = (uint8_t)(--size >> 8 * (i - 8)), size++;
  memcpy(file + at, bytes, --size);
  read_archive(file, at + size + NUMBERS);
  free(file);
  return 0;
}
