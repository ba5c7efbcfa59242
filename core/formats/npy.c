/* NumPy's .npy, versions 1 to 3 (numpy/lib/format.py):
 *   "\x93NUMPY" major minor | header length, 2 bytes (v1) or 4 (v2, v3), little-endian | header | numbers
 * The header is a Python dict literal: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } */
#include "build.h"
#include "npy.h"
#include "save.h"
#include <stdlib.h>
#include <string.h>

typedef struct Reader {
  const char *begin, *p, *end; /* the header's text */
  uint64_t base;               /* where in the file it begins, for messages */
} Reader;

static void space(Reader *r) {
  while (r->p < r->end && strchr(" \t\r\n", *r->p) && *r->p) r->p++;
}

static bool eat(Reader *r, char c) {
  space(r);
  if (r->p >= r->end || *r->p != c) return false;
  r->p++;
  return true;
}

static bool word(Reader *r, const char *w) {
  space(r);
  size_t n = strlen(w);
  if ((size_t)(r->end - r->p) < n || memcmp(r->p, w, n)) return false;
  r->p += n;
  return true;
}

static bool quoted(Reader *r, const char **s, size_t *n) {
  space(r);
  if (r->p >= r->end || (*r->p != '\'' && *r->p != '"')) return false;
  char q = *r->p++;
  *s = r->p;
  while (r->p < r->end && *r->p != q) r->p++;
  *n = (size_t)(r->p - *s);
  return r->p < r->end && *r->p++ == q;
}

static bool integer(Reader *r, int64_t *v) {
  space(r);
  const char *first = r->p;
  for (*v = 0; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++)
    if (__builtin_mul_overflow(*v, 10, v) || __builtin_add_overflow(*v, *r->p - '0', v)) return false;
  if (r->p < r->end && *r->p == 'L') r->p++; /* Python 2's long */
  return r->p > first;
}

static bool unexpected(const Reader *r, const char *want, Err *e) {
  return err_set(e, ".npy header: expected %s at byte %llu, got \"%s\"", want,
                 (unsigned long long)(r->base + (uint64_t)(r->p - r->begin)),
                 NAME_STR(r->p, (size_t)(r->end - r->p) < 20 ? (size_t)(r->end - r->p) : 20));
}

static bool number_type(const char *s, size_t n, NumType *type, bool *big, Err *e) {
  static const struct { char kind, size; NumType type; } known[] = {
      {'f', '2', NUM_F16}, {'f', '4', NUM_F32}, {'f', '8', NUM_F64}, {'i', '1', NUM_I8},  {'i', '2', NUM_I16},
      {'i', '4', NUM_I32}, {'i', '8', NUM_I64}, {'u', '1', NUM_U8},  {'u', '2', NUM_U16}, {'u', '4', NUM_U32},
      {'u', '8', NUM_U64}, {'b', '1', NUM_BOOL},
  };
  if (n == 3 && strchr("<>|=", s[0]) && s[0]) {
    *big = s[0] == '>';
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
      if (known[i].kind == s[1] && known[i].size == s[2]) {
        *type = known[i].type;
        return true;
      }
  }
  return err_set(e, ".npy numbers of type '%s' are not supported: save it as float32 (x.astype('f4'))", NAME_STR(s, n));
}

