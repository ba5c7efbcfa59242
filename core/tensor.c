#include "tensor.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "ceiling.h"
#include "host.h"

/* --- shapes --- */

bool shape_check(const Shape *s, Err *e) {
  if (s->rank < 0 || s->rank > MAX_RANK) return err_set(e, "a tensor has at most %d dimensions, got %d", MAX_RANK, s->rank);
  int64_t count = 1;
  for (int i = 0; i < s->rank; i++) {
    int64_t n = s->dim[i] ? s->dim[i] : 1;
    if (n < 0) return err_set(e, "a size cannot be negative, got %s", SHAPE_STR(s));
    if (n > COUNT_MAX / count) return err_set(e, "shape %s has more elements than can be counted (2^53)", SHAPE_STR(s));
    count *= n;
  }
  return true;
}

Shape shape_of(int rank, const int64_t *dim) {
  Shape s = {.rank = rank};
  for (int i = 0; i < rank; i++) s.dim[i] = dim[i];
  return s;
}

int64_t shape_count(const Shape *s) {
  int64_t n = 1;
  for (int i = 0; i < s->rank; i++) n *= s->dim[i];
  return n;
}

bool shape_equal(const Shape *a, const Shape *b) {
  return a->rank == b->rank && (a->rank <= 0 || !memcmp(a->dim, b->dim, (size_t)a->rank * sizeof a->dim[0]));
}

char *shape_text(const Shape *s, char *buf, size_t size) {
  size_t at = (size_t)snprintf(buf, size, "(");
  for (int i = 0; i < s->rank && at < size; i++)
    at += (size_t)snprintf(buf + at, size - at, i ? ", %lld" : "%lld", (long long)s->dim[i]);
  if (at < size) snprintf(buf + at, size - at, ")");
  return buf;
}

void shape_strides(const Shape *s, Layout layout, int64_t *stride) {
  if (layout == CHANNELS_LAST && s->rank == 4) {
    stride[1] = 1;
    stride[3] = s->dim[1];
    stride[2] = s->dim[3] * stride[3];
    stride[0] = s->dim[2] * stride[2];
    return;
  }
  int64_t step = 1;
  for (int i = s->rank - 1; i >= 0; i--) {
    stride[i] = step;
    step *= s->dim[i];
  }
}

void layout_copy(float *dst, Layout to, const float *src, Layout from, const Shape *s) {
  if (from == to || s->rank != 4) {
    memcpy(dst, src, (size_t)shape_count(s) * sizeof *dst);
    return;
  }
  int64_t a[4], b[4];
  shape_strides(s, from, a);
  shape_strides(s, to, b);
  for (int64_t n = 0; n < s->dim[0]; n++)
    for (int64_t h = 0; h < s->dim[2]; h++)
      for (int64_t w = 0; w < s->dim[3]; w++) {
        const float *p = src + n * a[0] + h * a[2] + w * a[3];
        float *q = dst + n * b[0] + h * b[2] + w * b[3];
        for (int64_t c = 0; c < s->dim[1]; c++) q[c * b[1]] = p[c * a[1]];
      }
}

/* --- memory --- */

/* Blocks of BIG bytes and more are kept when they are put back, and handed out again for requests up to a quarter
 * smaller. What is kept is at most SPARE bytes and three tenths of what is in use; beyond, what was put back first goes
 * to the system. Those that fill a huge page start on its boundary: a training step then faults hundreds of pages, not tens of thousands. */
enum { HEAD = 64, KEEP_MAX = 512 };
static const size_t BIG = 1 << 17, PAGE = 4096, HUGE_PAGE = 2 << 20;
static const int64_t SPARE = 64 << 20;
typedef struct Block {
  size_t size;
  uint64_t put; /* kept: which put that was */
} Block;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Block *kept[KEEP_MAX];
static int kept_count;
static _Atomic int64_t live_bytes, peak_bytes; /* written under the lock, read without */
static int64_t kept_bytes;
static uint64_t put_count;

static Block *unkeep(int i) {
  Block *b = kept[i];
  kept[i] = kept[--kept_count];
  kept_bytes -= (int64_t)b->size;
  return b;
}

static Block *take_kept(size_t size) {
  int best = -1;
  for (int i = 0; i < kept_count; i++)
    if (kept[i]->size >= size && kept[i]->size - size <= size / 4 && (best < 0 || kept[i]->size < kept[best]->size)) best = i;
  return best < 0 ? NULL : unkeep(best);
}

/* The block that has been kept longest, where more is kept than there is a use for; NULL: no more than that. */
static Block *take_spare(void) {
  if (kept_count < KEEP_MAX && kept_bytes <= SPARE + live_bytes / 10 * 3) return NULL;
  int oldest = 0;
  for (int i = 1; i < kept_count; i++)
    if (kept[i]->put < kept[oldest]->put) oldest = i;
  return unkeep(oldest);
}

