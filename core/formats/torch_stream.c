/* PyTorch before 1.6: the stream of 2016 and, before it, a tar. Read only. torch/serialization.py, _legacy_load. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "host.h"
#include "torch.h"

/* Little- or big-endian numbers as sys_info says */
static uint64_t number(const unsigned char *p, int size, bool big) {
  uint64_t v = 0;
  for (int i = 0; i < size; i++) v = v << 8 | p[big ? i : size - 1 - i];
  return v;
}

/* Reads the pickle at *at and moves *at behind it. */
static bool next_pickle(const Archive *a, uint64_t *at, uint64_t end, const char *what, Pickle *p, Err *e) {
  if (*at >= end)
    return err_set(e, "%s cut off: expected its %s at byte %" PRIu64 ", where the file ends: download or save it again",
                   a->container, what, *at);
  if (!pickle_read(a->file->bytes + *at, end - *at, what, *at, p, e)) return false;
  *at += p->size;
  return true;
}

static bool read_sys_info(Archive *a, uint64_t *at, uint64_t end, Err *e) {
  Pickle p;
  if (!next_pickle(a, at, end, "system info", &p, e)) return false;
  const PickleValue *little = pickle_get(p.root, "little_endian");
  a->file->big_endian = little && little->kind == PK_BOOL && !little->i;
  bool ok = pickle_dict(p.root) || err_set(e, "system info: expected a dict");
  pickle_free(&p);
  return ok;
}

/* ---- the stream: magic, protocol 1001, system info, the object, the storage keys; then for each key an 8-byte count and
 * the numbers ---- */

