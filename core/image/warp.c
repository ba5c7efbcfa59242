/* Pictures turned, moved, scaled, sheared and padded, as torchvision does it to PIL images: Pillow's Geometry.c, nearest in
 * fixed point, bilinear in double. */
#include <math.h>
#include <string.h>
#include "adjust.h"

/* Where the middle of the pixel (x, y) of the result comes from: (m[0] x + m[1] y + m[2], m[3] x + m[4] y + m[5]). */
typedef double Matrix[6];

static void nearest(Image *to, const Image *from, const Matrix m) {
  size_t c = (size_t)to->c;
  const double unit = 65536;
  int64_t step[4] = {(int64_t)floor(m[0] * unit + 0.5), (int64_t)floor(m[1] * unit + 0.5), (int64_t)floor(m[3] * unit + 0.5),
    (int64_t)floor(m[4] * unit + 0.5)};
  int64_t row_x = (int64_t)floor((m[2] + m[0] * 0.5 + m[1] * 0.5) * unit + 0.5),
    row_y = (int64_t)floor((m[5] + m[3] * 0.5 + m[4] * 0.5) * unit + 0.5);
  uint8_t *out = to->px;
  for (int y = 0; y < to->h; y++, row_x += step[1], row_y += step[3]) {
    int64_t xx = row_x, yy = row_y;
    for (int x = 0; x < to->w; x++, xx += step[0], yy += step[2], out += c) {
      int64_t sx = xx >> 16, sy = yy >> 16;
      if (sx < 0 || sy < 0 || sx >= from->w || sy >= from->h) continue;
      memcpy(out, from->px + ((size_t)sy * (size_t)from->w + (size_t)sx) * c, c);
    }
  }
}

static int within(int i, int n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }

static void bilinear(Image *to, const Image *from, const Matrix m) {
  int c = to->c;
  uint8_t *out = to->px;
  for (int y = 0; y < to->h; y++)
    for (int x = 0; x < to->w; x++, out += c) {
      double sx = m[0] * (x + 0.5) + m[1] * (y + 0.5) + m[2], sy = m[3] * (x + 0.5) + m[4] * (y + 0.5) + m[5];
      if (sx < 0 || sy < 0 || sx >= from->w || sy >= from->h) continue;
      sx -= 0.5, sy -= 0.5;
      int ix = (int)floor(sx), iy = (int)floor(sy);
      double dx = sx - ix, dy = sy - iy;
      const uint8_t *rows[2] = {from->px + (size_t)within(iy, from->h) * (size_t)from->w * (size_t)c,
        from->px + (size_t)within(iy + 1, from->h) * (size_t)from->w * (size_t)c};
      int left = within(ix, from->w) * c, right = within(ix + 1, from->w) * c;
      for (int i = 0; i < c; i++) {
        double v[2];
        for (int r = 0; r < 2; r++) v[r] = rows[r][left + i] + (rows[r][right + i] - rows[r][left + i]) * dx;
        out[i] = (uint8_t)(v[0] + (v[1] - v[0]) * dy);
      }
    }
}

/* im becomes h by w, from where the matrix says; what lies outside is `fill`. */
static bool warp(Image *im, int h, int w, const Matrix m, int filter, int fill, Err *e) {
  Image next;
  if (!image_new(&next, h, w, im->c, e)) return false;
  memset(next.px, fill, (size_t)h * (size_t)w * (size_t)im->c);
  if (filter) bilinear(&next, im, m);
  else nearest(&next, im, m);
  image_free(im);
  *im = next;
  return true;
}

/* torchvision's _get_inverse_affine_matrix: turned, scaled and sheared about (cx, cy), then moved. */
static void inverse_affine(Matrix m, double cx, double cy, double degrees, double dx, double dy, double scale,
  double shear_x, double shear_y) {
  double turn = degrees * M_PI / 180, sx = shear_x * M_PI / 180, sy = shear_y * M_PI / 180;
  double a = cos(turn - sy) / cos(sy), b = -cos(turn - sy) * tan(sx) / cos(sy) - sin(turn);
  double c = sin(turn - sy) / cos(sy), d = -sin(turn - sy) * tan(sx) / cos(sy) + cos(turn);
  m[0] = d / scale, m[1] = -b / scale, m[3] = -c / scale, m[4] = a / scale;
  m[2] = m[0] * (-cx - dx) + m[1] * (-cy - dy) + cx;
  m[5] = m[3] * (-cx - dx) + m[4] * (-cy - dy) + cy;
}

