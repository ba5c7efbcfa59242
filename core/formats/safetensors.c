/* safetensors (https://huggingface.co/docs/safetensors, "Format"):
 *   8 bytes: N, little-endian | N bytes: JSON header, begins with '{', may end in spaces | the numbers
 * Header: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, …, "__metadata__": {"k": "v"}}
 * Rules, all checked: N at most 100 MB; valid UTF-8; no key twice; end - begin equals what dtype and shape need; the
 * tensors cover the numbers from 0 to the end of the file with no hole, no overlap, nothing left over. Strides do not
 * exist: row-major, little-endian. */
#include "build.h"
#include "host.h"
#include "json_memory.h"
#include "save.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_MAX = 100000000 };

typedef struct Span { uint64_t begin, end; int entry; } Span;

static int by_begin(const void *x, const void *y) {
  const Span *a = x, *b = y;
  return a->begin != b->begin ? (a->begin > b->begin) - (a->begin < b->begin) : (a->end > b->end) - (a->end < b->end);
}

/* JSON values cost far more in memory than in text: a header of "[[],[],…" would take gigabytes. A tensor's line has
 * some ten brackets and commas in fifty bytes or more, so one in four bytes is beyond any honest header. */
static bool plausible(const char *s, size_t n) {
  size_t marks = 0;
  bool in_string = false;
  for (size_t i = 0; i < n; i++) {
    if (in_string && s[i] == '\\') i++;
    else if (s[i] == '"') in_string = !in_string;
    else if (!in_string && (s[i] == '[' || s[i] == '{' || s[i] == ',')) marks++;
  }
  return marks <= n / 4 + 64;
}

static bool number_type(const char *name, NumType *t) {
  for (int i = 0; i < NUM_TYPES; i++)
    if (!strcmp(numtype_name((NumType)i), name)) {
      *t = (NumType)i;
      return true;
    }
  return false;
}

static bool read_metadata(Archive *a, const json_t *meta, Err *e) {
  const char *key;
  json_t *v;
  if (!json_is_object(meta)) return err_set(e, "safetensors header: __metadata__ must be an object of strings");
  json_object_foreach((json_t *)meta, key, v) {
    if (!json_is_string(v))
      return err_set(e, "safetensors header: __metadata__ value of '%s' must be a string", NAME_STR(key, strlen(key)));
    if (!archive_add_meta(a, key, strlen(key), json_string_value(v), json_string_length(v), e)) return false;
  }
  return true;
}

static bool read_tensor(Archive *a, const char *name, const json_t *t, int storage, Span *span, Err *e) {
  const char *shown = NAME_STR(name, strlen(name));
  const json_t *dtype = json_object_get(t, "dtype"), *shape = json_object_get(t, "shape"),
               *offsets = json_object_get(t, "data_offsets");
  uint64_t room = a->file->storage[storage].size;
  if (!json_is_object(t) || json_object_size(t) != 3 || !json_is_string(dtype) || !json_is_array(shape) ||
      !json_is_array(offsets) || json_array_size(offsets) != 2)
    return err_set(e, "safetensors header: tensor '%s' must have exactly dtype (string), shape (list) and data_offsets "
                      "(two numbers)", shown);
  NumType type;
  if (!number_type(json_string_value(dtype), &type))
    return err_set(e, "tensor '%s' has dtype %s, which is not supported: expected F64 F32 F16 BF16, I or U 8 to 64, "
                      "or BOOL", shown, NAME_STR(json_string_value(dtype), json_string_length(dtype)));
  size_t rank = json_array_size(shape);
  if (rank > MAX_RANK)
    return err_set(e, "tensor '%s' has %zu dimensions; at most %d are supported", shown, rank, (int)MAX_RANK);
  int64_t dim[MAX_RANK], off[2], need = (int64_t)numtype_size(type);
  for (size_t i = 0; i < rank; i++) {
    const json_t *d = json_array_get(shape, i);
    if (!json_is_integer(d) || (dim[i] = json_integer_value(d)) < 0)
      return err_set(e, "safetensors header: tensor '%s': dimension %zu must be a whole number of 0 or more", shown, i);
    if (__builtin_mul_overflow(need, dim[i], &need))
      return err_set(e, "tensor '%s': its shape is larger than any memory", shown);
  }
  for (size_t i = 0; i < 2; i++) {
    const json_t *o = json_array_get(offsets, i);
    if (!json_is_integer(o) || (off[i] = json_integer_value(o)) < 0)
      return err_set(e, "safetensors header: tensor '%s': data_offsets must be whole numbers of 0 or more", shown);
  }
  if (off[1] < off[0] || off[1] - off[0] != need)
    return err_set(e, "tensor '%s': its dtype and shape need %" PRId64 " bytes, but data_offsets [%" PRId64 ", %" PRId64
                      "] hold %" PRId64, shown, need, off[0], off[1], off[1] - off[0]);
  if ((uint64_t)off[1] > room)
    return err_set(e, "safetensors file cut off: tensor '%s' ends at byte %" PRId64 " of the numbers, which have %" PRIu64
                      ": download or save it again", shown, off[1], room);
  *span = (Span){(uint64_t)off[0], (uint64_t)off[1], a->count};
  return archive_add(a, name, strlen(name), type, (int)rank, dim, NULL, off[0], storage, e);
}

