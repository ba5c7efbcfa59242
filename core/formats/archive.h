/* Files of named numbers, opened: safetensors, PyTorch's three containers, NumPy's .npy, all in one neutral form.
 *
 * An Archive is a list of entries in the file's order (the order of the state dict), each with a name, a type, a shape
 * and the place of its numbers. Opening reads names and shapes only; numbers are read by archive_read. The kind of
 * file is found from its first bytes, never from its name.
 *
 * A file is data and may be hostile: nothing in it is run, every size is checked before it is believed, and memory
 * stays within a small multiple of the file's size.
 *
 * Ownership: archive_open gives the Archive to the caller, archive_close takes it back with all that hangs from it
 * (entries, names, metadata). The Archive keeps the file mapped. */
#ifndef FORMATS_ARCHIVE_H
#define FORMATS_ARCHIVE_H
#include <stddef.h>
#include <stdint.h>
#include "tensor.h"

/* How a file stores one number. All are converted to float32 when read. */
typedef enum NumType {
  NUM_F64, NUM_F32, NUM_F16, NUM_BF16,
  NUM_I64, NUM_I32, NUM_I16, NUM_I8,
  NUM_U64, NUM_U32, NUM_U16, NUM_U8,
  NUM_BOOL,
  NUM_TYPES
} NumType;

/* "F32": the name safetensors uses. */
const char *numtype_name(NumType t);
size_t numtype_size(NumType t);

typedef struct ArchiveEntry {
  char *name;               /* "layer1.0.conv1.weight"; UTF-8; unique within the archive */
  NumType type;
  Shape shape;
  int64_t stride[MAX_RANK]; /* in elements, 0 or more */
  int64_t offset;           /* bytes from the beginning of the storage to element (0, 0, …) */
  int storage;              /* which storage of the archive; entries may share one (tied weights, views) */
} ArchiveEntry;

typedef struct ArchiveMeta { char *key, *value; } ArchiveMeta;

typedef struct Archive {
  const char *container;    /* "safetensors", "torch zip", "torch stream", "torch tar", "npy" */
  ArchiveEntry *entry;      /* count of them */
  int count;
  int hidden;               /* entries behind those: all tensors of `object`, each once, by numbers for names */
  char *object;             /* PyTorch's: the saved object as JSON, see torch_object.c; NULL elsewhere */
  ArchiveMeta *meta;        /* safetensors' __metadata__; a checkpoint's other values: epoch, arch, best_prec1 … */
  int meta_count;
  char *wrapper;            /* what was looked through to find the tensors: "state_dict", "model" …; NULL: nothing */
  char *prefix;             /* taken off every name: "module.", "_orig_mod."; NULL: nothing */
  struct ArchiveFile *file; /* storages and the mapped bytes; private to core/formats */
} Archive;

/* Opens the file `path`. False, with the reason in e, for a file that cannot be read, is of no known kind, is cut off
 * or contradicts itself; the message names the file, the place, what was expected and what came. */
bool archive_open(const char *path, Archive **out, Err *e);

/* The same over `size` bytes in memory, which must outlive the Archive; `name` stands for the path in messages. */
bool archive_open_memory(const void *bytes, size_t size, const char *name, Archive **out, Err *e);

/* NULL is allowed. */
void archive_close(Archive *a);

/* NULL when there is none of that name. */
const ArchiveEntry *archive_find(const Archive *a, const char *name);
const char *archive_meta(const Archive *a, const char *key);

/* Writes the entry's numbers to `out` (shape_count(&entry->shape) floats) as float32, dense, in the layout `to`
 * (CHANNELS_LAST only for rank 4), whatever type, byte order and strides the file has. Integers beyond 2^24
 * (archive_read_whole has them exactly) and doubles are rounded to the nearest float32. False when the file's compressed part is damaged or the host wants to
 * stop. */
bool archive_read(Archive *a, const ArchiveEntry *entry, Layout to, float *out, Err *e);

/* Whether the entry's type holds whole numbers that float32 rounds; and those numbers as int64, exactly (uint64 beyond
 * 2^63 wraps around), as above. */
bool archive_is_whole(const ArchiveEntry *entry);
bool archive_read_whole(Archive *a, const ArchiveEntry *entry, Layout to, int64_t *out, Err *e);
#endif