static bool is_magic(const PickleValue *v) {
  static const unsigned char magic[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
  static const char text[] = "119547037146038801333356"; /* the same 0x1950a86a20f9469cfc6c in protocol 1 */
  return v->kind == PK_BIG && ((v->str.n == sizeof magic && !memcmp(v->str.s, magic, sizeof magic)) ||
                               (v->str.n == sizeof text - 1 && !memcmp(v->str.s, text, sizeof text - 1)));
}

/* Every storage the object names, once, its bytes still unknown */
static bool register_storages(Torch *t, const Pickle *object) {
  for (size_t i = 0; i < object->persid_count; i++) {
    TorchId id;
    if (!torch_id(object->persid[i], &id)) continue; /* ("module", class, source …), or nothing we know */
    int64_t *at = map_at(&t->storage, id.key, id.key_len);
    if (!at) return err_memory(t->e, 32.0 * (double)object->persid_count, "the list of storages");
    if (*at >= 0) continue;
    int k = archive_add_storage(t->a, (Storage){.member = -1, .type = id.type}, t->e);
    if (k < 0) return false;
    *at = k;
  }
  return true;
}

static bool read_storages(Torch *t, const PickleValue *keys, uint64_t at) {
  const ArchiveFile *f = t->a->file;
  for (uint32_t i = 0; i < keys->seq.n; i++) {
    const PickleValue *key = keys->seq.v[i];
    if (key->kind != PK_STR && key->kind != PK_BYTES) return err_set(t->e, "storage list: key %u is no string", i);
    int64_t k = map_get(&t->storage, key->str.s, key->str.n);
    const char *shown = NAME_STR(key->str.s, key->str.n);
    if (k < 0) return err_set(t->e, "storage list: '%s' is used by no tensor, so its size is not known", shown);
    Storage *s = &f->storage[k];
    if (s->data) return err_set(t->e, "storage list: '%s' is listed twice", shown);
    uint64_t bytes = 0;
    if (f->size - at < 8 || __builtin_mul_overflow(number(f->bytes + at, 8, f->big_endian), s->type->size, &bytes) ||
        bytes > f->size - at - 8)
      return err_set(t->e, "%s cut off or damaged: storage '%s' (%u of %u) at byte %" PRIu64 " needs %" PRIu64
                           " bytes, the file ends at %" PRIu64 ": download or save it again",
                     t->a->container, shown, i + 1, keys->seq.n, at, bytes + 8, f->size);
    s->data = f->bytes + at + 8;
    s->size = bytes;
    at += 8 + bytes;
  }
  return at == f->size || err_set(t->e, "%" PRIu64 " bytes are left over after the last storage, which ends at byte %" PRIu64,
                                  f->size - at, at);
}

static bool read_object(Torch *t, uint64_t at) {
  Archive *a = t->a;
  Pickle object, keys;
  if (!next_pickle(a, &at, a->file->size, "weights pickle", &object, t->e)) return false;
  t->pickle = &object;
  bool ok = register_storages(t, &object) && next_pickle(a, &at, a->file->size, "storage list", &keys, t->e);
  if (ok) {
    ok = keys.root->kind == PK_LIST ? read_storages(t, keys.root, at) : err_set(t->e, "storage list: expected a list of keys");
    pickle_free(&keys);
  }
  ok = ok && torch_collect(t);
  pickle_free(&object);
  return ok;
}

bool torch_stream_parse(Archive *a, Err *e) {
  uint64_t at = 0;
  Pickle p;
  a->container = "torch stream";
  if (!next_pickle(a, &at, a->file->size, "magic number", &p, e)) return false;
  bool ok = is_magic(p.root);
  pickle_free(&p);
  if (!ok)
    return err_set(e, "a Python pickle, but not one of torch.save (no magic number): load it in Python and torch.save its "
                      "state dict");
  if (!next_pickle(a, &at, a->file->size, "protocol version", &p, e)) return false;
  ok = p.root->kind == PK_INT && p.root->i == 1001;
  pickle_free(&p);
  if (!ok) return err_set(e, "torch stream of an unknown protocol version: expected 1001");
  if (!read_sys_info(a, &at, a->file->size, e)) return false;
  Torch t = {.a = a, .e = e};
  ok = read_object(&t, at);
  map_free(&t.storage);
  return ok;
}

/* ---- the tar of 0.1: members sys_info, pickle, tensors, storages, of ustar or pax ---- */

typedef struct Member { uint64_t at, size; } Member;

static uint64_t octal(const unsigned char *p, int n) {
  uint64_t v = 0;
  if (p[0] & 0x80) /* GNU: base 256 */
    for (int i = 1; i < n; i++) v = v << 8 | p[i];
  else
    for (int i = 0; i < n && p[i]; i++)
      if (p[i] >= '0' && p[i] <= '7') v = v << 3 | (uint64_t)(p[i] - '0');
  return v;
}

bool torch_tar_sniff(const unsigned char *p, uint64_t n) {
  uint64_t sum = 0;
  if (n < 512 || !p[0]) return false;
  for (int i = 0; i < 512; i++) sum += i >= 148 && i < 156 ? ' ' : p[i];
  return !memcmp(p + 257, "ustar", 5) || octal(p + 148, 8) == sum;
}

enum { SYS_INFO, OBJECT, TENSORS, STORAGES, MEMBERS };
static const char *const member_names[MEMBERS] = {"sys_info", "pickle", "tensors", "storages"};

static bool find_members(const Archive *a, Member found[MEMBERS], Err *e) {
  const ArchiveFile *f = a->file;
  for (uint64_t at = 0; f->size - at >= 512 && f->bytes[at];) {
    const unsigned char *h = f->bytes + at;
    if (!torch_tar_sniff(h, 512)) return err_set(e, "PyTorch tar container damaged: no tar header at byte %" PRIu64, at);
    char name[101];
    memcpy(name, h, 100);
    name[100] = 0;
    uint64_t size = octal(h + 124, 12), room = f->size - at - 512;
    if (size > room)
      return err_set(e, "PyTorch tar container cut off: member '%s' says %" PRIu64 " bytes from byte %" PRIu64
                        ", the file ends at %" PRIu64 ": download it again", NAME_STR(name, strlen(name)), size, at + 512, f->size);
    const char *base = strncmp(name, "./", 2) ? name : name + 2;
    for (int i = 0; i < MEMBERS; i++)
      if (!strcmp(base, member_names[i])) found[i] = (Member){at + 512, size};
    uint64_t padded = (size + 511) / 512 * 512;
    if (padded >= room) break;
    at += 512 + padded;
  }
  for (int i = 0; i < MEMBERS; i++)
    if (!found[i].at)
      return err_set(e, "a tar archive, but not PyTorch's, or cut off: member '%s' is missing%s", member_names[i],
                     i ? "" : " (unpack it, and open what is in it)");
  return true;
}

/* The tuple of three numbers and a class at *at */
typedef struct Record { int64_t id, second; const TorchType *type; } Record;

static bool next_record(const Archive *a, uint64_t *at, uint64_t end, const char *what, Record *r, Err *e) {
  Pickle p;
  if (!next_pickle(a, at, end, what, &p, e)) return false;
  const PickleValue *id = pickle_item(p.root, 0), *second = pickle_item(p.root, 1);
  r->type = torch_type(pickle_item(p.root, 2));
  bool ok = id && id->kind == PK_INT && second && r->type;
  if (ok) {
    r->id = id->i;
    r->second = second->kind == PK_INT ? second->i : 0; /* a storage's is its device, in words */
  }
  pickle_free(&p);
  return ok || err_set(e, "%s: expected a key, a number or place, and a class before byte %" PRIu64, what, *at);
}

/* How many records follow; each takes at least 16 bytes */
static bool next_count(const Archive *a, uint64_t *at, uint64_t end, const char *what, int64_t *n, Err *e) {
  Pickle p;
  if (!next_pickle(a, at, end, what, &p, e)) return false;
  bool ok = p.root->kind == PK_INT && p.root->i >= 0 && (uint64_t)p.root->i <= (end - *at) / 16;
  if (ok) *n = p.root->i;
  pickle_free(&p);
  return ok || err_set(e, "%s: expected how many follow, got something else or too many", what);
}

/* (key, root's key, offset, count) each: storages that are a part of another. The map keeps pointers to the keys. */
static bool tar_views(Torch *t, const PickleValue *views) {
  if (views->kind != PK_LIST) return err_set(t->e, "storages: expected a list of views at the end");
  for (uint32_t i = 0; i < views->seq.n; i++) {
    const PickleValue *v[4];
    for (size_t k = 0; k < 4; k++)
      if (!(v[k] = pickle_item(views->seq.v[i], k)) || v[k]->kind != PK_INT)
        return err_set(t->e, "storages: view %u is not (key, root, offset, count)", i);
    int64_t root = map_get(&t->storage, (const char *)&v[1]->i, 8);
    if (root < 0) return err_set(t->e, "storages: view %u is of storage %" PRId64 ", which is not there", i, v[1]->i);
    Storage s = t->a->file->storage[root];
    uint64_t all = s.size / s.type->size, offset = (uint64_t)v[2]->i, count = (uint64_t)v[3]->i;
    if (offset > all || count > all - offset)
      return err_set(t->e, "storages: view %u reaches beyond its storage of %" PRIu64 " numbers", i, all);
    s.data += offset * s.type->size;
    s.size = count * s.type->size;
    int k = archive_add_storage(t->a, s, t->e);
    int64_t *slot = k < 0 ? NULL : map_at(&t->storage, (const char *)&v[0]->i, 8);
    if (!slot) return k < 0 ? false : err_memory(t->e, 32.0 * views->seq.n, "the list of storages");
    *slot = k;
  }
  return true;
}

/* storages: count; then records (key, place, class), each with an 8-byte count and the numbers; then the views */
static bool tar_storages(Torch *t, Member m, int64_t **ids, Pickle *views) {
  Archive *a = t->a;
  ArchiveFile *f = a->file;
  uint64_t at = m.at, end = m.at + m.size, bytes;
  int64_t n = 0;
  if (!next_count(a, &at, end, "storages", &n, t->e)) return false;
  if (!(*ids = malloc(((size_t)n + 1) * sizeof **ids))) return err_memory(t->e, 8.0 * (double)n, "the list of storages");
  for (int64_t i = 0; i < n; i++) {
    Record r;
    if (!next_record(a, &at, end, "storages", &r, t->e)) return false;
    if (end - at < 8 || __builtin_mul_overflow(number(f->bytes + at, 8, f->big_endian), r.type->size, &bytes) ||
        bytes > end - at - 8)
      return err_set(t->e, "PyTorch tar container damaged: storage %" PRId64 " at byte %" PRIu64
                           " reaches beyond the member 'storages', which ends at %" PRIu64, i, at, end);
    int k = archive_add_storage(a, (Storage){.data = f->bytes + at + 8, .size = bytes, .member = -1, .type = r.type}, t->e);
    (*ids)[i] = r.id;
    int64_t *slot = k < 0 ? NULL : map_at(&t->storage, (char *)&(*ids)[i], 8);
    if (!slot) return k < 0 ? false : err_memory(t->e, 32.0 * (double)n, "the list of storages");
    *slot = k;
    at += 8 + bytes;
    if (!(i & 255) && host_should_stop()) return err_stop(t->e);
  }
  return next_pickle(a, &at, end, "storages", views, t->e) && tar_views(t, views->root);
}

/* tensors: count; then records (key, storage key, class), each with rank (4 bytes, 4 unused), sizes, strides, offset */
static bool tar_tensors(Torch *t, Member m, TarTensor **tensors) {
  Archive *a = t->a;
  const ArchiveFile *f = a->file;
  uint64_t at = m.at, end = m.at + m.size;
  int64_t n = 0;
  if (!next_count(a, &at, end, "tensors", &n, t->e)) return false;
  TarTensor *list = *tensors = calloc((size_t)n + 1, sizeof **tensors);
  if (!list) return err_memory(t->e, (double)n * sizeof *list, "the list of tensors");
  for (int64_t i = 0; i < n; i++) {
    Record r;
    TarTensor *x = &list[i];
    if (!next_record(a, &at, end, "tensors", &r, t->e)) return false;
    uint64_t rank = end - at < 8 ? UINT64_MAX : number(f->bytes + at, 4, f->big_endian);
    if (rank > MAX_RANK || end - at - 8 < 16 * rank + 8)
      return err_set(t->e, "tensors: tensor %" PRId64 " at byte %" PRIu64 " is cut off or has more than %d dimensions", i, at,
                     (int)MAX_RANK);
    const unsigned char *p = f->bytes + at + 8;
    x->id = r.id;
    x->rank = (int)rank;
    for (int d = 0; d < x->rank; d++, p += 8) x->dim[d] = (int64_t)number(p, 8, f->big_endian);
    for (int d = 0; d < x->rank; d++, p += 8) x->stride[d] = (int64_t)number(p, 8, f->big_endian);
    x->offset = (int64_t)number(p, 8, f->big_endian);
    at += 16 + 16 * rank;
    x->storage = map_get(&t->storage, (char *)&r.second, 8);
    if (x->storage < 0) return err_set(t->e, "tensors: tensor %" PRId64 " names storage %" PRId64 ", which is not there", i, r.second);
    int64_t *slot = map_at(&t->tar, (char *)&x->id, 8);
    if (!slot) return err_memory(t->e, 32.0 * (double)n, "the list of tensors");
    *slot = i;
  }
  t->tar_tensor = list;
  return true;
}

bool torch_tar_parse(Archive *a, Err *e) {
  Member m[MEMBERS] = {{0}};
  a->container = "torch tar";
  if (!find_members(a, m, e)) return false;
  uint64_t at = m[SYS_INFO].at;
  if (!read_sys_info(a, &at, at + m[SYS_INFO].size, e)) return false;
  Torch t = {.a = a, .e = e};
  int64_t *ids = NULL;
  TarTensor *tensors = NULL;
  Pickle object, views = {0};
  bool ok = tar_storages(&t, m[STORAGES], &ids, &views) && tar_tensors(&t, m[TENSORS], &tensors);
  at = m[OBJECT].at;
  if (ok && (ok = next_pickle(a, &at, at + m[OBJECT].size, "pickle", &object, e))) {
    t.pickle = &object;
    ok = torch_collect(&t);
    pickle_free(&object);
  }
  map_free(&t.storage);
  map_free(&t.tar);
  pickle_free(&views);
  free(ids);
  free(tensors);
  return ok;
}
