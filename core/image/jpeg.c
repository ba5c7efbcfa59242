/* JPEG through libjpeg-turbo (ITU-T T.81), with its default integer DCT and upsampling, as Pillow uses it. libjpeg
 * reports errors by longjmp; every jump starts and ends in this file. */
#include "image.h"
#include "host.h"
#include <stdio.h>
#include <jpeglib.h>
#include <jerror.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

/* A progressive file may hold thousands of scans over one huge picture: minutes of work from a few bytes. Real files
 * have about ten. */
enum { MAX_SCANS = 500 };

typedef struct Fail {
  struct jpeg_error_mgr mgr; /* first: libjpeg hands us a pointer to it */
  jmp_buf jump;
  Err *e;
} Fail;

static void fail(j_common_ptr j) {
  Fail *f = (Fail *)j->err;
  char text[JMSG_LENGTH_MAX];
  j->err->format_message(j, text);
  err_set(f->e, "broken JPEG: %s", text);
  longjmp(f->jump, 1);
}
static void quiet(j_common_ptr j, int level) { (void)j, (void)level; }
static void silent(j_common_ptr j) { (void)j; }

static struct jpeg_error_mgr *fail_to(Fail *f, Err *e) {
  jpeg_std_error(&f->mgr);
  f->mgr.error_exit = fail;
  f->mgr.emit_message = quiet;
  f->mgr.output_message = silent;
  f->e = e;
  return &f->mgr;
}

/* ---- reading ----
 * The source "suspends" at the end of the bytes, as Pillow's does; then the decoder returns early and we know that
 * the image is cut off, where libjpeg's own source would paint the rest grey. */
static void source_none(j_decompress_ptr j) { (void)j; }
static boolean source_end(j_decompress_ptr j) {
  (void)j;
  return FALSE;
}
static void source_skip(j_decompress_ptr j, long n) {
  struct jpeg_source_mgr *s = j->src;
  if (n <= 0) return;
  size_t k = (size_t)n < s->bytes_in_buffer ? (size_t)n : s->bytes_in_buffer;
  s->next_input_byte += k;
  s->bytes_in_buffer -= k;
}

static void stop(Fail *f) {
  err_stop(f->e);
  longjmp(f->jump, 1);
}

/* Called again and again while libjpeg works. */
static void watch(j_common_ptr j) {
  if (host_should_stop()) stop((Fail *)j->err);
  if (((j_decompress_ptr)j)->input_scan_number > MAX_SCANS) {
    Fail *f = (Fail *)j->err;
    err_set(f->e, "broken JPEG: more than %d scans", MAX_SCANS);
    longjmp(f->jump, 1);
  }
}

typedef struct Reader {
  struct jpeg_decompress_struct j;
  struct jpeg_source_mgr source;
  struct jpeg_progress_mgr progress;
  Fail fail;
  Image im;
  uint8_t *line; /* a row of CMYK */
  int orientation, remarks;
} Reader;

static bool cut_off(Reader *r) { return err_set(r->fail.e, "the image is cut off (JPEG data end too early)"); }

static void find_orientation(Reader *r) {
  for (jpeg_saved_marker_ptr m = r->j.marker_list; m; m = m->next)
    if (m->marker == JPEG_APP0 + 1 && m->data_length >= 6 && !memcmp(m->data, "Exif\0", 5)) {
      r->orientation = exif_orientation(m->data + 6, m->data_length - 6);
      return;
    }
}

/* Ink to light as Pillow's cmyk2rgb, from the inverted CMYK that Adobe writes. */
static void from_cmyk(uint8_t *rgb, const uint8_t *in, int w) {
  for (int x = 0; x < w; x++, in += 4, rgb += 3) {
    int light = in[3]; /* 255 - K, and K is stored inverted */
    for (int c = 0; c < 3; c++) {
      int ink = (255 - in[c]) * light + 128;
      int v = light - (((ink >> 8) + ink) >> 8);
      rgb[c] = (uint8_t)(v < 0 ? 0 : v);
    }
  }
}

/* The largest of 8, 4, 2 that leaves the size asked for, or 1: the fractions that libjpeg-turbo has fast code for. */
static int shrink_for(const Reader *r, const Reading *how) {
  int h = (int)r->j.image_height, w = (int)r->j.image_width, turn = how->as_stored ? 1 : r->orientation, n = how->least_h > 0 ? 8 : 1;
  int least_h = turn >= 5 ? how->least_w : how->least_h, least_w = turn >= 5 ? how->least_h : how->least_w;
  while (n > 1 && (h / n < least_h || w / n < least_w || (turn != 1 && (h % n || w % n)))) n /= 2;
  return n;
}

