/* The saved object as JSON, for whoever wants more than the tensors of a state dict: epochs, an optimizer's state, several models.
 *
 *   null true false 3 1.5 "text"      as they are           {"f": "inf"}        a number that JSON has not
 *   {"i": 7, "d": [[key, value] …]}   a dict                {"i": 7, "l": […]}  a list, tuple or set
 *   {"i": 7, "t": 12, "s": 3, "at": 0, "n": [2, 3], "st": [3, 1]}   a tensor: its entry from 1, its storage, the place of its
 *                                     first element there, sizes and strides in elements
 *   {"r": 7}                          the one of that number again, which may be the one around it
 *   {"c": "torch.optim.SGD"}          what is none of these, by its class or kind
 * A dict of a subclass (OrderedDict) has "o": true, and where torch_save hung its metadata on it "m": {key: text}. Bytes, and text
 * that is no UTF-8 or has a zero in it, are {"b": "hexadecimal"}. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "host.h"
#include "torch.h"

enum { DEPTH_MOST = 64 };

typedef struct Writer {
  Torch *t;
  char *text;
  size_t n, cap;
  const PickleValue **seen; /* by number */
  Map number;               /* of a value, by its address in seen */
  int entries;              /* those that are not hidden */
  bool failed;
} Writer;

static void put(Writer *w, const char *s, size_t n) {
  if (w->n + n + 1 > w->cap) {
    size_t cap = 2 * (w->n + n) + 256;
    char *more = realloc(w->text, cap);
    if (!more) {
      w->failed = true;
      return;
    }
    w->text = more;
    w->cap = cap;
  }
  memcpy(w->text + w->n, s, n);
  w->text[w->n += n] = 0;
}

#define PUT(w, ...) put_text((w), (char[64]){0}, __VA_ARGS__)
static void __attribute__((format(printf, 3, 4))) put_text(Writer *w, char *buf, const char *format, ...) {
  va_list list;
  va_start(list, format);
  int n = vsnprintf(buf, 64, format, list);
  va_end(list);
  put(w, buf, (size_t)n);
}

/* The length of the UTF-8 character at s, 0 where there is none. */
static size_t character(const unsigned char *s, size_t n) {
  size_t len = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
  if (len > n) return 0;
  for (size_t i = 1; i < len; i++)
    if ((s[i] & 0xc0) != 0x80) return 0;
  if (len == 3 && ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0))) return 0;
  if (len == 4 && ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90))) return 0;
  return len;
}

static void put_string(Writer *w, const char *s, size_t n) {
  const unsigned char *u = (const unsigned char *)s;
  bool valid = !n || !memchr(s, 0, n);
  for (size_t i = 0, len; i < n && valid; i += len) valid = (len = character(u + i, n - i)) > 0;
  put(w, valid ? "\"" : "{\"b\":\"", valid ? 1 : 6);
  for (size_t i = 0; i < n; i++) {
    if (!valid) PUT(w, "%02x", u[i]);
    else if (u[i] < 0x20) PUT(w, "\\u%04x", u[i]);
    else if (u[i] == '"' || u[i] == '\\') put(w, (char[]){'\\', s[i]}, 2);
    else put(w, s + i, 1);
  }
  put(w, "\"}", valid ? 1 : 2);
}

