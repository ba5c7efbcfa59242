/* A pickle: read by itself, and as data.pkl of a PyTorch file beside two storages. */
#include <zlib.h>
#include "archive.h"
#include "formats/pickle.h"

typedef struct Zip { uint8_t *p; size_t n, directory; uint8_t entry[4][100]; size_t entry_n[4]; int count; } Zip;

static void number(uint8_t **to, uint64_t v, int bytes) {
  while (bytes--) *(*to)++ = (uint8_t)v, v >>= 8;
}

static void add(Zip *z, const char *name, const uint8_t *bytes, size_t size) {
  size_t length = strlen(name), at = z->n;
  uint32_t crc = (uint32_t)crc32(0, bytes, (uInt)size);
  uint8_t *p = z->p + z->n, *e = z->entry[z->count];
  for (int central = 0; central < 2; central++) {
    uint8_t **to = central ? &e : &p;
    number(to, central ? 0x02014b50 : 0x04034b50, 4);
    if (central) number(to, 20, 2);
    number(to, 20, 2), number(to, 0, 2), number(to, 0, 2), number(to, 0, 4);
    number(to, crc, 4), number(to, size, 4), number(to, size, 4), number(to, length, 2), number(to, 0, 2);
    if (central) number(to, 0, 2), number(to, 0, 2), number(to, 0, 2), number(to, 0, 4), number(to, at, 4);
    memcpy(*to, name, length), *to += length;
  }
  if (size) memcpy(p, bytes, size);
  z->n = (size_t)(p - z->p) + size;
  z->entry_n[z->count] = (size_t)(e - z->entry[z->count]);
  z->count++;
}

static void finish(Zip *z) {
  size_t begin = z->n;
  for (int i = 0; i < z->count; i++) memcpy(z->p + z->n, z->entry[i], z->entry_n[i]), z->n += z->entry_n[i];
  uint8_t *p = z->p + z->n;
  number(&p, 0x06054b50, 4), number(&p, 0, 4), number(&p, (uint64_t)z->count, 2), number(&p, (uint64_t)z->count, 2);
  number(&p, z->n - begin, 4), number(&p, begin, 4), number(&p, 0, 2);
  z->n = (size_t)(p - z->p);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  Pickle p;
  Err e = {.text = ""};
  uint8_t *exact = malloc(size + !size);
  if (size) memcpy(exact, bytes, size);
  if (pickle_read(exact, size, "fuzz", 0, &p, &e)) {
    fuzz_check(p.root && p.size <= size, "a pickle of %zu bytes in %zu", p.size, size);
    pickle_free(&p);
  } else fuzz_check(e.text[0], "refused, and no word why");
  uint8_t numbers[256];
  for (int i = 0; i < 256; i++) numbers[i] = (uint8_t)i;
  Zip z = {.p = malloc(size + 2000)};
  add(&z, "a/data.pkl", exact, size);
  add(&z, "a/data/0", numbers, 256);
  add(&z, "a/data/1", numbers, 8);
  add(&z, "a/version", (const uint8_t *)"3\n", 2);
  finish(&z);
  read_archive(z.p, z.n);
  free(z.p);
  free(exact);
  return 0;
}