/* Large blocks are mapped, but not where the sanitizer is to guard their ends. */
static bool is_mapped(size_t size) {
#ifdef __SANITIZE_ADDRESS__
  (void)size;
  return false;
#else
  return size >= BIG;
#endif
}

/* A block straight from the system, whose pages read as zeros until they are touched. The head of one that fills a huge page lies
 * in a small page before it: a tensor that nobody writes costs 4 kB. */
static Block *map_block(size_t size) {
  size_t before = size >= HUGE_PAGE ? PAGE : 0, spare = before ? HUGE_PAGE : 0;
  char *p = mmap(NULL, before + size + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED || !before) return p == MAP_FAILED ? NULL : (Block *)(void *)p;
  size_t skip = (HUGE_PAGE - ((uintptr_t)p + before) % HUGE_PAGE) % HUGE_PAGE;
  if (skip) munmap(p, skip);
  if (skip < spare) munmap(p + skip + before + size, spare - skip);
  char *data = p + skip + before;
  madvise(data, size, MADV_HUGEPAGE);
  return (Block *)(void *)(data - HEAD);
}

static Block *new_block(size_t size) { return is_mapped(size) ? map_block(size) : aligned_alloc(64, size); }

static void free_block(Block *b) {
  if (!is_mapped(b->size)) free(b);
  else if (b->size < HUGE_PAGE) munmap(b, b->size);
  else munmap((char *)b + HEAD - PAGE, PAGE + b->size);
}

void memory_trim(void) {
  pthread_mutex_lock(&lock);
  while (kept_count) free_block(unkeep(0));
  pthread_mutex_unlock(&lock);
}

/* Asking costs some microseconds, so that the machine has less than this is not asked for. */
static const size_t LARGE = (size_t)256 << 20;

static bool file_text(const char *path, char *text, size_t size) {
  FILE *f = fopen(path, "re");
  size_t n = f ? fread(text, 1, size - 1, f) : 0;
  if (f) fclose(f);
  text[n] = 0;
  return n > 0;
}

/* Bytes in /proc/meminfo's line of that name; 0: not there. */
static double meminfo(const char *text, const char *name) {
  const char *at = strstr(text, name);
  return at ? 1024 * strtod(at + strlen(name), NULL) : 0;
}

bool memory_fits(size_t bytes, bool untouched, const char *what, Err *e) {
  if (bytes < LARGE) return true;
  double all = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE), room = all;
  char text[4096], limit[64];
  if (file_text("/proc/meminfo", text, sizeof text) && strstr(text, "MemAvailable:")) {
    all += meminfo(text, "SwapTotal:");
    room = meminfo(text, "MemAvailable:") + meminfo(text, "SwapFree:");
  }
  if (file_text("/sys/fs/cgroup/memory.max", limit, sizeof limit) && strtod(limit, NULL) > 0 && strtod(limit, NULL) < all)
    all = strtod(limit, NULL); /* a container's */
  if (room > all) room = all;
  if ((double)bytes <= (untouched ? all : room)) return true;
  char left[60] = "";
  if ((double)bytes <= all) snprintf(left, sizeof left, ", %.1f GB of them free", room / 1e9);
  err_set(e, "%s would take %.1f GB, the machine has %.1f GB%s", what, (double)bytes / 1e9, all / 1e9, left);
  e->kind = ERR_MEMORY;
  return false;
}

static int64_t ceiling; /* tensors may take no more in all; 0: any */

void memory_ceiling(int64_t more) { ceiling = more > 0 ? live_bytes + more : 0; }

static void *get(size_t bytes, bool zeros, const char *what, Err *e) {
  if (ceiling && (int64_t)bytes > ceiling - live_bytes) {
    err_set(e, "%s would take %.1f MB, which is far more than belongs here", what, (double)bytes / 1e6);
    return NULL;
  }
  size_t size = bytes + HEAD, pages = size >= 2 * HUGE_PAGE ? HUGE_PAGE : size >= BIG ? PAGE : 64;
  size = (size + pages - 1) / pages * pages;
  Block *b = NULL;
  if (size >= BIG) {
    pthread_mutex_lock(&lock);
    b = take_kept(size);
    pthread_mutex_unlock(&lock);
  }
  if (!b) {
    bool fits = memory_fits(bytes, zeros, what, e);
    if (!fits) memory_trim();
    if (!fits && !memory_fits(bytes, zeros, what, e)) return NULL;
    b = new_block(size);
    if (!b) {
      memory_trim();
      b = new_block(size);
    }
    if (!b) {
      err_memory(e, (double)bytes, what);
      return NULL;
    }
    zeros = zeros && !is_mapped(size);
    b->size = size;
  }
  pthread_mutex_lock(&lock);
  live_bytes += (int64_t)b->size;
  if (live_bytes > peak_bytes) peak_bytes = live_bytes;
  pthread_mutex_unlock(&lock);
  if (zeros) memset((char *)b + HEAD, 0, bytes);
  return (char *)b + HEAD;
}

