/* require "suture.core".file: weights files and arrays. Thin: opening for people (finding the architecture, reporting
 * keys) is in Lua. */
#include "tensor.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "formats/archive.h"
#include "formats/npy.h"
#include "formats/save.h"
#include "whole.h"

#define FILE_HANDLE "suture.file"

static Archive **new_handle(lua_State *L) {
  Archive **a = lua_newuserdatauv(L, sizeof *a, 0);
  *a = NULL;
  luaL_setmetatable(L, FILE_HANDLE);
  return a;
}

static int f_gc(lua_State *L) {
  Archive **a = luaL_checkudata(L, 1, FILE_HANDLE);
  archive_close(*a);
  *a = NULL;
  return 0;
}

static const char *check_path(lua_State *L, int i) {
  size_t n;
  const char *path = luaL_checklstring(L, i, &n);
  luaL_argcheck(L, strlen(path) == n, i, "a path cannot contain a zero byte");
  return path;
}

/* Whole numbers beyond 2^24 are read once more, exactly; those beyond 2^63 stay rounded. */
static bool read_beyond(Archive *a, const ArchiveEntry *t, Tensor *x, Err *e) {
  if (!archive_is_whole(t)) return true;
  float most = 0;
  for (int64_t i = 0; i < x->count; i++) most = fabsf(x->data[i]) > most ? fabsf(x->data[i]) : most;
  if (most < 0x1p24f || (t->type == NUM_U64 && most >= 0x1p63f)) return true;
  size_t bytes = (size_t)x->count * sizeof(int64_t);
  int64_t *v = memory_get(bytes, "whole numbers of a file", e);
  bool ok = v && archive_read_whole(a, t, shape_layout(&t->shape), v, e) && whole_set(x, v, e);
  memory_put(v, bytes);
  return ok;
}

/* Pushes entry t as a tensor: rank 4 lands channels-last at once, every integer type shows as int64. */
static int push_entry(lua_State *L, Archive *a, const ArchiveEntry *t) {
  Err e;
  Node **slot = bind_new_tensor(L);
  Tensor *x = tensor_new(&t->shape, &e);
  if (!x) return bind_raise(L, &e);
  if (!archive_read(a, t, shape_layout(&t->shape), x->data, &e)) {
    tensor_unref(x);
    return bind_raise(L, &e);
  }
  if (!read_beyond(a, t, x, &e)) {
    tensor_unref(x);
    return bind_raise(L, &e);
  }
  x->dtype = t->type <= NUM_BF16 ? DTYPE_F32 : t->type == NUM_BOOL ? DTYPE_BOOL : DTYPE_I64;
  if (!(*slot = node_leaf(x, &e))) return bind_raise(L, &e);
  bind_made_tensor(L);
  return 1;
}

/* The Archive of the table at index 1; raises when it is closed or no file. */
static Archive *check_file(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_getfield(L, 1, "handle");
  Archive **a = luaL_testudata(L, -1, FILE_HANDLE);
  luaL_argcheck(L, a, 1, "expected what file.open returned");
  if (!*a) luaL_error(L, "the file is closed: open it again");
  lua_pop(L, 1);
  return *a;
}

/* f:tensor(which): number (from 1, as in f.entries) or name → tensor */
static int f_tensor(lua_State *L) {
  Archive *a = check_file(L);
  const ArchiveEntry *t = NULL;
  if (lua_type(L, 2) == LUA_TNUMBER) {
    lua_Integer i = luaL_checkinteger(L, 2);
    if (i < 1 || i > a->count) return luaL_error(L, "file:tensor expects a number from 1 to %d, got %I", a->count, i);
    t = &a->entry[i - 1];
  } else {
    const char *name = luaL_checkstring(L, 2);
    if (!(t = archive_find(a, name))) return luaL_error(L, "the file has no tensor '%s'", name);
  }
  return push_entry(L, a, t);
}

/* f:object_tensor(t): the tensor that f.object calls {"t": t} */
static int f_object_tensor(lua_State *L) {
  Archive *a = check_file(L);
  lua_Integer i = luaL_checkinteger(L, 2);
  luaL_argcheck(L, i > a->count && i <= a->count + a->hidden, 2, "no tensor of the object");
  return push_entry(L, a, &a->entry[i - 1]);
}

/* f:close(): gives back the memory the file is mapped in, without waiting for the collector */
static int f_close(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_getfield(L, 1, "handle");
  lua_replace(L, 1);
  return f_gc(L);
}

static void push_entries(lua_State *L, const Archive *a) {
  lua_createtable(L, a->count, 0);
  for (int i = 0; i < a->count; i++) {
    const ArchiveEntry *t = &a->entry[i];
    lua_createtable(L, 0, 3);
    lua_pushstring(L, t->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, numtype_name(t->type));
    lua_setfield(L, -2, "dtype");
    bind_push_shape(L, &t->shape);
    lua_setfield(L, -2, "shape");
    lua_rawseti(L, -2, i + 1);
  }
}

