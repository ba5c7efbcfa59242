/* A sum over taps is the same for all bytes that have the same taps: for a whole row when resizing down; when resizing
 * across, for a column. So sixteen rows at a time are turned on their side, weighed column by column, and turned back. */
#include <string.h>
#include "kernels.h"
#include "simd.h"

enum { SIDE = 16 };
typedef uint8_t vb __attribute__((vector_size(SIDE)));

/* out[x] = sum of k[i] * in[i * stride + x] for x < n, rounded and clipped. */
INLINE void weigh(uint8_t *out, const uint8_t *in, size_t n, size_t stride, const int *k, int count) {
  const vi half = (vi){0} + (1 << (TAP_BITS - 1));
  size_t x = 0;
  for (; x + VW <= n; x += VW) {
    vi sum = half;
    for (int i = 0; i < count; i++) sum += v_bytes(in + (size_t)i * stride + x) * k[i];
    v_put_bytes(out + x, sum >> TAP_BITS);
  }
  for (; x < n; x++) {
    int sum = 1 << (TAP_BITS - 1);
    for (int i = 0; i < count; i++) sum += in[(size_t)i * stride + x] * k[i];
    sum >>= TAP_BITS;
    out[x] = (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
  }
}

#define DEAL_LOW(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define DEAL_HIGH(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
/* A square of bytes on its side: four times, the first half's rows and the second half's are dealt out in turn. */
INLINE void turn(vb *r) {
  vb t[SIDE];
#pragma GCC unroll 2
  for (int pass = 0; pass < 2; pass++) {
#pragma GCC unroll 8
    for (int i = 0; i < SIDE / 2; i++) {
      t[2 * i] = DEAL_LOW(r[i], r[i + SIDE / 2]);
      t[2 * i + 1] = DEAL_HIGH(r[i], r[i + SIDE / 2]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < SIDE / 2; i++) {
      r[2 * i] = DEAL_LOW(t[i], t[i + SIDE / 2]);
      r[2 * i + 1] = DEAL_HIGH(t[i], t[i + SIDE / 2]);
    }
  }
}

/* Sixteen rows of n <= 16 bytes into sixteen of `side`, and the other way; rows beyond n_rows are the last one again. */
INLINE void turn_in(uint8_t *side, const uint8_t *rows, int n_rows, size_t n, size_t stride) {
  vb r[SIDE] = {{0}};
  for (int i = 0; i < SIDE; i++) memcpy(&r[i], rows + (size_t)(i < n_rows ? i : n_rows - 1) * stride, n);
  turn(r);
  memcpy(side, r, sizeof r);
}
INLINE void turn_out(uint8_t *rows, const uint8_t *side, int n_rows, size_t n, size_t stride) {
  vb r[SIDE];
  memcpy(r, side, sizeof r);
  turn(r);
  for (int i = 0; i < n_rows; i++) memcpy(rows + (size_t)i * stride, &r[i], n);
}

void K(resize_across)(uint8_t *out, const uint8_t *in, int rows, int w, int c, const Taps *t, uint8_t *scratch) {
  size_t row = (size_t)w * (size_t)c, to_row = (size_t)t->n * (size_t)c, column = (size_t)c * SIDE;
  uint8_t *side = scratch, *to = scratch + (row + SIDE) * SIDE;
  for (int y = 0; y < rows; y += SIDE) {
    int n = rows - y < SIDE ? rows - y : SIDE;
    const uint8_t *from = in + (size_t)y * row;
    uint8_t *into = out + (size_t)y * to_row;
    size_t i = 0;
    for (; i + SIDE <= row; i += SIDE) turn_in(side + i * SIDE, from + i, n, SIDE, row);
    turn_in(side + i * SIDE, from + i, n, row - i, row);
    for (int x = 0; x < t->n; x++)
      weigh(to + (size_t)x * column, side + (size_t)t->first[x] * column, column, column,
            t->weight + (size_t)x * (size_t)t->width, t->count[x]);
    for (i = 0; i + SIDE <= to_row; i += SIDE) turn_out(into + i, to + i * SIDE, n, SIDE, to_row);
    turn_out(into + i, to + i * SIDE, n, to_row - i, to_row);
  }
}

void K(resize_down)(uint8_t *out, const uint8_t *in, size_t row, int from, const Taps *t) {
  for (int y = 0; y < t->n; y++)
    weigh(out + (size_t)y * row, in + (size_t)(t->first[y] - from) * row, row, row, t->weight + (size_t)y * (size_t)t->width, t->count[y]);
}
