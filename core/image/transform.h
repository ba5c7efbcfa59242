/* From a picture to numbers for a network: resize, augment, crop, flip, normalise, in torchvision's order. */
#ifndef IMAGE_TRANSFORM_H
#define IMAGE_TRANSFORM_H
#include "image.h"
#include "adjust.h"
#include "policy.h"

/* A change made with probability p, each of its numbers drawn from lo to hi. Of affine the shifts are parts of the picture's
 * size, rounded; both sigmas of gaussian_blur are one number. */
typedef struct Step {
  const Adjust *adjust;
  double p, lo[ADJUST_ARGS], hi[ADJUST_ARGS];
} Step;

enum { TRANSFORM_STEPS = 12 };

typedef struct Transform {
  /* always */
  int channels;            /* 1 or 3; 0: those of the image */
  int resize_h, resize_w;  /* both: Resize((h, w)); only resize_h: Resize(h), the shorter side; none: 0 */
  int crop_h, crop_w;      /* CenterCrop; 0: none */
  Filter filter;
  bool as_stored;          /* do not apply EXIF orientation */
  bool draft;              /* decode JPEG at reduced size where the resize shrinks it by far */
  int n_mean;              /* 0: values stay in 0 … 1; else 1 or 3 of each */
  float mean[3], std[3];
  /* augmentation: only when a Random is given */
  double flip;             /* probability of a horizontal flip */
  bool random_crop;        /* RandomCrop(size, padding = pad) instead of the centre: a black border, then a window of */
  int pad;                 /*   the crop's size, or of the size there was before the border */
  bool random_resized;     /* RandomResizedCrop instead of resize and crop; needs crop or resize to both sizes */
  double scale[2], ratio[2]; /* its area (fraction) and aspect ranges */
  double brightness, contrast, saturation, hue; /* ColorJitter: factor within 1 ± x; hue within ± x */
  double rotate;           /* within ± degrees */
  Policy policy;           /* after the flip */
  Step step[TRANSFORM_STEPS]; /* after ColorJitter, in this order */
  int steps;
  double erase;            /* RandomErasing's probability: a rectangle of erase_scale of the area and an aspect within */
  double erase_scale[2], erase_ratio[2], erase_value; /* erase_ratio gets this value, after normalisation */
} Transform;

/* Whether two passes over a sample may differ. */
bool transform_random(const Transform *t);
/* The size of the result for an image of h by w; the same for all images when transform_fixed. */
void transform_size(const Transform *t, int h, int w, int *out_h, int *out_w);
bool transform_fixed(const Transform *t);
/* How to read a picture for it. A draft is read at twice the size, at least, that the first step makes of it, a resize: on
 * 396 photographs, made 72 pixels high, it then differs from what the whole picture gives by 0.4 of 255 on average, 1.2 in
 * the worst picture and 4 in a thousandth of the numbers; at once the size by 1.4, 4.8 and 17. None for filters that pick
 * whole pixels (nearest, box), nor where a random part of the picture is resized: a small part needs all there is. */
Reading transform_reading(const Transform *t, bool random);
/* im becomes the picture as the network will see it, in bytes. random NULL: as for validation. After an error it is some
 * picture on the way there. */
bool transform_image(Image *im, const Transform *t, Random *random, Err *e);
/* The same in two parts: the first draws nothing, and leaves every pass the same picture. */
bool transform_start(Image *im, const Transform *t, bool random, Err *e);
bool transform_rest(Image *im, const Transform *t, Random *random, Err *e);
/* The last step: float, (h, w, c) in memory. */
bool transform_values(float *out, const Image *im, const Transform *t, Err *e);
#endif