/* file.open(path) → {path=, container="safetensors"|"torch zip"|"torch stream"|"torch tar"|"npy", wrapper=, prefix= (what
 * was looked through and taken off, or nil), metadata={key = text}, object= (PyTorch's: JSON, see core/formats/torch_object.c), entries={{name=, dtype="F32", shape=}, …}} with
 * methods tensor(which), object_tensor(which) and close() */
static int f_open(lua_State *L) {
  const char *path = check_path(L, 1);
  Err e;
  lua_createtable(L, 0, 8);
  Archive **slot = new_handle(L), *a;
  if (!archive_open(path, slot, &e)) return bind_raise(L, &e);
  a = *slot;
  lua_setfield(L, -2, "handle");
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "path");
  lua_pushstring(L, a->container);
  lua_setfield(L, -2, "container");
  lua_pushstring(L, a->wrapper); /* nil for NULL */
  lua_setfield(L, -2, "wrapper");
  lua_pushstring(L, a->prefix);
  lua_setfield(L, -2, "prefix");
  lua_createtable(L, 0, a->meta_count);
  for (int i = 0; i < a->meta_count; i++) {
    lua_pushstring(L, a->meta[i].value);
    lua_setfield(L, -2, a->meta[i].key);
  }
  lua_setfield(L, -2, "metadata");
  lua_pushstring(L, a->object);
  lua_setfield(L, -2, "object");
  push_entries(L, a);
  lua_setfield(L, -2, "entries");
  lua_pushvalue(L, lua_upvalueindex(1)); /* the methods */
  lua_setmetatable(L, -2);
  return 1;
}

/* ---- saving ---- */

static NumType check_type(lua_State *L, int dtypes, int i, const Tensor *t) {
  NumType type = t->dtype == DTYPE_I64 ? NUM_I64 : t->dtype == DTYPE_BOOL ? NUM_BOOL : NUM_F32;
  if (!dtypes || lua_geti(L, dtypes, i) == LUA_TNIL) {
    if (dtypes) lua_pop(L, 1);
    return type;
  }
  const char *s = lua_tostring(L, -1);
  if (s && !strcmp(s, "F32")) type = NUM_F32;
  else if (s && !strcmp(s, "I64")) type = NUM_I64;
  else if (s && !strcmp(s, "BOOL")) type = NUM_BOOL;
  else luaL_error(L, "dtype %d: expected \"F32\", \"I64\" or \"BOOL\", got %s", i, luaL_tolstring(L, -1, NULL));
  lua_pop(L, 1);
  return type;
}

/* names at 2, tensors at 3, dtypes at 4 or nil. Returns an array that Lua owns (pushed); it points to strings and tensors
 * that the tables hold. */
static SaveTensor *check_tensors(lua_State *L, int *count) {
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TTABLE);
  if (!lua_isnoneornil(L, 4)) luaL_checktype(L, 4, LUA_TTABLE);
  lua_Integer n = luaL_len(L, 2);
  if (n != luaL_len(L, 3) || n > 1 << 24) luaL_error(L, "%I names for %I tensors", n, luaL_len(L, 3));
  SaveTensor *t = lua_newuserdatauv(L, (size_t)(n + 1) * sizeof *t, 0);
  for (int i = 1; i <= n; i++) { /* first compute all: computing one may change another (running statistics) */
    lua_geti(L, 3, i);
    if (!bind_test_tensor(L, -1)) luaL_error(L, "tensor %d: expected a tensor, got %s", i, luaL_typename(L, -1));
    bind_check_value(L, -1);
    lua_pop(L, 1);
  }
  for (int i = 1; i <= n; i++) {
    lua_geti(L, 3, i);
    const Tensor *x = bind_check_value(L, -1);
    if (lua_geti(L, 2, i) != LUA_TSTRING) luaL_error(L, "name %d: expected a string, got %s", i, luaL_typename(L, -1));
    const char *name = lua_tostring(L, -1);
    if (strlen(name) != lua_rawlen(L, -1)) luaL_error(L, "name %d contains a zero byte", i);
    t[i - 1] = (SaveTensor){name, check_type(L, lua_isnoneornil(L, 4) ? 0 : 4, i, x), x->shape, shape_layout(&x->shape), x->data, x->whole};
    lua_pop(L, 2);
  }
  *count = (int)n;
  return t;
}

static int by_key(const void *a, const void *b) { return strcmp(((const ArchiveMeta *)a)->key, ((const ArchiveMeta *)b)->key); }

/* metadata {string = string} at 5 or nil: an array sorted by key (so that the same model gives the same file), which Lua
 * owns (pushed); the strings are the table's. */
static ArchiveMeta *check_meta(lua_State *L, int *count) {
  int n = 0;
  *count = 0;
  if (lua_isnoneornil(L, 5)) return NULL;
  luaL_checktype(L, 5, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, 5); lua_pop(L, 1)) n++;
  ArchiveMeta *m = lua_newuserdatauv(L, (size_t)(n + 1) * sizeof *m, 0);
  for (lua_pushnil(L); lua_next(L, 5); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
      luaL_error(L, "metadata: expected strings under string keys, got %s under %s", luaL_typename(L, -1), luaL_typename(L, -2));
    m[(*count)++] = (ArchiveMeta){(char *)lua_tostring(L, -2), (char *)lua_tostring(L, -1)};
  }
  qsort(m, (size_t)n, sizeof *m, by_key);
  return m;
}

