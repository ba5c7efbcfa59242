/* suture.core.json: Lua values as JSON text and back (RFC 8259), by jansson. Arrays are tables with a length; objects have
 * string keys, written in sorted order so that equal values give equal bytes; null is json.null, an array without elements
 * json.none. */
#include <jansson.h>
#include "json_memory.h"
#include <string.h>
#include "lua/bind/bind.h"

enum { DEPTH = 256 };
static char null_key, none_key;

static int to_json(lua_State *L, int i, int depth, json_t **out, const char **why);

static int table_to_json(lua_State *L, int i, int depth, json_t **out, const char **why) {
  lua_Integer n = (lua_Integer)lua_rawlen(L, i);
  lua_pushnil(L);
  bool empty = !lua_next(L, i);
  if (!empty) lua_pop(L, 2);
  if (n > 0) {
    json_t *a = *out = json_array();
    for (lua_Integer k = 1; k <= n; k++) {
      json_t *v = NULL;
      lua_rawgeti(L, i, k);
      int ok = to_json(L, lua_gettop(L), depth + 1, &v, why);
      lua_pop(L, 1);
      if (json_array_append_new(a, v) || !ok) return 0;
    }
    return 1;
  }
  json_t *o = *out = json_object();
  if (empty) return 1;
  lua_pushnil(L);
  while (lua_next(L, i)) {
    json_t *v = NULL;
    if (lua_type(L, -2) != LUA_TSTRING) {
      *why = "a key that is not a string";
      return 0;
    }
    int ok = to_json(L, lua_gettop(L), depth + 1, &v, why);
    if (json_object_set_new(o, lua_tostring(L, -2), v) || !ok) {
      if (!*why && !json_memory_failed()) *why = "text that is not UTF-8";
      return 0;
    }
    lua_pop(L, 1);
  }
  return 1;
}

/* Never raises, so that nothing is lost; on 0 *out still wants its json_decref and the stack may be higher; *why is still NULL
 * where there was no memory. */
static int to_json(lua_State *L, int i, int depth, json_t **out, const char **why) {
  if (depth > DEPTH) *why = "tables nested too deep";
  if (*why || !lua_checkstack(L, 8)) return 0;
  switch (lua_type(L, i)) {
  case LUA_TBOOLEAN: *out = json_boolean(lua_toboolean(L, i)); break;
  case LUA_TNUMBER: *out = lua_isinteger(L, i) ? json_integer(lua_tointeger(L, i)) : json_real(lua_tonumber(L, i)); break;
  case LUA_TSTRING: {
    size_t n;
    const char *s = lua_tolstring(L, i, &n);
    *out = json_stringn(s, n);
    break;
  }
  case LUA_TTABLE: return table_to_json(L, i, depth, out, why);
  case LUA_TLIGHTUSERDATA:
    if (lua_touserdata(L, i) == &null_key) {
      *out = json_null();
      break;
    }
    if (lua_touserdata(L, i) == &none_key) {
      *out = json_array();
      break;
    } /* fall through */
  default: *why = luaL_typename(L, i);
  }
  if (!*out && !*why && !json_memory_failed()) *why = "a number that is not finite, or text that is not UTF-8";
  return *out != NULL;
}

/* encode(value) → text; raises for what JSON has no form for. */
static int json_encode(lua_State *L) {
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  json_t *v = NULL;
  const char *why = NULL;
  json_memory_watch();
  int ok = to_json(L, 1, 0, &v, &why);
  char *text = ok ? json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;
  json_decref(v);
  if (!text) return why ? luaL_error(L, "json: cannot write %s", why) : luaL_error(L, "not enough memory to write JSON");
  lua_pushstring(L, text);
  free(text);
  return 1;
}

static void push_json(lua_State *L, const json_t *v) {
  luaL_checkstack(L, 6, "JSON nested too deep");
  switch (json_typeof(v)) {
  case JSON_OBJECT: {
    lua_createtable(L, 0, (int)json_object_size(v));
    const char *key;
    json_t *x;
    json_object_foreach((json_t *)(intptr_t)v, key, x) {
      push_json(L, x);
      lua_setfield(L, -2, key);
    }
    break;
  }
  case JSON_ARRAY:
    lua_createtable(L, (int)json_array_size(v), 0);
    for (size_t i = 0; i < json_array_size(v); i++) {
      push_json(L, json_array_get(v, i));
      lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    break;
  case JSON_STRING: lua_pushlstring(L, json_string_value(v), json_string_length(v)); break;
  case JSON_INTEGER: lua_pushinteger(L, json_integer_value(v)); break;
  case JSON_REAL: lua_pushnumber(L, json_real_value(v)); break;
  case JSON_NULL: lua_pushlightuserdata(L, &null_key); break;
  default: lua_pushboolean(L, json_is_true(v));
  }
}

static int free_json(lua_State *L) {
  json_t **v = lua_touserdata(L, 1);
  json_decref(*v);
  *v = NULL;
  return 0;
}

/* decode(text) → value; nil and a message with line and column when it is not JSON. Raises for want of memory. */
static int json_decode(lua_State *L) {
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  json_t **held = lua_newuserdatauv(L, sizeof *held, 0); /* pushing may raise: the collector frees it then */
  *held = NULL;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, free_json);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  json_error_t error;
  json_memory_watch();
  *held = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
  if (!*held && json_memory_failed()) return luaL_error(L, "not enough memory to read JSON");
  if (!*held) {
    lua_pushnil(L);
    lua_pushfstring(L, "line %d, column %d: %s", error.line, error.column, error.text);
    return 2;
  }
  push_json(L, *held);
  return 1;
}

int bind_json(lua_State *L);
int bind_json(lua_State *L) {
  static const luaL_Reg fn[] = {{"encode", json_encode}, {"decode", json_decode}, {0, 0}};
  luaL_newlib(L, fn);
  lua_pushlightuserdata(L, &null_key);
  lua_setfield(L, -2, "null");
  lua_pushlightuserdata(L, &none_key);
  lua_setfield(L, -2, "none");
  return 1;
}
