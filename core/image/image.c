#include "image.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "save_file.h"
#include "tensor.h"

static int64_t max_pixels = IMAGE_PIXELS;

int64_t image_max_pixels(int64_t n) {
  if (n > 0) max_pixels = n < IMAGE_PIXELS_MOST ? n : IMAGE_PIXELS_MOST;
  return max_pixels;
}

bool image_claim(int64_t h, int64_t w, int *remarks, Err *e) {
  int64_t pixels = h * w;
  if (pixels > 2 * max_pixels)
    return err_set(e, "claims %lld×%lld pixels, over the limit of %lld (a decompression bomb? image.max_pixels(n) raises it)",
                   (long long)h, (long long)w, (long long)(2 * max_pixels));
  if (pixels > max_pixels) *remarks |= IMAGE_LARGE;
  return true;
}

bool image_new(Image *out, int h, int w, int c, Err *e) {
  if (h < 1 || w < 1) return err_set(e, "an image needs at least one pixel, got %d×%d", h, w);
  int64_t most = 2 * (max_pixels > IMAGE_PIXELS ? max_pixels : IMAGE_PIXELS);
  if ((int64_t)h * w > most)
    return err_set(e, "an image of %d×%d pixels is over the limit of %lld million", h, w, (long long)(most / 1000000));
  size_t size = (size_t)h * (size_t)w * (size_t)c;
  uint8_t *px = memory_get(size, "an image", e);
  if (!px) return false;
  *out = (Image){.h = h, .w = w, .c = c, .px = px};
  return true;
}

bool image_copy(Image *out, const Image *in, Err *e) {
  if (!image_new(out, in->h, in->w, in->c, e)) return false;
  memcpy(out->px, in->px, (size_t)in->h * (size_t)in->w * (size_t)in->c);
  out->shrink = in->shrink, out->full_h = in->full_h, out->full_w = in->full_w;
  return true;
}

void image_free(Image *im) {
  memory_put(im->px, (size_t)im->h * (size_t)im->w * (size_t)im->c);
  *im = (Image){0};
}

/* ---- reading ---- */

const char *image_remark(int bit) {
  switch (bit) {
  case IMAGE_CUT: return "the file lacks its end, but no pixel: it is read as it is";
  case IMAGE_GREY16: return "sixteen-bit grey is read as PIL's convert(\"RGB\") does: values from 0 to 255, what is above is white";
  case IMAGE_LARGE: return "it claims more than image.max_pixels() pixels: is it a photograph?";
  default: return "sixteen-bit colour is read with eight bits";
  }
}

bool image_decode(Image *out, const uint8_t *bytes, size_t size, const Reading *how, Err *e) {
  static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  int orientation = 1;
  Image im = {0};
  if (size >= 8 && !memcmp(bytes, png, 8)) {
    if (!png_decode(&im, bytes, size, &orientation, e)) return false;
  } else if (size >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff) {
    if (!jpeg_decode(&im, bytes, size, how ? how : &(Reading){0}, &orientation, e)) return false;
  } else if (!size) {
    return err_set(e, "the file is empty; expected a PNG or JPEG image");
  } else {
    const char *is = size >= 12 && !memcmp(bytes, "RIFF", 4) && !memcmp(bytes + 8, "WEBP", 4) ? "a WebP image"
                   : size >= 6 && !memcmp(bytes, "GIF8", 4) ? "a GIF image"
                   : size >= 2 && !memcmp(bytes, "BM", 2) ? "a BMP image"
                   : size >= 4 && (!memcmp(bytes, "II*", 4) || !memcmp(bytes, "MM\0*", 4)) ? "a TIFF image" : NULL;
    if (is) return err_set(e, "this is %s; PNG and JPEG are read (convert it first)", is);
    return err_set(e, "not a PNG or JPEG image (starts with bytes %02x %02x)", bytes[0], size > 1 ? bytes[1] : 0);
  }
  if (orientation == 1 || (how && how->as_stored)) {
    *out = im;
    return true;
  }
  bool ok = image_orient(out, &im, orientation, e);
  if (ok) out->remarks = im.remarks;
  image_free(&im);
  return ok;
}

/* The whole file in memory: images are small, and both decoders like it so. */
static bool slurp(const char *path, uint8_t **bytes, size_t *size, Err *e) {
  FILE *f = fopen(path, "rb");
  if (!f) return err_set(e, "cannot open: %s", strerror(errno));
  struct stat st;
  if (fstat(fileno(f), &st) || !S_ISREG(st.st_mode)) {
    bool dir = S_ISDIR(st.st_mode);
    fclose(f);
    return err_set(e, dir ? "this is a folder, expected an image file" : "not a regular file");
  }
  size_t n = (size_t)st.st_size;
  uint8_t *p = malloc(n + 1);
  if (!p) {
    fclose(f);
    return err_memory(e, (double)n, "an image file");
  }
  size_t got = fread(p, 1, n, f);
  bool bad = ferror(f);
  fclose(f);
  if (bad) {
    free(p);
    return err_set(e, "cannot read: %s", strerror(errno));
  }
  *bytes = p;
  *size = got;
  return true;
}

bool image_read(Image *out, const char *path, const Reading *how, Err *e) {
  uint8_t *bytes = NULL;
  size_t size = 0;
  if (!slurp(path, &bytes, &size, e)) return err_within(e, "%s", path);
  bool ok = image_decode(out, bytes, size, how, e);
  free(bytes);
  return ok || err_within(e, "%s", path);
}

/* ---- writing ---- */

static bool ends_with(const char *s, const char *tail) {
  size_t n = strlen(s), k = strlen(tail);
  return n >= k && !strcasecmp(s + n - k, tail);
}

bool image_write(const Image *im, const char *path, int quality, Err *e) {
  uint8_t *bytes = NULL;
  size_t size = 0;
  bool ok;
  if (ends_with(path, ".png")) ok = png_encode(im, &bytes, &size, e);
  else if (ends_with(path, ".jpg") || ends_with(path, ".jpeg")) ok = jpeg_encode(im, quality, &bytes, &size, e);
  else return err_set(e, "%s: a name ending in .png, .jpg or .jpeg says how to write the image", path);
  if (!ok) err_within(e, "%s", path);
  SaveFile s;
  if (ok && (ok = save_begin(&s, path, e))) ok = save_end(&s, save_write(&s, bytes, size, e), e);
  free(bytes);
  return ok;
}
