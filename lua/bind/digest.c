/* suture.core.digest: SHA-256 of texts, tensors and files, by which equal contents are known. */
#define OPENSSL_SUPPRESS_DEPRECATED /* the calls that take no memory: OpenSSL crashes where its own first use finds none */
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include "lua/bind/tensor.h"

#define FILE_SLOT "suture.digest.file"

static int push_hex(lua_State *L, SHA256_CTX *c) {
  unsigned char hash[SHA256_DIGEST_LENGTH];
  SHA256_Final(hash, c);
  char text[2 * SHA256_DIGEST_LENGTH + 1];
  for (int i = 0; i < SHA256_DIGEST_LENGTH; i++) snprintf(text + 2 * i, 3, "%02x", hash[i]);
  lua_pushlstring(L, text, 2 * SHA256_DIGEST_LENGTH);
  return 1;
}

/* text(s) → 64 hex digits */
static int digest_text(lua_State *L) {
  size_t n;
  const char *s = luaL_checklstring(L, 1, &n);
  SHA256_CTX c;
  SHA256_Init(&c);
  SHA256_Update(&c, s, n);
  return push_hex(L, &c);
}

/* tensor(t) → 64 hex digits of its shape and numbers, in row-major order whatever the layout */
static int digest_tensor(lua_State *L) {
  const Tensor *t = bind_check_value(L, 1);
  float *rows = lua_newuserdatauv(L, ((size_t)t->count + 1) * sizeof *rows, 0);
  layout_copy(rows, ROW_MAJOR, t->data, shape_layout(&t->shape), &t->shape);
  SHA256_CTX c;
  SHA256_Init(&c);
  SHA256_Update(&c, t->shape.dim, (size_t)t->shape.rank * sizeof *t->shape.dim);
  SHA256_Update(&c, rows, (size_t)t->count * sizeof *rows);
  if (t->whole) SHA256_Update(&c, t->whole, (size_t)t->count * sizeof *t->whole);
  return push_hex(L, &c);
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
  SHA256_CTX c;
  SHA256_Init(&c);
  SHA256_Update(&c, &length, sizeof length);
  char bytes[1 << 14];
  for (size_t n; most > 0 && (n = fread(bytes, 1, most < sizeof bytes ? most : sizeof bytes, *slot)) > 0; most -= n)
    SHA256_Update(&c, bytes, n);
  fclose(*slot);
  *slot = NULL;
  return push_hex(L, &c);
}

int bind_digest(lua_State *L);
int bind_digest(lua_State *L) {
  static const luaL_Reg fn[] = {{"text", digest_text}, {"tensor", digest_tensor}, {"file", digest_file}, {0, 0}};
  luaL_newlib(L, fn);
  return 1;
}
