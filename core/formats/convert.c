/* From any number type, byte order and stride to dense float32, or int64.
 *
 * One row (the innermost output dimension) is converted at a time by a loop made for its type; the outer dimensions
 * are counted through. Half precision after IEEE 754: 1 sign, 5 exponent, 10 fraction bits; bfloat16 is the upper half
 * of a float32. */
#include "build.h"
#include "host.h"
#include <libdeflate.h>
#include <string.h>

static float from_half(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023, bits;
  if (exponent == 31) bits = sign | 0x7f800000 | fraction << 13;                /* infinity, NaN */
  else if (exponent) bits = sign | (exponent + 112) << 23 | fraction << 13;     /* 112 = 127 - 15 */
  else {                                                                        /* zero, subnormal: fraction * 2^-24 */
    float f = (float)fraction * 0x1p-24f;
    return sign ? -f : f;
  }
  float f;
  memcpy(&f, &bits, 4);
  return f;
}

static float from_bfloat(uint16_t b) {
  uint32_t bits = (uint32_t)b << 16;
  float f;
  memcpy(&f, &bits, 4);
  return f;
}

#define SAME(x) (x)
#define HALF(x) from_half(x)
#define BFLOAT(x) from_bfloat(x)
#define TRUTH(x) ((x) != 0)

/* dst (n) = src, n numbers `step` bytes apart, not necessarily aligned */
#define ROW(name, C, SWAP, CONVERT)                                                          \
  static void row_##name(void *to, const unsigned char *src, int64_t n, int64_t step) {      \
    float *dst = to;                                                                         \
    for (int64_t i = 0; i < n; i++) {                                                        \
      C x;                                                                                   \
      memcpy(&x, src + i * step, sizeof x);                                                  \
      SWAP(x);                                                                               \
      dst[i] = (float)CONVERT(x);                                                            \
    }                                                                                        \
  }
#define KEEP(x) (void)0
#define SWAP16(x) x = __builtin_bswap16(x)
#define SWAPI16(x) x = (int16_t)__builtin_bswap16((uint16_t)x)
#define SWAPI32(x) x = (int32_t)__builtin_bswap32((uint32_t)x)
#define SWAPI64(x) x = (int64_t)__builtin_bswap64((uint64_t)x)
#define SWAP32(x) x = __builtin_bswap32(x)
#define SWAP64(x) x = __builtin_bswap64(x)
#define SWAPF(x) do { uint32_t u; memcpy(&u, &x, 4); u = __builtin_bswap32(u); memcpy(&x, &u, 4); } while (0)
#define SWAPD(x) do { uint64_t u; memcpy(&u, &x, 8); u = __builtin_bswap64(u); memcpy(&x, &u, 8); } while (0)

ROW(f64, double, KEEP, SAME)
ROW(f32, float, KEEP, SAME)
ROW(f16, uint16_t, KEEP, HALF)
ROW(bf16, uint16_t, KEEP, BFLOAT)
ROW(i64, int64_t, KEEP, SAME)
ROW(i32, int32_t, KEEP, SAME)
ROW(i16, int16_t, KEEP, SAME)
ROW(i8, int8_t, KEEP, SAME)
ROW(u64, uint64_t, KEEP, SAME)
ROW(u32, uint32_t, KEEP, SAME)
ROW(u16, uint16_t, KEEP, SAME)
ROW(u8, uint8_t, KEEP, SAME)
ROW(bool, uint8_t, KEEP, TRUTH)
ROW(f64_swap, double, SWAPD, SAME)
ROW(f32_swap, float, SWAPF, SAME)
ROW(f16_swap, uint16_t, SWAP16, HALF)
ROW(bf16_swap, uint16_t, SWAP16, BFLOAT)
ROW(i64_swap, int64_t, SWAPI64, SAME)
ROW(i32_swap, int32_t, SWAPI32, SAME)
ROW(i16_swap, int16_t, SWAPI16, SAME)
ROW(u64_swap, uint64_t, SWAP64, SAME)
ROW(u32_swap, uint32_t, SWAP32, SAME)
ROW(u16_swap, uint16_t, SWAP16, SAME)

typedef void Row(void *dst, const unsigned char *src, int64_t n, int64_t step);

static Row *const rows[2][NUM_TYPES] = {
    {row_f64, row_f32, row_f16, row_bf16, row_i64, row_i32, row_i16, row_i8, row_u64, row_u32, row_u16, row_u8, row_bool},
    {row_f64_swap, row_f32_swap, row_f16_swap, row_bf16_swap, row_i64_swap, row_i32_swap, row_i16_swap, row_i8,
     row_u64_swap, row_u32_swap, row_u16_swap, row_u8, row_bool},
};

/* The same for integers of 32 and 64 bits, to int64; what is not there is exact in float32. */
#define WHOLE_ROW(name, C, SWAP)                                                             \
  static void whole_##name(void *to, const unsigned char *src, int64_t n, int64_t step) {    \
    int64_t *dst = to;                                                                       \
    for (int64_t i = 0; i < n; i++) {                                                        \
      C x;                                                                                   \
      memcpy(&x, src + i * step, sizeof x);                                                  \
      SWAP(x);                                                                               \
      dst[i] = (int64_t)x;                                                                   \
    }                                                                                        \
  }
WHOLE_ROW(i64, int64_t, KEEP)
WHOLE_ROW(i32, int32_t, KEEP)
WHOLE_ROW(u64, uint64_t, KEEP)
WHOLE_ROW(u32, uint32_t, KEEP)
WHOLE_ROW(i64_swap, int64_t, SWAPI64)
WHOLE_ROW(i32_swap, int32_t, SWAPI32)
WHOLE_ROW(u64_swap, uint64_t, SWAP64)
WHOLE_ROW(u32_swap, uint32_t, SWAP32)

