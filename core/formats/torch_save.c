/* Writing PyTorch's zip: what torch.save(OrderedDict(name → tensor), path) writes, member by member.
 *
 * Each storage is a stored (uncompressed) member whose bytes begin at a multiple of 64, as PyTorch's own writer has
 * them (caffe2/serialize/inline_container.cc), by an extra field "FB" of padding. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>
#include "host.h"
#include "save.h"

/* ---- the pickle, protocol 2 ---- */

typedef struct Buffer {
  unsigned char *p;
  size_t n, cap;
  bool failed;
} Buffer;

static void put(Buffer *b, const void *p, size_t n) {
  if (b->n + n > b->cap) {
    size_t cap = (b->n + n) * 2;
    unsigned char *more = realloc(b->p, cap);
    if (!more) {
      b->failed = true;
      return;
    }
    b->p = more;
    b->cap = cap;
  }
  memcpy(b->p + b->n, p, n);
  b->n += n;
}
static void put_op(Buffer *b, const char *ops) { put(b, ops, strlen(ops)); }

static void put_little(Buffer *b, uint64_t v, int size) {
  for (int i = 0; i < size; i++) put(b, &(unsigned char){(unsigned char)(v >> 8 * i)}, 1);
}

static void put_int(Buffer *b, int64_t v) {
  if (v >= 0 && v < 256) put_op(b, "K"), put_little(b, (uint64_t)v, 1);
  else if (v == (int32_t)v) put_op(b, "J"), put_little(b, (uint64_t)v, 4);
  else put_op(b, "\x8a\x08"), put_little(b, (uint64_t)v, 8);
}

static void put_text(Buffer *b, const char *s) {
  put_op(b, "X");
  put_little(b, strlen(s), 4);
  put_op(b, s);
}

/* (a, b, c): PyTorch's own unpickler takes any of the tuple opcodes */
static void put_dims(Buffer *b, const int64_t *v, int n) {
  put_op(b, "(");
  for (int i = 0; i < n; i++) put_int(b, v[i]);
  put_op(b, "t");
}

static void put_tensor(Buffer *b, const SaveTensor *t, int key) {
  char text[24];
  int64_t stride[MAX_RANK];
  put_op(b, "ctorch._utils\n_rebuild_tensor_v2\n((");
  put_text(b, "storage");
  put_op(b, t->type == NUM_I64 ? "ctorch\nLongStorage\n" : t->type == NUM_BOOL ? "ctorch\nBoolStorage\n" : "ctorch\nFloatStorage\n");
  snprintf(text, sizeof text, "%d", key);
  put_text(b, text);
  put_text(b, "cpu");
  put_int(b, shape_count(&t->shape));
  put_op(b, "tQ"); /* the persistent id of the storage */
  put_int(b, 0);
  shape_strides(&t->shape, ROW_MAJOR, stride);
  put_dims(b, t->shape.dim, t->shape.rank);
  put_dims(b, stride, t->shape.rank);
  put_op(b, "\x89" "ccollections\nOrderedDict\n)RtR"); /* requires_grad False, no hooks; call it */
}

static void put_object(Buffer *b, const SaveTensor *t, int count, const ArchiveMeta *meta, int meta_count) {
  put_op(b, "\x80\x02" "ccollections\nOrderedDict\n)R(");
  for (int i = 0; i < count; i++) {
    put_text(b, t[i].name);
    put_tensor(b, &t[i], i);
  }
  put_op(b, "u");
  if (meta_count) {
    put_op(b, "}");
    put_text(b, "suture");
    put_op(b, "}(");
    for (int i = 0; i < meta_count; i++) {
      put_text(b, meta[i].key);
      put_text(b, meta[i].value);
    }
    put_op(b, "usb"); /* the dict's items; under "suture"; as the OrderedDict's attribute */
  }
  put_op(b, ".");
}

/* ---- the zip ---- */

typedef struct Writing {
  zip_t *z;
  uint64_t at; /* where libzip will begin the next member */
} Writing;

