#include "torch.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "host.h"

enum { DEPTH_MAX = 64, NAME_MAX_BYTES = 1000 };

static const TorchType types[] = {
    {"DoubleStorage", "float64", "DoubleTensor", NUM_F64, 8},
    {"FloatStorage", "float32", "FloatTensor", NUM_F32, 4},
    {"HalfStorage", "float16", "HalfTensor", NUM_F16, 2},
    {"BFloat16Storage", "bfloat16", "BFloat16Tensor", NUM_BF16, 2},
    {"LongStorage", "int64", "LongTensor", NUM_I64, 8},
    {"IntStorage", "int32", "IntTensor", NUM_I32, 4},
    {"ShortStorage", "int16", "ShortTensor", NUM_I16, 2},
    {"CharStorage", "int8", "CharTensor", NUM_I8, 1},
    {"ByteStorage", "uint8", "ByteTensor", NUM_U8, 1},
    {"BoolStorage", "bool", "BoolTensor", NUM_BOOL, 1},
    {"UntypedStorage", "uint8", "", NUM_U8, 1},
    {"_UntypedStorage", "uint8", "", NUM_U8, 1},
    {"", "uint16", "", NUM_U16, 2},
    {"", "uint32", "", NUM_U32, 4},
    {"", "uint64", "", NUM_U64, 8},
    {"ComplexFloatStorage", "complex64", "", -1, 8},
    {"ComplexDoubleStorage", "complex128", "", -1, 16},
    {"QInt8Storage", "qint8", "", -1, 1},
    {"QUInt8Storage", "quint8", "", -1, 1},
    {"QInt32Storage", "qint32", "", -1, 4},
    {"QUInt4x2Storage", "quint4x2", "", -1, 1},
    {"QUInt2x4Storage", "quint2x4", "", -1, 1},
};

static bool in_torch(const PickleValue *g) {
  return g && g->kind == PK_GLOBAL && g->global.module_len >= 5 && !memcmp(g->global.module, "torch", 5);
}

static bool named(const PickleValue *g, const char *name) {
  return *name && g->global.name_len == strlen(name) && !memcmp(g->global.name, name, strlen(name));
}

const TorchType *torch_type(const PickleValue *c) {
  if (in_torch(c))
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
      if (named(c, types[i].storage) || named(c, types[i].dtype) || named(c, types[i].tensor)) return &types[i];
  return NULL;
}

static bool is_text(const PickleValue *v) { return v && (v->kind == PK_STR || v->kind == PK_BYTES); }

bool torch_id(const PickleValue *v, TorchId *id) {
  const PickleValue *t = v && v->kind == PK_PERSID ? v->item : NULL;
  const PickleValue *key = pickle_item(t, 2), *count = pickle_item(t, 4), *view = pickle_item(t, 5);
  if (!pickle_is_str(pickle_item(t, 0), "storage") || !is_text(key) || !count || count->kind != PK_INT) return false;
  *id = (TorchId){torch_type(pickle_item(t, 1)), key->str.s, key->str.n, count->i, NULL,
                  pickle_is_str(pickle_item(t, 3), "meta")};
  if (view && view->kind == PK_TUPLE) id->view = view;
  return id->type && count->i >= 0;
}

/* ---- one tensor ---- */

typedef struct Tensorish {
  int storage, rank;
  const TorchType *type;
  int64_t offset, dim[MAX_RANK], stride[MAX_RANK]; /* elements */
} Tensorish;

typedef enum Found { NO_TENSOR, TENSOR, BAD } Found;

static Found bad(Torch *t, const char *why) {
  err_set(t->e, "%s", why);
  return BAD;
}

/* A tuple, or torch.Size of one */
static const PickleValue *tuple_of(const PickleValue *v) {
  if (v && v->kind == PK_OBJECT) v = pickle_item(v->object.args, 0);
  return v && (v->kind == PK_TUPLE || v->kind == PK_LIST) ? v : NULL;
}

