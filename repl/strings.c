/* Functions of string and utf8 that Ctrl-C stops. Lua's own run to the end of a text, which takes seconds where it has some
 * hundred megabytes: long ones are gone through in pieces. Short ones are Lua's own to answer, and so are wrong arguments:
 * that function is the upvalue. tests/repl/standard.lua compares both. */
#include "repl/face.h"
#include <ctype.h>
#include <limits.h>
#include <string.h>

enum { PIECE = 1 << 20 };

/* Where the piece that begins at `done` ends. */
static size_t piece_end(lua_State *L, size_t done, size_t all) {
  interrupt_check(L);
  return all - done < PIECE ? all : done + PIECE;
}

static void copy(lua_State *L, char *to, const char *from, size_t n) {
  for (size_t i = 0, end; i < n; i = end) {
    end = piece_end(L, i, n);
    memcpy(to + i, from + i, end - i);
  }
}

/* Argument 1 where it is a long string, else NULL. */
static const char *long_string(lua_State *L, size_t *n) {
  if (lua_type(L, 1) != LUA_TSTRING || lua_rawlen(L, 1) <= PIECE) return NULL;
  return lua_tolstring(L, 1, n);
}

static int mapped(lua_State *L, const __int32_t *to) {
  size_t n;
  const char *s = long_string(L, &n);
  if (!s) return interrupt_own(L);
  luaL_Buffer b;
  char *p = luaL_buffinitsize(L, &b, n);
  for (size_t i = 0; i < n;)
    for (size_t end = piece_end(L, i, n); i < end; i++) p[i] = (char)to[(unsigned char)s[i]];
  luaL_pushresultsize(&b, n);
  return 1;
}

static int upper(lua_State *L) { return mapped(L, *__ctype_toupper_loc()); }
static int lower(lua_State *L) { return mapped(L, *__ctype_tolower_loc()); }

static int reverse(lua_State *L) {
  size_t n;
  const char *s = long_string(L, &n);
  if (!s) return interrupt_own(L);
  luaL_Buffer b;
  char *p = luaL_buffinitsize(L, &b, n);
  for (size_t i = 0; i < n;)
    for (size_t end = piece_end(L, i, n); i < end; i++) p[i] = s[n - 1 - i];
  luaL_pushresultsize(&b, n);
  return 1;
}

/* string.rep(s, n[, sep]) */
static int rep(lua_State *L) {
  size_t size, between;
  const char *s = luaL_checklstring(L, 1, &size);
  lua_Integer n = luaL_checkinteger(L, 2);
  const char *sep = luaL_optlstring(L, 3, "", &between);
  size_t unit = size + between;
  if (unit == 0) {
    lua_pushliteral(L, ""); /* Lua's own puts it together n times */
    return 1;
  }
  if (n <= 0 || unit > INT_MAX / (size_t)n) return interrupt_own(L);
  size_t all = (size_t)n * unit - between;
  if (all <= PIECE) return interrupt_own(L);
  luaL_Buffer b;
  char *p = luaL_buffinitsize(L, &b, all);
  copy(L, p, s, size);
  if (n > 1) copy(L, p + size, sep, between);
  for (size_t done = unit; done < all;) { /* what is there repeats itself every `unit` */
    size_t at = done % unit, k = piece_end(L, done, all) - done;
    if (k > done - at) k = done - at;
    memcpy(p + done, p + at, k);
    done += k;
  }
  luaL_pushresultsize(&b, all);
  return 1;
}

/* Puts what %q makes of argument i, a string, in its place. */
static void quote(lua_State *L, int i) {
  size_t n;
  const char *s = lua_tolstring(L, i, &n);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addchar(&b, '"');
  for (size_t at = 0; at < n;) {
    for (size_t end = piece_end(L, at, n); at < end; at++) {
      unsigned char c = (unsigned char)s[at];
      if (c == '"' || c == '\\' || c == '\n') luaL_addchar(&b, '\\');
      if (!iscntrl(c) || c == '\n') {
        luaL_addchar(&b, (char)c);
        continue;
      }
      luaL_addchar(&b, '\\');
      bool padded = isdigit((unsigned char)s[at + 1]); /* the byte behind the last one is 0 */
      if (c >= 100 || padded) luaL_addchar(&b, (char)('0' + c / 100));
      if (c >= 10 || padded) luaL_addchar(&b, (char)('0' + c / 10 % 10));
      luaL_addchar(&b, (char)('0' + c % 10));
    }
  }
  luaL_addchar(&b, '"');
  luaL_pushresult(&b);
  lua_replace(L, i);
}