bool adjust_affine(Image *im, const double *args, Err *e) {
  Matrix m;
  inverse_affine(m, im->w * 0.5, im->h * 0.5, args[0], args[1], args[2], args[3], args[4], args[5]);
  return warp(im, im->h, im->w, m, (int)args[6], (int)args[7], e);
}

/* AutoAugment's shears: about the corner, by slopes. */
bool adjust_shear(Image *im, const double *args, Err *e) {
  Matrix m;
  inverse_affine(m, 0, 0, 0, 0, 0, 1, atan(args[0]) * 180 / M_PI, atan(args[1]) * 180 / M_PI);
  return warp(im, im->h, im->w, m, 0, 0, e);
}

/* Image.rotate: quarter turns that keep the size move pixels as they are. */
bool adjust_rotate(Image *im, const double *args, Err *e) {
  double degrees = fmod(args[0], 360);
  if (degrees < 0) degrees += 360;
  Image next;
  if (degrees == 0) return true;
  if (degrees == 180 || ((degrees == 90 || degrees == 270) && im->h == im->w)) {
    if (!image_orient(&next, im, degrees == 180 ? 3 : degrees == 90 ? 8 : 6, e)) return false;
    image_free(im);
    *im = next;
    return true;
  }
  double turn = -degrees * M_PI / 180, cx = im->w / 2.0, cy = im->h / 2.0;
  /* Pillow rounds these to 15 digits */
  double cs = nearbyint(cos(turn) * 1e15) / 1e15, sn = nearbyint(sin(turn) * 1e15) / 1e15;
  Matrix m = {cs, sn, 0, -sn, cs, 0};
  m[2] = m[0] * -cx + m[1] * -cy + cx;
  m[5] = m[3] * -cx + m[4] * -cy + cy;
  return warp(im, im->h, im->w, m, (int)args[1], (int)args[2], e);
}

/* Where the point i of a padded row of n comes from; -1: from nowhere. */
static int source(int i, int n, int mode) {
  if (i >= 0 && i < n) return i;
  switch (mode) {
  case 1: return i < 0 ? 0 : n - 1;
  case 2: return i < 0 ? -i : 2 * (n - 1) - i;
  case 3: return i < 0 ? -i - 1 : 2 * n - 1 - i;
  default: return -1;
  }
}

bool adjust_pad(Image *im, const double *args, Err *e) {
  int left = (int)args[0], top = (int)args[1], right = (int)args[2], bottom = (int)args[3], mode = (int)args[4];
  int most_x = left > right ? left : right, most_y = top > bottom ? top : bottom;
  if (mode >= 2 && (most_x > im->w - (mode == 2) || most_y > im->h - (mode == 2)))
    return err_set(e, "pad: a mirrored border is at most as wide as the picture of %d by %d", im->h, im->w);
  if ((int64_t)im->h + top + bottom > INT32_MAX || (int64_t)im->w + left + right > INT32_MAX)
    return err_set(e, "pad: the picture becomes too large");
  Image next;
  int h = im->h + top + bottom, w = im->w + left + right;
  if (!image_new(&next, h, w, im->c, e)) return false;
  size_t c = (size_t)im->c;
  uint8_t *out = next.px;
  for (int y = 0; y < h; y++)
    for (int x = 0; x < w; x++, out += c) {
      int sy = source(y - top, im->h, mode), sx = source(x - left, im->w, mode);
      if (sy < 0 || sx < 0) memset(out, (int)args[5], c);
      else memcpy(out, im->px + ((size_t)sy * (size_t)im->w + (size_t)sx) * c, c);
    }
  image_free(im);
  *im = next;
  return true;
}
