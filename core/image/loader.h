/* Batches made ahead of time on worker threads. Samples are decoded and transformed in the order they are wanted, each
 * with its own stream of random numbers (keyed by seed, epoch and sample), so that the batches are the same whatever
 * the number of threads. Workers stop when a few batches are waiting. */
#ifndef IMAGE_LOADER_H
#define IMAGE_LOADER_H
#include "kept.h"
#include "samples.h"
#include "transform.h"

typedef struct Loader Loader;

typedef struct LoaderSettings {
  int batch;            /* samples in a batch, the last may have fewer */
  bool drop_last;       /* leave a smaller last batch out */
  bool augment;         /* use the transform's random part */
  uint64_t seed, epoch;
  Kept *kept;           /* of the samples, which it lives with; NULL: pictures are read each time */
  int threads;          /* workers; 0: the work is done in loader_next, by the caller's thread */
} LoaderSettings;

/* What loader_next gives: borrowed, good until the next call. */
typedef struct Batch {
  int n, h, w, c;
  const Image *const *x;      /* n pictures of h by w by c, still in bytes */
  const int32_t *label;
  const int64_t *sample;      /* their numbers among the samples */
  int64_t remarked[IMAGE_REMARKS]; /* for each remark (bit 0, 1, …) the first sample it is made of; -1: none */
} Batch;

/* Over order[0 … n-1], numbers of samples. Copies order and transform and keeps a reference to samples. */
Loader *loader_new(Samples *samples, const int64_t *order, int64_t n, const Transform *t, const LoaderSettings *set, Err *e);
/* The next batch; batch->n is 0 after the last. Polls host_should_stop while it waits. After an error (a broken file,
 * pictures of different sizes) or a stop, the loader gives no more. */
bool loader_next(Loader *l, Batch *batch, Err *e);
/* The batch's numbers: out (n, h, w, c) in memory. */
bool loader_values(const Loader *l, const Batch *batch, float *out, Err *e);
/* Stops the workers, waiting at most for the picture each is at. */
void loader_free(Loader *l);
#endif
