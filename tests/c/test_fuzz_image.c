/* Broken pictures: cut at random lengths, bytes changed at random. Each must give an error or an image. SUTURE_SEED=n
 * repeats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>
#include "image/image.h"
#include "image/random.h"

enum { CUTS = 200, CHANGES = 2000 };

static Err e;
static uint64_t seed;
static int decoded, refused;

static void attempt(const uint8_t *bytes, size_t size) {
  uint8_t *exact = malloc(size ? size : 1); /* so that the sanitizer sees a read past the end */
  memcpy(exact, bytes, size);
  static const Reading draft = {.least_h = 4, .least_w = 4};
  Image im = {0};
  e.text[0] = 0;
  if (image_decode(&im, exact, size, (decoded + refused) % 2 ? &draft : NULL, &e)) {
    assert_true(im.h > 0 && im.w > 0 && im.c == 3);
    volatile uint8_t last = im.px[(size_t)im.h * (size_t)im.w * 3 - 1];
    (void)last;
    decoded++;
  } else {
    assert_true(e.text[0]);
    assert_null(im.px);
    refused++;
  }
  image_free(&im);
  free(exact);
}

/* Makes the chunks' check sums right again, so that libpng looks further than those. */
static void mend_png(uint8_t *p, size_t size) {
  for (size_t at = 8; at + 12 <= size;) {
    size_t n = (size_t)p[at] << 24 | (size_t)p[at + 1] << 16 | (size_t)p[at + 2] << 8 | p[at + 3];
    if (n > size - at - 12) return;
    uint32_t crc = (uint32_t)crc32(0, p + at + 4, (uInt)n + 4);
    for (int i = 0; i < 4; i++) p[at + 8 + n + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
    at += n + 12;
  }
}

static void damage(const uint8_t *bytes, size_t size, const char *what, bool chunks) {
  Random r = random_keyed(seed, 0, size);
  decoded = refused = 0;
  for (int i = 0; i < CUTS; i++) attempt(bytes, (size_t)random_below(&r, (int)size));
  uint8_t *copy = malloc(size);
  for (int i = 0; i < CHANGES; i++) {
    memcpy(copy, bytes, size);
    for (int k = 1 + random_below(&r, 3); k > 0; k--) {
      /* half of the changes hit the headers, where it hurts */
      int at = random_below(&r, random_unit(&r) < .5 ? (chunks ? 60 : 700) : (int)size);
      copy[at] = (uint8_t)random_bits(&r);
    }
    if (chunks && i % 2) mend_png(copy, size);
    attempt(copy, size);
  }
  free(copy);
  print_message("%s: SUTURE_SEED=%llu, %d decoded, %d refused\n", what, (unsigned long long)seed, decoded, refused);
}

static Image picture(void) {
  Image im;
  assert_true(image_new(&im, 37, 50, 3, &e));
  Random r = random_keyed(1, 2, 3);
  for (int i = 0; i < 37 * 50 * 3; i++) im.px[i] = (uint8_t)((i / 3 % 50) * 4 + (int)(random_bits(&r) % 20));
  return im;
}

static void png(void **s) {
  (void)s;
  Image im = picture();
  uint8_t *bytes;
  size_t size;
  assert_true(png_encode(&im, &bytes, &size, &e));
  damage(bytes, size, "PNG", true);
  free(bytes);
  image_free(&im);
}

static void jpeg(void **s) {
  (void)s;
  Image im = picture();
  uint8_t *bytes, *with;
  size_t size;
  assert_true(jpeg_encode(&im, 90, &bytes, &size, &e));
  /* with an EXIF block after the start marker */
  static const uint8_t exif[] = {0xff, 0xe1, 0, 30, 'E', 'x', 'i', 'f', 0, 0, 'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0};
  with = malloc(size + sizeof exif);
  memcpy(with, bytes, 2);
  memcpy(with + 2, exif, sizeof exif);
  memcpy(with + 2 + sizeof exif, bytes + 2, size - 2);
  Image up;
  assert_true(image_decode(&up, with, size + sizeof exif, NULL, &e));
  assert_int_equal(up.h, 50);
  image_free(&up);
  assert_true(image_decode(&up, with, size + sizeof exif, &(Reading){.as_stored = true}, &e));
  assert_int_equal(up.h, 37);
  image_free(&up);
  damage(with, size + sizeof exif, "JPEG", false);
  free(bytes);
  free(with);
  image_free(&im);
}

int main(void) {
  const char *given = getenv("SUTURE_SEED");
  seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
  const struct CMUnitTest tests[] = {cmocka_unit_test(png), cmocka_unit_test(jpeg)};
  return cmocka_run_group_tests_name("fuzz_image", tests, NULL, NULL);
}
