/* suture.core.base64: bytes as text, for what is put into a page (RFC 4648), by libcrypto. */
#include <limits.h>
#include <openssl/evp.h>
#include "lua/bind/bind.h"

/* encode(bytes) → text */
static int base64_encode(lua_State *L) {
  size_t n;
  const char *bytes = luaL_checklstring(L, 1, &n);
  luaL_argcheck(L, n < INT_MAX / 2, 1, "too long for base64");
  luaL_Buffer b;
  char *to = luaL_buffinitsize(L, &b, (n + 2) / 3 * 4 + 1); /* it ends in a zero */
  luaL_pushresultsize(&b, (size_t)EVP_EncodeBlock((unsigned char *)to, (const unsigned char *)bytes, (int)n));
  return 1;
}

int bind_base64(lua_State *L);
int bind_base64(lua_State *L) {
  static const luaL_Reg fns[] = {{"encode", base64_encode}, {0, 0}};
  luaL_newlib(L, fns);
  return 1;
}
