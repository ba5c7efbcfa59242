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
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "host.h"
#include "torch.h"

enum { DEPTH_MOST = 64 };

typedef struct Writer {
  Torch *t;
  const PickleValue **seen; /* by number */
  Map number;               /* of a value, by its address in seen */
  bool failed;              /* memory is out */
} Writer;

static json_t *checked(Writer *w, json_t *v) {
  if (!v) w->failed = true;
  return v;
}

/* Puts v (taken over) into the object, or at the end of the list. */
static void set(Writer *w, json_t *object, const char *key, json_t *v) {
  if (json_object_set_new_nocheck(object, key, v)) w->failed = true;
}
static void add(Writer *w, json_t *list, json_t *v) {
  if (json_array_append_new(list, v)) w->failed = true;
}

static json_t *with(Writer *w, const char *key, json_t *v) {
  json_t *object = checked(w, json_object());
  set(w, object, key, v);
  return object;
}

static json_t *string(Writer *w, const char *s, size_t n) {
  json_t *v = n && memchr(s, 0, n) ? NULL : json_stringn(s, n); /* NULL: it is no UTF-8 */
  if (v) return v;
  char *hex = malloc(2 * n + 1);
  if (!hex) return checked(w, NULL);
  hex[0] = 0;
  for (size_t i = 0; i < n; i++) snprintf(hex + 2 * i, 3, "%02x", (unsigned char)s[i]);
  v = with(w, "b", checked(w, json_stringn_nocheck(hex, 2 * n)));
  free(hex);
  return v;
}

static json_t *number(Writer *w, double v) {
  if (isfinite(v)) return checked(w, json_real(v));
  return with(w, "f", checked(w, json_string(isnan(v) ? "nan" : v < 0 ? "-inf" : "inf")));
}

static json_t *integers(Writer *w, const int64_t *v, int n) {
  json_t *list = checked(w, json_array());
  for (int i = 0; i < n; i++) add(w, list, json_integer(v[i]));
  return list;
}

static json_t *a_class(Writer *w, const char *name, size_t n) { return with(w, "c", string(w, name, n)); }

static json_t *class_of(Writer *w, const PickleValue *v) {
  const PickleValue *c = v->kind == PK_OBJECT ? v->object.callable : v;
  if (!c || c->kind != PK_GLOBAL) return a_class(w, "an object", 9);
  char name[200];
  int n = snprintf(name, sizeof name, "%.*s.%.*s", c->global.module_len > 90 ? 90 : (int)c->global.module_len, c->global.module,
                   c->global.name_len > 90 ? 90 : (int)c->global.name_len, c->global.name);
  return a_class(w, name, (size_t)n);
}

/* What says the number of a value that was there before; else NULL, and the value has the next number. */
static json_t *again(Writer *w, const PickleValue *v) {
  int64_t next = (int64_t)w->number.count;
  w->seen[next] = v;
  int64_t *at = map_at(&w->number, (const char *)&w->seen[next], sizeof *w->seen);
  if (!at) return w->failed = true, json_null();
  if (*at >= 0) return with(w, "r", json_integer(*at));
  *at = next;
  return NULL;
}

/* NULL: v is no tensor. */
static json_t *tensor(Writer *w, const PickleValue *v, int64_t own) {
  Archive *a = w->t->a;
  char name[24];
  Err e, *outer = w->t->e;
  snprintf(name, sizeof name, "#%lld", (long long)own);
  w->t->e = &e;
  int found = torch_add_tensor(w->t, v, name);
  w->t->e = outer;
  if (found < 0) return a_class(w, "a tensor that cannot be read", 28);
  if (!found) return NULL;
  const ArchiveEntry *x = &a->entry[a->count - 1];
  json_t *out = with(w, "i", json_integer(own));
  set(w, out, "t", json_integer(a->count));
  set(w, out, "s", json_integer(x->storage));
  set(w, out, "at", json_integer(x->offset / (int64_t)numtype_size(x->type)));
  set(w, out, "n", integers(w, x->shape.dim, x->shape.rank));
  set(w, out, "st", integers(w, x->stride, x->shape.rank));
  return out;
}

