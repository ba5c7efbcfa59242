/* libFuzzer on the weights formats; not part of `make test`. From the top of the repository:
 *   clang -g -O1 -std=c11 -D_GNU_SOURCE -Icore -fopenmp -fsanitize=fuzzer,address,undefined tests/fuzz/fuzz_formats.c \
 *     core/formats/[a-z]*.c core/tensor.c core/err.c core/host.c -lzip -lz -ljansson -lm -o /tmp/fuzz_formats
 *   /tmp/fuzz_formats -max_len=20000 -rss_limit_mb=1000 CORPUS_FOLDER */
#include <stdlib.h>
#include "formats/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  Archive *a;
  Err e;
  if (!archive_open_memory(bytes, size, "fuzz", &a, &e)) return 0;
  for (int i = 0; i < a->count; i++) {
    const ArchiveEntry *t = &a->entry[i];
    int64_t n = shape_count(&t->shape);
    if (n > 1 << 20) continue; /* bounded by the file's size, but slow */
    float *out = malloc((size_t)n * 4 + 4);
    archive_read(a, t, shape_layout(&t->shape), out, &e);
    free(out);
  }
  archive_close(a);
  return 0;
}
