/* What the pooling ops share: x (N, C, H, W), windows along height and width. */
#ifndef OPS_POOL_H
#define OPS_POOL_H
#include "common.h"

extern const Op op_max_pool2d, op_max_pool2d_dx, op_avg_pool2d, op_avg_pool2d_dx;
extern const Op op_adaptive_avg_pool2d, op_adaptive_avg_pool2d_dx;

/* Attributes of all sliding pools begin "kernel=2,2 stride=2,2 padding=0,0 dilation=1,1 ceil_mode=0"; averages have no dilation. */
enum { POOL_KERNEL = 0, POOL_STRIDE = 2, POOL_PADDING = 4, MAX_DILATION = 6, MAX_CEIL = 8, MAX_ATTRS = 9 };
enum { AVG_CEIL = 6, AVG_INCLUDE_PAD = 7, AVG_DIVISOR = 8, AVG_ATTRS = 9 };

static inline bool pool_input_ok(const Shape *x, Err *e) {
  return x->rank == 4 ? want_int_dims(x, e) : err_set(e, "expects x of shape (N, C, H, W), got %s", SHAPE_STR(x));
}

/* Output height and width, with PyTorch's rounding: in ceil mode a window must begin inside the input or the padding
 * before it. dilation may be NULL. */
static inline bool pool_out(const Shape *x, const double *attr, const double *dilation, bool ceil_mode, Shape *out, Err *e) {
  if (!pool_input_ok(x, e) || !want_whole(attr, POOL_KERNEL, 2, 1, "kernel_size", e) ||
      !want_whole(attr, POOL_STRIDE, 2, 1, "stride", e) || !want_whole(attr, POOL_PADDING, 2, 0, "padding", e) ||
      (dilation && !want_whole(dilation, 0, 2, 1, "dilation", e)))
    return false;
  int64_t size[2], padded[2], reach[2];
  for (int i = 0; i < 2; i++) {
    int64_t kernel = (int64_t)attr[POOL_KERNEL + i], stride = (int64_t)attr[POOL_STRIDE + i], pad = (int64_t)attr[POOL_PADDING + i];
    if (x->dim[2 + i] + 2 * pad > INT32_MAX)
      return err_set(e, "a side of %lld padded by %lld is more than pooling takes (%d)", (long long)x->dim[2 + i], (long long)pad, INT32_MAX);
    reach[i] = (dilation ? (int64_t)dilation[i] : 1) * (kernel - 1) + 1;
    if (pad > reach[i] / 2)
      return err_set(e, "padding should be at most half of kernel size, got padding %lld for kernel size %lld", (long long)pad,
                     (long long)reach[i]);
    padded[i] = x->dim[2 + i] + 2 * pad;
    int64_t room = padded[i] - reach[i];
    size[i] = room < 0 ? (ceil_mode && room + stride > 0 ? 1 : 0) : (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
    if (ceil_mode && (size[i] - 1) * stride >= x->dim[2 + i] + pad) size[i]--;
  }
  if (size[0] < 1 || size[1] < 1)
    return err_set(e, "kernel (%lld, %lld) larger than padded input (%lld, %lld): the output would be empty", (long long)reach[0],
                   (long long)reach[1], (long long)padded[0], (long long)padded[1]);
  *out = shape_of(4, (int64_t[]){x->dim[0], x->dim[1], size[0], size[1]});
  return true;
}

/* Windows of output places 0 … out-1 that slide over `in` inputs. An average that counts the padding divides by the
 * window cut off where the padding ends, as PyTorch does. */
static inline void pool_windows(PoolWindow *p, int64_t out, int64_t in, int kernel, int stride, int pad, int dilation, bool include_pad) {
  for (int64_t i = 0; i < out; i++) {
    int64_t begin = i * stride - pad, end = begin + ((int64_t)kernel - 1) * dilation + 1;
    int64_t padded = end < in + pad ? end - begin : in + pad - begin;
    if (begin < 0) begin += (dilation - 1 - begin) / dilation * dilation;
    p[i] = (PoolWindow){(int)(begin < in ? begin : in), (int)(end < in ? end : in), (int)padded};
    if (!include_pad) p[i].size = p[i].end - p[i].begin;
  }
}

/* floor(i in / out) … ceil((i + 1) in / out). */
static inline void pool_adaptive_windows(PoolWindow *p, int64_t out, int64_t in) {
  for (int64_t i = 0; i < out; i++) {
    int begin = (int)(i * in / out), end = (int)(((i + 1) * in + out - 1) / out);
    p[i] = (PoolWindow){begin, end, end - begin};
  }
}

/* Everything a pooling kernel wants; the windows are written to `at` (pool_bytes() of them). */
typedef struct Pool {
  PoolShape s;
  PoolWindow *rows, *cols;
} Pool;

static inline size_t pool_bytes(const Shape *y) { return (size_t)(y->dim[2] + y->dim[3]) * sizeof(PoolWindow); }

static inline Pool pool_begin(const Shape *x, const Shape *y, void *at) {
  Pool p = {{(int)x->dim[0], (int)x->dim[2], (int)x->dim[3], (int)x->dim[1], (int)y->dim[2], (int)y->dim[3], 1, 1, 0}, at, NULL};
  p.cols = p.rows + y->dim[2];
  return p;
}

static inline Pool pool_max(const Shape *x, const Shape *y, const double *attr, void *at) {
  Pool p = pool_begin(x, y, at);
  p.s.step_h = (int)attr[MAX_DILATION], p.s.step_w = (int)attr[MAX_DILATION + 1];
  for (int i = 0; i < 2; i++)
    pool_windows(i ? p.cols : p.rows, y->dim[2 + i], x->dim[2 + i], (int)attr[POOL_KERNEL + i], (int)attr[POOL_STRIDE + i],
                 (int)attr[POOL_PADDING + i], (int)attr[MAX_DILATION + i], true);
  return p;
}

/* Of max_pool2d and max_pool2d_index; pool_scratch of all that pool. */
static inline bool pool_max_shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)n_in;
  return pool_out(&in[0], attr, attr + MAX_DILATION, attr[MAX_CEIL] != 0, out, e);
}

