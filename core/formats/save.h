/* Saving tensors: what the writers of the formats share. */
#ifndef FORMATS_SAVE_H
#define FORMATS_SAVE_H
#include "archive.h"
#include "save_file.h"

/* A tensor to be written. `data` is dense float32 in the given layout; `type` is what the file is to hold: NUM_F32,
 * NUM_I64 or NUM_BOOL (converted from the floats). The file has the row-major order of the logical shape. */
typedef struct SaveTensor {
  const char *name;
  NumType type;
  Shape shape;
  Layout layout;
  const float *data;
  const int64_t *whole; /* NULL, or the numbers exactly, stored as data is: what NUM_I64 takes */
} SaveTensor;

/* Each writes `count` tensors and the metadata strings to `path`, atomically; names must differ. False with e filled
 * (path, reason, what to try) and nothing left behind.
 * safetensors_save: https://huggingface.co/docs/safetensors: header aligned to 8 bytes and in the order given.
 * torch_save: the zip container that torch.load (1.6 and later, weights_only too) reads as an OrderedDict of tensors;
 * metadata hangs from the OrderedDict's attribute `suture` (a dict), where load_state_dict does not look. */
bool safetensors_save(const char *path, const SaveTensor *t, int count, const ArchiveMeta *meta, int meta_count, Err *e);
bool torch_save(const char *path, const SaveTensor *t, int count, const ArchiveMeta *meta, int meta_count, Err *e);
/* The same container around a pickle that the caller wrote: the storage of key "0", "1" … holds t[0], t[1] …; names are not used. */
bool torch_save_pickle(const char *path, const void *pickle, size_t size, const SaveTensor *t, int count, Err *e);

/* The tensor's numbers in row-major order and its type. Polls the host's stop hook. */
bool save_numbers(SaveFile *s, const SaveTensor *t, Err *e);
/* Whether the new file is read back as these tensors: names, types and shapes in this order; t NULL: as a file of
 * tensors of whatever names. */
bool save_check(SaveFile *s, const SaveTensor *t, int count, Err *e);

/* Bytes the tensor takes in a file. */
uint64_t save_size(const SaveTensor *t);
/* Row-major numbers of `t` in its type, converted into out (save_size bytes); false when out of
 * memory. */
bool save_convert(const SaveTensor *t, void *out, Err *e);
/* False with e when two tensors share a name, or a name is not fit for a file. */
bool save_check_names(const SaveTensor *t, int count, const char *path, Err *e);
#endif
