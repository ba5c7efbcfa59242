/* Private to core/formats: what PyTorch's three containers have in common.
 *
 * All hold one pickle of the saved object, in which storages (runs of numbers) are persistent ids. A reader first
 * registers the storages, then torch_collect walks the object for tensors. Formats: torch/serialization.py,
 * torch/_utils.py (_rebuild_tensor and its kin). */
#ifndef FORMATS_TORCH_H
#define FORMATS_TORCH_H
#include "build.h"
#include "pickle.h"

/* A storage class or dtype by name: torch.FloatStorage, torch.float32. */
typedef struct TorchType {
  const char *storage, *dtype, *tensor;
  int num;     /* NumType, -1: not readable (complex, quantised) */
  size_t size; /* bytes of one element */
} TorchType;

/* NULL when the value names no storage or tensor class. */
const TorchType *torch_type(const PickleValue *class_);

/* A tensor of the old tar, known by number. */
typedef struct TarTensor {
  int64_t id, storage; /* storage: index into the archive's; */
  int64_t offset;      /* elements */
  int rank;
  int64_t dim[MAX_RANK], stride[MAX_RANK];
} TarTensor;

typedef struct Torch {
  Archive *a;
  Pickle *pickle;
  Map storage;             /* storage key → index into the archive's storages */
  Map tar;                 /* 8-byte tensor id → index into tar_tensor */
  const TarTensor *tar_tensor;
  size_t steps, steps_max; /* of the walk, so that values shared a million times end in an error */
  bool stopped, failed;    /* the host asked to; memory was short, and the error is set */
  Map module;              /* dict (its own bytes: no two that hold something are alike) → index into attributes */
  struct Attributes *attributes;
  uint32_t modules, modules_cap;
  const PickleValue *hidden_of; /* the set whose texts are the keys of: */
  Map hidden;
  Err *e;
} Torch;

/* The parts of the persistent id ("storage", class, key, location, count, view); false when it is something else. */
typedef struct TorchId {
  const TorchType *type;
  const char *key;
  size_t key_len;
  int64_t count;
  const PickleValue *view; /* (key, offset, count), or NULL */
  bool meta;               /* saved without its numbers, on the device "meta" */
} TorchId;
bool torch_id(const PickleValue *persid, TorchId *id);

/* Adds the tensor that v is under this name. 0: it is none; -1: it is one that cannot be read, e says why. */
int torch_add_tensor(Torch *t, const PickleValue *v, const char *name);

/* Sets a->object and adds the hidden entries. */
bool torch_object(Torch *t);

/* Adds every tensor of the pickled object to the archive, under the names of its state dict. */
bool torch_collect(Torch *t);
#endif
