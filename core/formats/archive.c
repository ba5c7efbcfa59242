/* Opening a file of unknown kind: map it, look at its first bytes, let the right reader fill the Archive. */
#include "build.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct { const char *name; size_t size; } numtypes[NUM_TYPES] = {
    [NUM_F64] = {"F64", 8}, [NUM_F32] = {"F32", 4}, [NUM_F16] = {"F16", 2}, [NUM_BF16] = {"BF16", 2},
    [NUM_I64] = {"I64", 8}, [NUM_I32] = {"I32", 4}, [NUM_I16] = {"I16", 2}, [NUM_I8] = {"I8", 1},
    [NUM_U64] = {"U64", 8}, [NUM_U32] = {"U32", 4}, [NUM_U16] = {"U16", 2}, [NUM_U8] = {"U8", 1},
    [NUM_BOOL] = {"BOOL", 1},
};

const char *numtype_name(NumType t) { return numtypes[t].name; }
size_t numtype_size(NumType t) { return numtypes[t].size; }

char *name_text(const char *s, size_t n, char *buf) {
  size_t len = n < 80 ? n : 80;
  for (size_t i = 0; i < len; i++) buf[i] = (unsigned char)s[i] < 32 || s[i] == 127 ? '?' : s[i];
  strcpy(buf + len, n > 80 ? "..." : "");
  return buf;
}

/* ---- the bytes ---- */

const unsigned char *archive_bytes(Archive *a, const unsigned char *at, uint64_t n, Err *e) {
  ArchiveFile *f = a->file;
  if (f->fd < 0 || n > PIECE || at < f->bytes || (uint64_t)(at - f->bytes) > f->size - n) return at;
  if (!f->piece && !(f->piece = malloc(PIECE))) return at;
  for (uint64_t have = 0; have < n;) {
    ssize_t got = pread(f->fd, f->piece + have, n - have, at - f->bytes + (off_t)have);
    if (got > 0) have += (uint64_t)got;
    else if (!got || errno != EINTR) {
      err_set(e, "cannot read: %s", got ? strerror(errno) : "the file has become shorter");
      return NULL;
    }
  }
  return f->piece;
}

/* ---- filling ---- */

/* Makes room for one more in a growing array of `cap` elements; false when out of memory. */
static bool grow(void **array, int count, int *cap, size_t each, Err *e) {
  if (count < *cap) return true;
  int more = *cap ? *cap * 2 : 64;
  void *p = realloc(*array, (size_t)more * each);
  if (!p) return err_memory(e, (double)more * (double)each, "the list of tensors");
  *array = p;
  *cap = more;
  return true;
}

static char *copy(const char *s, size_t n) {
  char *p = malloc(n + 1);
  if (p) {
    memcpy(p, s, n);
    p[n] = 0;
  }
  return p;
}

int archive_add_storage(Archive *a, Storage s, Err *e) {
  ArchiveFile *f = a->file;
  if (!grow((void **)&f->storage, f->storage_count, &f->storage_cap, sizeof *f->storage, e)) return -1;
  f->storage[f->storage_count] = s;
  return f->storage_count++;
}

bool archive_add_meta(Archive *a, const char *key, size_t key_len, const char *value, size_t value_len, Err *e) {
  if (!grow((void **)&a->meta, a->meta_count, &a->file->meta_cap, sizeof *a->meta, e)) return false;
  ArchiveMeta *m = &a->meta[a->meta_count];
  m->key = copy(key, key_len);
  m->value = copy(value, value_len);
  if (!m->key || !m->value) {
    free(m->key);
    free(m->value);
    return err_memory(e, (double)(key_len + value_len), "metadata");
  }
  a->meta_count++;
  return true;
}

bool archive_add(Archive *a, const char *name, size_t name_len, NumType type, int rank, const int64_t *dim,
                 const int64_t *stride, int64_t offset, int storage, Err *e) {
  ArchiveFile *f = a->file;
  const char *shown = NAME_STR(name, name_len);
  if (rank > MAX_RANK)
    return err_set(e, "tensor '%s' has %d dimensions; at most %d are supported", shown, rank, (int)MAX_RANK);
  ArchiveEntry t = {.type = type, .offset = offset, .storage = storage, .shape = {.rank = rank}};
  int64_t count = 1, dense = 1, last = 0;
  for (int i = rank - 1; i >= 0; i--) {
    int64_t step = stride ? stride[i] : dense, reach;
    if (dim[i] < 0 || step < 0)
      return err_set(e, "tensor '%s': dimension %d is %lld with stride %lld; neither may be negative", shown, i,
                     (long long)dim[i], (long long)step);
    t.shape.dim[i] = dim[i];
    t.stride[i] = step;
    if (__builtin_mul_overflow(count, dim[i], &count) || __builtin_mul_overflow(dense, dim[i] ? dim[i] : 1, &dense) ||
        __builtin_mul_overflow(dim[i] ? dim[i] - 1 : 0, step, &reach) || __builtin_add_overflow(last, reach, &last))
      return err_set(e, "tensor '%s': a shape with dimension %lld is larger than any memory", shown,
                     (long long)dim[i]);
  }
  const Storage *s = &f->storage[storage];
  const int64_t size = (int64_t)numtype_size(type);
  int64_t end;
  if (offset < 0 || __builtin_mul_overflow(last, size, &end) || __builtin_add_overflow(end, offset, &end) ||
      __builtin_add_overflow(end, size, &end) || (count && (uint64_t)end > s->size))
    return err_set(e, "tensor '%s' of shape %s and type %s reaches beyond its storage of %llu bytes", shown,
                   SHAPE_STR(&t.shape), numtype_name(type), (unsigned long long)s->size);
  f->elements += (double)count;
  if (f->elements > (double)archive_budget(a))
    return err_set(e, "tensor '%s' of shape %s: the file claims %.3g numbers but has only %llu bytes", shown,
                   SHAPE_STR(&t.shape), f->elements, (unsigned long long)f->size);
  if (memchr(name, 0, name_len)) return err_set(e, "tensor name '%s' contains a zero byte", shown);
  if (!grow((void **)&a->entry, a->count, &f->entry_cap, sizeof *a->entry, e)) return false;
  if (!(t.name = copy(name, name_len))) return err_memory(e, (double)name_len, "a tensor's name");
  a->entry[a->count++] = t;
  return true;
}

