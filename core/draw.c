#include "draw.h"
#include <cairo/cairo-pdf.h>
#include <cairo/cairo-svg.h>
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct Draw {
  cairo_surface_t *surface;
  cairo_t *to;
  DrawFormat format;
  uint8_t *bytes;
  size_t size, room;
};

/* ---- Cairo, when it is needed ---- */

#define CAIRO_FUNCTIONS(X) \
  X(image_surface_create) X(image_surface_get_data) X(image_surface_get_stride) X(surface_write_to_png_stream) \
  X(surface_mark_dirty) X(svg_surface_create_for_stream) X(pdf_surface_create_for_stream) X(surface_status) \
  X(surface_finish) X(surface_destroy) X(create) X(destroy) X(status) X(status_to_string) X(scale) X(save) X(restore) \
  X(translate) X(rotate) X(rectangle) X(arc) X(move_to) X(line_to) X(fill) X(stroke) X(paint) X(clip) X(new_path) \
  X(set_source_rgba) X(set_source_surface) X(get_source) X(pattern_set_filter) X(pattern_set_extend) X(set_line_width) \
  X(set_line_join) X(set_line_cap) X(select_font_face) X(set_font_size) X(show_text) X(text_extents)

static struct {
#define POINTER(name) __typeof__(&cairo_##name) name;
  CAIRO_FUNCTIONS(POINTER)
#undef POINTER
} cairo;

/* What Cairo loads crashes or never ends where there is no memory: pixman as it is loaded, fontconfig, which it asks for letters,
 * where its lists do not fit. They take some 5 MB. */
static bool room_for_fonts(Err *e) {
  enum { FONTS = 16 << 20 };
  void *room = malloc(FONTS);
  free(room);
  return room || err_memory(e, FONTS, "a drawing");
}

static bool cairo_failed(cairo_status_t status, Err *e) {
  if (status == CAIRO_STATUS_NO_MEMORY) return err_memory(e, 0, "a drawing");
  return err_set(e, "drawing: %s", cairo.status_to_string(status));
}

