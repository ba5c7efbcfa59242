/* EXIF orientation: one tag (0x0112) of the first directory of a TIFF block. TIFF 6.0, section 2; EXIF 2.3, 4.6. */
#include "image.h"

static uint32_t number(const uint8_t *p, int bytes, bool little) {
  uint32_t v = 0;
  for (int i = 0; i < bytes; i++) v = v << 8 | p[little ? bytes - 1 - i : i];
  return v;
}

int exif_orientation(const uint8_t *t, size_t size) {
  if (size < 8) return 1;
  bool little = t[0] == 'I' && t[1] == 'I';
  if (!little && !(t[0] == 'M' && t[1] == 'M')) return 1;
  if (number(t + 2, 2, little) != 42) return 1;
  uint32_t at = number(t + 4, 4, little);
  if (at > size - 2) return 1;
  uint32_t entries = number(t + at, 2, little);
  for (uint32_t i = 0; i < entries; i++) {
    size_t p = (size_t)at + 2 + 12 * (size_t)i;
    if (p + 12 > size) return 1;
    if (number(t + p, 2, little) != 0x0112) continue;
    uint32_t type = number(t + p + 2, 2, little), count = number(t + p + 4, 4, little);
    uint32_t v = type == 3 ? number(t + p + 8, 2, little) : type == 4 ? number(t + p + 8, 4, little)
               : type == 1 ? t[p + 8] : 0;
    return count == 1 && v >= 1 && v <= 8 ? (int)v : 1;
  }
  return 1;
}