/* _rebuild_tensor(storage, offset, size, stride), _v2 and _v3 with more behind */
static Found rebuild(Torch *t, const PickleValue *args, Tensorish *out) {
  const PickleValue *offset = pickle_item(args, 1), *size = tuple_of(pickle_item(args, 2)),
                    *stride = tuple_of(pickle_item(args, 3)), *dtype = pickle_item(args, 6);
  TorchId id;
  if (!torch_id(pickle_item(args, 0), &id)) return bad(t, "a tensor without a storage of a known type");
  if (!offset || offset->kind != PK_INT || !size || !stride || size->seq.n != stride->seq.n)
    return bad(t, "a tensor whose offset, size and stride are not numbers and tuples of one length");
  if (size->seq.n > MAX_RANK) return bad(t, "a tensor of more than 8 dimensions");
  if (id.meta) return bad(t, "a tensor saved on the device 'meta', that is without its numbers");
  *out = (Tensorish){.type = id.type, .offset = offset->i, .rank = (int)size->seq.n};
  if (torch_type(dtype)) out->type = torch_type(dtype);
  for (uint32_t i = 0; i < size->seq.n; i++) {
    const PickleValue *n = size->seq.v[i], *s = stride->seq.v[i];
    if (n->kind != PK_INT || s->kind != PK_INT) return bad(t, "a tensor whose size or stride is not of numbers");
    out->dim[i] = n->i;
    out->stride[i] = s->i;
  }
  if (id.view) {
    const PickleValue *more = pickle_item(id.view, 1);
    if (!more || more->kind != PK_INT || __builtin_add_overflow(out->offset, more->i, &out->offset))
      return bad(t, "a view of a storage without its offset");
  }
  out->storage = (int)map_get(&t->storage, id.key, id.key_len);
  return out->storage >= 0 ? TENSOR : bad(t, "a tensor whose storage is not in the file");
}

static Found tar_tensor(Torch *t, const PickleValue *key, Tensorish *out) {
  char text[32], *end;
  if (!t->tar.count || !is_text(key) || !key->str.n || key->str.n >= sizeof text) return NO_TENSOR;
  memcpy(text, key->str.s, key->str.n);
  text[key->str.n] = 0;
  int64_t id = strtoll(text, &end, 10), at = *end ? -1 : map_get(&t->tar, (char *)&id, 8);
  if (at < 0) return bad(t, "a tensor that the member 'tensors' does not have");
  const TarTensor *x = &t->tar_tensor[at];
  *out = (Tensorish){.storage = (int)x->storage, .type = t->a->file->storage[x->storage].type, .offset = x->offset,
                     .rank = x->rank};
  memcpy(out->dim, x->dim, sizeof out->dim);
  memcpy(out->stride, x->stride, sizeof out->stride);
  return TENSOR;
}

/* Whether v is a tensor, and which. Looks through Parameter, Variable and tensor subclasses. */
static Found as_tensor(Torch *t, const PickleValue *v, Tensorish *out) {
  for (int depth = 0; v && depth < 8; depth++) {
    if (v->kind == PK_PERSID) return tar_tensor(t, v->item, out);
    if (v->kind != PK_OBJECT || !in_torch(v->object.callable)) return NO_TENSOR;
    const PickleValue *f = v->object.callable, *args = v->object.args;
    if (named(f, "_rebuild_from_type_v2") || named(f, "_rebuild_from_type")) {
      f = pickle_item(args, 0); /* (function, class, arguments, state) */
      args = pickle_item(args, 2);
      if (!in_torch(f)) return NO_TENSOR;
    }
    if (named(f, "_rebuild_tensor") || named(f, "_rebuild_tensor_v2") || named(f, "_rebuild_tensor_v3"))
      return rebuild(t, args, out);
    if (named(f, "_rebuild_parameter") || named(f, "_rebuild_parameter_with_state")) v = pickle_item(args, 0);
    else if (named(f, "Parameter") || named(f, "Variable") || named(f, "Buffer"))
      v = pickle_item(args, 0) ? pickle_item(args, 0) : pickle_item(v->object.state, 0); /* 0.1's state: (data, …) */
    else if (named(f, "_rebuild_sparse_tensor")) return bad(t, "a sparse tensor: save it with .to_dense()");
    else if (named(f, "_rebuild_qtensor")) return bad(t, "a quantised tensor: save it with .dequantize()");
    else return NO_TENSOR;
  }
  return NO_TENSOR;
}