/* No hole, no overlap, nothing left over. */
static bool check_cover(const Archive *a, Span *span, int count, uint64_t room, Err *e) {
  uint64_t at = 0;
  qsort(span, (size_t)count, sizeof *span, by_begin);
  for (int i = 0; i < count; i++) {
    if (span[i].begin != at)
      return err_set(e, "safetensors header: tensor '%s' begins at byte %" PRIu64 " of the numbers, where %" PRIu64
                        " was expected (%s)", NAME_STR(a->entry[span[i].entry].name, strlen(a->entry[span[i].entry].name)),
                     span[i].begin, at, span[i].begin > at ? "a hole" : "tensors overlap");
    at = span[i].end;
  }
  return at == room || err_set(e, "safetensors file has %" PRIu64 " bytes after its last tensor (which ends at byte %" PRIu64
                                  " of the numbers): expected none", room - at, at);
}

static bool read_header(Archive *a, const json_t *header, uint64_t room, uint64_t base, Err *e) {
  int storage = archive_add_storage(a, (Storage){.data = a->file->bytes + base, .size = room, .member = -1}, e), count = 0;
  if (storage < 0) return false;
  size_t most = json_object_size(header);
  Span *span = malloc((most + 1) * sizeof *span);
  if (!span) return err_memory(e, (double)(most * sizeof *span), "the list of tensors");
  const char *name;
  json_t *value;
  bool ok = true;
  json_object_foreach((json_t *)header, name, value) {
    if (!strcmp(name, "__metadata__")) ok = read_metadata(a, value, e);
    else ok = read_tensor(a, name, value, storage, &span[count++], e);
    if (ok && !(count & 255) && host_should_stop()) ok = err_stop(e);
    if (!ok) break;
  }
  ok = ok && check_cover(a, span, count, room, e);
  free(span);
  return ok;
}

typedef struct HeaderText {
  const char *text;
  size_t left;
  bool stopped;
} HeaderText;

/* The header a piece at a time, so that a long one can be given up. */
static size_t next_text(void *buffer, size_t size, void *user) {
  HeaderText *h = user;
  if ((h->stopped = host_should_stop())) return (size_t)-1;
  size_t n = size < h->left ? size : h->left;
  memcpy(buffer, h->text, n);
  h->text += n, h->left -= n;
  return n;
}

bool safetensors_parse(Archive *a, Err *e) {
  const ArchiveFile *f = a->file;
  uint64_t n = 0;
  a->container = "safetensors";
  for (int i = 7; i >= 0; i--) n = n << 8 | f->bytes[i];
  if (n > HEADER_MAX)
    return err_set(e, "safetensors header claims %" PRIu64 " bytes; at most %d are allowed: the file is damaged", n,
                   (int)HEADER_MAX);
  if (n > f->size - 8)
    return err_set(e, "safetensors file cut off: its header says %" PRIu64 " bytes, the file ends after %" PRIu64
                      ": download or save it again", n, f->size - 8);
  const char *text = (const char *)f->bytes + 8;
  if (!plausible(text, n)) return err_set(e, "safetensors header is not a list of tensors (too many brackets)");
  json_error_t why;
  HeaderText from = {.text = text, .left = n};
  json_memory_watch();
  json_t *header = json_load_callback(next_text, &from, JSON_REJECT_DUPLICATES, &why);
  if (from.stopped) {
    json_decref(header);
    return err_stop(e);
  }
  if (!header && json_memory_failed()) return err_memory(e, (double)n, "the header of a file");
  if (!header)
    return err_set(e, "safetensors header is not valid JSON: %s (byte %d of the file)", why.text, why.position + 8);
  bool ok = json_is_object(header) ? read_header(a, header, f->size - 8 - n, 8 + n, e)
                                   : err_set(e, "safetensors header must be a JSON object");
  json_decref(header);
  return ok;
}

