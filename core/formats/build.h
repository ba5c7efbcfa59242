/* Private to core/formats: how the readers put an Archive together. */
#ifndef FORMATS_BUILD_H
#define FORMATS_BUILD_H
#include "archive.h"

/* One run of bytes that entries view: in the mapped file, or a compressed member of a zip, unpacked when first read. A zip
 * member's checksum is verified then. */
typedef struct Storage {
  const unsigned char *data; /* NULL: not unpacked yet */
  uint64_t size;             /* bytes */
  int64_t member;            /* zip index, -1: no member of a zip */
  bool verified, unpacked;   /* of zip members; unpacked: data is malloc'ed */
  const struct TorchType *type; /* what PyTorch says it holds; NULL elsewhere */
} Storage;

typedef struct ArchiveFile {
  const char *path;            /* for messages */
  const unsigned char *bytes;  /* the whole file */
  uint64_t size;
  bool mapped;                 /* munmap at close */
  int fd;                      /* the file, -1: none, only bytes */
  unsigned char *piece;        /* where archive_bytes reads to */
  bool big_endian;             /* numbers are stored most significant byte first */
  Storage *storage;
  int storage_count, storage_cap;
  int entry_cap, meta_cap;
  double elements;             /* of all entries so far: bounded by archive_add */
  struct zip *zip;             /* open while the archive is, for members read later */
} ArchiveFile;

/* Each reader fills an Archive whose `file` holds the bytes. What it has added when it fails is freed by the caller. */
bool safetensors_parse(Archive *a, Err *e);
bool torch_zip_parse(Archive *a, Err *e);
bool torch_stream_parse(Archive *a, Err *e);
bool torch_tar_parse(Archive *a, Err *e);
bool npy_parse(Archive *a, Err *e);

/* The n bytes at `at`, which lies in the file or in what was unpacked, until the next call. Up to PIECE of them are read into
 * one place again and again: a mapping has a small page for every 4 kB to set up and to take down, which costs several times
 * the reading. NULL when the file cannot be read. */
enum { PIECE = 1 << 18 };
const unsigned char *archive_bytes(Archive *a, const unsigned char *at, uint64_t n, Err *e);

/* Makes the bytes of a zip member available, and checks its checksum; nothing to do from the second time on. */
bool torch_zip_load(Archive *a, Storage *s, Err *e);
/* For who has read all of a member: compares the checksum of its bytes. */
bool torch_zip_verify(Archive *a, Storage *s, uint32_t crc, Err *e);
void torch_zip_close(Archive *a);
/* Whether the bytes begin like a tar archive (magic or header checksum). */
bool torch_tar_sniff(const unsigned char *p, uint64_t n);

/* Number of the new storage, -1 when out of memory. */
int archive_add_storage(Archive *a, Storage s, Err *e);

/* Adds an entry; name is copied. `stride` NULL means dense row-major. Checks rank, overflow, that every element lies
 * within the storage, and that the file does not claim far more elements than it has bytes. */
bool archive_add(Archive *a, const char *name, size_t name_len, NumType type, int rank, const int64_t *dim,
                 const int64_t *stride, int64_t offset, int storage, Err *e);
bool archive_add_meta(Archive *a, const char *key, size_t key_len, const char *value, size_t value_len, Err *e);

/* What a file may make us hold in memory: 16 times its size and 16 MB. */
static inline uint64_t archive_budget(const Archive *a) { return 16 * a->file->size + (16u << 20); }

/* Names from strings to numbers. Keys are not copied. Zero it to begin. */
typedef struct Map {
  struct MapSlot { const char *key; size_t len; int64_t value; } *slot;
  size_t count, cap;
} Map;
/* Where the value of that key is, made with value -1 when absent; NULL when out of memory. */
int64_t *map_at(Map *m, const char *key, size_t len);
/* Its value, -1 when absent. */
int64_t map_get(const Map *m, const char *key, size_t len);
void map_free(Map *m);

/* A name from a file made fit for a message: at most 80 bytes, control bytes as '?'. */
enum { NAME_TEXT = 96 };
char *name_text(const char *s, size_t n, char *buf);
#define NAME_STR(s, n) name_text((s), (n), (char[NAME_TEXT]){0})
#endif
