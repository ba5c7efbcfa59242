/* A list of labelled pictures: files on disk, or bytes in memory. */
#ifndef IMAGE_SAMPLES_H
#define IMAGE_SAMPLES_H
#include "image.h"
#include "kept.h"

/* Counted by reference and not changed once shared, so that worker threads may read it. */
typedef struct Samples {
  int refs;
  int64_t n, cap;
  int32_t *label;
  char **path;      /* of files; NULL: in memory */
  int h, w, c;      /* in memory: the size of each */
  uint8_t *px;      /* in memory: n pictures, (h, w, c) each */
  Kept *kept[2];    /* of pictures that were read: without and with what is random, where they start differently; or NULL */
} Samples;

/* One reference. in_memory: h, w, c > 0. */
Samples *samples_new(int h, int w, int c, Err *e);
Samples *samples_ref(Samples *s);
void samples_unref(Samples *s);
bool samples_add_file(Samples *s, const char *path, int label, Err *e);
/* Room for n more in memory; *px is where the first goes. The labels are zero until set. */
bool samples_grow(Samples *s, int64_t n, uint8_t **px, Err *e);

/* The picture i, decoded; out owns its pixels. Errors name the file. */
bool samples_get(const Samples *s, int64_t i, const Reading *how, Image *out, Err *e);

/* What is kept of the samples for this transform, in at most `limit` bytes (more is not kept); what was kept for others goes.
 * NULL where memory is short. Not while a loader runs over it: it keeps those it has. */
Kept *samples_kept(Samples *s, const Transform *t, bool random, int64_t limit, Err *e);

/* CIFAR-10's binary version (A. Krizhevsky, cs.toronto.edu/~kriz/cifar.html): records of one label byte and 32×32
 * red, green and blue planes. Adds a file's records. */
bool samples_add_cifar(Samples *s, const char *path, Err *e);
/* MNIST's idx files (Y. LeCun, yann.lecun.com/exdb/mnist): big-endian header 0x00000803 n h w and bytes; labels
 * 0x00000801 n. Each may be gzip-compressed. Adds all records; s is made for the size found when NULL. */
bool samples_add_mnist(Samples **s, const char *images, const char *labels, Err *e);
#endif