/* Whether s is UTF-8 (RFC 3629): jansson takes nothing else, and does not say so. */
static bool is_utf8(const char *s) {
  for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
    int more = *p < 0x80 ? 0 : *p >= 0xC2 && *p < 0xE0 ? 1 : (*p & 0xF0) == 0xE0 ? 2 : *p >= 0xF0 && *p < 0xF5 ? 3 : -1;
    if (more < 0 || (*p == 0xE0 && p[1] < 0xA0) || (*p == 0xED && p[1] > 0x9F) || (*p == 0xF0 && p[1] < 0x90) ||
        (*p == 0xF4 && p[1] > 0x8F))
      return false;
    for (; more; more--)
      if ((*++p & 0xC0) != 0x80) return false;
  }
  return true;
}

/* "dtype", "shape" and "data_offsets" of a tensor whose numbers take [from, to); NULL: out of memory. */
static json_t *tensor_record(const SaveTensor *t, json_int_t from, json_int_t to) {
  json_t *shape = json_array();
  bool ok = shape != NULL;
  for (int d = 0; d < t->shape.rank && ok; d++) ok = !json_array_append_new(shape, json_integer(t->shape.dim[d]));
  json_t *record = ok ? json_pack("{s:s, s:O, s:[I, I]}", "dtype", numtype_name(t->type), "shape", shape, "data_offsets", from, to) : NULL;
  json_decref(shape);
  return record;
}

static json_t *metadata_record(const ArchiveMeta *meta, int count) {
  json_t *m = json_object();
  bool ok = m != NULL;
  for (int i = 0; i < count && ok; i++) ok = !json_object_set_new(m, meta[i].key, json_string(meta[i].value));
  if (ok) return m;
  json_decref(m);
  return NULL;
}

/* The header as text, padded with spaces to a multiple of 8; NULL: out of memory. It lists tensors in the order given,
 * while their numbers go widest type first, so that all stay aligned (PyTorch's reader needs it). */
static char *header_text(const SaveTensor *t, int count, const ArchiveMeta *meta, int meta_count) {
  json_t *header = json_object();
  bool ok = header && (!meta_count || !json_object_set_new(header, "__metadata__", metadata_record(meta, meta_count)));
  json_int_t begin[8] = {0}; /* where the next tensor of that number size goes */
  json_int_t total = 0;
  for (size_t size = 8; size; size /= 2) {
    begin[size - 1] = total;
    for (int i = 0; i < count; i++) total += numtype_size(t[i].type) == size ? (json_int_t)save_size(&t[i]) : 0;
  }
  for (int i = 0; i < count && ok; i++) {
    json_int_t *at = &begin[numtype_size(t[i].type) - 1], from = *at;
    *at += (json_int_t)save_size(&t[i]);
    ok = !json_object_set_new(header, t[i].name, tensor_record(&t[i], from, *at));
  }
  char *json = ok ? json_dumps(header, JSON_COMPACT) : NULL, *text = NULL;
  json_decref(header);
  if (json) {
    size_t n = strlen(json), padded = (n + 7) / 8 * 8;
    if ((text = malloc(padded + 1))) {
      memset(text, ' ', padded);
      memcpy(text, json, n);
      text[padded] = 0;
    }
    free(json);
  }
  return text;
}

bool safetensors_save(const char *path, const SaveTensor *t, int count, const ArchiveMeta *meta, int meta_count, Err *e) {
  if (!save_check_names(t, count, path, e)) return false;
  for (int i = 0; i < count; i++)
    if (!strcmp(t[i].name, "__metadata__")) return err_set(e, "%s: a tensor cannot be named __metadata__", path);
  bool fit = true;
  for (int i = 0; i < count; i++) fit = fit && is_utf8(t[i].name);
  for (int i = 0; i < meta_count; i++) fit = fit && is_utf8(meta[i].key) && is_utf8(meta[i].value);
  if (!fit) return err_set(e, "%s: cannot save: names of tensors and metadata must be UTF-8 text", path);
  char *text = header_text(t, count, meta, meta_count);
  if (!text) return err_memory(e, 100.0 * count, "the header of a file");
  uint64_t n = strlen(text);
  unsigned char size[8];
  for (int i = 0; i < 8; i++) size[i] = (unsigned char)(n >> 8 * i);
  SaveFile s;
  bool ok = n <= HEADER_MAX ? save_begin(&s, path, e)
                            : err_set(e, "%s: cannot save: names and metadata exceed safetensors' 100 MB", path);
  if (ok) {
    ok = save_write(&s, size, 8, e) && save_write(&s, text, n, e);
    for (size_t width = 8; width; width /= 2)
      for (int i = 0; i < count && ok; i++)
        if (numtype_size(t[i].type) == width) ok = save_numbers(&s, &t[i], e);
    ok = ok && save_check(&s, t, count, e);
    ok = save_end(&s, ok, e);
  }
  free(text);
  return ok;
}
