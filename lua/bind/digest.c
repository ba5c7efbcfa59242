/* suture.core.digest: SHA-256 of texts, tensors and files, by which equal contents are known. */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include "lua/bind/tensor.h"

#define FILE_SLOT "suture.digest.file"

static int push_hex(lua_State *L, EVP_MD_CTX *c, bool ok) {
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned n = 0;
  ok = ok && EVP_DigestFinal_ex(c, hash, &n);
  EVP_MD_CTX_free(c);
  if (!ok) return bind_fail(L, "libcrypto has no SHA-256");
  char text[2 * EVP_MAX_MD_SIZE + 1];
  for (unsigned i = 0; i < n; i++) snprintf(text + 2 * i, 3, "%02x", hash[i]);
  lua_pushlstring(L, text, 2 * n);
  return 1;
}

static bool begin(EVP_MD_CTX **c) { return (*c = EVP_MD_CTX_new()) && EVP_DigestInit_ex(*c, EVP_sha256(), NULL); }

/* text(s) → 64 hex digits */
static int digest_text(lua_State *L) {
  size_t n;
  const char *s = luaL_checklstring(L, 1, &n);
  EVP_MD_CTX *c;
  bool ok = begin(&c);
  return push_hex(L, c, ok && EVP_DigestUpdate(c, s, n));
}

/* tensor(t) → 64 hex digits of its shape and numbers, in row-major order whatever the layout */
static int digest_tensor(lua_State *L) {
  const Tensor *t = bind_check_value(L, 1);
  float *rows = lua_newuserdatauv(L, ((size_t)t->count + 1) * sizeof *rows, 0);
  layout_copy(rows, ROW_MAJOR, t->data, shape_layout(&t->shape), &t->shape);
  EVP_MD_CTX *c;
  bool ok = begin(&c) && EVP_DigestUpdate(c, t->shape.dim, (size_t)t->shape.rank * sizeof *t->shape.dim);
  ok = ok && EVP_DigestUpdate(c, rows, (size_t)t->count * sizeof *rows);
  if (t->whole) ok = ok && EVP_DigestUpdate(c, t->whole, (size_t)t->count * sizeof *t->whole);
  return push_hex(L, c, ok);
}

static int file_gc(lua_State *L) {
  FILE **f = lua_touserdata(L, 1);
  if (*f) fclose(*f);
  *f = NULL;
  return 0;
}

/* file(path, most) → 64 hex digits of its length and its first `most` bytes; nil where it cannot be read */
static int digest_file(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  size_t most = (size_t)luaL_checkinteger(L, 2);
  FILE **slot = lua_newuserdatauv(L, sizeof *slot, 0);
  *slot = NULL;
  if (luaL_newmetatable(L, FILE_SLOT)) {
    lua_pushcfunction(L, file_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  if (!(*slot = fopen(path, "rb")) || fseek(*slot, 0, SEEK_END)) return 0;
  long length = ftell(*slot);
  rewind(*slot);
  EVP_MD_CTX *c;
  bool ok = begin(&c) && EVP_DigestUpdate(c, &length, sizeof length);
  char bytes[1 << 14];
  for (size_t n; ok && most > 0 && (n = fread(bytes, 1, most < sizeof bytes ? most : sizeof bytes, *slot)) > 0; most -= n)
    ok = EVP_DigestUpdate(c, bytes, n);
  fclose(*slot);
  *slot = NULL;
  return push_hex(L, c, ok);
}

int bind_digest(lua_State *L);
int bind_digest(lua_State *L) {
  static const luaL_Reg fn[] = {{"text", digest_text}, {"tensor", digest_tensor}, {"file", digest_file}, {0, 0}};
  luaL_newlib(L, fn);
  return 1;
}