static void put_float(Writer *w, double v) {
  char text[40];
  if (!isfinite(v)) {
    PUT(w, "{\"f\":\"%s\"}", isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
    return;
  }
  int n = snprintf(text, sizeof text, "%.17g", v);
  put(w, text, (size_t)n);
  if (!strpbrk(text, ".e")) put(w, ".0", 2);
}

static void put_list(Writer *w, const char *name, const int64_t *v, int n) {
  PUT(w, ",\"%s\":[", name);
  for (int i = 0; i < n; i++) PUT(w, "%s%" PRId64, i ? "," : "", v[i]);
  put(w, "]", 1);
}

static void put_class(Writer *w, const PickleValue *v) {
  const PickleValue *c = v->kind == PK_OBJECT ? v->object.callable : v;
  put(w, "{\"c\":", 5);
  if (c && c->kind == PK_GLOBAL) {
    char name[200];
    int n = snprintf(name, sizeof name, "%.*s.%.*s", c->global.module_len > 90 ? 90 : (int)c->global.module_len, c->global.module,
                     c->global.name_len > 90 ? 90 : (int)c->global.name_len, c->global.name);
    put_string(w, name, (size_t)n);
  } else put(w, "\"an object\"", 11);
  put(w, "}", 1);
}

/* True when the value was there before: then only its number is written. */
static bool again(Writer *w, const PickleValue *v) {
  int64_t next = (int64_t)w->number.count;
  w->seen[next] = v;
  int64_t *at = map_at(&w->number, (const char *)&w->seen[next], sizeof *w->seen);
  if (!at) {
    w->failed = true;
    return true;
  }
  if (*at >= 0) {
    PUT(w, "{\"r\":%" PRId64 "}", *at);
    return true;
  }
  *at = next;
  return false;
}

static bool tensor(Writer *w, const PickleValue *v, int64_t number) {
  Archive *a = w->t->a;
  char name[24];
  Err e, *outer = w->t->e;
  snprintf(name, sizeof name, "#%" PRId64, number);
  w->t->e = &e;
  int found = torch_add_tensor(w->t, v, name);
  w->t->e = outer;
  if (found < 0) put(w, "{\"c\":\"a tensor that cannot be read\"}", 36);
  if (found <= 0) return found < 0;
  const ArchiveEntry *x = &a->entry[a->count - 1];
  PUT(w, "{\"i\":%" PRId64 ",\"t\":%d", number, a->count);
  PUT(w, ",\"s\":%d,\"at\":%" PRId64, x->storage, x->offset / (int64_t)numtype_size(x->type));
  put_list(w, "n", x->shape.dim, x->shape.rank);
  put_list(w, "st", x->stride, x->shape.rank);
  put(w, "}", 1);
  return true;
}

static bool is_sequence(const PickleValue *v) { return v->kind == PK_LIST || v->kind == PK_TUPLE || v->kind == PK_SET; }

static void value(Writer *w, const PickleValue *v, int depth);

static void dict(Writer *w, const PickleValue *v, const PickleValue *d, int depth) {
  const PickleValue *own = v->kind == PK_OBJECT ? pickle_dict(pickle_get(v->object.state, "suture")) : NULL;
  if (v != d) put(w, ",\"o\":true", 9);
  if (own) {
    put(w, ",\"m\":{", 6);
    for (uint32_t i = 0, n = 0; i + 1 < own->seq.n; i += 2) {
      const PickleValue *k = own->seq.v[i], *x = own->seq.v[i + 1];
      if (k->kind != PK_STR || x->kind != PK_STR) continue; /* ours is UTF-8 */
      if (n++) put(w, ",", 1);
      put_string(w, k->str.s, k->str.n);
      put(w, ":", 1);
      put_string(w, x->str.s, x->str.n);
    }
    put(w, "}", 1);
  }
  put(w, ",\"d\":[", 6);
  for (uint32_t i = 0; i + 1 < d->seq.n && !w->failed; i += 2) {
    put(w, i ? ",[" : "[", i ? 2 : 1);
    value(w, d->seq.v[i], depth + 1);
    put(w, ",", 1);
    value(w, d->seq.v[i + 1], depth + 1);
    put(w, "]", 1);
  }
  put(w, "]", 1);
}

static void container(Writer *w, const PickleValue *v, int depth) {
  if (depth > DEPTH_MOST) {
    put(w, "{\"c\":\"nested too deep\"}", 23);
    return;
  }
  if (again(w, v)) return;
  int64_t number = (int64_t)w->number.count - 1;
  if (!is_sequence(v) && v->kind != PK_DICT && tensor(w, v, number)) return;
  const PickleValue *d = pickle_dict(v), *args = v->kind == PK_OBJECT ? v->object.args : NULL;
  bool set = args && pickle_is_global(v->object.callable, "torch", "Size") && pickle_item(args, 0);
  if (set) v = pickle_item(args, 0);
  if (!d && !is_sequence(v)) {
    put_class(w, v);
    return;
  }
  PUT(w, "{\"i\":%" PRId64, number);
  if (d) dict(w, v, d, depth);
  else {
    put(w, ",\"l\":[", 6);
    for (uint32_t i = 0; i < v->seq.n && !w->failed; i++) {
      if (i) put(w, ",", 1);
      value(w, v->seq.v[i], depth + 1);
    }
    put(w, "]", 1);
  }
  put(w, "}", 1);
}

static void value(Writer *w, const PickleValue *v, int depth) {
  switch (v->kind) {
  case PK_NONE: put(w, "null", 4); return;
  case PK_BOOL: put(w, v->i ? "true" : "false", v->i ? 4 : 5); return;
  case PK_INT: PUT(w, "%" PRId64, v->i); return;
  case PK_FLOAT: put_float(w, v->f); return;
  case PK_STR:
  case PK_BYTES: put_string(w, v->str.s, v->str.n); return;
  case PK_BIG:
  case PK_GLOBAL: put_class(w, v); return;
  default: container(w, v, depth);
  }
}

bool torch_object(Torch *t) {
  Writer w = {.t = t, .entries = t->a->count};
  w.seen = malloc((t->pickle->values + 2) * sizeof *w.seen);
  if (!w.seen) return err_memory(t->e, 8.0 * (double)t->pickle->values, "a saved object");
  value(&w, t->pickle->root, 0);
  free(w.seen);
  map_free(&w.number);
  t->a->hidden = t->a->count - w.entries;
  t->a->count = w.entries;
  t->a->object = w.text;
  return !w.failed || err_memory(t->e, (double)w.n, "a saved object");
}
