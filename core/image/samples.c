#include "samples.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

Samples *samples_new(int h, int w, int c, Err *e) {
  Samples *s = calloc(1, sizeof *s);
  if (!s) {
    err_memory(e, sizeof *s, "a list of samples");
    return NULL;
  }
  s->refs = 1;
  s->h = h;
  s->w = w;
  s->c = c;
  return s;
}

Samples *samples_ref(Samples *s) {
  __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
  return s;
}

void samples_unref(Samples *s) {
  if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
  for (int64_t i = 0; s->path && i < s->n; i++) free(s->path[i]);
  free(s->path);
  free(s->label);
  free(s->px);
  for (int i = 0; i < 2; i++) kept_free(s->kept[i]);
  free(s);
}

static bool reserve(Samples *s, int64_t n, Err *e) {
  if (n <= s->cap) return true;
  int64_t cap = s->cap * 2 > n ? s->cap * 2 : n;
  size_t each = s->c ? (size_t)s->h * (size_t)s->w * (size_t)s->c : sizeof(char *);
  int32_t *label = realloc(s->label, (size_t)cap * sizeof *label);
  if (label) s->label = label;
  void *data = label ? realloc(s->c ? (void *)s->px : (void *)s->path, (size_t)cap * each) : NULL;
  if (!data) return err_memory(e, (double)cap * (double)each, "samples");
  if (s->c) s->px = data;
  else s->path = data;
  s->cap = cap;
  return true;
}

bool samples_add_file(Samples *s, const char *path, int label, Err *e) {
  if (!reserve(s, s->n + 1, e)) return false;
  char *copy = strdup(path);
  if (!copy) return err_memory(e, (double)strlen(path), "a file name");
  s->path[s->n] = copy;
  s->label[s->n++] = label;
  return true;
}

bool samples_grow(Samples *s, int64_t n, uint8_t **px, Err *e) {
  if (!reserve(s, s->n + n, e)) return false;
  *px = s->px + (size_t)s->n * (size_t)s->h * (size_t)s->w * (size_t)s->c;
  memset(s->label + s->n, 0, (size_t)n * sizeof *s->label);
  s->n += n;
  return true;
}

bool samples_get(const Samples *s, int64_t i, const Reading *how, Image *out, Err *e) {
  if (s->path) return image_read(out, s->path[i], how, e);
  size_t each = (size_t)s->h * (size_t)s->w * (size_t)s->c;
  Image im;
  if (!image_new(&im, s->h, s->w, s->c, e)) return false;
  memcpy(im.px, s->px + (size_t)i * each, each);
  *out = im;
  return true;
}

Kept *samples_kept(Samples *s, const Transform *t, bool random, int64_t limit, Err *e) {
  Kept **slot = &s->kept[random && t->random_resized];
  if (*slot && kept_fits(*slot, t, random)) {
    kept_set_limit(*slot, limit);
    return *slot;
  }
  if (__atomic_load_n(&s->refs, __ATOMIC_ACQUIRE) > 1 && *slot) return NULL; /* a loader may be at it */
  kept_free(*slot);
  return *slot = kept_new(s->n, t, random, limit, e);
}

/* ---- published formats ---- */

bool samples_add_cifar(Samples *s, const char *path, Err *e) {
  enum { PIXELS = 32 * 32, RECORD = 1 + 3 * PIXELS };
  FILE *f = fopen(path, "rb");
  if (!f) return err_set(e, "%s: cannot open: %s", path, strerror(errno));
  uint8_t record[RECORD];
  int64_t before = s->n;
  size_t got;
  bool ok = true;
  while (ok && (got = fread(record, 1, RECORD, f)) > 0) {
    uint8_t *px;
    if (got < RECORD)
      ok = err_set(e, "%s: cut off: %zu bytes after the last whole record of %d", path, got, RECORD);
    else if (record[0] > 9)
      ok = err_set(e, "%s: record %lld has label %d, expected 0 to 9; is this CIFAR-10's binary version?", path,
                   (long long)(s->n - before), record[0]);
    else if ((ok = samples_grow(s, 1, &px, e))) {
      s->label[s->n - 1] = record[0];
      for (int i = 0; i < PIXELS; i++)
        for (int c = 0; c < 3; c++) px[3 * i + c] = record[1 + c * PIXELS + i];
    }
  }
  if (ok && s->n == before) ok = err_set(e, "%s: the file is empty", path);
  fclose(f);
  return ok;
}

/* Reads an idx header of unsigned bytes with `rank` dimensions (the rest of the magic is fixed). */
static bool idx_header(gzFile f, const char *path, int rank, uint32_t *dim, Err *e) {
  uint8_t head[16];
  int n = 4 + 4 * rank;
  if (gzread(f, head, (unsigned)n) != n) return err_set(e, "%s: cut off in the header", path);
  if (head[0] || head[1] || head[2] != 8 || head[3] != rank)
    return err_set(e, "%s: not an idx file of bytes with %d dimension%s (magic %02x%02x%02x%02x, expected 0000080%d)", path,
                   rank, rank == 1 ? "" : "s", head[0], head[1], head[2], head[3], rank);
  for (int i = 0; i < rank; i++) {
    const uint8_t *p = head + 4 + 4 * i;
    dim[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
  }
  return true;
}

static bool add_mnist(Samples **s, gzFile fi, gzFile fl, const char *images, const char *labels, Err *e) {
  uint32_t dim[3], count;
  if (!idx_header(fi, images, 3, dim, e) || !idx_header(fl, labels, 1, &count, e)) return false;
  if (dim[0] != count) return err_set(e, "%s has %u images but %s has %u labels", images, dim[0], labels, count);
  if (!dim[1] || !dim[2] || dim[1] > 4096 || dim[2] > 4096)
    return err_set(e, "%s: images of %u×%u pixels; expected 28×28", images, dim[1], dim[2]);
  if (!*s && !(*s = samples_new((int)dim[1], (int)dim[2], 1, e))) return false;
  Samples *to = *s;
  if (to->h != (int)dim[1] || to->w != (int)dim[2])
    return err_set(e, "%s: images of %u×%u pixels among others of %d×%d", images, dim[1], dim[2], to->h, to->w);
  unsigned each = dim[1] * dim[2];
  for (uint32_t i = 0; i < count; i++) { /* one by one: a lying header costs no memory */
    uint8_t *px, label;
    if (!samples_grow(to, 1, &px, e)) return false;
    if (gzread(fi, px, each) != (int)each) return err_set(e, "%s: cut off at image %u of %u", images, i, count);
    if (gzread(fl, &label, 1) != 1) return err_set(e, "%s: cut off at label %u of %u", labels, i, count);
    if (label > 9) return err_set(e, "%s: label %u of image %u, expected 0 to 9", labels, label, i);
    to->label[to->n - 1] = label;
  }
  return true;
}

bool samples_add_mnist(Samples **s, const char *images, const char *labels, Err *e) {
  gzFile fi = gzopen(images, "rb");
  if (!fi) return err_set(e, "%s: cannot open: %s", images, strerror(errno));
  gzFile fl = gzopen(labels, "rb");
  bool ok = fl ? add_mnist(s, fi, fl, images, labels, e) : err_set(e, "%s: cannot open: %s", labels, strerror(errno));
  gzclose(fi);
  if (fl) gzclose(fl);
  return ok;
}