/* A member's source that converts its tensor when the zip is written, so that only one is in memory twice. */
typedef struct Member {
  const SaveTensor *t;
  unsigned char *bytes; /* while it is being read */
  uint64_t got;
  zip_error_t error;
} Member;

static zip_int64_t member_read(void *user, void *data, zip_uint64_t len, zip_source_cmd_t cmd) {
  Member *m = user;
  uint64_t size = save_size(m->t);
  Err e = {0};
  switch (cmd) {
  case ZIP_SOURCE_SUPPORTS:
    return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT,
                                          ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE, -1);
  case ZIP_SOURCE_STAT:
    zip_stat_init(data);
    ((zip_stat_t *)data)->size = size;
    ((zip_stat_t *)data)->valid |= ZIP_STAT_SIZE;
    return sizeof(zip_stat_t);
  case ZIP_SOURCE_OPEN:
    m->got = 0;
    m->bytes = malloc(size + 1);
    if (!m->bytes || !save_convert(m->t, m->bytes, &e)) {
      zip_error_set(&m->error, ZIP_ER_MEMORY, 0);
      return -1;
    }
    return 0;
  case ZIP_SOURCE_READ:
    if (len > size - m->got) len = size - m->got;
    memcpy(data, m->bytes + m->got, len);
    m->got += len;
    return (zip_int64_t)len;
  case ZIP_SOURCE_CLOSE:
    free(m->bytes);
    m->bytes = NULL;
    return 0;
  case ZIP_SOURCE_ERROR: return zip_error_to_data(&m->error, data, len);
  case ZIP_SOURCE_FREE:
    free(m->bytes);
    m->bytes = NULL;
    return 0;
  default: zip_error_set(&m->error, ZIP_ER_OPNOTSUPP, 0); return -1;
  }
}

/* Adds a stored member of a fixed date, so that the same tensors give the same file. */
static bool add(Writing *w, const char *name, zip_source_t *source, uint64_t size) {
  char path[64];
  int len = snprintf(path, sizeof path, "archive/%s", name);
  zip_int64_t i = source ? zip_file_add(w->z, path, source, ZIP_FL_ENC_UTF_8) : -1;
  if (i < 0) {
    zip_source_free(source);
    return false;
  }
  uint64_t data = w->at + 30 + (uint64_t)len + 4; /* local header, name, head of the extra field */
  size_t pad = (size_t)(-data & 63);
  zip_uint8_t zeros[64] = {0};
  w->at = data + pad + size;
  return !zip_set_file_compression(w->z, (zip_uint64_t)i, ZIP_CM_STORE, 0) &&
         !zip_file_set_dostime(w->z, (zip_uint64_t)i, 0, 0x21, 0) && /* 1980-01-01 */
         !zip_file_extra_field_set(w->z, (zip_uint64_t)i, 0x4246, ZIP_EXTRA_FIELD_NEW, zeros, (zip_uint16_t)pad, ZIP_FL_LOCAL);
}

static bool add_all(Writing *w, Member *members, int count, const Buffer *pickle) {
  bool ok = add(w, "data.pkl", zip_source_buffer(w->z, pickle->p, pickle->n, 0), pickle->n) &&
            add(w, "byteorder", zip_source_buffer(w->z, "little", 6, 0), 6);
  for (int i = 0; i < count && ok; i++) {
    char name[32];
    snprintf(name, sizeof name, "data/%d", i);
    ok = add(w, name, zip_source_function(w->z, member_read, &members[i]), save_size(members[i].t));
  }
  return ok && add(w, "version", zip_source_buffer(w->z, "3\n", 2, 0), 2);
}

static int cancelled(zip_t *z, void *user) {
  (void)z;
  return *(bool *)user = host_should_stop();
}

/* The file that the zip is written to, for libzip: empty until it writes. */
typedef struct Target {
  FILE *out;
  zip_error_t error;
} Target;

