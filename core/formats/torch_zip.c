/* PyTorch since 1.6: a zip with one top folder of any name.
 *   data.pkl      the pickled object          data/KEY     the bytes of each storage
 *   byteorder     "little" or "big"; absent before 2.0: little        version, .data/…: not needed
 * TorchScript files are the same with code beside; their parameters are read, their code is not.
 * Reading and writing go through libzip. Storages are not compressed, so their numbers are used where they lie in the file;
 * libzip has no call for where that is, so it is looked up here (APPNOTE.TXT 4.3); whatever is unusual (zip64, compression,
 * headers that disagree) is left to libzip, which copies. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>
#include <libdeflate.h>
#include "host.h"
#include "torch.h"

/* libzip says "No error" where its first allocation fails. */
static bool is_memory(zip_error_t *why) {
  int code = zip_error_code_zip(why);
  return code == ZIP_ER_MEMORY || code == ZIP_ER_OK;
}

static bool open_once(Archive *a, Err *e) {
  zip_error_t why;
  zip_error_init(&why);
  zip_source_t *source = zip_source_buffer_create(a->file->bytes, a->file->size, 0, &why);
  if (source && !(a->file->zip = zip_open_from_source(source, ZIP_RDONLY, &why))) {
    zip_source_free(source);
    source = NULL;
  }
  bool ok = source != NULL;
  if (!ok) {
    if (is_memory(&why)) err_memory(e, (double)a->file->size, "a zip");
    else if (zip_error_code_zip(&why) == ZIP_ER_NOZIP)
      err_set(e, "PyTorch zip container cut off: its list of members, which is at the end, is missing after %" PRIu64
                 " bytes: download or save it again", a->file->size);
    else err_set(e, "PyTorch zip container damaged: %s: download or save it again", zip_error_strerror(&why));
  }
  zip_error_fini(&why);
  return ok;
}

/* Where the end record lies, behind which is a comment of up to 64 kB; 0: nowhere. */
static uint64_t end_record(const Archive *a) {
  const unsigned char *b = a->file->bytes;
  uint64_t size = a->file->size, end;
  if (size < 22) return 0;
  for (end = size - 22; memcmp(b + end, "PK\5\6", 4); end--)
    if (!end || size - end > 65557) return 0;
  return end;
}

/* libzip calls a list that did not fit into memory missing. */
static bool open_zip(Archive *a, Err *e) { return open_once(a, e) || (end_record(a) && (open_once(a, e) || open_once(a, e))); }

/* Reads all of a member into malloc'ed memory; libzip checks its checksum. */
static unsigned char *unpack(Archive *a, int64_t member, uint64_t size, Err *e) {
  zip_t *z = a->file->zip;
  unsigned char *p = malloc(size + 1);
  if (!p) {
    err_memory(e, (double)size, "a part of a zip");
    return NULL;
  }
  zip_file_t *in = zip_fopen_index(z, (zip_uint64_t)member, 0);
  const char *why = in ? NULL : zip_strerror(z);
  bool memory = !in && is_memory(zip_get_error(z));
  bool stopped = false;
  /* In pieces, so that Ctrl-C is heard; one byte more than it says to meet the end, where libzip checks the sum. */
  for (uint64_t got = 0; !why && got <= size;) {
    uint64_t piece = size + 1 - got < 1 << 24 ? size + 1 - got : 1 << 24;
    zip_int64_t n = zip_fread(in, p + got, piece);
    if (n < 0) why = zip_file_strerror(in), memory = is_memory(zip_file_get_error(in));
    else if (!n && got < size) why = "it is shorter than the zip says";
    else if (n && got + (uint64_t)n > size) why = "it is longer than the zip says";
    else if (!n) break;
    else if (host_should_stop()) {
      stopped = true;
      err_stop(e);
      break;
    } else got += (uint64_t)n;
  }
  if (memory) err_memory(e, (double)size, "a part of a zip");
  else if (why) err_set(e, "zip member '%s' is damaged: %s: download or save the file again", zip_get_name(z, (zip_uint64_t)member, 0), why);
  if (in) zip_fclose(in);
  if (!why && !stopped) return p;
  free(p);
  return NULL;
}

bool torch_zip_verify(Archive *a, Storage *s, uint32_t crc, Err *e) {
  zip_stat_t st;
  if (zip_stat_index(a->file->zip, (zip_uint64_t)s->member, 0, &st) || !(st.valid & ZIP_STAT_CRC) || st.crc != crc)
    return err_set(e, "zip member '%s' is damaged: CRC error: download or save the file again",
                   zip_get_name(a->file->zip, (zip_uint64_t)s->member, 0));
  return s->verified = true;
}

