/* Tensors: float32 numbers with a shape, counted by reference.
 *
 * Shapes are written as PyTorch writes them (images N,C,H,W; convolution weights K,C,R,S). Storage is dense:
 * every rank-4 tensor is stored channels-last (N,H,W,C in memory; weights K,R,S,C), every other rank row-major.
 * That one rule is what lets kernels run over contiguous channels with no layout flag on a tensor. Inside a plan
 * (plan.h) a rank-4 value may for a while be row-major; a Tensor never is.
 *
 * Ownership: tensor_new returns one reference; tensor_ref adds one; tensor_unref gives one back. */
#ifndef CORE_TENSOR_H
#define CORE_TENSOR_H
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "err.h"

enum { MAX_RANK = 8 };

typedef struct Shape {
  int rank;              /* 0: a scalar, one element; -1: "no tensor" for an absent optional input */
  int64_t dim[MAX_RANK]; /* zero beyond rank */
} Shape;

typedef enum Layout { ROW_MAJOR, CHANNELS_LAST } Layout;

/* The type a tensor is shown and saved as. Numbers are computed and stored in float32 whatever it says; whole numbers that
 * this would round are kept beside (whole.h). */
typedef enum DType { DTYPE_F32, DTYPE_I64, DTYPE_BOOL } DType;

typedef struct Form Form;

typedef struct Tensor {
  int refs;
  DType dtype;
  Shape shape;
  int64_t count;    /* elements */
  uint64_t id;      /* unique in this process, never reused */
  uint64_t version; /* goes up with every change in place */
  float *data;      /* 64-byte aligned */
  int64_t *whole;   /* NULL, or its whole numbers where float32 cannot hold all of them: see whole.h */
  Form *form;       /* see tensor_form */
} Tensor;

/* No shape has more elements (a dim of 0 counts as 1 here), so that counts, strides and sizes in bytes fit into int64_t and a count into a
 * double. Every tensor and every node has passed shape_check. */
#define COUNT_MAX ((int64_t)1 << 53)
/* Whether s can be counted; false with e: a negative dim, or too many elements. */
bool shape_check(const Shape *s, Err *e);
/* Whether v is a whole number that a double holds exactly. */
static inline bool is_whole(double v) { return v >= -(double)COUNT_MAX && v <= (double)COUNT_MAX && v == (double)(int64_t)v; }

Shape shape_of(int rank, const int64_t *dim);
int64_t shape_count(const Shape *s);
bool shape_equal(const Shape *a, const Shape *b);
/* "(2, 3, 224, 224)"; writes into buf and returns it. */
char *shape_text(const Shape *s, char *buf, size_t size);
enum { SHAPE_TEXT = 120 };
#define SHAPE_STR(s) shape_text((s), (char[SHAPE_TEXT]){0}, SHAPE_TEXT)
/* Steps in elements per logical dimension for dense storage in that layout (CHANNELS_LAST only for rank 4). */
void shape_strides(const Shape *s, Layout layout, int64_t *stride);
/* A walk over the elements in row-major order: from the place `at` in storage of those steps to the next, index counting along. */
static inline int64_t shape_next(const Shape *s, const int64_t *stride, int64_t *index, int64_t at) {
  for (int d = s->rank - 1; d >= 0; d--) {
    at += stride[d];
    if (++index[d] < s->dim[d]) return at;
    at -= stride[d] * s->dim[d];
    index[d] = 0;
  }
  return at;
}
static inline Layout shape_layout(const Shape *s) { return s->rank == 4 ? CHANNELS_LAST : ROW_MAJOR; }

/* A new tensor; its numbers are not set. NULL and e filled when memory or the sizes are out of reach. */
Tensor *tensor_new(const Shape *shape, Err *e);
/* The same, all zeros; large ones cost nothing until they are written. */
Tensor *tensor_zeros(const Shape *shape, Err *e);
Tensor *tensor_ref(Tensor *t);
void tensor_unref(Tensor *t);
/* Says that data was changed in place. */
static inline void tensor_touch(Tensor *t) {
  t->version++;
  if (t->whole) free(t->whole);
  t->whole = NULL;
}

/* Another form of t's numbers (weights packed or transformed for a kernel), kept with the tensor while its numbers stand,
 * so that what does not train is prepared once. key says which form. Asked for the first time since t changed: NULL, since
 * weights that train are not met again. From the second time on: `bytes` of 64-byte aligned memory, with `fresh` set when
 * the caller is to fill it. NULL too where memory is short, or FORM_BYTES are in such forms already. */
#define FORM_BYTES ((size_t)512 << 20)
float *tensor_form(Tensor *t, const void *key, size_t key_size, size_t bytes, bool *fresh);
void tensor_forget_forms(Tensor *t);

/* Copies in and out of row-major order of the logical shape (the order of files, prints and users). */
void tensor_from_rows(Tensor *t, const float *rows);
void tensor_to_rows(const Tensor *t, float *rows);
/* The same between two buffers: dense `src` in layout `from` to dense `dst` in layout `to`. */
void layout_copy(float *dst, Layout to, const float *src, Layout from, const Shape *s);

/* Bytes in tensors now, and the most there have been since the peak was last reset. */
int64_t tensor_bytes(void);
int64_t tensor_peak(void);
void tensor_peak_reset(void);

/* Aligned memory from the pool that tensors and arenas share: large blocks are kept for the next of their size, since
 * fresh pages cost as much as a convolution. memory_trim gives the kept blocks back to the system. */
void *memory_get(size_t bytes, const char *what, Err *e);
/* Whether the machine can hold so many bytes more; false with e: "… would take 34.4 GB, the machine has 25.3 GB". `untouched`: they will
 * not be written yet, so only more than all there is is refused. */
bool memory_fits(size_t bytes, bool untouched, const char *what, Err *e);
void memory_put(void *p, size_t bytes);
void memory_trim(void);
#endif