static bool add(Torch *t, const char *name, size_t len, const Tensorish *x) {
  int64_t size = (int64_t)x->type->size, offset;
  if (x->type->num < 0)
    return err_set(t->e, "tensor '%s' is of type %s, which is not supported: convert it to float32 before saving",
                   NAME_STR(name, len), x->type->dtype);
  if (__builtin_mul_overflow(x->offset, size, &offset))
    return err_set(t->e, "tensor '%s' has an offset beyond any file", NAME_STR(name, len));
  return archive_add(t->a, name, len, (NumType)x->type->num, x->rank, x->dim, x->stride, offset, x->storage, t->e);
}

int torch_add_tensor(Torch *t, const PickleValue *v, const char *name) {
  Tensorish x;
  Found found = as_tensor(t, v, &x);
  if (found == NO_TENSOR) return 0;
  return found == TENSOR && add(t, name, strlen(name), &x) ? 1 : -1;
}

/* ---- the walk ---- */

typedef struct Name { char text[NAME_MAX_BYTES + 1]; size_t len; } Name;

/* Adds a key (with a dot before it when something is there); *before gets the length to go back to. */
static bool name_push(Torch *t, Name *n, const PickleValue *key, size_t *before) {
  char digits[24];
  const char *s = digits;
  size_t len;
  *before = n->len;
  if (is_text(key)) {
    s = key->str.s;
    len = key->str.n;
  } else len = (size_t)snprintf(digits, sizeof digits, "%" PRId64, key->i);
  if (n->len + len + 1 > NAME_MAX_BYTES)
    return err_set(t->e, "a tensor's name is longer than %d bytes: '%s'", (int)NAME_MAX_BYTES, NAME_STR(n->text, n->len));
  if (n->len) n->text[n->len++] = '.';
  memcpy(n->text + n->len, s, len);
  n->len += len;
  return true;
}

/* Counts work, in values looked at. False: it is more than any honest file makes, or the host asked to stop. */
static bool work(Torch *t, size_t n) {
  const size_t before = t->steps;
  t->steps += n;
  if (t->steps >> 12 != before >> 12 && host_should_stop()) t->stopped = true;
  return !t->stopped && !t->failed && t->steps <= t->steps_max;
}

static bool step(Torch *t, size_t n) {
  if (work(t, n)) return true;
  if (t->failed) return false;
  return t->stopped ? err_stop(t->e)
                    : err_set(t->e, "its pickle shares or nests values without end: this is no honest weights file");
}

static bool is_key(const PickleValue *k) { return is_text(k) || k->kind == PK_INT; }

/* The attributes of an nn.Module that hold tensors. */
typedef struct Attributes { const PickleValue *modules, *parameters, *buffers, *not_saved; } Attributes;

/* Those among the keys of a dict, which is searched once, however many objects share it. NULL when memory is short: then t has failed. */
static const Attributes *attributes_of(Torch *t, const PickleValue *dict) {
  int64_t *at = map_at(&t->module, (const char *)dict, sizeof *dict);
  if (at && *at < 0 && t->modules == t->modules_cap) {
    uint32_t cap = t->modules_cap ? 2 * t->modules_cap : 64;
    Attributes *more = realloc(t->attributes, cap * sizeof *more);
    if (!more) at = NULL;
    else t->attributes = more, t->modules_cap = cap;
  }
  if (!at) {
    t->failed = true;
    err_memory(t->e, 64.0 * t->modules, "the list of modules");
    return NULL;
  }
  if (*at < 0) {
    Attributes a = {0};
    for (uint32_t i = 0; i + 1 < dict->seq.n; i += 2) { /* the last of a name stands */
      const PickleValue *key = dict->seq.v[i], *v = dict->seq.v[i + 1];
      if (pickle_is_str(key, "_modules")) a.modules = v;
      else if (pickle_is_str(key, "_parameters")) a.parameters = v;
      else if (pickle_is_str(key, "_buffers")) a.buffers = v;
      else if (pickle_is_str(key, "_non_persistent_buffers_set")) a.not_saved = v;
    }
    *at = t->modules;
    t->attributes[t->modules++] = a;
  }
  return &t->attributes[*at];
}

/* An nn.Module pickled whole: the dict of its attributes, which *a then lists; NULL for anything else. */
static const PickleValue *module_state(Torch *t, const PickleValue *v, Attributes *a) {
  *a = (Attributes){0};
  if (!v || v->kind != PK_OBJECT || v->object.items) return NULL;
  const PickleValue *s = pickle_dict(v->object.state);
  if (!s) return NULL;
  const PickleValue *c = v->object.callable;
  bool script = c && c->kind == PK_GLOBAL && c->global.module_len >= 9 && !memcmp(c->global.module, "__torch__", 9);
  const Attributes *found = attributes_of(t, s);
  if (!found) return NULL;
  *a = *found;
  return script || a->modules || a->parameters ? s : NULL;
}

