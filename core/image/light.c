/* Each value by a table of its channel: Pillow's ImageOps; and sharpness, ImageEnhance's blend with a smoothed picture. */
#include <math.h>
#include <string.h>
#include "adjust.h"

static uint8_t clipped(int64_t v) { return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v); }

static size_t points(const Image *im) { return (size_t)im->h * (size_t)im->w; }

/* Channel c of every point through the table. */
static void through(Image *im, int c, const uint8_t table[256]) {
  size_t n = points(im), step = (size_t)im->c;
  for (uint8_t *p = im->px + c, *end = p + n * step; p < end; p += step) *p = table[*p];
}

static void histogram(const Image *im, int c, int64_t count[256]) {
  size_t n = points(im), step = (size_t)im->c;
  memset(count, 0, 256 * sizeof *count);
  for (const uint8_t *p = im->px + c, *end = p + n * step; p < end; p += step) count[*p]++;
}

void image_posterize(Image *im, int bits) {
  size_t n = points(im) * (size_t)im->c;
  uint8_t mask = (uint8_t)~((1 << (8 - bits)) - 1);
  for (size_t i = 0; i < n; i++) im->px[i] &= mask;
}

void image_solarize(Image *im, double threshold) {
  size_t n = points(im) * (size_t)im->c;
  for (size_t i = 0; i < n; i++)
    if (im->px[i] >= threshold) im->px[i] = (uint8_t)(255 - im->px[i]);
}

void image_invert(Image *im) { image_solarize(im, 0); }

void image_autocontrast(Image *im) {
  for (int c = 0; c < im->c; c++) {
    int64_t count[256];
    int lo = 0, hi = 255;
    histogram(im, c, count);
    while (lo < 255 && !count[lo]) lo++;
    while (hi > 0 && !count[hi]) hi--;
    if (hi <= lo) continue;
    double scale = 255.0 / (hi - lo), offset = -lo * scale;
    uint8_t table[256];
    for (int i = 0; i < 256; i++) table[i] = clipped((int64_t)(i * scale + offset));
    through(im, c, table);
  }
}

void image_equalize(Image *im) {
  for (int c = 0; c < im->c; c++) {
    int64_t count[256], sum = 0, last = 0;
    histogram(im, c, count);
    int kinds = 0;
    for (int i = 0; i < 256; i++)
      if (count[i]) sum += last = count[i], kinds++;
    int64_t step = (sum - last) / 255, n = step / 2;
    if (kinds <= 1 || !step) continue;
    uint8_t table[256];
    for (int i = 0; i < 256; n += count[i++]) table[i] = clipped(n / step);
    through(im, c, table);
  }
}

void image_grayscale(Image *im) {
  if (im->c == 3) image_saturation(im, 0);
}

/* ImageFilter.SMOOTH: 5 at the centre, 1 around it, of 13; the border stays. */
bool adjust_sharpness(Image *im, const double *args, Err *e) {
  Image smooth;
  if (!image_copy(&smooth, im, e)) return false;
  size_t c = (size_t)im->c, row = (size_t)im->w * c;
  const float one = 1.0f / 13, five = 5.0f / 13;
  for (int y = 1; y < im->h - 1; y++) {
    const uint8_t *in = im->px + (size_t)y * row;
    for (size_t i = c; i < row - c; i++) {
      const uint8_t *p = in + i;
      float near = 0;
      for (int dy = -1; dy <= 1; dy++) {
        const uint8_t *q = p + (ptrdiff_t)dy * (ptrdiff_t)row;
        near += (float)(*(q - c) + *(q + c)) + (dy ? (float)*q : 0);
      }
      smooth.px[(size_t)y * row + i] = clipped((int64_t)floorf(near * one + (float)*p * five + 0.5f));
    }
  }
  size_t n = points(im) * c;
  for (size_t i = 0; i < n; i++) im->px[i] = image_blend(smooth.px[i], im->px[i], (float)args[0]);
  image_free(&smooth);
  return true;
}