bool torch_zip_load(Archive *a, Storage *s, Err *e) {
  if (s->verified) return true;
  if (!s->data) {
    if (!(s->data = unpack(a, s->member, s->size, e))) return false;
    return s->unpacked = s->verified = true;
  }
  uint32_t crc = 0;
  for (uint64_t at = 0, n; at < s->size; at += n) {
    n = s->size - at < PIECE ? s->size - at : PIECE;
    const unsigned char *p = archive_bytes(a, s->data + at, n, e);
    if (!p) return false;
    crc = libdeflate_crc32(crc, p, n);
    if (host_should_stop()) return err_stop(e);
  }
  return torch_zip_verify(a, s, crc, e);
}

/* ---- where members lie ---- */

static uint32_t little(const unsigned char *p, int n) {
  uint32_t v = 0;
  for (int i = n - 1; i >= 0; i--) v = v << 8 | p[i];
  return v;
}

/* The offsets of all local headers, malloc'ed, in libzip's order (the central directory's); NULL when unusual. */
static uint32_t *local_headers(const Archive *a, int64_t members) {
  const unsigned char *b = a->file->bytes;
  uint64_t end = end_record(a);
  if (!end || members > 65534) return NULL;
  uint64_t at = little(b + end + 16, 4);
  if (little(b + end + 10, 2) != members) return NULL;
  uint32_t *list = malloc(((size_t)members + 1) * sizeof *list);
  for (int64_t i = 0; list && i < members; i++) {
    if (at + 46 > end || memcmp(b + at, "PK\1\2", 4)) {
      free(list);
      return NULL;
    }
    list[i] = little(b + at + 42, 4);
    at += 46 + little(b + at + 28, 2) + little(b + at + 30, 2) + little(b + at + 32, 2);
  }
  return list;
}

/* The bytes of an uncompressed member whose local header is at `at`; NULL when anything disagrees. */
static const unsigned char *stored_bytes(const Archive *a, uint64_t at, const zip_stat_t *st) {
  const unsigned char *h = a->file->bytes + at;
  uint64_t size = a->file->size;
  if (st->comp_method != ZIP_CM_STORE || st->encryption_method != ZIP_EM_NONE || at > size || size - at < 30 ||
      memcmp(h, "PK\3\4", 4) || little(h + 8, 2) != 0)
    return NULL;
  uint64_t data = at + 30 + little(h + 26, 2) + little(h + 28, 2);
  if (little(h + 26, 2) != strlen(st->name) || data > size || st->size > size - data || memcmp(h + 30, st->name, strlen(st->name)))
    return NULL;
  return a->file->bytes + data;
}

void torch_zip_close(Archive *a) {
  if (a->file->zip) zip_discard(a->file->zip);
}

/* Index and size of the member top/name; -1 when there is none. */
static int64_t find(zip_t *z, const char *top, size_t top_len, const char *name, size_t name_len, zip_stat_t *st) {
  char path[600];
  if (top_len + name_len >= sizeof path || memchr(name, 0, name_len)) return -1;
  memcpy(path, top, top_len);
  memcpy(path + top_len, name, name_len);
  path[top_len + name_len] = 0;
  zip_int64_t i = zip_name_locate(z, path, 0);
  if (i < 0 || zip_stat_index(z, (zip_uint64_t)i, 0, st) || !(st->valid & ZIP_STAT_SIZE)) return -1;
  return i;
}

