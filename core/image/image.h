/* Images: 8-bit pixels, one (grey) or three (red, green, blue) to a point, row after row from the top left.
 *
 * Everything here computes what Pillow computes, to the bit: decoding is `Image.open(p).convert("RGB")`, resizing is
 * `Image.resize` with its 22-bit fixed-point filters, and geometry rounds as torchvision 0.14 does on PIL images.
 * One difference is wanted: EXIF orientation is applied when a file is read (as PIL.ImageOps.exif_transpose does),
 * where torchvision's loader leaves photographs on their side; Reading's as_stored gives torchvision's behaviour.
 *
 * Ownership: an Image owns its pixels. Functions that fill `out` replace nothing there: out is written only on
 * success, holds fresh pixels, and is given back with image_free. In and out may not be the same Image. */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H
#include <stddef.h>
#include <stdint.h>
#include "err.h"

typedef struct Image {
  int h, w, c;  /* c: 1 grey or 3 RGB */
  uint8_t *px;  /* h*w*c, from memory_get */
  int shrink;   /* 2, 4, 8: decoded at that fraction of full_h by full_w, which its size stands for; 0: as it is */
  int full_h, full_w;
  struct { int top, left, h, w; } erased; /* a part whose values are another number, h 0: none; see transform_values */
  int remarks;  /* what was odd about the file it was read from: bits of IMAGE_CUT … */
} Image;

/* A file may be read all the same: it lacks its end behind the last pixel, or has sixteen bits where eight are kept. */
enum { IMAGE_CUT = 1, IMAGE_GREY16 = 2, IMAGE_COLOUR16 = 4, IMAGE_LARGE = 8, IMAGE_REMARKS = 4 };
/* The remark of one bit in words. */
const char *image_remark(int bit);

/* Pillow's MAX_IMAGE_PIXELS, which can be set: of a file that claims more it is told, and one that claims more than twice as
 * many is refused as a decompression bomb. n 0: no change; returns the limit in force. */
enum { IMAGE_PIXELS = 89478485, IMAGE_PIXELS_MOST = 357913941 };
int64_t image_max_pixels(int64_t n);
/* Whether a file that claims h by w pixels is read; adds IMAGE_LARGE to *remarks. */
bool image_claim(int64_t h, int64_t w, int *remarks, Err *e);

bool image_new(Image *out, int h, int w, int c, Err *e); /* pixels are not set */
bool image_copy(Image *out, const Image *in, Err *e);
void image_free(Image *im);                               /* harmless on a zeroed or freed Image */

/* --- files (image.c, png.c, jpeg.c, exif.c) --- */
/* How to read; NULL: upright and in full. */
typedef struct Reading {
  bool as_stored;      /* do not apply EXIF orientation */
  int least_h, least_w; /* a JPEG may be decoded at 1/2, 1/4 or 1/8 that has at least this size (upright); 0: may not.
                         * libjpeg then makes the smaller picture from the low frequencies of each block of 8 by 8. One
                         * that EXIF turns is left as it is unless the fraction divides its size. */
} Reading;

/* Reads a PNG or JPEG file, known by its first bytes and not by its name, as RGB. Errors name the path. */
bool image_read(Image *out, const char *path, const Reading *how, Err *e);
/* The same from memory; errors do not name anything. */
bool image_decode(Image *out, const uint8_t *bytes, size_t size, const Reading *how, Err *e);
/* Writes PNG, or JPEG when the name ends in .jpg or .jpeg (quality 1 to 100, 95 if 0; 4:2:0 like Pillow).
 * The file appears whole or not at all. */
bool image_write(const Image *im, const char *path, int quality, Err *e);

bool png_decode(Image *out, const uint8_t *bytes, size_t size, int *orientation, Err *e);
bool jpeg_decode(Image *out, const uint8_t *bytes, size_t size, const Reading *how, int *orientation, Err *e);
/* *bytes is malloc'ed. */
bool png_encode(const Image *im, uint8_t **bytes, size_t *size, Err *e);
bool jpeg_encode(const Image *im, int quality, uint8_t **bytes, size_t *size, Err *e);
/* Orientation tag (1 to 8) of a TIFF block as found in EXIF; 1 when there is none or the block is broken. */
int exif_orientation(const uint8_t *tiff, size_t size);

/* --- geometry (resize.c, crop.c) --- */
typedef enum Filter { FILTER_NEAREST, FILTER_BOX, FILTER_BILINEAR, FILTER_BICUBIC, FILTER_LANCZOS } Filter;
/* "nearest", "box", "bilinear", "bicubic", "lanczos"; -1 for any other name. */
int filter_named(const char *name);

/* To h by w. PIL's Image.resize: antialiased (the filter widens when shrinking), except for nearest. For an image decoded
 * at reduced size, that is Image.resize with the box that the full picture is in it, perhaps a part of its last pixels. */
bool image_resize(Image *out, const Image *in, int h, int w, Filter filter, Err *e);
/* The size torchvision's Resize(edge) gives: the smaller side becomes edge, the other int(edge * long / short). */
void resize_shorter(int h, int w, int edge, int *out_h, int *out_w);
/* The rectangle at (top, left) of h by w; what lies outside the image is black. */
bool image_crop(Image *out, const Image *in, int top, int left, int h, int w, Err *e);
/* Where torchvision's CenterCrop puts its corner (negative when the crop is larger than the image). */
int crop_centre(int size, int crop);
void image_flip(Image *im);                                      /* left to right, in place */
bool image_orient(Image *out, const Image *in, int orientation, Err *e); /* EXIF orientation 1 to 8 made upright */

/* --- colour (color.c): PIL.ImageEnhance and the ITU-R 601 grey of Image.convert("L") --- */
bool image_channels(Image *out, const Image *in, int c, Err *e); /* to grey or to RGB */
void image_brightness(Image *im, float factor);
void image_contrast(Image *im, float factor);
void image_saturation(Image *im, float factor);
void image_hue(Image *im, double shift);                         /* shift in -0.5 to 0.5 of the circle */

/* out (h, w, c in memory) = (px / 255 - mean[c]) / std[c], in float as torchvision's ToTensor and Normalize. */
void image_normalise(float *out, const Image *im, const float *mean, const float *std);
#endif