/* ---- a map from strings to numbers: open addressing, FNV-1a, begun with where this program lies (no file can know which keys collide) ---- */

static size_t hash(const char *s, size_t n) {
  static const char here;
  uint64_t h = 14695981039346656037u ^ (uint64_t)(uintptr_t)&here;
  for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 1099511628211u;
  return (size_t)(h ^ h >> 32);
}

static struct MapSlot *probe(const Map *m, const char *key, size_t len) {
  size_t i = hash(key, len) & (m->cap - 1);
  while (m->slot[i].key && (m->slot[i].len != len || memcmp(m->slot[i].key, key, len))) i = (i + 1) & (m->cap - 1);
  return &m->slot[i];
}

int64_t *map_at(Map *m, const char *key, size_t len) {
  if (m->count * 2 >= m->cap) {
    Map more = {.cap = m->cap ? m->cap * 2 : 256};
    more.slot = calloc(more.cap, sizeof *more.slot);
    if (!more.slot) return NULL;
    for (size_t i = 0; i < m->cap; i++)
      if (m->slot[i].key) *probe(&more, m->slot[i].key, m->slot[i].len) = m->slot[i];
    more.count = m->count;
    free(m->slot);
    *m = more;
  }
  struct MapSlot *s = probe(m, key, len);
  if (!s->key) {
    *s = (struct MapSlot){key, len, -1};
    m->count++;
  }
  return &s->value;
}

int64_t map_get(const Map *m, const char *key, size_t len) {
  if (!m->cap) return -1;
  const struct MapSlot *s = probe(m, key, len);
  return s->key ? s->value : -1;
}

void map_free(Map *m) { free(m->slot); }

static bool check_names_differ(const Archive *a, Err *e) {
  Map seen = {0};
  bool ok = true;
  for (int i = 0; i < a->count && ok; i++) {
    int64_t *at = map_at(&seen, a->entry[i].name, strlen(a->entry[i].name));
    if (!at) ok = err_memory(e, 16.0 * a->count, "the names of tensors");
    else if (*at >= 0) ok = err_set(e, "two tensors are named '%s'", NAME_STR(a->entry[i].name, strlen(a->entry[i].name)));
    else *at = i;
  }
  map_free(&seen);
  return ok;
}

/* ---- which kind ---- */

static bool begins(const ArchiveFile *f, const char *magic, size_t n) {
  return f->size >= n && !memcmp(f->bytes, magic, n);
}
#define BEGINS(f, magic) begins((f), (magic), sizeof(magic) - 1)

