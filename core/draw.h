/* Drawings on a page, by Cairo: the same strokes as PNG, SVG or PDF, written to memory.
 *
 * Lengths are in points of the page (PNG: pixels at scale 1), from the top left. A colour is 0xAARRGGBB. Cairo is loaded at
 * the first drawing, because it and what it loads take longer to start than the rest of the program. */
#ifndef CORE_DRAW_H
#define CORE_DRAW_H
#include <stddef.h>
#include <stdint.h>
#include "err.h"

typedef struct Draw Draw;
typedef enum DrawFormat { DRAW_PNG, DRAW_SVG, DRAW_PDF } DrawFormat;

/* A white page of width by height points; PNG has scale pixels to a point. The caller owns *out and gives it to draw_close. */
bool draw_open(DrawFormat format, double width, double height, double scale, Draw **out, Err *e);

void draw_rect(Draw *d, double x, double y, double w, double h, uint32_t colour);                  /* filled */
void draw_circle(Draw *d, double x, double y, double r, uint32_t colour);                          /* filled */
/* The line through n points x, y, x, y …: stroked `width` wide, or, for width 0, its inside filled. */
void draw_line(Draw *d, const double *points, size_t n, double width, uint32_t colour);
/* A line of UTF-8, `size` points high, its baseline at y; at: 0 begins at x, 0.5 is centred there, 1 ends there; turned by
 * `turn` quarters of a circle, counter-clockwise. */
void draw_text(Draw *d, double x, double y, double size, double at, int turn, uint32_t colour, const char *text);
/* h by w pixels 0x00RRGGBB, row after row, over that rectangle; nearest pixel, or smooth. False when memory is short. */
bool draw_pixels(Draw *d, const uint32_t *pixels, int h, int w, double x, double y, double width, double height,
                 bool smooth, Err *e);

/* How wide a line of text of this size is; 0 where it cannot be known. */
double draw_text_width(Draw *d, double size, const char *text);

/* Ends the drawing: *bytes is the file, owned by d. */
bool draw_finish(Draw *d, const uint8_t **bytes, size_t *size, Err *e);

/* Frees d, finished or not; NULL is allowed. */
void draw_close(Draw *d);
#endif