static bool load_cairo(Err *e) {
  if (cairo.text_extents) return true; /* the last one that is found */
  void *library = dlopen("libcairo.so.2", RTLD_NOW | RTLD_LOCAL);
  if (!library) return err_set(e, "libcairo, which draws, cannot be loaded (Debian: apt install libcairo2): %s", dlerror());
#define FIND(name) \
  if (!(*(void **)&cairo.name = dlsym(library, "cairo_" #name))) \
    return err_set(e, "this libcairo cannot draw PNG, SVG and PDF: %s", dlerror());
  CAIRO_FUNCTIONS(FIND)
#undef FIND
  return true;
}

/* ---- the page ---- */

static cairo_status_t put(void *draw, const unsigned char *bytes, unsigned n) {
  Draw *d = draw;
  if (d->size + n > d->room) {
    size_t room = d->room * 2 > d->size + n ? d->room * 2 : d->size + n + 4096;
    uint8_t *more = realloc(d->bytes, room);
    if (!more) return CAIRO_STATUS_NO_MEMORY;
    d->bytes = more;
    d->room = room;
  }
  memcpy(d->bytes + d->size, bytes, n);
  d->size += n;
  return CAIRO_STATUS_SUCCESS;
}

bool draw_open(DrawFormat format, double width, double height, double scale, Draw **out, Err *e) {
  *out = NULL;
  if (!room_for_fonts(e) || !load_cairo(e)) return false;
  if (!(width >= 1 && height >= 1 && width * scale < 32767 && height * scale < 32767))
    return err_set(e, "a drawing of %.0f by %.0f does not fit (at most 32766 by 32766 pixels)", width * scale, height * scale);
  Draw *d = calloc(1, sizeof *d);
  if (!d) return err_memory(e, sizeof *d, "a drawing");
  d->format = format;
  if (format == DRAW_SVG) d->surface = cairo.svg_surface_create_for_stream(put, d, width, height);
  else if (format == DRAW_PDF) d->surface = cairo.pdf_surface_create_for_stream(put, d, width, height);
  else d->surface = cairo.image_surface_create(CAIRO_FORMAT_RGB24, (int)ceil(width * scale), (int)ceil(height * scale));
  d->to = cairo.create(d->surface);
  if (cairo.status(d->to)) {
    cairo_failed(cairo.status(d->to), e);
    draw_close(d);
    return false;
  }
  if (format == DRAW_PNG) cairo.scale(d->to, scale, scale);
  draw_rect(d, 0, 0, width, height, 0xffffffff);
  cairo.select_font_face(d->to, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
  cairo.set_line_join(d->to, CAIRO_LINE_JOIN_ROUND);
  cairo.set_line_cap(d->to, CAIRO_LINE_CAP_ROUND);
  *out = d;
  return true;
}

static void ink(Draw *d, uint32_t c) {
  cairo.set_source_rgba(d->to, (c >> 16 & 255) / 255.0, (c >> 8 & 255) / 255.0, (c & 255) / 255.0, (c >> 24) / 255.0);
}

void draw_rect(Draw *d, double x, double y, double w, double h, uint32_t colour) {
  ink(d, colour);
  cairo.rectangle(d->to, x, y, w, h);
  cairo.fill(d->to);
}

void draw_circle(Draw *d, double x, double y, double r, uint32_t colour) {
  ink(d, colour);
  cairo.arc(d->to, x, y, r, 0, 2 * acos(-1));
  cairo.fill(d->to);
}

void draw_line(Draw *d, const double *points, size_t n, double width, uint32_t colour) {
  ink(d, colour);
  cairo.new_path(d->to);
  for (size_t i = 0; i < n; i++) cairo.line_to(d->to, points[2 * i], points[2 * i + 1]);
  if (width > 0) {
    cairo.set_line_width(d->to, width);
    cairo.stroke(d->to);
  } else {
    cairo.fill(d->to);
  }
}

double draw_text_width(Draw *d, double size, const char *text) {
  cairo_text_extents_t box = {0};
  cairo.set_font_size(d->to, size);
  cairo.text_extents(d->to, text, &box);
  return box.x_advance;
}

void draw_text(Draw *d, double x, double y, double size, double at, int turn, uint32_t colour, const char *text) {
  double width = draw_text_width(d, size, text);
  ink(d, colour);
  cairo.save(d->to);
  cairo.translate(d->to, x, y);
  cairo.rotate(d->to, -turn * acos(-1) / 2);
  cairo.move_to(d->to, -at * width, 0);
  cairo.show_text(d->to, text);
  cairo.restore(d->to);
  cairo.new_path(d->to);
}

bool draw_pixels(Draw *d, const uint32_t *pixels, int h, int w, double x, double y, double width, double height,
                 bool smooth, Err *e) {
  cairo_surface_t *s = cairo.image_surface_create(CAIRO_FORMAT_RGB24, w, h);
  uint8_t *to = cairo.image_surface_get_data(s);
  if (!to) {
    cairo.surface_destroy(s);
    return err_memory(e, 4.0 * h * w, "a picture in a drawing");
  }
  int stride = cairo.image_surface_get_stride(s);
  for (int r = 0; r < h; r++) memcpy(to + (size_t)r * (size_t)stride, pixels + (size_t)r * (size_t)w, 4 * (size_t)w);
  cairo.surface_mark_dirty(s);
  cairo.save(d->to);
  cairo.rectangle(d->to, x, y, width, height);
  cairo.clip(d->to);
  cairo.translate(d->to, x, y);
  cairo.scale(d->to, width / w, height / h);
  cairo.set_source_surface(d->to, s, 0, 0);
  cairo.pattern_set_filter(cairo.get_source(d->to), smooth ? CAIRO_FILTER_GOOD : CAIRO_FILTER_NEAREST);
  cairo.pattern_set_extend(cairo.get_source(d->to), CAIRO_EXTEND_PAD);
  cairo.paint(d->to);
  cairo.restore(d->to);
  cairo.surface_destroy(s); /* the page keeps what it needs of it */
  return true;
}

bool draw_finish(Draw *d, const uint8_t **bytes, size_t *size, Err *e) {
  cairo_status_t status = cairo.status(d->to);
  if (!status && d->format == DRAW_PNG) status = cairo.surface_write_to_png_stream(d->surface, put, d);
  cairo.destroy(d->to);
  d->to = NULL;
  cairo.surface_finish(d->surface);
  if (!status) status = cairo.surface_status(d->surface);
  if (status) return cairo_failed(status, e);
  *bytes = d->bytes;
  *size = d->size;
  return true;
}

void draw_close(Draw *d) {
  if (!d) return;
  if (d->to) cairo.destroy(d->to);
  cairo.surface_destroy(d->surface);
  free(d->bytes);
  free(d);
}