typedef bool Save(const char *path, const SaveTensor *t, int count, const ArchiveMeta *meta, int meta_count, Err *e);

static int save(lua_State *L, Save *how) {
  Err e;
  int count, meta_count;
  const char *path = check_path(L, 1);
  lua_settop(L, 5);
  SaveTensor *t = check_tensors(L, &count);
  ArchiveMeta *m = check_meta(L, &meta_count);
  return how(path, t, count, m, meta_count, &e) ? 0 : bind_raise(L, &e);
}

/* file.save_safetensors(path, names, tensors, dtypes, metadata): lists of names, tensors and "F32", "I64" or "BOOL" (nil: as
 * the tensors say), {key = text} or nil. Atomic. */
static int f_save_safetensors(lua_State *L) { return save(L, safetensors_save); }

/* file.save_torch(path, names, tensors, dtypes, metadata): the same as a .pth for torch.load */
static int f_save_torch(lua_State *L) { return save(L, torch_save); }

/* file.save_pickle(path, names, tensors, nil, pickle): a .pth whose saved object is this pickle; the storages of key "0", "1" … hold
 * the tensors; names are for messages. */
static int f_save_pickle(lua_State *L) {
  Err e;
  int count;
  size_t size;
  const char *path = check_path(L, 1), *pickle = luaL_checklstring(L, 5, &size);
  SaveTensor *t = check_tensors(L, &count);
  return torch_save_pickle(path, pickle, size, t, count, &e) ? 0 : bind_raise(L, &e);
}

/* file.load_npy(path) → tensor */
static int f_load_npy(lua_State *L) {
  const char *path = check_path(L, 1);
  Err e;
  Archive **a = new_handle(L);
  if (!archive_open(path, a, &e)) return bind_raise(L, &e);
  if (strcmp((*a)->container, "npy"))
    return luaL_error(L, "%s: expected a NumPy array (.npy), got a %s file: open reads those", path, (*a)->container);
  push_entry(L, *a, (*a)->entry);
  archive_close(*a);
  *a = NULL;
  return 1;
}

/* file.save_npy(path, tensor): float32, or int64 and bool where the tensor says so; C order. Atomic. */
static int f_save_npy(lua_State *L) {
  const char *path = check_path(L, 1);
  Err e;
  const Tensor *x = bind_check_value(L, 2);
  SaveTensor t = {"tensor", check_type(L, 0, 0, x), x->shape, shape_layout(&x->shape), x->data, x->whole};
  return npy_save(path, &t, &e) ? 0 : bind_raise(L, &e);
}

/* write(path, text): a file of these bytes, whole or not at all → true; nil and why. */
static int f_write(lua_State *L) {
  const char *path = check_path(L, 1);
  size_t n;
  const char *text = luaL_checklstring(L, 2, &n);
  SaveFile s;
  Err e = {0};
  if (save_begin(&s, path, &e) && save_end(&s, save_write(&s, text, n, &e), &e)) return lua_pushboolean(L, true), 1;
  if (e.kind != ERR_USER) return bind_raise(L, &e);
  lua_pushnil(L);
  lua_pushstring(L, e.text);
  return 2;
}

/* make_folder(path): a folder, and those it is in → true; nil and why. With `alone` true it must not be there yet. */
static int f_make_folder(lua_State *L) {
  const char *path = check_path(L, 1);
  bool alone = lua_toboolean(L, 2);
  char *copy = lua_newuserdatauv(L, strlen(path) + 1, 0);
  strcpy(copy, path);
  int error = *path ? 0 : ENOENT;
  for (char *slash = strchr(copy + (*copy == '/'), '/'); slash && !error; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    if (mkdir(copy, 0777) && errno != EEXIST) error = errno;
    *slash = '/';
  }
  struct stat st;
  if (!error && mkdir(copy, 0777) && (alone || errno != EEXIST || stat(copy, &st) || !S_ISDIR(st.st_mode))) error = errno;
  if (!error) return lua_pushboolean(L, true), 1;
  lua_pushnil(L);
  lua_pushfstring(L, "%s: cannot make this folder: %s", path, strerror(error));
  return 2;
}

int bind_file(lua_State *L) {
  static const luaL_Reg methods[] = {{"tensor", f_tensor}, {"object_tensor", f_object_tensor}, {"close", f_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"save_safetensors", f_save_safetensors},
                                       {"save_torch", f_save_torch},
                                       {"save_pickle", f_save_pickle},
                                       {"load_npy", f_load_npy},
                                       {"save_npy", f_save_npy},
                                       {"write", f_write},
                                       {"make_folder", f_make_folder},
                                       {NULL, NULL}};
  luaL_newmetatable(L, FILE_HANDLE);
  lua_pushcfunction(L, f_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  lua_createtable(L, 0, 1); /* metatable of what open returns */
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcclosure(L, f_open, 1);
  lua_setfield(L, -2, "open");
  return 1;
}