/* Makes the texts of a set the keys of t->hidden. Sets are a kind of their own from protocol 4, before that a call of set([…]). */
static bool hide(Torch *t, const PickleValue *set) {
  if (set && set->kind == PK_OBJECT) set = pickle_item(set->object.args, 0);
  if (set == t->hidden_of) return true;
  map_free(&t->hidden);
  t->hidden = (Map){0};
  t->hidden_of = set;
  if (!set || (set->kind != PK_SET && set->kind != PK_LIST)) return true;
  for (uint32_t i = 0; i < set->seq.n; i++) {
    const PickleValue *x = set->seq.v[i];
    int64_t *at = is_text(x) ? map_at(&t->hidden, x->str.s, x->str.n) : NULL;
    if (at) *at = 1;
    else if (is_text(x)) return err_memory(t->e, 32.0 * set->seq.n, "a set of names");
  }
  return step(t, set->seq.n);
}

static bool walk(Torch *t, const PickleValue *v, Name *name, int depth);

/* Every tensor among the values of a dict, under name.key, and within nested dicts and modules. */
static bool walk_dict(Torch *t, const PickleValue *d, const PickleValue *skip, Name *name, int depth) {
  for (uint32_t i = 0; d && i + 1 < d->seq.n; i += 2) {
    const PickleValue *key = d->seq.v[i];
    size_t before;
    const PickleKind kind = d->seq.v[i + 1]->kind;
    if (!is_key(key)) continue;
    if (kind != PK_OBJECT && kind != PK_PERSID && kind != PK_DICT) { /* no tensor in it, so it needs no name */
      if (!step(t, 1)) return false;
      continue;
    }
    if (skip && is_text(key)) { /* it may be another's by now: a nested dict has its own */
      if (!hide(t, skip)) return false;
      if (map_get(&t->hidden, key->str.s, key->str.n) >= 0) continue;
    }
    if (!name_push(t, name, key, &before) || !walk(t, d->seq.v[i + 1], name, depth + 1)) return false;
    name->len = before;
  }
  return true;
}

static bool walk(Torch *t, const PickleValue *v, Name *name, int depth) {
  Tensorish x;
  if (!step(t, 1 + name->len / 64)) return false;
  if (depth > DEPTH_MAX) return err_set(t->e, "modules nested more than %d deep at '%s'", (int)DEPTH_MAX, NAME_STR(name->text, name->len));
  Found found = as_tensor(t, v, &x);
  if (found == BAD) return err_within(t->e, "tensor '%s' cannot be read", NAME_STR(name->text, name->len));
  if (found == TENSOR) return add(t, name->len ? name->text : "tensor", name->len ? name->len : 6, &x);
  Attributes a;
  const PickleValue *s = module_state(t, v, &a);
  if (t->failed) return false;
  if (s && a.modules)
    return walk_dict(t, pickle_dict(a.parameters), NULL, name, depth) && walk_dict(t, pickle_dict(a.buffers), a.not_saved, name, depth) &&
           walk_dict(t, pickle_dict(a.modules), NULL, name, depth);
  return walk_dict(t, s ? s : pickle_dict(v), NULL, name, depth);
}

/* Whether a tensor is anywhere below. Past the depth where walk would complain the answer does not matter. */
static bool any_tensor(Torch *t, const PickleValue *v, int depth) {
  Tensorish x;
  if (depth > DEPTH_MAX || !work(t, 1)) return false;
  if (as_tensor(t, v, &x) != NO_TENSOR) return true;
  Attributes a;
  const PickleValue *d = module_state(t, v, &a);
  if (!d) d = pickle_dict(v);
  for (uint32_t i = 0; d && i + 1 < d->seq.n; i += 2)
    if (is_key(d->seq.v[i]) && any_tensor(t, d->seq.v[i + 1], depth + 1)) return true;
  return false;
}

/* ---- wrappers: {"epoch": 90, "state_dict": {…}, "optimizer": {…}} ---- */

/* In this order when there are several. */
static const char *const wrappers[] = {"state_dict", "model_state_dict", "model_state", "model", "model_ema",
                                       "state_dict_ema", "net", "network", "weights", "params", "module"};

