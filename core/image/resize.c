/* Resizing as Pillow's Resample.c does it (F. Lundh, A. Karpinsky; MIT-CMU): two passes, across then down, each with a
 * filter that widens when shrinking, in fixed point with 22 bits and results clipped to a byte between the passes. The
 * order of every rounding matters: results are equal to Pillow's to the bit. */
#include "image.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/kernels.h"

int filter_named(const char *name) {
  static const char *const names[] = {"nearest", "box", "bilinear", "bicubic", "lanczos"};
  for (int i = 0; i < 5; i++)
    if (!strcmp(name, names[i])) return i;
  return -1;
}

static double box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }
static double bilinear(double x) {
  if (x < 0.0) x = -x;
  return x < 1.0 ? 1.0 - x : 0.0;
}
/* Keys' cubic, a = -0.5 (Cubic convolution interpolation for digital image processing, 1981). */
static double bicubic(double x) {
  const double a = -0.5;
  if (x < 0.0) x = -x;
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}
static double sinc(double x) {
  if (x == 0.0) return 1.0;
  x = x * M_PI;
  return sin(x) / x;
}
static double lanczos(double x) { return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

static const struct { double (*weight)(double); double support; } filters[] = {
  [FILTER_BOX] = {box, 0.5}, [FILTER_BILINEAR] = {bilinear, 1.0},
  [FILTER_BICUBIC] = {bicubic, 2.0}, [FILTER_LANCZOS] = {lanczos, 3.0},
};

static void taps_free(Taps *t) {
  free(t->first);
  free(t->weight);
  *t = (Taps){0};
}

/* in: pixels there are; extent: how many of them the outputs share among themselves, all but a part of the last one. */
static bool taps_new(Taps *t, int in, double extent, int out, Filter filter, Err *e) {
  double scale = (double)(float)extent / out, wide = scale < 1.0 ? 1.0 : scale;
  double support = filters[filter].support * wide;
  t->n = out;
  t->width = (int)ceil(support) * 2 + 1;
  size_t n = (size_t)out * (size_t)t->width;
  t->first = malloc(2 * (size_t)out * sizeof(int));
  t->count = t->first ? t->first + out : NULL;
  t->weight = calloc(n, sizeof(int));
  double *w = malloc((size_t)t->width * sizeof(double));
  if (!t->first || !t->weight || !w) {
    taps_free(t);
    free(w);
    return err_memory(e, (double)n * sizeof(int), "resizing an image");
  }
  for (int i = 0; i < out; i++) {
    double centre = 0.0 + (i + 0.5) * scale, sum = 0.0, inverse = 1.0 / wide;
    int lo = (int)(centre - support + 0.5), hi = (int)(centre + support + 0.5);
    if (lo < 0) lo = 0;
    if (hi > in) hi = in;
    hi -= lo;
    for (int x = 0; x < hi; x++) sum += w[x] = filters[filter].weight((x + lo - centre + 0.5) * inverse);
    for (int x = 0; x < hi; x++) {
      if (sum != 0.0) w[x] /= sum;
      t->weight[(size_t)i * (size_t)t->width + (size_t)x] = (int)((w[x] < 0 ? -0.5 : 0.5) + w[x] * (1 << TAP_BITS));
    }
    t->first[i] = lo;
    t->count[i] = hi;
  }
  free(w);
  return true;
}

/* Pillow's ImagingScaleAffine: the pixel under each centre; the position is summed up step by step as there. */
static bool nearest(Image *out, const Image *in, Err *e) {
  int *at = malloc((size_t)out->w * sizeof(int));
  if (!at) return err_memory(e, (double)out->w * sizeof(int), "resizing an image");
  double step = (double)in->w / out->w, pos = step * 0.5;
  for (int x = 0; x < out->w; x++, pos += step) at[x] = (int)pos < in->w ? (int)pos : in->w - 1;
  step = (double)in->h / out->h;
  pos = step * 0.5;
  size_t c = (size_t)in->c;
  for (int y = 0; y < out->h; y++, pos += step) {
    const uint8_t *row = in->px + (size_t)((int)pos < in->h ? (int)pos : in->h - 1) * (size_t)in->w * c;
    uint8_t *to = out->px + (size_t)y * (size_t)out->w * c;
    for (int x = 0; x < out->w; x++, to += c) memcpy(to, row + (size_t)at[x] * c, c);
  }
  free(at);
  return true;
}

/* Across (only the rows that the second pass will look at), then down; a pass that changes nothing is left out. */
static bool filtered(Image *out, const Image *in, Filter filter, Err *e) {
  Taps v = {0}, h = {0};
  Image mid = {0};
  double full_h = in->shrink ? (double)in->full_h / in->shrink : in->h, full_w = in->shrink ? (double)in->full_w / in->shrink : in->w;
  bool wide = in->shrink || out->w != in->w, high = in->shrink || out->h != in->h;
  bool ok = taps_new(&v, in->h, full_h, out->h, filter, e);
  int from = 0;
  const Image *middle = in;
  if (ok && wide) {
    int last = high ? v.first[out->h - 1] + v.count[out->h - 1] : in->h;
    from = high ? v.first[0] : 0;
    uint8_t *scratch = memory_get(resize_scratch(in->w, out->w, in->c), "resizing an image", e);
    ok = scratch && taps_new(&h, in->w, full_w, out->w, filter, e) &&
         image_new(&mid, last - from, out->w, in->c, e);
    if (ok) {
      size_t row = (size_t)in->w * (size_t)in->c;
      kern->resize_across(mid.px, in->px + (size_t)from * row, mid.h, in->w, in->c, &h, scratch);
      middle = &mid;
    }
    taps_free(&h);
    memory_put(scratch, 0);
  }
  if (ok && high) kern->resize_down(out->px, middle->px, (size_t)out->w * (size_t)out->c, from, &v);
  else if (ok) memcpy(out->px, middle->px, (size_t)out->h * (size_t)out->w * (size_t)out->c);
  image_free(&mid);
  taps_free(&v);
  return ok;
}

bool image_resize(Image *out, const Image *in, int h, int w, Filter filter, Err *e) {
  if (h == in->h && w == in->w && !in->shrink) return image_copy(out, in, e);
  Image im;
  if (!image_new(&im, h, w, in->c, e)) return false;
  bool ok = filter == FILTER_NEAREST ? nearest(&im, in, e) : filtered(&im, in, filter, e);
  if (ok) *out = im;
  else image_free(&im);
  return ok;
}

void resize_shorter(int h, int w, int edge, int *out_h, int *out_w) {
  int lo = h < w ? h : w, hi = h < w ? w : h;
  double longer = (double)((int64_t)edge * hi) / lo;
  int other = longer > 0x3fffffff ? 0x3fffffff : (int)longer;
  *out_h = h <= w ? edge : other;
  *out_w = h <= w ? other : edge;
  if (h == w) *out_h = *out_w = edge;
}
