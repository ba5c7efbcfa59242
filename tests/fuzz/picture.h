/* A picture in memory, decoded upright and in full, or as a smaller one. */
#ifndef FUZZ_PICTURE_H
#define FUZZ_PICTURE_H
#include "fuzz.h"
#include "image/image.h"

static inline void decode(const uint8_t *bytes, size_t size) {
  static const Reading how[] = {{0}, {.as_stored = true}, {.least_h = 4, .least_w = 4}, {.least_h = 30, .least_w = 2}};
  uint8_t *exact = malloc(size + !size);
  if (size) memcpy(exact, bytes, size);
  Image im = {0};
  Err e = {.text = ""};
  if (image_decode(&im, exact, size, &how[size % 4], &e)) {
    fuzz_check(im.h > 0 && im.w > 0 && im.c == 3, "a picture of %d by %d by %d", im.h, im.w, im.c);
    unsigned sum = 0;
    for (size_t i = 0; i < (size_t)im.h * (size_t)im.w * 3; i++) sum += im.px[i];
    static volatile unsigned seen;
    seen = sum;
    (void)seen;
  } else fuzz_check(e.text[0] && !im.px, "refused with \"%s\"", e.text);
  image_free(&im);
  free(exact);
}
#endif
