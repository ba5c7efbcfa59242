/* torchvision's gaussian_blur of a PIL image: a product of two Gaussians, the border mirrored, sums in float, rounded. */
#include <math.h>
#include <stdlib.h>
#include "adjust.h"

static void gaussian(float *k, int n, double sigma) {
  float sum = 0, half = (float)(n - 1) * 0.5f;
  for (int i = 0; i < n; i++) {
    float x = ((float)i - half) / (float)sigma;
    sum += k[i] = expf(-0.5f * x * x);
  }
  for (int i = 0; i < n; i++) k[i] /= sum;
}

/* 3 2 1 0 1 2 3: what stands at i of n where the border is a mirror. */
static int mirrored(int i, int n) { return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i; }

bool adjust_gaussian_blur(Image *im, const double *args, Err *e) {
  int kh = (int)args[0], kw = (int)args[1], h = im->h, w = im->w, c = im->c;
  if (kh / 2 >= h || kw / 2 >= w)
    return err_set(e, "gaussian_blur: a kernel of %d by %d is too large for a picture of %d by %d", kh, kw, h, w);
  size_t row = (size_t)w * (size_t)c;
  float *k = malloc((size_t)(kh + kw) * sizeof *k), *across = malloc((size_t)h * row * sizeof *across);
  if (!k || !across) {
    free(k);
    free(across);
    return err_memory(e, (double)h * (double)row * sizeof *across, "a blurred picture");
  }
  gaussian(k, kh, args[2]);
  gaussian(k + kh, kw, args[3]);
  for (int y = 0; y < h; y++)
    for (int x = 0; x < w; x++)
      for (int i = 0; i < c; i++) {
        float sum = 0;
        for (int j = 0; j < kw; j++)
          sum += k[kh + j] * (float)im->px[(size_t)y * row + (size_t)(mirrored(x + j - kw / 2, w) * c + i)];
        across[(size_t)y * row + (size_t)(x * c + i)] = sum;
      }
  for (int y = 0; y < h; y++)
    for (size_t x = 0; x < row; x++) {
      float sum = 0;
      for (int j = 0; j < kh; j++) sum += k[j] * across[(size_t)mirrored(y + j - kh / 2, h) * row + x];
      float v = nearbyintf(sum);
      im->px[(size_t)y * row + x] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
  free(k);
  free(across);
  return true;
}
