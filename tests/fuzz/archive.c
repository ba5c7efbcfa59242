/* Files of weights, of any kind: the first bytes say which. */
#include "archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  read_archive(bytes, size);
  return 0;
}
