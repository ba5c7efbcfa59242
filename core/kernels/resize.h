/* The two passes of resizing pictures of bytes: weighted sums in fixed point, rounded and clipped to a byte. */
#ifndef KERNELS_RESIZE_H
#define KERNELS_RESIZE_H
#include <stddef.h>
#include <stdint.h>

enum { TAP_BITS = 32 - 8 - 2 }; /* of a weight of 1: room for the sum of bytes times weights, some negative */

/* For each output position: the first input position, how many, and their weights in units of 2^-TAP_BITS. */
typedef struct Taps {
  int n;       /* output positions */
  int width;   /* weights set aside per output */
  int *first, *count, *weight;
} Taps;

/* What resize_across needs besides: bytes. */
static inline size_t resize_scratch(int w, int ow, int c) { return 16 * ((size_t)w * (size_t)c + (size_t)ow * (size_t)c + 32); }

#define RESIZE_KERNELS(ROW) \
  /* out (rows, t->n, c) from in (rows, w, c), along the rows */ \
  ROW(void, resize_across, (uint8_t *out, const uint8_t *in, int rows, int w, int c, const Taps *t, uint8_t *scratch)) \
  /* out (t->n, row) from in, whose row 0 is row `from` of those the taps count */ \
  ROW(void, resize_down, (uint8_t *out, const uint8_t *in, size_t row, int from, const Taps *t))
#endif