static bool is_sequence(const PickleValue *v) { return v->kind == PK_LIST || v->kind == PK_TUPLE || v->kind == PK_SET; }

static json_t *value(Writer *w, const PickleValue *v, int depth);

/* v is d, or an object that holds it. */
static void dict(Writer *w, json_t *out, const PickleValue *v, const PickleValue *d, int depth) {
  const PickleValue *own = v->kind == PK_OBJECT ? pickle_dict(pickle_get(v->object.state, "suture")) : NULL;
  if (v != d) set(w, out, "o", json_true());
  json_t *metadata = own ? checked(w, json_object()) : NULL;
  for (uint32_t i = 0; own && i + 1 < own->seq.n; i += 2) {
    const PickleValue *k = own->seq.v[i], *x = own->seq.v[i + 1];
    if (k->kind != PK_STR || x->kind != PK_STR) continue; /* ours is UTF-8 */
    json_t *key = string(w, k->str.s, k->str.n);
    if (json_is_string(key)) set(w, metadata, json_string_value(key), string(w, x->str.s, x->str.n));
    json_decref(key);
  }
  if (own) set(w, out, "m", metadata);
  json_t *pairs = checked(w, json_array());
  for (uint32_t i = 0; i + 1 < d->seq.n && !w->failed; i += 2) {
    json_t *pair = checked(w, json_array());
    add(w, pair, value(w, d->seq.v[i], depth + 1));
    add(w, pair, value(w, d->seq.v[i + 1], depth + 1));
    add(w, pairs, pair);
  }
  set(w, out, "d", pairs);
}

static json_t *container(Writer *w, const PickleValue *v, int depth) {
  if (depth > DEPTH_MOST) return a_class(w, "nested too deep", 15);
  json_t *out = again(w, v);
  if (out) return out;
  int64_t own = (int64_t)w->number.count - 1;
  if (!is_sequence(v) && v->kind != PK_DICT && (out = tensor(w, v, own))) return out;
  const PickleValue *d = pickle_dict(v), *args = v->kind == PK_OBJECT ? v->object.args : NULL;
  bool set_of = args && pickle_is_global(v->object.callable, "torch", "Size") && pickle_item(args, 0);
  if (set_of) v = pickle_item(args, 0);
  if (!d && !is_sequence(v)) return class_of(w, v);
  out = with(w, "i", json_integer(own));
  if (d) {
    dict(w, out, v, d, depth);
    return out;
  }
  json_t *list = checked(w, json_array());
  for (uint32_t i = 0; i < v->seq.n && !w->failed; i++) add(w, list, value(w, v->seq.v[i], depth + 1));
  set(w, out, "l", list);
  return out;
}

static json_t *value(Writer *w, const PickleValue *v, int depth) {
  switch (v->kind) {
  case PK_NONE: return json_null();
  case PK_BOOL: return json_boolean(v->i);
  case PK_INT: return json_integer(v->i);
  case PK_FLOAT: return number(w, v->f);
  case PK_STR:
  case PK_BYTES: return string(w, v->str.s, v->str.n);
  case PK_BIG:
  case PK_GLOBAL: return class_of(w, v);
  default: return container(w, v, depth);
  }
}

bool torch_object(Torch *t) {
  Writer w = {.t = t};
  int entries = t->a->count; /* those that are not hidden */
  w.seen = malloc((t->pickle->values + 2) * sizeof *w.seen);
  if (!w.seen) return err_memory(t->e, 8.0 * (double)t->pickle->values, "a saved object");
  json_t *root = value(&w, t->pickle->root, 0);
  free(w.seen);
  map_free(&w.number);
  t->a->hidden = t->a->count - entries;
  t->a->count = entries;
  t->a->object = w.failed ? NULL : json_dumps(root, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
  json_decref(root);
  return t->a->object || err_memory(t->e, 8.0 * (double)t->pickle->values, "a saved object");
}