static zip_int64_t target_write(void *user, void *data, zip_uint64_t len, zip_source_cmd_t cmd) {
  Target *t = user;
  zip_source_args_seek_t *to = data;
  zip_int64_t done = 0;
  switch (cmd) {
  case ZIP_SOURCE_SUPPORTS: return ZIP_SOURCE_SUPPORTS_WRITABLE;
  case ZIP_SOURCE_STAT:
    zip_error_set(&t->error, ZIP_ER_READ, ENOENT);
    return -1;
  case ZIP_SOURCE_BEGIN_WRITE: rewind(t->out); break;
  case ZIP_SOURCE_WRITE: done = fwrite(data, 1, len, t->out) == len ? (zip_int64_t)len : -1; break;
  case ZIP_SOURCE_SEEK_WRITE: done = fseeko(t->out, (off_t)to->offset, to->whence); break;
  case ZIP_SOURCE_TELL_WRITE: done = ftello(t->out); break;
  case ZIP_SOURCE_COMMIT_WRITE: done = fflush(t->out) ? -1 : 0; break;
  case ZIP_SOURCE_ERROR: return zip_error_to_data(&t->error, data, len);
  case ZIP_SOURCE_ROLLBACK_WRITE:
  case ZIP_SOURCE_CLOSE:
  case ZIP_SOURCE_FREE: return 0;
  default: zip_error_set(&t->error, ZIP_ER_OPNOTSUPP, 0); return -1;
  }
  if (done < 0) zip_error_set(&t->error, ZIP_ER_WRITE, errno);
  return done;
}

static bool write_zip(SaveFile *s, Member *members, int count, const Buffer *pickle, Err *e) {
  bool stop = false;
  Target target = {.out = s->out};
  zip_error_t why;
  zip_error_init(&target.error);
  zip_error_init(&why);
  zip_source_t *source = zip_source_function_create(target_write, &target, &why);
  Writing w = {source ? zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, &why) : NULL, 0};
  if (!w.z) {
    zip_source_free(source);
    if (zip_error_code_zip(&why) == ZIP_ER_MEMORY) return err_memory(e, 0, s->name);
    return err_set(e, "%s: cannot save: libzip error %d", s->name, zip_error_code_zip(&why));
  }
  zip_register_cancel_callback_with_state(w.z, cancelled, NULL, &stop);
  if (add_all(&w, members, count, pickle) && !zip_close(w.z)) return true;
  int system = zip_error_code_system(zip_get_error(w.z)), code = zip_error_code_zip(zip_get_error(w.z));
  if (stop) err_stop(e);
  else if (code == ZIP_ER_MEMORY || code == ZIP_ER_OK) err_memory(e, 0, s->name); /* it says "No error" of some of its own allocations */
  else if (system) save_failed(s, "write", system, e);
  else err_set(e, "%s: cannot write: %s", s->name, zip_strerror(w.z));
  zip_discard(w.z);
  return false;
}

/* named: the saved object is a dict of these tensors by these names. */
static bool write_object(const char *path, const SaveTensor *t, int count, bool named, const Buffer *pickle, Err *e) {
  Member *members = calloc((size_t)count + 1, sizeof *members);
  bool ok = members && !pickle->failed;
  if (!ok) err_memory(e, (double)pickle->n, "saving");
  SaveFile s;
  if (ok && (ok = save_begin(&s, path, e))) {
    for (int i = 0; i < count; i++) {
      members[i].t = &t[i];
      zip_error_init(&members[i].error);
    }
    ok = write_zip(&s, members, count, pickle, e);
    ok = ok && save_check(&s, named ? t : NULL, count, e);
    ok = save_end(&s, ok, e);
  }
  free(members);
  return ok;
}

bool torch_save(const char *path, const SaveTensor *t, int count, const ArchiveMeta *meta, int meta_count, Err *e) {
  if (!save_check_names(t, count, path, e)) return false;
  Buffer pickle = {0};
  put_object(&pickle, t, count, meta, meta_count);
  bool ok = write_object(path, t, count, true, &pickle, e);
  free(pickle.p);
  return ok;
}

bool torch_save_pickle(const char *path, const void *pickle, size_t size, const SaveTensor *t, int count, Err *e) {
  Buffer b = {.n = size};
  b.p = (unsigned char *)(uintptr_t)pickle; /* read only */
  return write_object(path, t, count, false, &b, e);
}
