#include "loader.h"
#include "host.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A place in the ring: position p of the order is worked on in slot p % slots. The worker that took p owns the slot
 * until it sets `done` (under the lock); then the reader owns it until it moves `read` past p. */
typedef struct Slot {
  bool done, ok;
  Image im;
  int remarks; /* Image.remarks of what was read */
  Err err;
} Slot;

struct Loader {
  Samples *samples;
  int64_t *order, n;
  Transform transform;
  LoaderSettings set;

  int64_t slots;
  Slot *slot;
  const Image **x;      /* of the batch that was given out */
  int32_t *label;

  pthread_mutex_t lock; /* guards what follows, and Slot.done */
  pthread_cond_t room, ready;
  int64_t taken;        /* positions below have been taken by workers */
  int64_t read;         /* positions below are free again */
  int64_t held;         /* end of the batch that was given out last */
  bool closing, failed;
  int n_workers;
  pthread_t *worker;
};

enum { BATCHES_AHEAD = 3 }; /* the one in use, one ready, one in work */

static bool fill(Loader *l, int64_t p, Slot *s) {
  int64_t i = l->order[p];
  Random r = random_keyed(l->set.seed, l->set.epoch, (uint64_t)i);
  Reading how = transform_reading(&l->transform, l->set.augment);
  image_free(&s->im);
  bool kept = l->set.kept && kept_take(l->set.kept, i, &s->im);
  if (!kept && !samples_get(l->samples, i, &how, &s->im, &s->err)) return false;
  s->remarks = s->im.remarks;
  bool ok = kept || transform_start(&s->im, &l->transform, l->set.augment, &s->err);
  if (ok && !kept && l->set.kept) {
    s->im.remarks = s->remarks;
    kept_put(l->set.kept, i, &s->im);
  }
  if (ok && transform_rest(&s->im, &l->transform, l->set.augment ? &r : NULL, &s->err)) return true;
  return l->samples->path ? err_within(&s->err, "%s", l->samples->path[i]) : err_within(&s->err, "image %lld", (long long)i);
}

static void *work(void *arg) {
  Loader *l = arg;
  pthread_mutex_lock(&l->lock);
  for (;;) {
    while (!l->closing && l->taken < l->n && l->taken - l->read >= l->slots) pthread_cond_wait(&l->room, &l->lock);
    if (l->closing || l->taken >= l->n) break;
    int64_t p = l->taken++;
    Slot *s = &l->slot[p % l->slots];
    pthread_mutex_unlock(&l->lock);
    bool ok = fill(l, p, s);
    pthread_mutex_lock(&l->lock);
    s->ok = ok;
    s->done = true;
    pthread_cond_signal(&l->ready);
  }
  pthread_mutex_unlock(&l->lock);
  return NULL;
}

/* Workers take no signals: Ctrl-C belongs to the host's thread. */
static void start_workers(Loader *l) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  for (int i = 0; i < l->set.threads; i++) {
    if (pthread_create(&l->worker[l->n_workers], NULL, work, l)) break; /* fewer, or none: the caller works */
    l->n_workers++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

Loader *loader_new(Samples *samples, const int64_t *order, int64_t n, const Transform *t, const LoaderSettings *set, Err *e) {
  for (int64_t i = 0; i < n; i++)
    if (order[i] < 0 || order[i] >= samples->n) {
      err_set(e, "sample %lld of %lld does not exist", (long long)order[i], (long long)samples->n);
      return NULL;
    }
  Loader *l = calloc(1, sizeof *l);
  if (!l) {
    err_memory(e, sizeof *l, "a loader");
    return NULL;
  }
  pthread_mutex_init(&l->lock, NULL);
  pthread_cond_init(&l->room, NULL);
  pthread_condattr_t clock;
  pthread_condattr_init(&clock);
  pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
  pthread_cond_init(&l->ready, &clock);
  pthread_condattr_destroy(&clock);
  l->samples = samples_ref(samples);
  l->transform = *t;
  l->set = *set;
  l->n = set->drop_last ? n - n % set->batch : n;
  int64_t ahead = (int64_t)set->batch * (set->threads > 0 ? BATCHES_AHEAD : 1);
  l->slots = ahead < l->n ? ahead : l->n > 0 ? l->n : 1;
  if (set->batch > l->slots) l->set.batch = (int)l->slots;
  l->order = malloc((size_t)(n > 0 ? n : 1) * sizeof *order);
  l->slot = calloc((size_t)l->slots, sizeof *l->slot);
  l->x = calloc((size_t)l->set.batch, sizeof *l->x);
  l->label = calloc((size_t)l->set.batch, sizeof *l->label);
  l->worker = calloc((size_t)(set->threads > 0 ? set->threads : 1), sizeof *l->worker);
  if (!l->order || !l->slot || !l->x || !l->label || !l->worker) {
    err_memory(e, (double)l->slots * sizeof *l->slot + (double)n * sizeof *order, "a loader");
    loader_free(l);
    return NULL;
  }
  memcpy(l->order, order, (size_t)n * sizeof *order);
  start_workers(l);
  return l;
}

/* Waits until slot p is done. False with e when the host wants to stop. */
static bool await(Loader *l, int64_t p, Err *e) {
  Slot *s = &l->slot[p % l->slots];
  if (!l->n_workers) {
    if (host_should_stop()) return err_stop(e);
    s->ok = fill(l, p, s);
    s->done = true;
    return true;
  }
  pthread_mutex_lock(&l->lock);
  bool stop = false;
  while (!s->done && !stop) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += 50000000;
    if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
    pthread_cond_timedwait(&l->ready, &l->lock, &t);
    stop = !s->done && host_should_stop();
  }
  pthread_mutex_unlock(&l->lock);
  return !stop || err_stop(e);
}

