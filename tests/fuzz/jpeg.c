/* JPEG, and the EXIF block by itself. */
#include "picture.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  int up = exif_orientation(bytes, size);
  fuzz_check(up >= 1 && up <= 8, "orientation %d", up);
  for (size_t i = 0; i + 9 < size; i++) /* what claims more pixels than this takes its time, and no other path */
    if (bytes[i] == 0xff && bytes[i + 1] >= 0xc0 && bytes[i + 1] <= 0xcf &&
        (bytes[i + 5] << 8 | bytes[i + 6]) * (uint64_t)(bytes[i + 7] << 8 | bytes[i + 8]) > 1 << 20)
      return 0;
  decode(bytes, size);
  return 0;
}
