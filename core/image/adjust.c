/* The table of adjust.h. */
#include "adjust.h"
#include <string.h>

static bool brightness(Image *im, const double *a, Err *e) { return (void)e, image_brightness(im, (float)a[0]), true; }
static bool contrast(Image *im, const double *a, Err *e) { return (void)e, image_contrast(im, (float)a[0]), true; }
static bool saturation(Image *im, const double *a, Err *e) { return (void)e, image_saturation(im, (float)a[0]), true; }
static bool hue(Image *im, const double *a, Err *e) { return (void)e, image_hue(im, a[0]), true; }
static bool grayscale(Image *im, const double *a, Err *e) { return (void)e, (void)a, image_grayscale(im), true; }
static bool invert(Image *im, const double *a, Err *e) { return (void)e, (void)a, image_invert(im), true; }
static bool autocontrast(Image *im, const double *a, Err *e) { return (void)e, (void)a, image_autocontrast(im), true; }
static bool equalize(Image *im, const double *a, Err *e) { return (void)e, (void)a, image_equalize(im), true; }
static bool posterize(Image *im, const double *a, Err *e) { return (void)e, image_posterize(im, (int)a[0]), true; }
static bool solarize(Image *im, const double *a, Err *e) { return (void)e, image_solarize(im, a[0]), true; }
static bool hflip(Image *im, const double *a, Err *e) { return (void)e, (void)a, image_flip(im), true; }

static bool vflip(Image *im, const double *a, Err *e) {
  (void)a;
  Image next;
  if (!image_orient(&next, im, 4, e)) return false;
  image_free(im);
  *im = next;
  return true;
}

static bool crop(Image *im, const double *a, Err *e) {
  Image next;
  if (!image_crop(&next, im, (int)a[0], (int)a[1], (int)a[2], (int)a[3], e)) return false;
  image_free(im);
  *im = next;
  return true;
}

static bool center_crop(Image *im, const double *a, Err *e) {
  int h = (int)a[0], w = (int)a[1];
  return crop(im, (double[]){crop_centre(im->h, h), crop_centre(im->w, w), h, w}, e);
}

const Adjust *adjust_named(const char *name) {
  static const Adjust rows[] = {
    {"brightness", 1, brightness}, {"contrast", 1, contrast}, {"saturation", 1, saturation}, {"hue", 1, hue},
    {"sharpness", 1, adjust_sharpness}, {"grayscale", 0, grayscale}, {"invert", 0, invert},
    {"autocontrast", 0, autocontrast}, {"equalize", 0, equalize}, {"posterize", 1, posterize},
    {"solarize", 1, solarize}, {"hflip", 0, hflip}, {"vflip", 0, vflip}, {"gaussian_blur", 4, adjust_gaussian_blur},
    {"affine", 8, adjust_affine}, {"shear", 2, adjust_shear}, {"rotate", 3, adjust_rotate}, {"crop", 4, crop}, {"center_crop", 2, center_crop},
    {"pad", 6, adjust_pad},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (!strcmp(rows[i].name, name)) return &rows[i];
  return NULL;
}