static bool fail(Loader *l) {
  l->failed = true;
  return false;
}

/* "path" or "image 12", for messages. */
static const char *name_of(const Loader *l, int64_t p, char *buf, size_t size) {
  if (l->samples->path) return l->samples->path[l->order[p]];
  snprintf(buf, size, "image %lld", (long long)l->order[p]);
  return buf;
}

bool loader_next(Loader *l, Batch *batch, Err *e) {
  *batch = (Batch){0};
  if (l->failed) return err_set(e, "this loader has stopped after an error");
  pthread_mutex_lock(&l->lock);
  for (int64_t p = l->read; p < l->held; p++) l->slot[p % l->slots].done = false;
  int64_t from = l->read = l->held;
  pthread_cond_broadcast(&l->room);
  pthread_mutex_unlock(&l->lock);

  int64_t left = l->n - from;
  int n = left < l->set.batch ? (int)left : l->set.batch;
  for (int i = 0; i < n; i++) {
    Slot *s = &l->slot[(from + i) % l->slots], *first = &l->slot[from % l->slots];
    if (!await(l, from + i, e)) return fail(l);
    if (!s->ok) {
      *e = s->err;
      return fail(l);
    }
    const Image *a = &s->im, *b = &first->im;
    if (a->h != b->h || a->w != b->w || a->c != b->c) {
      char name[40], other[40];
      err_set(e, "%s is %d×%d×%d but %s in the same batch is %d×%d×%d · resize = {h, w}, or resize = n with crop = n, makes them equal",
              name_of(l, from + i, name, sizeof name), a->h, a->w, a->c, name_of(l, from, other, sizeof other), b->h, b->w, b->c);
      return fail(l);
    }
    l->x[i] = a;
    l->label[i] = l->samples->label[l->order[from + i]];
  }
  l->held = from + n;
  if (!n) return true;
  const Image *first = l->x[0];
  *batch = (Batch){n, first->h, first->w, first->c, l->x, l->label, l->order + from, {0}};
  for (int bit = 0; bit < IMAGE_REMARKS; bit++) {
    batch->remarked[bit] = -1;
    for (int i = n - 1; i >= 0; i--)
      if (l->slot[(from + i) % l->slots].remarks >> bit & 1) batch->remarked[bit] = l->order[from + i];
  }
  return true;
}

bool loader_values(const Loader *l, const Batch *b, float *out, Err *e) {
  size_t each = (size_t)b->h * (size_t)b->w * (size_t)b->c;
  for (int i = 0; i < b->n; i++)
    if (!transform_values(out + (size_t)i * each, b->x[i], &l->transform, e)) return false;
  return true;
}

void loader_free(Loader *l) {
  if (!l) return;
  pthread_mutex_lock(&l->lock);
  l->closing = true;
  pthread_cond_broadcast(&l->room);
  pthread_mutex_unlock(&l->lock);
  for (int i = 0; i < l->n_workers; i++) pthread_join(l->worker[i], NULL);
  for (int64_t i = 0; l->slot && i < l->slots; i++) image_free(&l->slot[i].im);
  pthread_cond_destroy(&l->room);
  pthread_cond_destroy(&l->ready);
  pthread_mutex_destroy(&l->lock);
  samples_unref(l->samples);
  free(l->order);
  free(l->slot);
  free(l->x);
  free(l->label);
  free(l->worker);
  free(l);
}
