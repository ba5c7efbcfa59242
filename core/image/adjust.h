/* Changes of a picture by name, each with its numbers: what torchvision.transforms.functional does to a PIL image. */
#ifndef IMAGE_ADJUST_H
#define IMAGE_ADJUST_H
#include "image.h"

enum { ADJUST_ARGS = 8 };

typedef struct Adjust {
  const char *name;
  int args;            /* how many numbers it takes */
  bool (*apply)(Image *im, const double *args, Err *e); /* after an error im is as it was */
} Adjust;

/* The one of this name, or NULL:
 *   brightness f   contrast f   saturation f   hue f   sharpness f   grayscale   invert   autocontrast   equalize
 *   posterize bits (0 to 8)   solarize threshold   hflip   vflip   gaussian_blur kh kw (odd) sigma_h sigma_w
 *   affine degrees dx dy scale shear_x shear_y filter fill: about the centre; filter: 0 nearest, 1 bilinear
 *   shear dx dy: affine about the corner, by these slopes   rotate degrees filter fill: counter-clockwise
 *   crop top left h w   center_crop h w: what lies outside is black   pad left top right bottom mode fill: mode 0 constant, 1 edge,
 *   2 reflect, 3 symmetric */
const Adjust *adjust_named(const char *name);

/* --- warp.c, light.c, blur.c --- */
bool adjust_affine(Image *im, const double *args, Err *e);
bool adjust_shear(Image *im, const double *args, Err *e);
bool adjust_rotate(Image *im, const double *args, Err *e);
bool adjust_pad(Image *im, const double *args, Err *e);
bool adjust_sharpness(Image *im, const double *args, Err *e);
bool adjust_gaussian_blur(Image *im, const double *args, Err *e);
void image_posterize(Image *im, int bits);
void image_solarize(Image *im, double threshold);
void image_invert(Image *im);
void image_autocontrast(Image *im);
void image_equalize(Image *im);
void image_grayscale(Image *im);
/* from + alpha (to - from), clipped; as Pillow's Blend.c. */
uint8_t image_blend(int from, int to, float alpha);
#endif
