/* Pooling in channels-last memory. x: (N,H,W,C), y: (N,OH,OW,C). Which inputs an output sees is in two lists of windows,
 * one for output rows (oh long), one for columns (ow long): strides, padding, rounding and adaptive sizes are all
 * settled there. */
#ifndef KERNELS_POOL_H
#define KERNELS_POOL_H

typedef struct PoolWindow {
  int begin, end; /* inputs begin, begin + step, … below end, all inside the image */
  int size;       /* what an average divides by along this dimension */
} PoolWindow;

typedef struct PoolShape {
  int n, h, w, c, oh, ow;
  int step_h, step_w; /* dilation */
  double divisor;     /* of averages; 0: the windows' sizes */
} PoolShape;

#define POOL_KERNELS(ROW) \
  /* the largest of each window; NaN wins; -inf where a window is empty */ \
  ROW(void, max_pool, (float *y, const float *x, const PoolWindow *rows, const PoolWindow *cols, const PoolShape *s)) \
  /* where that is, h * W + w of x's map: the first of equals, the last NaN; as a number */ \
  ROW(void, max_pool_index, (float *y, const float *x, const PoolWindow *rows, const PoolWindow *cols, const PoolShape *s)) \
  /* dy goes to the first element of the window that equals y, in row-major order */ \
  ROW(void, max_pool_dx, (float *dx, const float *dy, const float *x, const float *y, const PoolWindow *rows, \
                          const PoolWindow *cols, const PoolShape *s)) \
  ROW(void, avg_pool, (float *y, const float *x, const PoolWindow *rows, const PoolWindow *cols, const PoolShape *s)) \
  ROW(void, avg_pool_dx, (float *dx, const float *dy, const PoolWindow *rows, const PoolWindow *cols, const PoolShape *s))
#endif
