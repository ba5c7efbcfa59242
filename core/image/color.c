/* Colour: Pillow's ImageEnhance (blending with a degenerate image, Blend.c), its grey and HSV (Convert.c), and the way
 * to float of torchvision's ToTensor and Normalize. */
#include "adjust.h"
#include <math.h>
#include <string.h>

static inline int grey(const uint8_t *p) { return (p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16; }

bool image_channels(Image *out, const Image *in, int c, Err *e) {
  if (c == in->c) return image_copy(out, in, e);
  Image im;
  if (!image_new(&im, in->h, in->w, c, e)) return false;
  im.shrink = in->shrink, im.full_h = in->full_h, im.full_w = in->full_w;
  size_t n = (size_t)in->h * (size_t)in->w;
  for (size_t i = 0; i < n; i++)
    if (c == 1) im.px[i] = (uint8_t)grey(in->px + 3 * i);
    else memset(im.px + 3 * i, in->px[i], 3);
  *out = im;
  return true;
}

/* from + alpha * (to - from), clipped; in float as in Blend.c. */
static inline uint8_t blend(int from, int to, float alpha) {
  float v = (float)from + alpha * (float)(to - from);
  return v <= 0 ? 0 : v >= 255 ? 255 : (uint8_t)v;
}

uint8_t image_blend(int from, int to, float alpha) { return blend(from, to, alpha); }

static void blend_all(Image *im, int from, float alpha) {
  size_t n = (size_t)im->h * (size_t)im->w * (size_t)im->c;
  uint8_t table[256];
  for (int i = 0; i < 256; i++) table[i] = blend(from, i, alpha);
  for (size_t i = 0; i < n; i++) im->px[i] = table[im->px[i]];
}

void image_brightness(Image *im, float factor) { blend_all(im, 0, factor); }

void image_contrast(Image *im, float factor) {
  size_t n = (size_t)im->h * (size_t)im->w;
  uint64_t sum = 0;
  for (size_t i = 0; i < n; i++) sum += (uint64_t)(im->c == 1 ? im->px[i] : grey(im->px + 3 * i));
  blend_all(im, (int)((double)sum / (double)n + 0.5), factor);
}

void image_saturation(Image *im, float factor) {
  if (im->c == 1) return;
  size_t n = (size_t)im->h * (size_t)im->w;
  for (uint8_t *p = im->px, *end = p + 3 * n; p < end; p += 3) {
    int g = grey(p);
    for (int c = 0; c < 3; c++) p[c] = blend(g, p[c], factor);
  }
}

static uint8_t byte_of(double v) { return (uint8_t)(v <= 0 ? 0 : v >= 255 ? 255 : v); }

/* To HSV in bytes, the hue moved around its circle of 256, and back; floats where Convert.c has floats. */
void image_hue(Image *im, double shift) {
  if (im->c == 1) return;
  size_t n = (size_t)im->h * (size_t)im->w;
  uint8_t move = (uint8_t)(int)(shift * 255);
  for (uint8_t *p = im->px, *end = p + 3 * n; p < end; p += 3) {
    int r = p[0], g = p[1], b = p[2];
    int hi = r > g ? (r > b ? r : b) : (g > b ? g : b), lo = r < g ? (r < b ? r : b) : (g < b ? g : b);
    uint8_t hue = 0, sat = 0;
    if (hi != lo) {
      float range = (float)(hi - lo), s = range / (float)hi;
      float rc = (float)(hi - r) / range, gc = (float)(hi - g) / range, bc = (float)(hi - b) / range;
      float h = r == hi ? bc - gc : g == hi ? (float)(2.0 + (double)rc - (double)bc) : (float)(4.0 + (double)gc - (double)rc);
      h = (float)fmod((double)h / 6.0 + 1.0, 1.0);
      hue = byte_of((double)h * 255.0);
      sat = byte_of((double)s * 255.0);
    }
    hue = (uint8_t)(hue + move);
    if (sat == 0) {
      memset(p, hi, 3);
      continue;
    }
    float fs = (float)(sat / 255.0), sector = (float)(hue * 6.0 / 255.0), v = (float)hi;
    int i = (int)floorf(sector);
    float f = sector - (float)i;
    uint8_t a = byte_of(round((double)v * (1.0 - (double)fs)));
    uint8_t q = byte_of(round((double)v * (1.0 - (double)(fs * f))));
    uint8_t t = byte_of(round((double)v * (1.0 - (double)fs * (1.0 - (double)f))));
    uint8_t m = (uint8_t)hi;
    const uint8_t sectors[6][3] = {{m, t, a}, {q, m, a}, {a, m, t}, {a, q, m}, {t, a, m}, {m, a, q}};
    memcpy(p, sectors[i % 6], 3);
  }
}

void image_normalise(float *out, const Image *im, const float *mean, const float *std) {
  float table[3][256];
  for (int c = 0; c < im->c; c++)
    for (int v = 0; v < 256; v++) table[c][v] = ((float)v / 255.0f - mean[c]) / std[c];
  size_t n = (size_t)im->h * (size_t)im->w;
  const uint8_t *p = im->px;
  if (im->c == 3)
    for (size_t i = 0; i < n; i++, p += 3, out += 3) {
      out[0] = table[0][p[0]];
      out[1] = table[1][p[1]];
      out[2] = table[2][p[2]];
    }
  else
    for (size_t i = 0; i < n; i++) out[i] = table[0][p[i]];
}
