#include "save.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "build.h"
#include "host.h"
#include "whole.h"

/* The name that the file has for an entry, with what archive_open took off it. */
static bool is_named(const Archive *a, int i, const char *name) {
  size_t n = a->prefix ? strlen(a->prefix) : 0;
  return (!n || !strncmp(name, a->prefix, n)) && !strcmp(name + n, a->entry[i].name);
}

bool save_check(SaveFile *s, const SaveTensor *t, int count, Err *e) {
  Archive *a;
  Err why = {0};
  if (!count) return true; /* a file of nothing is not opened */
  if (fflush(s->out)) return save_failed(s, "write", errno, e);
  if (!archive_open(s->temp, &a, &why)) {
    if (why.kind == ERR_USER) return err_set(e, "%s: cannot save: what was written is not read back: %s", s->name, why.text);
    *e = why;
    return false;
  }
  bool same = !t || a->count == count;
  for (int i = 0; t && i < count && same; i++)
    same = is_named(a, i, t[i].name) && a->entry[i].type == t[i].type && shape_equal(&a->entry[i].shape, &t[i].shape);
  archive_close(a);
  return same || err_set(e, "%s: cannot save: what was written is not read back as it was", s->name);
}

uint64_t save_size(const SaveTensor *t) { return (uint64_t)shape_count(&t->shape) * numtype_size(t->type); }

bool save_convert(const SaveTensor *t, void *out, Err *e) {
  int64_t n = shape_count(&t->shape);
  if (!n) return true;
  if (t->type == NUM_F32) {
    layout_copy(out, ROW_MAJOR, t->data, t->layout, &t->shape);
    return true;
  }
  if (t->type == NUM_I64 && t->whole) {
    int64_t step[MAX_RANK], index[MAX_RANK] = {0};
    shape_strides(&t->shape, t->layout, step);
    for (int64_t i = 0, at = 0; i < n; i++, at = shape_next(&t->shape, step, index, at)) ((int64_t *)out)[i] = t->whole[at];
    return true;
  }
  float *rows = malloc((size_t)n * 4);
  if (!rows) return err_memory(e, 4.0 * (double)n, "saving a tensor");
  layout_copy(rows, ROW_MAJOR, t->data, t->layout, &t->shape);
  for (int64_t i = 0; i < n; i++)
    if (t->type == NUM_I64) ((int64_t *)out)[i] = whole_of(rows[i]);
    else ((unsigned char *)out)[i] = rows[i] != 0;
  free(rows);
  return true;
}

bool save_numbers(SaveFile *s, const SaveTensor *t, Err *e) {
  if (host_should_stop()) return err_stop(e);
  int64_t n = shape_count(&t->shape);
  if (!n) return true;
  if (t->type == NUM_F32 && t->layout == ROW_MAJOR) {
    enum { PART = 1 << 22 };
    for (int64_t i = 0; i < n; i += PART) {
      if (host_should_stop()) return err_stop(e);
      if (!save_write(s, (const float *)t->data + i, (size_t)(n - i < PART ? n - i : PART) * 4, e)) return false;
    }
    return true;
  }
  size_t bytes = (size_t)save_size(t);
  void *rows = malloc(bytes);
  if (!rows) return err_memory(e, (double)bytes, "saving a tensor");
  bool ok = save_convert(t, rows, e) && save_write(s, rows, bytes, e);
  free(rows);
  return ok;
}

bool save_check_names(const SaveTensor *t, int count, const char *path, Err *e) {
  Map seen = {0};
  bool ok = true;
  for (int i = 0; i < count && ok; i++) {
    size_t n = strlen(t[i].name);
    int64_t *at = map_at(&seen, t[i].name, n);
    if (!at) ok = err_memory(e, 16.0 * count, "the names of tensors");
    else if (*at >= 0) ok = err_set(e, "%s: cannot save two tensors named '%s'", path, NAME_STR(t[i].name, n));
    else *at = i;
  }
  map_free(&seen);
  return ok;
}