static inline size_t pool_scratch(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)in, (void)n_in, (void)attr;
  return pool_bytes(out);
}

static inline Pool pool_avg(const Shape *x, const Shape *y, const double *attr, void *at) {
  Pool p = pool_begin(x, y, at);
  p.s.divisor = attr[AVG_DIVISOR];
  for (int i = 0; i < 2; i++)
    pool_windows(i ? p.cols : p.rows, y->dim[2 + i], x->dim[2 + i], (int)attr[POOL_KERNEL + i], (int)attr[POOL_STRIDE + i],
                 (int)attr[POOL_PADDING + i], 1, attr[AVG_INCLUDE_PAD] != 0);
  return p;
}

static inline Pool pool_adaptive(const Shape *x, const Shape *y, void *at) {
  Pool p = pool_begin(x, y, at);
  pool_adaptive_windows(p.rows, y->dim[2], x->dim[2]);
  pool_adaptive_windows(p.cols, y->dim[3], x->dim[3]);
  return p;
}

/* --- naive truth, over row-major arrays; windows are found again from their definition --- */

/* Is input `at` in the window of output i, and is it padding? Sliding windows. */
static inline bool pool_sees(int64_t at, int64_t i, int kernel, int stride, int pad, int dilation) {
  int64_t d = at - (i * stride - pad);
  return d >= 0 && d % dilation == 0 && d / dilation < kernel;
}

/* Weight of input (h, w) in the average of output (i, j). */
static inline double pool_avg_weight(const Shape *x, const double *attr, int64_t i, int64_t j, int64_t h, int64_t w) {
  double count[2];
  int64_t out[2] = {i, j}, at[2] = {h, w};
  for (int k = 0; k < 2; k++) {
    int kernel = (int)attr[POOL_KERNEL + k], stride = (int)attr[POOL_STRIDE + k], pad = (int)attr[POOL_PADDING + k];
    if (!pool_sees(at[k], out[k], kernel, stride, pad, 1)) return 0;
    count[k] = 0;
    bool include = attr[AVG_INCLUDE_PAD] != 0;
    for (int64_t v = include ? -pad : 0; v < x->dim[2 + k] + (include ? pad : 0); v++)
      count[k] += pool_sees(v, out[k], kernel, stride, pad, 1);
  }
  return 1 / (attr[AVG_DIVISOR] != 0 ? attr[AVG_DIVISOR] : count[0] * count[1]);
}

static inline double pool_adaptive_weight(const Shape *x, const Shape *y, int64_t i, int64_t j, int64_t h, int64_t w) {
  int64_t out[2] = {i, j}, at[2] = {h, w};
  double count = 1;
  for (int k = 0; k < 2; k++) {
    double step = (double)x->dim[2 + k] / (double)y->dim[2 + k];
    int64_t begin = (int64_t)floor((double)out[k] * step + 1e-9), end = (int64_t)ceil((double)(out[k] + 1) * step - 1e-9);
    if (at[k] < begin || at[k] >= end) return 0;
    count *= (double)(end - begin);
  }
  return 1 / count;
}

/* y = sum of weight * x, or, back, dx = sum of weight * dy. attr NULL: adaptive. */
static inline void pool_avg_reference(double *out, const double *in, const Shape *x, const Shape *y, const double *attr, bool back) {
  memset(out, 0, (size_t)shape_count(back ? x : y) * sizeof *out);
  for (int64_t m = 0; m < x->dim[0] * x->dim[1]; m++)
    for (int64_t i = 0; i < y->dim[2]; i++)
      for (int64_t j = 0; j < y->dim[3]; j++)
        for (int64_t h = 0; h < x->dim[2]; h++)
          for (int64_t w = 0; w < x->dim[3]; w++) {
            double weight = attr ? pool_avg_weight(x, attr, i, j, h, w) : pool_adaptive_weight(x, y, i, j, h, w);
            int64_t xi = (m * x->dim[2] + h) * x->dim[3] + w, yi = (m * y->dim[2] + i) * y->dim[3] + j;
            if (weight != 0) out[back ? xi : yi] += weight * in[back ? yi : xi];
          }
}
#endif