void *memory_get(size_t bytes, const char *what, Err *e) { return get(bytes, false, what, e); }

void memory_put(void *p, size_t bytes) {
  (void)bytes;
  if (!p) return;
  Block *b = (Block *)((char *)p - HEAD);
  pthread_mutex_lock(&lock);
  live_bytes -= (int64_t)b->size;
  if (b->size >= BIG) {
    b->put = put_count++;
    kept_bytes += (int64_t)b->size;
    kept[kept_count++] = b;
    b = NULL;
  }
  Block *spare;
  do { /* the system takes its time: not under the lock */
    spare = take_spare();
    pthread_mutex_unlock(&lock);
    if (b) free_block(b);
    b = spare;
    if (spare) pthread_mutex_lock(&lock);
  } while (spare);
}

int64_t tensor_bytes(void) { return live_bytes; }
int64_t tensor_peak(void) { return peak_bytes; }
void tensor_peak_reset(void) { peak_bytes = live_bytes; }

/* --- tensors --- */

static Tensor *make(const Shape *shape, bool zeros, Err *e) {
  static uint64_t next_id = 1;
  if (!shape_check(shape, e)) return NULL;
  int64_t count = shape_count(shape);
  size_t bytes = (size_t)count * sizeof(float);
  char what[SHAPE_TEXT + 30] = "a tensor";
  if (bytes >= LARGE) snprintf(what, sizeof what, "a tensor of shape %s", SHAPE_STR(shape));
  Tensor *t = calloc(1, sizeof *t);
  if (t) t->data = get(bytes ? bytes : sizeof(float), zeros, what, e);
  else err_memory(e, sizeof *t, "a tensor");
  if (!t || !t->data) {
    free(t);
    return NULL;
  }
  t->refs = 1;
  t->shape = *shape;
  t->count = count;
  t->id = __atomic_fetch_add(&next_id, 1, __ATOMIC_RELAXED);
  if (host.memory) host.memory((ptrdiff_t)bytes);
  return t;
}

Tensor *tensor_new(const Shape *shape, Err *e) { return make(shape, false, e); }
Tensor *tensor_zeros(const Shape *shape, Err *e) { return make(shape, true, e); }

/* --- forms --- */

struct Form {
  Form *next;
  uint64_t version;
  float *data; /* NULL: asked for once */
  size_t bytes, key_size;
  char key[];
};

static size_t form_bytes; /* of all tensors */

void tensor_forget_forms(Tensor *t) {
  for (Form *f = t->form, *next; f; f = next) {
    next = f->next;
    if (f->data) {
      memory_put(f->data, f->bytes);
      form_bytes -= f->bytes;
    }
    free(f);
  }
  t->form = NULL;
}

float *tensor_form(Tensor *t, const void *key, size_t key_size, size_t bytes, bool *fresh) {
  *fresh = false;
  if (t->form && t->form->version != t->version) tensor_forget_forms(t);
  Form *f = t->form;
  while (f && (f->key_size != key_size || memcmp(f->key, key, key_size))) f = f->next;
  if (!f) {
    if (!(f = malloc(sizeof *f + key_size))) return NULL;
    *f = (Form){.next = t->form, .version = t->version, .bytes = bytes, .key_size = key_size};
    memcpy(f->key, key, key_size);
    t->form = f;
  } else if (!f->data && form_bytes + bytes <= FORM_BYTES) {
    Err ignored;
    f->data = memory_get(bytes, "prepared weights", &ignored);
    *fresh = f->data != NULL;
    if (f->data) form_bytes += bytes;
  }
  return f->data;
}

Tensor *tensor_ref(Tensor *t) {
  __atomic_fetch_add(&t->refs, 1, __ATOMIC_RELAXED);
  return t;
}

void tensor_unref(Tensor *t) {
  if (!t || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
  if (host.memory) host.memory(-(ptrdiff_t)((size_t)t->count * sizeof(float)));
  tensor_forget_forms(t);
  free(t->whole);
  memory_put(t->data, (size_t)t->count * sizeof(float));
  free(t);
}

void tensor_from_rows(Tensor *t, const float *rows) { layout_copy(t->data, shape_layout(&t->shape), rows, ROW_MAJOR, &t->shape); }
void tensor_to_rows(const Tensor *t, float *rows) { layout_copy(rows, ROW_MAJOR, t->data, shape_layout(&t->shape), &t->shape); }
