/* Moving pixels without changing them: crops, flips, turns. */
#include "image.h"
#include <string.h>

int crop_centre(int size, int crop) {
  if (crop > size) return -((crop - size) / 2); /* torchvision pads (crop - size) // 2 before, the rest after */
  int d = size - crop;                          /* Python's round(): halves go to the even number */
  return d % 2 == 0 ? d / 2 : d / 2 + (d / 2) % 2;
}

bool image_crop(Image *out, const Image *in, int top, int left, int h, int w, Err *e) {
  Image im;
  if (!image_new(&im, h, w, in->c, e)) return false;
  size_t c = (size_t)in->c;
  if (top < 0 || left < 0 || top + h > in->h || left + w > in->w) memset(im.px, 0, (size_t)h * (size_t)w * c);
  int x0 = left < 0 ? 0 : left, x1 = left + w > in->w ? in->w : left + w;
  if (x1 > x0)
    for (int y = 0; y < h; y++) {
      int from = y + top;
      if (from < 0 || from >= in->h) continue;
      memcpy(im.px + ((size_t)y * (size_t)w + (size_t)(x0 - left)) * c, in->px + ((size_t)from * (size_t)in->w + (size_t)x0) * c,
             (size_t)(x1 - x0) * c);
    }
  *out = im;
  return true;
}

void image_flip(Image *im) {
  int c = im->c;
  for (int y = 0; y < im->h; y++) {
    uint8_t *a = im->px + (size_t)y * (size_t)im->w * (size_t)c, *b = a + (size_t)(im->w - 1) * (size_t)c;
    for (; a < b; a += c, b -= c)
      for (int i = 0; i < c; i++) {
        uint8_t t = a[i];
        a[i] = b[i];
        b[i] = t;
      }
  }
}

/* EXIF 2.3, tag 0x0112: the value says which corner of the scene the stored row 0, column 0 are. */
bool image_orient(Image *out, const Image *in, int orientation, Err *e) {
  if (orientation < 1 || orientation > 8) return err_set(e, "EXIF orientation goes from 1 to 8, got %d", orientation);
  bool swap = orientation >= 5;
  Image im;
  if (!image_new(&im, swap ? in->w : in->h, swap ? in->h : in->w, in->c, e)) return false;
  bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  if (in->shrink) im.shrink = in->shrink, im.full_h = swap ? in->full_w : in->full_h, im.full_w = swap ? in->full_h : in->full_w;
  size_t c = (size_t)in->c;
  uint8_t *to = im.px;
  for (int y = 0; y < im.h; y++)
    for (int x = 0; x < im.w; x++, to += c) {
      int sy = swap ? x : y, sx = swap ? y : x;
      if (from_right) sx = in->w - 1 - sx;
      if (from_bottom) sy = in->h - 1 - sy;
      memcpy(to, in->px + ((size_t)sy * (size_t)in->w + (size_t)sx) * c, c);
    }
  *out = im;
  return true;
}