/* Every storage the pickle names, once: looked up in the zip, nothing read yet. headers may be NULL. */
static bool register_storages(Torch *t, const char *top, size_t top_len, const uint32_t *headers) {
  zip_t *z = t->a->file->zip;
  uint64_t total = 0;
  for (size_t i = 0; i < t->pickle->persid_count; i++) {
    TorchId id;
    zip_stat_t st;
    char name[300] = "data/";
    if (!torch_id(t->pickle->persid[i], &id) || id.meta) continue;
    const char *shown = NAME_STR(id.key, id.key_len);
    int64_t *at = map_at(&t->storage, id.key, id.key_len);
    if (!at) return err_memory(t->e, 32.0 * (double)t->pickle->persid_count, "the list of storages");
    if (*at >= 0) continue;
    if (id.key_len + 6 > sizeof name) return err_set(t->e, "storage key '%s' is too long", shown);
    memcpy(name + 5, id.key, id.key_len);
    int64_t member = find(z, top, top_len, name, 5 + id.key_len, &st);
    if (member < 0 && zip_error_code_zip(zip_get_error(z)) == ZIP_ER_MEMORY) return err_memory(t->e, 0, "the list of storages");
    if (member < 0) return err_set(t->e, "the zip lacks the member 'data/%s' that its pickle names", shown);
    uint64_t need;
    if (__builtin_mul_overflow((uint64_t)id.count, id.type->size, &need) || need > st.size)
      return err_set(t->e, "storage 'data/%s' should hold %" PRId64 " numbers of type %s, but has %" PRIu64 " bytes", shown,
                     id.count, id.type->dtype, (uint64_t)st.size);
    total += st.size;
    if (st.size > archive_budget(t->a) || total > archive_budget(t->a))
      return err_set(t->e, "its members claim %" PRIu64 " bytes unpacked, far more than the file's %" PRIu64
                           ": this is no honest weights file", total, t->a->file->size);
    Storage s = {.size = st.size, .member = member, .type = id.type};
    if (headers) s.data = stored_bytes(t->a, headers[member], &st);
    int k = archive_add_storage(t->a, s, t->e);
    if (k < 0) return false;
    *at = k;
    if (!(i & 255) && host_should_stop()) return err_stop(t->e);
  }
  return true;
}

/* The member …/data.pkl with the shortest path, the folder it is in, and its size */
static int64_t find_pickle(zip_t *z, char *top, size_t room, size_t *top_len, uint64_t *size) {
  int64_t found = -1;
  for (zip_int64_t i = 0, n = zip_get_num_entries(z, 0); i < n; i++) {
    const char *name = zip_get_name(z, (zip_uint64_t)i, 0);
    size_t len = name ? strlen(name) : 0;
    zip_stat_t st;
    if (len < 8 || strcmp(name + len - 8, "data.pkl") || (len > 8 && name[len - 9] != '/')) continue;
    if (len - 8 >= room || (found >= 0 && len - 8 >= *top_len)) continue;
    if (zip_stat_index(z, (zip_uint64_t)i, 0, &st) || !(st.valid & ZIP_STAT_SIZE)) continue;
    memcpy(top, name, len - 8);
    *top_len = len - 8;
    *size = st.size;
    found = i;
  }
  return found;
}

static bool read_byteorder(Archive *a, const char *top, size_t top_len, Err *e) {
  zip_stat_t st;
  int64_t i = find(a->file->zip, top, top_len, "byteorder", 9, &st);
  if (i < 0) return true;
  if (st.size > 20) return err_set(e, "its member 'byteorder' should say little or big");
  unsigned char *text = unpack(a, i, st.size, e);
  if (!text) return false;
  a->file->big_endian = st.size >= 3 && !memcmp(text, "big", 3);
  bool ok = a->file->big_endian || (st.size >= 6 && !memcmp(text, "little", 6)) ||
            err_set(e, "its member 'byteorder' should say little or big");
  free(text);
  return ok;
}

bool torch_zip_parse(Archive *a, Err *e) {
  char top[300];
  size_t top_len = 0;
  uint64_t size = 0;
  a->container = "torch zip";
  if (!open_zip(a, e)) return false;
  int64_t member = find_pickle(a->file->zip, top, sizeof top, &top_len, &size);
  if (member < 0 && zip_error_code_zip(zip_get_error(a->file->zip)) == ZIP_ER_MEMORY) return err_memory(e, (double)a->file->size, "a zip");
  if (member < 0) return err_set(e, "a zip archive, but not one of torch.save: it has no data.pkl");
  if (size > archive_budget(a))
    return err_set(e, "its data.pkl claims %" PRIu64 " bytes, far more than the file's %" PRIu64, size, a->file->size);
  if (!read_byteorder(a, top, top_len, e)) return false;
  unsigned char *text = unpack(a, member, size, e);
  if (!text) return false;
  Pickle object;
  Torch t = {.a = a, .e = e};
  bool ok = pickle_read(text, size, "data.pkl", 0, &object, e);
  if (ok) {
    t.pickle = &object;
    uint32_t *headers = local_headers(a, zip_get_num_entries(a->file->zip, 0));
    ok = register_storages(&t, top, top_len, headers) && torch_collect(&t);
    free(headers);
    pickle_free(&object);
  }
  map_free(&t.storage);
  free(text);
  return ok;
}
