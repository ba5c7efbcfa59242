#include "kept.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct Kept {
  pthread_mutex_t lock; /* guards all but the pixels of a picture that is there: those stand */
  Image *im;            /* px NULL: not there */
  int64_t n;
  KeptCount count;
  /* the first steps */
  int channels, resize_h, resize_w;
  Filter filter;
  bool as_stored, draft, resized;
};

/* Whether the first steps resize: where a random part of the picture is, that part is taken of the whole. */
static bool resizes(const Transform *t, bool random) { return !(random && t->random_resized); }

Kept *kept_new(int64_t n, const Transform *t, bool random, int64_t limit, Err *e) {
  Kept *k = calloc(1, sizeof *k);
  if (k) k->im = calloc((size_t)(n > 0 ? n : 1), sizeof *k->im);
  if (!k || !k->im) {
    err_memory(e, (double)n * sizeof *k->im, "kept pictures");
    free(k);
    return NULL;
  }
  pthread_mutex_init(&k->lock, NULL);
  k->n = n;
  k->count.limit = limit;
  k->resized = resizes(t, random);
  k->channels = t->channels, k->as_stored = t->as_stored;
  if (k->resized) k->resize_h = t->resize_h, k->resize_w = t->resize_w, k->filter = t->filter, k->draft = t->draft;
  return k;
}

void kept_free(Kept *k) {
  if (!k) return;
  for (int64_t i = 0; i < k->n; i++) image_free(&k->im[i]);
  pthread_mutex_destroy(&k->lock);
  free(k->im);
  free(k);
}

bool kept_fits(const Kept *k, const Transform *t, bool random) {
  bool resized = resizes(t, random);
  return k->channels == t->channels && k->as_stored == t->as_stored && k->resized == resized &&
         (!resized || (k->resize_h == t->resize_h && k->resize_w == t->resize_w && k->filter == t->filter && k->draft == t->draft));
}

void kept_set_limit(Kept *k, int64_t limit) {
  pthread_mutex_lock(&k->lock);
  k->count.limit = limit;
  pthread_mutex_unlock(&k->lock);
}

static bool copy(Image *out, const Image *im) {
  Err e;
  if (!image_new(out, im->h, im->w, im->c, &e)) return false;
  memcpy(out->px, im->px, (size_t)im->h * (size_t)im->w * (size_t)im->c);
  out->remarks = im->remarks;
  return true;
}

bool kept_take(Kept *k, int64_t i, Image *out) {
  pthread_mutex_lock(&k->lock);
  Image im = k->im[i];
  pthread_mutex_unlock(&k->lock);
  return im.px && copy(out, &im);
}

void kept_put(Kept *k, int64_t i, const Image *im) {
  int64_t bytes = (int64_t)im->h * im->w * im->c;
  pthread_mutex_lock(&k->lock);
  bool there = k->im[i].px, room = k->count.bytes + bytes <= k->count.limit;
  if (!there && room) k->count.bytes += bytes; /* the room is taken before the copy is made */
  if (!there && !room) k->count.refused++;
  pthread_mutex_unlock(&k->lock);
  if (there || !room) return;
  Image mine;
  bool made = copy(&mine, im);
  pthread_mutex_lock(&k->lock);
  if (made && !k->im[i].px) {
    k->im[i] = mine;
    k->count.count++;
  } else { /* another was quicker, or memory is short */
    k->count.bytes -= bytes;
    if (made) image_free(&mine);
  }
  pthread_mutex_unlock(&k->lock);
}

KeptCount kept_count(Kept *k) {
  pthread_mutex_lock(&k->lock);
  KeptCount c = k->count;
  pthread_mutex_unlock(&k->lock);
  return c;
}