/* Files people open by mistake, and what to say. */
static bool refuse(const ArchiveFile *f, Err *e) {
  static const struct { const char *magic; size_t n; const char *say; } known[] = {
      {"version https://git-lfs", 23, "a Git LFS pointer, not the weights: fetch them with `git lfs pull`"},
      {"\x1f\x8b", 2, "compressed with gzip: unpack it first"},
      {"BZh", 3, "compressed with bzip2: unpack it first"},
      {"\xfd" "7zXZ", 5, "compressed with xz: unpack it first"},
      {"\x89HDF", 4, "an HDF5 file (Keras weights?): convert it to safetensors"},
      {"\x89PNG", 4, "a PNG image: image.load reads those"},
      {"\xff\xd8\xff", 3, "a JPEG image: image.load reads those"},
      {"GGUF", 4, "a GGUF file of quantised weights: convert it to safetensors"},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (begins(f, known[i].magic, known[i].n)) return err_set(e, "this is %s", known[i].say);
  size_t n = 0;
  while (n < f->size && n < 64 && strchr(" \t\r\n", f->bytes[n])) n++;
  if (n < f->size && f->bytes[n] == '<')
    return err_set(e, "this is a web page or XML, not weights (a download that failed?): download it again");
  char hex[64] = "";
  for (size_t i = 0; i < 8 && i < f->size; i++) snprintf(hex + 3 * i, 4, "%02x ", f->bytes[i]);
  return err_set(e, "not a weights file: expected safetensors, a PyTorch .pth/.pt or a .npy, but it begins with "
                    "bytes %s(%llu bytes long)", hex, (unsigned long long)f->size);
}

static bool parse(Archive *a, Err *e) {
  const ArchiveFile *f = a->file;
  if (!f->size) return err_set(e, "the file is empty (0 bytes): download or save it again");
  if (BEGINS(f, "\x93NUMPY")) return npy_parse(a, e);
  /* before pickles, as a header of 640 bytes begins like one: the brace stands where no other kind can have it */
  if (f->size >= 9 && f->bytes[8] == '{') return safetensors_parse(a, e);
  if (BEGINS(f, "PK\3\4") || BEGINS(f, "PK\5\6")) return torch_zip_parse(a, e);
  /* torch.save's magic number, pickled with protocol 2 or more, or in the text of protocol 1 */
  if ((f->size >= 2 && f->bytes[0] == 0x80 && f->bytes[1] >= 2 && f->bytes[1] <= 5) || BEGINS(f, "L1195470371"))
    return torch_stream_parse(a, e);
  if (torch_tar_sniff(f->bytes, f->size)) return torch_tar_parse(a, e);
  return refuse(f, e);
}

static bool start(const char *path, Archive **out, Err *e) {
  Archive *a = calloc(1, sizeof *a);
  ArchiveFile *f = calloc(1, sizeof *f);
  char *name = copy(path, strlen(path));
  if (!a || !f || !name) {
    free(a);
    free(f);
    free(name);
    return err_memory(e, sizeof *a + sizeof *f, "an open file");
  }
  f->path = name;
  f->fd = -1;
  a->file = f;
  *out = a;
  return true;
}

static bool finish(Archive *a, Archive **out, Err *e) {
  if (parse(a, e) && check_names_differ(a, e)) {
    *out = a;
    return true;
  }
  if (e->kind == ERR_USER) err_within(e, "%s", a->file->path);
  archive_close(a);
  return false;
}

bool archive_open_memory(const void *bytes, size_t size, const char *name, Archive **out, Err *e) {
  Archive *a;
  *out = NULL;
  if (!start(name, &a, e)) return false;
  a->file->bytes = bytes;
  a->file->size = size;
  return finish(a, out, e);
}

bool archive_open(const char *path, Archive **out, Err *e) {
  *out = NULL;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* O_NONBLOCK: a pipe must not hang us */
  if (fd < 0)
    return err_set(e, "%s: cannot open: %s%s", path, strerror(errno),
                   errno == ENOENT ? " (is the name right, and the folder?)" : "");
  struct stat st;
  void *map = NULL;
  Archive *a = NULL;
  bool ok = false;
  if (fstat(fd, &st)) err_set(e, "%s: cannot read: %s", path, strerror(errno));
  else if (S_ISDIR(st.st_mode)) err_set(e, "%s: is a folder; expected a weights file in it", path);
  else if (!S_ISREG(st.st_mode)) err_set(e, "%s: is not a regular file", path);
  else if (st.st_size && (map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
    err_set(e, "%s: cannot map %lld bytes: %s", path, (long long)st.st_size, strerror(errno));
  else ok = start(path, &a, e);
  if (!ok) {
    if (map && map != MAP_FAILED) munmap(map, (size_t)st.st_size);
    close(fd);
    return false;
  }
  a->file->bytes = map;
  a->file->size = (uint64_t)st.st_size;
  a->file->mapped = map != NULL;
  a->file->fd = fd;
  return finish(a, out, e);
}

void archive_close(Archive *a) {
  if (!a) return;
  ArchiveFile *f = a->file;
  torch_zip_close(a);
  for (int i = 0; i < f->storage_count; i++)
    if (f->storage[i].unpacked) free((void *)f->storage[i].data);
  free(f->storage);
  if (f->mapped) munmap((void *)f->bytes, f->size);
  if (f->fd >= 0) close(f->fd);
  free(f->piece);
  free((void *)f->path);
  free(f);
  for (int i = 0; i < a->count + a->hidden; i++) free(a->entry[i].name);
  for (int i = 0; i < a->meta_count; i++) {
    free(a->meta[i].key);
    free(a->meta[i].value);
  }
  free(a->entry);
  free(a->meta);
  free(a->object);
  free(a->wrapper);
  free(a->prefix);
  free(a);
}

const ArchiveEntry *archive_find(const Archive *a, const char *name) {
  for (int i = 0; i < a->count; i++)
    if (!strcmp(a->entry[i].name, name)) return &a->entry[i];
  return NULL;
}

const char *archive_meta(const Archive *a, const char *key) {
  for (int i = 0; i < a->meta_count; i++)
    if (!strcmp(a->meta[i].key, key)) return a->meta[i].value;
  return NULL;
}