static bool of_training(const PickleValue *key) { /* optimizers keep tensors too */
  return is_text(key) && ((key->str.n >= 5 && !memcmp(key->str.s, "optim", 5)) ||
                          memmem(key->str.s, key->str.n, "optimizer", 9) ||
                          memmem(key->str.s, key->str.n, "scheduler", 9) || memmem(key->str.s, key->str.n, "scaler", 6));
}

static bool add_scalars(Torch *t, const PickleValue *d) {
  for (uint32_t i = 0; i + 1 < d->seq.n; i += 2) {
    const PickleValue *k = d->seq.v[i], *v = d->seq.v[i + 1];
    char text[40];
    const char *s = text;
    size_t n;
    if (!is_text(k) || k->str.n > NAME_MAX_BYTES) continue;
    if (v->kind == PK_INT) n = (size_t)snprintf(text, sizeof text, "%" PRId64, v->i);
    else if (v->kind == PK_BOOL) n = (size_t)snprintf(text, sizeof text, "%s", v->i ? "true" : "false");
    else if (v->kind == PK_FLOAT) {
      for (int digits = 6; digits <= 17; digits++) { /* the shortest that reads back the same */
        n = (size_t)snprintf(text, sizeof text, "%.*g", digits, v->f);
        if (strtod(text, NULL) == v->f) break;
      }
    } else if (v->kind == PK_STR) {
      s = v->str.s;
      n = v->str.n;
    } else continue;
    if (!archive_add_meta(t->a, k->str.s, k->str.n, s, n, t->e)) return false;
  }
  return true;
}

/* The attribute `suture` that torch_save hangs on the state dict */
static const PickleValue *own_metadata(const PickleValue *v) {
  return v->kind == PK_OBJECT ? pickle_dict(pickle_get(v->object.state, "suture")) : NULL;
}

/* Whether tensors are directly in a dict. Not where all of them are single numbers beside one of the wrappers: figures of training
 * (best_acc1 = tensor(71.5)) beside the state dict. */
static bool is_state_dict(Torch *t, const PickleValue *d) {
  Tensorish x;
  bool figures = false, wraps = false;
  for (uint32_t i = 0; i + 1 < d->seq.n; i += 2) {
    const PickleValue *key = d->seq.v[i], *v = d->seq.v[i + 1];
    if (!is_key(key)) continue;
    Found found = as_tensor(t, v, &x);
    int64_t count = 1;
    for (int k = 0; found == TENSOR && k < x.rank && count <= 1; k++) count *= x.dim[k];
    if (found != NO_TENSOR && (found == BAD || count > 1)) return true;
    if (found != NO_TENSOR) figures = true;
    for (size_t w = 0; w < sizeof wrappers / sizeof *wrappers; w++)
      if (pickle_is_str(key, wrappers[w]) && any_tensor(t, v, 0) && found == NO_TENSOR) wraps = true;
  }
  return figures && !wraps;
}

/* The value to look into instead of dict d, and the key it is under; NULL when d is itself what we look for. */
static const PickleValue *unwrap(Torch *t, const PickleValue *d, const PickleValue **key) {
  for (size_t w = 0; w < sizeof wrappers / sizeof *wrappers; w++)
    for (uint32_t i = 0; i + 1 < d->seq.n; i += 2)
      if (pickle_is_str(d->seq.v[i], wrappers[w]) && any_tensor(t, d->seq.v[i + 1], 0)) {
        *key = d->seq.v[i];
        return d->seq.v[i + 1];
      }
  const PickleValue *only = NULL;
  for (uint32_t i = 0; i + 1 < d->seq.n; i += 2)
    if (is_text(d->seq.v[i]) && !of_training(d->seq.v[i]) && any_tensor(t, d->seq.v[i + 1], 0)) {
      if (only) return NULL; /* several: parts of one model; their names become prefixes */
      *key = d->seq.v[i];
      only = d->seq.v[i + 1];
    }
  return only;
}

