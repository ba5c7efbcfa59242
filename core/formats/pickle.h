/* Python pickles read as data: a stack machine that builds values and never runs anything.
 *
 * A pickle is a program that may call any function of Python by name. Here a name becomes an inert PK_GLOBAL, a call an
 * inert PK_OBJECT that remembers what was called with what; what they mean is up to the reader (torch.c).
 * All opcodes of protocols 0 to 5 (Python's pickletools.py) but extension codes and out-of-band buffers.
 *
 * Bounds: work and memory are linear in the pickle's length (values are never copied, only pointed to, so no input can
 * blow up), at most PICKLE_MAX values; nothing recurses. Values may share children and may contain themselves: whoever
 * walks them must count his steps and his depth.
 *
 * Strings point into the input, which must outlive the Pickle. */
#ifndef FORMATS_PICKLE_H
#define FORMATS_PICKLE_H
#include <stddef.h>
#include <stdint.h>
#include "err.h"

enum { PICKLE_MAX = 4000000 }; /* values, stack, memo */

typedef enum PickleKind {
  PK_NONE, PK_BOOL, PK_INT, PK_BIG, PK_FLOAT, PK_STR, PK_BYTES,
  PK_TUPLE, PK_LIST, PK_SET, PK_DICT,
  PK_GLOBAL,  /* a class or function by name */
  PK_OBJECT,  /* callable(args), then filled by state and items */
  PK_PERSID,  /* something kept outside the pickle, known by `item` */
} PickleKind;

typedef struct PickleValue PickleValue;
struct PickleValue {
  PickleKind kind;
  union {
    int64_t i;                                   /* PK_BOOL, PK_INT */
    double f;                                    /* PK_FLOAT */
    struct { const char *s; size_t n; } str;     /* PK_STR, PK_BYTES; PK_BIG: two's complement, least byte first, or digits */
    struct { PickleValue **v; uint32_t n, cap; } seq; /* PK_TUPLE, PK_LIST, PK_SET; PK_DICT: key, value, key, value … */
    struct { const char *module, *name; uint32_t module_len, name_len; } global;
    struct { PickleValue *callable, *args, *state, *items; } object; /* NULL where not given; items: PK_LIST or PK_DICT */
    PickleValue *item;                           /* PK_PERSID */
  };
};

typedef struct Pickle {
  PickleValue *root;
  PickleValue **persid; /* every PK_PERSID in the order met */
  size_t persid_count;
  size_t size;          /* bytes of input used, STOP included */
  size_t values;        /* how many were made */
  struct PickleArena *arena;
} Pickle;

/* Reads one pickle from the beginning of the input. `where` and `base` (the input's place in the file) are for messages. */
bool pickle_read(const unsigned char *input, size_t size, const char *where, uint64_t base, Pickle *out, Err *e);
void pickle_free(Pickle *p);

bool pickle_is_global(const PickleValue *v, const char *module, const char *name);
bool pickle_is_str(const PickleValue *v, const char *text); /* PK_STR or PK_BYTES of that text */
/* The dict behind a value: itself, or what was put into an object (OrderedDict and other subclasses); else NULL. */
const PickleValue *pickle_dict(const PickleValue *v);
/* Item i of a tuple or list, NULL beyond its end or of another kind. */
const PickleValue *pickle_item(const PickleValue *v, size_t i);
/* The last value under that string key, NULL when absent. */
const PickleValue *pickle_get(const PickleValue *dict, const char *key);
#endif
