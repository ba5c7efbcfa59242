/* PNG through libpng (PNG specification, W3C 2003). libpng reports errors by longjmp; every jump starts and ends in
 * this file, in functions whose locals are not changed between setjmp and the jump.
 *
 * Reading goes by libpng's progressive reader, which is fed with what there is: a file that ends behind its last pixel,
 * without the final checks or IEND, is then a picture, as it is for PIL. */
#include "image.h"
#include "host.h"
#include <png.h>
#include <stdlib.h>
#include <string.h>

static void fail(png_structp png, png_const_charp text) {
  Err *e = png_get_error_ptr(png);
  err_set(e, "broken PNG: %s", text);
  png_longjmp(png, 1);
}
static void ignore(png_structp png, png_const_charp text) { (void)png, (void)text; }

/* Decoded rows and what they mean; lives outside the jump. */
typedef struct Rows {
  uint8_t *px;
  uint32_t h, w;
  size_t stride;
  int channels, depth; /* after libpng's conversions: 1 or 3 channels; depth 8, or 16 for grey only */
  int last_pass;
  int remarks;
  bool whole, ended; /* the last row has come; IEND has come */
} Rows;

/* The orientation that an eXIf chunk tells, or 1. (libpng's progressive reader passes such chunks over.) */
static int orientation_of(const uint8_t *bytes, size_t size) {
  for (size_t at = 8; size - at >= 12;) { /* length, name, data, check */
    const uint8_t *p = bytes + at;
    size_t n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    if (n > size - at - 12) break;
    if (!memcmp(p + 4, "eXIf", 4)) return exif_orientation(p + 8, n);
    at += 12 + n;
  }
  return 1;
}

/* What Image.convert("RGB") does: palettes looked up, grey of few bits spread over 0..255, alpha and transparency
 * dropped (not blended), sixteen-bit colour cut to its high byte. Sixteen-bit grey stays, see png_decode. */
static void on_info(png_structp png, png_infop info) {
  Rows *r = png_get_progressive_ptr(png);
  r->w = png_get_image_width(png, info);
  r->h = png_get_image_height(png, info);
  if (!image_claim(r->h, r->w, &r->remarks, png_get_error_ptr(png))) png_longjmp(png, 1);
  int color = png_get_color_type(png, info), depth = png_get_bit_depth(png, info);
  if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  else if (depth < 8) png_set_expand_gray_1_2_4_to_8(png);
  if (depth == 16) r->remarks |= color == PNG_COLOR_TYPE_GRAY ? IMAGE_GREY16 : IMAGE_COLOUR16;
  if (depth == 16 && color != PNG_COLOR_TYPE_GRAY) png_set_strip_16(png);
  if (color & PNG_COLOR_MASK_ALPHA || png_get_valid(png, info, PNG_INFO_tRNS)) png_set_strip_alpha(png);
  r->last_pass = png_set_interlace_handling(png) - 1;
  png_read_update_info(png, info);
  r->channels = png_get_channels(png, info);
  r->depth = png_get_bit_depth(png, info);
  r->stride = png_get_rowbytes(png, info);
  if ((r->channels != 1 && r->channels != 3) || (r->depth != 8 && !(r->depth == 16 && r->channels == 1)))
    png_error(png, "unexpected pixel layout");
  r->px = calloc(r->h, r->stride);
  if (!r->px) png_error(png, "out of memory");
}

static void on_row(png_structp png, png_bytep row, png_uint_32 y, int pass) {
  Rows *r = png_get_progressive_ptr(png);
  if (y % 64 == 63 && host_should_stop()) {
    err_stop(png_get_error_ptr(png));
    png_longjmp(png, 1);
  }
  if (row && y < r->h) png_progressive_combine_row(png, r->px + y * r->stride, row);
  if (y + 1 == r->h && pass == r->last_pass) r->whole = true;
}

static void on_end(png_structp png, png_infop info) {
  (void)info;
  Rows *r = png_get_progressive_ptr(png);
  r->whole = r->ended = true;
}

static bool read_rows(png_structp png, png_infop info, Rows *r, const uint8_t *bytes, size_t size) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_user_limits(png, 0x7fffffff, 0x7fffffff);
  png_set_chunk_malloc_max(png, 64u << 20);
  png_set_progressive_read_fn(png, r, on_info, on_row, on_end);
  png_process_data(png, info, (png_bytep)(uintptr_t)bytes, size); /* libpng only reads them */
  if (!r->whole) png_error(png, "the image is cut off");
  if (!r->ended) r->remarks |= IMAGE_CUT;
  return true;
}

bool png_decode(Image *out, const uint8_t *bytes, size_t size, int *orientation, Err *e) {
  Rows r = {0};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, e, fail, ignore);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  if (!info) {
    png_destroy_read_struct(&png, NULL, NULL);
    return err_memory(e, (double)size, "reading a PNG");
  }
  bool ok = read_rows(png, info, &r, bytes, size);
  png_destroy_read_struct(&png, &info, NULL);
  Image im = {0};
  if (ok) ok = image_new(&im, (int)r.h, (int)r.w, 3, e);
  if (ok) {
    for (uint32_t y = 0; y < r.h; y++) {
      const uint8_t *from = r.px + y * r.stride;
      uint8_t *to = im.px + (size_t)y * r.w * 3;
      if (r.channels == 3) memcpy(to, from, (size_t)r.w * 3);
      else if (r.depth == 8)
        for (uint32_t x = 0; x < r.w; x++) memset(to + 3 * (size_t)x, from[x], 3);
      else /* PIL reads sixteen-bit grey as mode "I" and clips it at 255, high byte or not */
        for (uint32_t x = 0; x < r.w; x++) memset(to + 3 * (size_t)x, from[2 * x] ? 255 : from[2 * x + 1], 3);
    }
    *orientation = orientation_of(bytes, size);
    im.remarks = r.remarks;
    *out = im;
  }
  free(r.px);
  return ok;
}

/* ---- writing ---- */

typedef struct Sink {
  uint8_t *p;
  size_t size, cap;
} Sink;

static void push(png_structp png, png_bytep from, size_t n) {
  Sink *s = png_get_io_ptr(png);
  if (s->cap - s->size < n) {
    size_t cap = s->cap * 2 + n + 4096;
    uint8_t *p = realloc(s->p, cap);
    if (!p) png_error(png, "out of memory");
    s->p = p;
    s->cap = cap;
  }
  memcpy(s->p + s->size, from, n);
  s->size += n;
}
static void flush(png_structp png) { (void)png; }

static bool write_rows(png_structp png, png_infop info, const Image *im, Err *e) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_IHDR(png, info, (png_uint_32)im->w, (png_uint_32)im->h, 8, im->c == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (int y = 0; y < im->h; y++) {
    if (y % 64 == 63 && host_should_stop()) return err_stop(e);
    png_write_row(png, im->px + (size_t)y * (size_t)im->w * (size_t)im->c);
  }
  png_write_end(png, info);
  return true;
}

bool png_encode(const Image *im, uint8_t **bytes, size_t *size, Err *e) {
  Sink sink = {0};
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, e, fail, ignore);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  if (!info) {
    png_destroy_write_struct(&png, NULL);
    return err_memory(e, 1e5, "writing a PNG");
  }
  png_set_write_fn(png, &sink, push, flush);
  bool ok = write_rows(png, info, im, e);
  png_destroy_write_struct(&png, &info);
  if (!ok) {
    free(sink.p);
    return false;
  }
  *bytes = sink.p;
  *size = sink.size;
  return true;
}