static void describe(const PickleValue *v, char *buf, size_t size) {
  static const char *const kinds[] = {[PK_NONE] = "None", [PK_BOOL] = "a bool", [PK_INT] = "a number", [PK_BIG] = "a number",
                                      [PK_FLOAT] = "a number", [PK_STR] = "a string", [PK_BYTES] = "bytes",
                                      [PK_TUPLE] = "a tuple", [PK_LIST] = "a list", [PK_SET] = "a set", [PK_DICT] = "a dict",
                                      [PK_GLOBAL] = "a class", [PK_OBJECT] = "an object", [PK_PERSID] = "a storage"};
  const PickleValue *d = pickle_dict(v), *c = v->kind == PK_OBJECT ? v->object.callable : NULL;
  if (d) {
    int n = snprintf(buf, size, "a dict with keys");
    for (uint32_t i = 0, shown = 0; i + 1 < d->seq.n && shown < 6; i += 2)
      if (is_text(d->seq.v[i]) && (size_t)n + 100 < size)
        n += snprintf(buf + n, size - (size_t)n, "%s '%s'", shown++ ? "," : "", NAME_STR(d->seq.v[i]->str.s, d->seq.v[i]->str.n));
  } else if (c && c->kind == PK_GLOBAL)
    snprintf(buf, size, "an object of class %s.%s", NAME_STR(c->global.module, c->global.module_len),
             NAME_STR(c->global.name, c->global.name_len));
  else snprintf(buf, size, "%s", kinds[v->kind]);
}

static bool append(char **s, const char *sep, const char *more, size_t n, Err *e) {
  size_t old = *s ? strlen(*s) : 0, gap = *s ? strlen(sep) : 0;
  char *p = realloc(*s, old + gap + n + 1);
  if (!p) return err_memory(e, (double)n, "a name");
  if (gap) memcpy(p + old, sep, gap);
  memcpy(p + old + gap, more, n);
  p[old + gap + n] = 0;
  *s = p;
  return true;
}

/* Takes "module." (DataParallel) and "_orig_mod." (torch.compile) off when every name has it. */
static bool strip_prefixes(Torch *t) {
  static const char *const prefixes[] = {"module.", "_orig_mod."};
  Archive *a = t->a;
  for (int again = a->count > 0; again;) {
    again = 0;
    for (int k = 0; k < 2; k++) {
      size_t n = strlen(prefixes[k]);
      int i = 0;
      while (i < a->count && !strncmp(a->entry[i].name, prefixes[k], n) && a->entry[i].name[n]) i++;
      if (i < a->count) continue;
      for (i = 0; i < a->count; i++) memmove(a->entry[i].name, a->entry[i].name + n, strlen(a->entry[i].name + n) + 1);
      if (!append(&a->prefix, "", prefixes[k], n, t->e)) return false;
      again = 1;
    }
  }
  return true;
}

static bool collect(Torch *t) {
  const PickleValue *v = t->pickle->root;
  Name name = {.len = 0};
  t->steps_max = 16 * t->pickle->values + 10000;
  for (int level = 0; level < 8; level++) {
    const PickleValue *d = pickle_dict(v), *key = NULL, *inner;
    Attributes a;
    if (!d || own_metadata(v) || module_state(t, v, &a) || is_state_dict(t, d) || !(inner = unwrap(t, d, &key))) break;
    if (!add_scalars(t, d)) return false;
    if (key->str.n <= NAME_MAX_BYTES && !append(&t->a->wrapper, ".", key->str.s, key->str.n, t->e)) return false;
    v = inner;
  }
  const PickleValue *own = own_metadata(v);
  if (own && !add_scalars(t, own)) return false;
  bool ok = true;
  if (v->kind == PK_LIST || v->kind == PK_TUPLE) /* torch.save([a, b]) */
    for (uint32_t i = 0; i < v->seq.n && ok; i++) {
      name.len = (size_t)snprintf(name.text, sizeof name.text, "%" PRIu32, i);
      ok = walk(t, v->seq.v[i], &name, 1);
    }
  else ok = walk(t, v, &name, 0);
  if (!ok) return false;
  if (t->failed || t->stopped || t->steps > t->steps_max) return step(t, 0);
  if (!t->a->count && !own && v->kind != PK_LIST) {
    char what[500];
    describe(v, what, sizeof what);
    return err_set(t->e, "it holds no tensors: expected a state dict or a module, got %s", what);
  }
  return own || strip_prefixes(t); /* what m:save wrote has the names that m has */
}

bool torch_collect(Torch *t) {
  bool ok = collect(t) && torch_object(t);
  map_free(&t->module);
  map_free(&t->hidden);
  free(t->attributes);
  return ok;
}