static bool read_pixels(Reader *r, const uint8_t *bytes, size_t size, const Reading *how) {
  j_decompress_ptr j = &r->j;
  if (setjmp(r->fail.jump)) return false;
  jpeg_create_decompress(j);
  r->source = (struct jpeg_source_mgr){.next_input_byte = bytes, .bytes_in_buffer = size, .init_source = source_none,
    .fill_input_buffer = source_end, .skip_input_data = source_skip, .resync_to_restart = jpeg_resync_to_restart,
    .term_source = source_none};
  j->src = &r->source;
  r->progress.progress_monitor = watch;
  j->progress = &r->progress;
  jpeg_save_markers(j, JPEG_APP0 + 1, 0xffff);
  if (jpeg_read_header(j, TRUE) != JPEG_HEADER_OK) return cut_off(r);
  if (!image_claim(j->image_height, j->image_width, &r->remarks, r->fail.e)) return false;
  find_orientation(r);
  if (j->num_components == 4) j->out_color_space = JCS_CMYK;
  else if (j->num_components == 1) j->out_color_space = JCS_GRAYSCALE;
  else if (j->num_components == 3) j->out_color_space = JCS_RGB;
  else return err_set(r->fail.e, "broken JPEG: %d colour components, expected 1, 3 or 4", j->num_components);
  int shrink = shrink_for(r, how);
  j->scale_num = 1;
  j->scale_denom = (unsigned)shrink;
  if (!jpeg_start_decompress(j)) return cut_off(r);
  int w = (int)j->output_width, h = (int)j->output_height, n = j->output_components;
  if (!image_new(&r->im, h, w, 3, r->fail.e)) return false;
  r->im.remarks = r->remarks;
  if (shrink > 1) r->im.shrink = shrink, r->im.full_h = (int)j->image_height, r->im.full_w = (int)j->image_width;
  if (n != 3 && !(r->line = malloc((size_t)w * (size_t)n))) return err_memory(r->fail.e, (double)w * n, "a row of pixels");
  while (j->output_scanline < j->output_height) {
    if (j->output_scanline % 64 == 63 && host_should_stop()) return err_stop(r->fail.e);
    uint8_t *row = r->im.px + (size_t)j->output_scanline * (size_t)w * 3;
    JSAMPROW to = n == 3 ? row : r->line;
    if (!jpeg_read_scanlines(j, &to, 1)) return cut_off(r);
    if (n == 4) from_cmyk(row, r->line, w);
    if (n == 1)
      for (int x = 0; x < w; x++) memset(row + 3 * (size_t)x, r->line[x], 3);
  }
  return true;
}

bool jpeg_decode(Image *out, const uint8_t *bytes, size_t size, const Reading *how, int *orientation, Err *e) {
  Reader *r = calloc(1, sizeof *r);
  if (!r) return err_memory(e, sizeof *r, "reading a JPEG");
  r->orientation = 1;
  r->j.err = fail_to(&r->fail, e);
  bool ok = read_pixels(r, bytes, size, how);
  jpeg_destroy_decompress(&r->j);
  free(r->line);
  if (ok) {
    *orientation = r->orientation;
    *out = r->im;
  } else {
    image_free(&r->im);
  }
  free(r);
  return ok;
}

/* ---- writing ---- */

typedef struct Writer {
  struct jpeg_compress_struct j;
  Fail fail;
  unsigned char *bytes; /* libjpeg's malloc */
  unsigned long size;
} Writer;

static bool write_pixels(Writer *w, const Image *im, int quality) {
  j_compress_ptr j = &w->j;
  if (setjmp(w->fail.jump)) return false;
  jpeg_create_compress(j);
  jpeg_mem_dest(j, &w->bytes, &w->size);
  j->image_width = (JDIMENSION)im->w;
  j->image_height = (JDIMENSION)im->h;
  j->input_components = im->c;
  j->in_color_space = im->c == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(j);
  jpeg_set_quality(j, quality, TRUE);
  jpeg_start_compress(j, TRUE);
  while (j->next_scanline < j->image_height) {
    JSAMPROW row = im->px + (size_t)j->next_scanline * (size_t)im->w * (size_t)im->c;
    jpeg_write_scanlines(j, &row, 1);
  }
  jpeg_finish_compress(j);
  return true;
}

bool jpeg_encode(const Image *im, int quality, uint8_t **bytes, size_t *size, Err *e) {
  if (quality == 0) quality = 95;
  if (quality < 1 || quality > 100) return err_set(e, "JPEG quality goes from 1 to 100, got %d", quality);
  if (im->w > JPEG_MAX_DIMENSION || im->h > JPEG_MAX_DIMENSION)
    return err_set(e, "a JPEG is at most %ld pixels wide and high, got %d×%d; PNG has no such limit",
                   (long)JPEG_MAX_DIMENSION, im->h, im->w);
  Writer *w = calloc(1, sizeof *w);
  if (!w) return err_memory(e, sizeof *w, "writing a JPEG");
  w->j.err = fail_to(&w->fail, e);
  bool ok = write_pixels(w, im, quality);
  jpeg_destroy_compress(&w->j);
  if (ok) {
    *bytes = w->bytes;
    *size = w->size;
  } else {
    free(w->bytes);
  }
  free(w);
  return ok;
}
