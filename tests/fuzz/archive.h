/* A file of weights in memory, opened and read whole. The message of a refusal names the file. */
#ifndef FUZZ_ARCHIVE_H
#define FUZZ_ARCHIVE_H
#include "fuzz.h"
#include "formats/archive.h"

static inline void read_archive(const uint8_t *bytes, size_t size) {
  Archive *a = NULL;
  Err e = {.text = ""};
  uint8_t *exact = malloc(size + !size);
  if (size) memcpy(exact, bytes, size);
  if (archive_open_memory(exact, size, "fuzz", &a, &e)) {
    for (int i = 0; i < a->count + a->hidden; i++) {
      const ArchiveEntry *t = &a->entry[i];
      int64_t n = shape_count(&t->shape);
      if (n > 1 << 16) continue; /* a view that repeats, of which there may be many: bounded, but slow */
      float *out = malloc((size_t)n * 4 + 4);
      e.text[0] = 0;
      if (!archive_read(a, t, shape_layout(&t->shape), out, &e)) fuzz_check(e.text[0], "not read, and no word why");
      free(out);
      if (!archive_is_whole(t)) continue;
      int64_t *whole = malloc((size_t)n * 8 + 8);
      archive_read_whole(a, t, ROW_MAJOR, whole, &e);
      free(whole);
    }
    archive_close(a);
  } else fuzz_check(!a && !strncmp(e.text, "fuzz: ", 6) && strlen(e.text) > 10, "refused with \"%s\"", e.text);
  free(exact);
}
#endif