static Row *const whole_rows[2][NUM_TYPES] = {
    {[NUM_I64] = whole_i64, [NUM_I32] = whole_i32, [NUM_U64] = whole_u64, [NUM_U32] = whole_u32},
    {[NUM_I64] = whole_i64_swap, [NUM_I32] = whole_i32_swap, [NUM_U64] = whole_u64_swap, [NUM_U32] = whole_u32_swap},
};

/* Dimensions in the order of the output, outermost first; step: bytes in the file from one index to the next. */
typedef struct Walk {
  int rank;
  int64_t dim[MAX_RANK + 1], step[MAX_RANK + 1];
} Walk;

/* Those of one element left out, neighbours that run on merged into one */
static Walk walk_of(const ArchiveEntry *t, Layout to) {
  static const int channels_last[] = {0, 2, 3, 1};
  int64_t size = (int64_t)numtype_size(t->type);
  Walk w = {.dim = {1}, .step = {size}};
  for (int i = 0; i < t->shape.rank; i++) {
    int d = to == CHANNELS_LAST && t->shape.rank == 4 ? channels_last[i] : i;
    int64_t n = t->shape.dim[d], bytes = t->stride[d] * size;
    if (n == 1) continue;
    if (w.rank && w.step[w.rank - 1] == bytes * n) {
      w.dim[w.rank - 1] *= n;
      w.step[w.rank - 1] = bytes;
    } else {
      w.dim[w.rank] = n;
      w.step[w.rank++] = bytes;
    }
  }
  if (!w.rank) w.rank = 1; /* one number */
  return w;
}

/* Bytes from the first element of indices first … of the walk's dimension `from` and below to behind the last */
static int64_t reach(const Walk *w, int from, int64_t first, int64_t size) {
  int64_t bytes = size + (first - 1) * w->step[from];
  for (int i = from + 1; i < w->rank; i++) bytes += (w->dim[i] - 1) * w->step[i];
  return bytes;
}

/* The first n indices of the outermost dimension, to numbers of `each` bytes */
static char *convert(char *out, size_t each, const unsigned char *src, const Walk *w, int64_t n, Row *row) {
  int64_t at[MAX_RANK + 1] = {0}, inner = w->rank == 1 ? n : w->dim[w->rank - 1];
  for (;;) {
    const unsigned char *p = src;
    for (int i = 0; i < w->rank - 1; i++) p += at[i] * w->step[i];
    row(out, p, inner, w->step[w->rank - 1]);
    out += (size_t)inner * each;
    int i = w->rank - 2;
    for (; i > 0 && ++at[i] == w->dim[i]; i--) at[i] = 0;
    if (i < 0 || (i == 0 && ++at[0] == n)) return out;
  }
}

/* Goes along the outermost dimension in steps of at most PIECE bytes. A zip's checksum is worked out on the way where the entry is
 * all of a member, as weights are. */
static bool read_entry(Archive *a, const ArchiveEntry *t, Layout to, char *out, bool wholes, Err *e) {
  Storage *s = &a->file->storage[t->storage];
  Walk w = walk_of(t, to);
  int64_t size = (int64_t)numtype_size(t->type), slice = w.rank > 1 ? reach(&w, 0, 1, size) : size;
  bool ordered = w.step[0] >= slice;
  int64_t each = !ordered ? w.dim[0] : slice >= PIECE ? 1 : (PIECE - slice) / w.step[0] + 1;
  bool whole = s->member >= 0 && s->data && !s->verified && ordered && w.step[0] == slice && !t->offset &&
               (uint64_t)(slice * w.dim[0]) == s->size;
  if (s->member >= 0 && !whole && !torch_zip_load(a, s, e)) return false;
  Row *row = (wholes ? whole_rows : rows)[a->file->big_endian][t->type];
  size_t width = wholes ? sizeof(int64_t) : sizeof(float);
  bool same = !wholes && w.rank == 1 && t->type == NUM_F32 && w.step[0] == size && !a->file->big_endian;
  const unsigned char *src = s->data + t->offset;
  uint32_t crc = 0;
  for (int64_t i = 0, n; i < w.dim[0]; i += n) {
    n = w.dim[0] - i < each ? w.dim[0] - i : each;
    int64_t bytes = reach(&w, 0, n, size);
    const unsigned char *p = archive_bytes(a, src + i * w.step[0], (uint64_t)bytes, e);
    if (!p) return false;
    if (whole) crc = libdeflate_crc32(crc, p, (size_t)bytes);
    if (same) {
      memcpy(out, p, (size_t)bytes);
      out += bytes;
    } else out = convert(out, width, p, &w, n, row);
    if (host_should_stop()) return err_stop(e);
  }
  return !whole || torch_zip_verify(a, s, crc, e);
}

static bool read(Archive *a, const ArchiveEntry *entry, Layout to, void *out, bool wholes, Err *e) {
  if (!shape_count(&entry->shape) || read_entry(a, entry, to, out, wholes, e)) return true;
  if (e->kind == ERR_USER) err_within(e, "%s: tensor '%s'", a->file->path, NAME_STR(entry->name, strlen(entry->name)));
  return false;
}

bool archive_read(Archive *a, const ArchiveEntry *entry, Layout to, float *out, Err *e) { return read(a, entry, to, out, false, e); }

bool archive_is_whole(const ArchiveEntry *t) { return whole_rows[0][t->type] != NULL; }
bool archive_read_whole(Archive *a, const ArchiveEntry *entry, Layout to, int64_t *out, Err *e) { return read(a, entry, to, out, true, e); }