/* string.format: of a long string only %q takes its time, which is done first. */
static int format(lua_State *L) {
  int most = lua_gettop(L), i = 2, arg = 1;
  while (i <= most && !(lua_type(L, i) == LUA_TSTRING && lua_rawlen(L, i) > PIECE)) i++;
  if (i > most || lua_type(L, 1) != LUA_TSTRING) return interrupt_own(L);
  size_t n = lua_rawlen(L, 1) + 1;
  char *f = memcpy(lua_newuserdatauv(L, n, 0), lua_tostring(L, 1), n);
  for (char *p = f; p < f + n - 1; p++) {
    if (*p != '%' || *++p == '%') continue;
    bool plain = *p == 'q';
    p += strspn(p, "-+ #.0123456789");
    if (++arg > most || !plain || lua_type(L, arg) != LUA_TSTRING || lua_rawlen(L, arg) <= PIECE) continue;
    quote(L, arg);
    *p = 's';
  }
  lua_pushlstring(L, f, n - 1);
  lua_replace(L, 1);
  lua_settop(L, most);
  return interrupt_own(L);
}

/* Argument i, a place in a text of n bytes, or `otherwise`; from its end where it is negative. */
static lua_Integer place(lua_State *L, int i, lua_Integer otherwise, size_t n) {
  lua_Integer at = luaL_optinteger(L, i, otherwise);
  if (at >= 0) return at;
  return 0u - (size_t)at > n ? 0 : (lua_Integer)n + at + 1;
}

/* utf8.len(s[, i[, j[, lax]]]) */
static int utf8_len(lua_State *L) {
  size_t n;
  const char *s = luaL_checklstring(L, 1, &n);
  lua_Integer at = place(L, 2, 1, n), last = place(L, 3, -1, n), count = 0;
  if (n <= PIECE || at < 1 || last > (lua_Integer)n || at > last) return interrupt_own(L);
  while (at <= last) {
    lua_Integer end = (lua_Integer)piece_end(L, (size_t)at, (size_t)last);
    lua_pushcfunction(L, lua_tocfunction(L, lua_upvalueindex(1)));
    lua_pushvalue(L, 1);
    lua_pushinteger(L, at);
    lua_pushinteger(L, end);
    lua_pushboolean(L, lua_toboolean(L, 4));
    lua_call(L, 4, 2);
    if (!lua_isinteger(L, -2)) return 2; /* fail, and where */
    count += lua_tointeger(L, -2);
    lua_pop(L, 2);
    lua_Integer first = end; /* of the last character, whose first byte is at `end` or in front of it */
    while ((s[first - 1] & 0xC0) == 0x80) first--;
    unsigned char c = (unsigned char)s[first - 1];
    at = first + (c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF8 ? 4 : c < 0xFC ? 5 : 6);
  }
  lua_pushinteger(L, count);
  return 1;
}

/* utf8.offset(s, n[, i]) */
static int utf8_offset(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_Integer n = luaL_checkinteger(L, 2);
  while (n > PIECE || n < -PIECE) {
    lua_Integer step = n > 0 ? PIECE : -PIECE;
    interrupt_check(L);
    lua_settop(L, 3);
    lua_pushinteger(L, n > 0 ? step + 1 : step);
    lua_replace(L, 2);
    interrupt_own(L);
    if (!lua_isinteger(L, -1)) return 1;
    lua_replace(L, 3);
    lua_pushinteger(L, n -= step);
    lua_replace(L, 2);
  }
  return interrupt_own(L);
}

/* What Lua's own reads as a format, letter by letter: one so long that somebody would wait is refused. */
static int with_format(lua_State *L) {
  enum { MOST = 1 << 24 };
  luaL_argcheck(L, lua_type(L, 1) != LUA_TSTRING || lua_rawlen(L, 1) <= MOST, 1, "a format of more than 2^24 bytes");
  return interrupt_own(L);
}

void strings_bind(lua_State *L) {
  static const luaL_Reg strings[] = {
    {"upper", upper}, {"lower", lower}, {"reverse", reverse}, {"rep", rep}, {"format", format},
    {"pack", with_format}, {"packsize", with_format}, {"unpack", with_format}, {0, 0}};
  static const luaL_Reg os[] = {{"date", with_format}, {0, 0}};
  static const luaL_Reg utf8[] = {{"len", utf8_len}, {"offset", utf8_offset}, {0, 0}};
  lua_getglobal(L, "string");
  interrupt_stand_for(L, strings);
  lua_getglobal(L, "utf8");
  interrupt_stand_for(L, utf8);
  lua_getglobal(L, "os");
  interrupt_stand_for(L, os);
  lua_pop(L, 3);
}