bool npy_parse(Archive *a, Err *e) {
  const ArchiveFile *f = a->file;
  const unsigned char *b = f->bytes;
  a->container = "npy";
  if (f->size < 12) return err_set(e, ".npy file cut off: its header needs 12 bytes, the file has %d", (int)f->size);
  if (b[6] < 1 || b[6] > 3) return err_set(e, ".npy version %d.%d is not known: expected 1 to 3", b[6], b[7]);
  uint64_t base = b[6] == 1 ? 10 : 12, len = b[8] | b[9] << 8;
  if (b[6] > 1) len |= (uint64_t)b[10] << 16 | (uint64_t)b[11] << 24;
  if (len > f->size - base)
    return err_set(e, ".npy file cut off: its header says %llu bytes, the file ends after %llu",
                   (unsigned long long)len, (unsigned long long)(f->size - base));
  Reader r = {(const char *)b + base, (const char *)b + base, (const char *)b + base + len, base};
  const char *s;
  size_t n;
  NumType type = NUM_F32;
  bool big = false, fortran = false, got_type = false, got_order = false, got_shape = false;
  int64_t dim[MAX_RANK] = {0}, stride[MAX_RANK] = {0};
  int rank = 0;
  if (!eat(&r, '{')) return unexpected(&r, "'{'", e);
  while (!eat(&r, '}')) {
    if (!quoted(&r, &s, &n)) return unexpected(&r, "a quoted key or '}'", e);
    if (!eat(&r, ':')) return unexpected(&r, "':'", e);
    if (n == 5 && !memcmp(s, "descr", 5) && !got_type) {
      space(&r);
      if (r.p < r.end && *r.p == '[')
        return err_set(e, ".npy file of records (structured dtype) is not supported: save one field");
      if (!quoted(&r, &s, &n)) return unexpected(&r, "a type such as '<f4'", e);
      if (!number_type(s, n, &type, &big, e)) return false;
      got_type = true;
    } else if (n == 13 && !memcmp(s, "fortran_order", 13) && !got_order) {
      fortran = word(&r, "True");
      if (!fortran && !word(&r, "False")) return unexpected(&r, "True or False", e);
      got_order = true;
    } else if (n == 5 && !memcmp(s, "shape", 5) && !got_shape) {
      if (!eat(&r, '(')) return unexpected(&r, "a shape such as (3, 4)", e);
      while (!eat(&r, ')')) {
        if (rank == MAX_RANK) return err_set(e, ".npy array has more than %d dimensions", (int)MAX_RANK);
        if (!integer(&r, &dim[rank++])) return unexpected(&r, "a dimension", e);
        if (eat(&r, ',')) continue;
        if (!eat(&r, ')')) return unexpected(&r, "',' or ')'", e);
        break;
      }
      got_shape = true;
    } else return unexpected(&r, "each of the keys 'descr', 'fortran_order', 'shape' once", e);
    if (eat(&r, ',')) continue;
    if (!eat(&r, '}')) return unexpected(&r, "',' or '}'", e);
    break;
  }
  space(&r);
  if (r.p < r.end) return unexpected(&r, "nothing more but spaces", e);
  if (!got_type || !got_order || !got_shape)
    return err_set(e, ".npy header lacks '%s'", !got_type ? "descr" : !got_order ? "fortran_order" : "shape");

  uint64_t have = f->size - base - len;
  int64_t want = (int64_t)numtype_size(type);
  for (int i = 0; i < rank; i++) {
    stride[i] = fortran ? want / (int64_t)numtype_size(type) : 0;
    if (__builtin_mul_overflow(want, dim[i], &want)) return err_set(e, ".npy shape is larger than any memory");
  }
  if ((uint64_t)want != have)
    return err_set(e, ".npy file %s: its shape and type need %lld bytes of numbers, the file has %llu",
                   have < (uint64_t)want ? "cut off" : "has bytes left over", (long long)want,
                   (unsigned long long)have);
  a->file->big_endian = big;
  int at = archive_add_storage(a, (Storage){.data = b + base + len, .size = have, .member = -1}, e);
  return at >= 0 && archive_add(a, "tensor", 6, type, rank, dim, fortran ? stride : NULL, 0, at, e);
}

bool npy_save(const char *path, const SaveTensor *t, Err *e) {
  char shape[200], head[256];
  int n = 0;
  for (int i = 0; i < t->shape.rank; i++) n += snprintf(shape + n, sizeof shape - (size_t)n, "%lld, ", (long long)t->shape.dim[i]);
  if (t->shape.rank > 1) n -= 2; /* NumPy writes (3, 4) and (3,) */
  else if (t->shape.rank == 1) n -= 1;
  const char *descr = t->type == NUM_I64 ? "<i8" : t->type == NUM_BOOL ? "|b1" : "<f4";
  int len = snprintf(head, sizeof head, "{'descr': '%s', 'fortran_order': False, 'shape': (%.*s), }", descr, n, shape);
  int total = (10 + len + 1 + 63) / 64 * 64; /* NumPy aligns the numbers to 64 bytes */
  unsigned char begin[10] = "\x93NUMPY\1\0";
  begin[8] = (unsigned char)((total - 10) & 255);
  begin[9] = (unsigned char)((total - 10) >> 8);
  SaveFile s;
  if (!save_begin(&s, path, e)) return false;
  bool ok = save_write(&s, begin, 10, e) && save_write(&s, head, (size_t)len, e);
  for (int i = 10 + len; ok && i < total; i++) ok = save_write(&s, i == total - 1 ? "\n" : " ", 1, e);
  ok = ok && save_numbers(&s, t, e);
  return save_end(&s, ok, e);
}
