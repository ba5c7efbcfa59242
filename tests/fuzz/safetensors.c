/* The header of a safetensors file; its length and 600 bytes of numbers are put around it. */
#include "archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  enum { NUMBERS = 600 };
  uint8_t *file = calloc(1, 8 + size + NUMBERS);
  for (int i = 0; i < 8; i++) file[i] = (uint8_t)((uint64_t)size >> 8 * i);
  if (size) memcpy(file + 8, bytes, size);
  read_archive(file, 8 + size + NUMBERS);
  free(file);
  return 0;
}
