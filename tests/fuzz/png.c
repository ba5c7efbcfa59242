/* PNG. Half of the changes make the chunks' check sums right again, or libpng would look no further. */
#include <zlib.h>
#include "picture.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  /* what claims more pixels than this takes its time, and no other path */
  uint64_t side[2] = {0, 0};
  for (size_t i = 0; size >= 24 && i < 8; i++) side[i / 4] = side[i / 4] << 8 | bytes[16 + i];
  if (side[0] * side[1] > 1 << 22) return 0;
  decode(bytes, size);
  return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t most, unsigned seed) {
  size = LLVMFuzzerMutate(bytes, size, most);
  if (seed % 2)
    for (size_t at = 8; at + 12 <= size;) {
      size_t n = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 | bytes[at + 3];
      if (n > size - at - 12) break;
      uint32_t crc = (uint32_t)crc32(0, bytes + at + 4, (uInt)n + 4);
      for (int i = 0; i < 4; i++) bytes[at + 8 + n + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
      at += n + 12;
    }
  return size;
}
