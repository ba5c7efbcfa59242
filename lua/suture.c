/* How Lua finds Suture: the embedded library (lua/ as sources inside the binary) and the table of bindings. */
#include "lua/bind/bind.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_path(const void *path, const void *source) { return strcmp(path, ((const LuaSource *)source)->path); }

/* The embedded file called `path`, or NULL. */
static const LuaSource *source_at(const char *path) {
  return bsearch(path, lualib_table, lualib_count, sizeof *lualib_table, by_path);
}

/* "suture.zoo.resnet" → lua/zoo/resnet.lua or lua/zoo/resnet/init.lua; "suture" → lua/init.lua. */
static const LuaSource *source_of(lua_State *L, const char *module) {
  if (strcmp(module, "suture") == 0) return source_at("lua/init.lua");
  if (strncmp(module, "suture.", 7) != 0) return NULL;
  const char *rest = luaL_gsub(L, module + 7, ".", "/");
  lua_pushfstring(L, "lua/%s.lua", rest);
  const LuaSource *s = source_at(lua_tostring(L, -1));
  if (!s) {
    lua_pushfstring(L, "lua/%s/init.lua", rest);
    s = source_at(lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  return s;
}

/* Chunks of the library are named "=suture:lua/nn/init.lua": no file of a user's can have such a name (it begins with
 * "@"), even in a folder lua/. */
static const char own[] = "=suture:";

/* The embedded file that the chunk named `source` was loaded from, or NULL. */
static const LuaSource *source_named(const char *source) {
  return strncmp(source, own, sizeof own - 1) == 0 ? source_at(source + sizeof own - 1) : NULL;
}

/* Loads what was compiled when Suture was built, or the text where this Lua takes no chunks of that one. */
static int load_source(lua_State *L, const LuaSource *s) {
  lua_pushfstring(L, "%s%s", own, s->path);
  int status = luaL_loadbufferx(L, s->chunk, (size_t)(s->chunk_end - s->chunk), lua_tostring(L, -1), "b");
  if (status == LUA_ERRSYNTAX) {
    lua_pop(L, 1);
    status = luaL_loadbufferx(L, s->begin, (size_t)(s->end - s->begin), lua_tostring(L, -1), "t");
  }
  lua_remove(L, -2);
  if (status == LUA_OK) {
    lua_getfield(L, LUA_REGISTRYINDEX, "suture.names");
    lua_setupvalue(L, -2, 1);
  }
  return status;
}

/* print for the library: the user's, as long as it can be called. */
static int kept_print(lua_State *L) {
  lua_pushglobaltable(L);
  lua_pushliteral(L, "print");
  lua_rawget(L, -2);
  lua_replace(L, -2);
  bool callable = lua_isfunction(L, -1);
  if (!callable && luaL_getmetafield(L, -1, "__call") != LUA_TNIL) {
    callable = true;
    lua_pop(L, 1);
  }
  if (!callable) {
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_replace(L, -2);
  }
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 0);
  return 0;
}

/* load for the library: text that does not compile for want of memory is no text that does not compile. */
static int kept_load(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  const char *why = lua_isnil(L, 1) ? lua_tostring(L, 2) : NULL;
  return why && strcmp(why, "not enough memory") == 0 ? lua_error(L) : lua_gettop(L);
}

/* The library's global names are those of Lua's own libraries as they were when it was opened, then the user's:
 * somebody who types `table = {}` or `type = "b"` has a variable of that name, and the library runs on. */
static int keep_names(lua_State *L) {
  enum { NAMES = 1, GLOBALS, LOADED, KEY, VALUE };
  lua_newtable(L);
  lua_pushglobaltable(L);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (lua_pushnil(L); lua_next(L, GLOBALS); lua_settop(L, KEY)) {
    if (lua_type(L, KEY) != LUA_TSTRING) continue;
    lua_pushvalue(L, KEY);
    lua_rawget(L, LOADED);
    if (!lua_iscfunction(L, VALUE) && !(lua_istable(L, VALUE) && lua_rawequal(L, VALUE, VALUE + 1))) continue;
    const char *name = lua_tostring(L, KEY);
    lua_pushvalue(L, KEY);
    lua_pushvalue(L, VALUE);
    if (strcmp(name, "print") == 0) lua_pushcclosure(L, kept_print, 1);
    else if (strcmp(name, "load") == 0) lua_pushcclosure(L, kept_load, 1);
    lua_rawset(L, NAMES);
  }
  lua_createtable(L, 0, 2);
  lua_pushvalue(L, GLOBALS);
  lua_setfield(L, -2, "__index");
  lua_pushvalue(L, GLOBALS);
  lua_setfield(L, -2, "__newindex");
  lua_setmetatable(L, NAMES);
  lua_settop(L, NAMES);
  lua_setfield(L, LUA_REGISTRYINDEX, "suture.names");
  return 0;
}

/* The entry of package.searchers. */
static int searcher(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  const LuaSource *s = source_of(L, name);
  if (!s) {
    if (strncmp(name, "suture.", 7) != 0) return 0;
    lua_pushfstring(L, "no embedded file for '%s'", name);
    return 1;
  }
  if (load_source(L, s) != LUA_OK) return lua_error(L);
  lua_pushstring(L, s->path);
  return 2;
}

/* suture.core.<noun>: opened when first looked at. */
static int core_index(lua_State *L) {
  const char *name = lua_tostring(L, 2);
  for (const luaL_Reg *b = bind_table; name && b->name; b++)
    if (strcmp(b->name, name) == 0) {
      if (strcmp(name, "tensor") != 0) { /* others make tensors: the kind comes first */
        lua_getfield(L, 1, "tensor");
        lua_pop(L, 1);
      }
      lua_pushcfunction(L, b->func);
      lua_call(L, 0, 1);
      lua_pushvalue(L, 2);
      lua_pushvalue(L, -2);
      lua_rawset(L, 1);
      return 1;
    }
  return 0;
}

static int open_core(lua_State *L) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, core_index);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  return 1;
}

/* source(path) → the text of an embedded file ("lua/nn/init.lua"), or nil. */
static int embedded_source(lua_State *L) {
  const LuaSource *s = source_at(luaL_checkstring(L, 1));
  if (!s) return 0;
  lua_pushlstring(L, s->begin, (size_t)(s->end - s->begin));
  return 1;
}

/* list() → array of the paths of the embedded files. */
static int embedded_list(lua_State *L) {
  lua_newtable(L);
  lua_Integer n = 0;
  for (const LuaSource *s = lualib_table; s->path; s++) {
    lua_pushstring(L, s->path);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* path(source) → the embedded file ("lua/nn/init.lua") that a chunk with this source (debug.getinfo) is, or nil: not
 * the library's. */
static int embedded_path(lua_State *L) {
  const LuaSource *s = source_named(luaL_checkstring(L, 1));
  if (!s) return 0;
  lua_pushstring(L, s->path);
  return 1;
}

/* suture.embedded: what help() reads. */
static int open_embedded(lua_State *L) {
  static const luaL_Reg fns[] = {{"source", embedded_source}, {"list", embedded_list}, {"path", embedded_path}, {0, 0}};
  luaL_newlib(L, fns);
  return 1;
}

static void add_searcher(lua_State *L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, open_core);
  lua_setfield(L, -2, "suture.core");
  lua_pushcfunction(L, open_embedded);
  lua_setfield(L, -2, "suture.embedded");
  lua_pop(L, 1);
  lua_getfield(L, -1, "searchers");
  for (lua_Integer i = luaL_len(L, -1); i >= 2; i--) { /* make room behind package.preload */
    lua_rawgeti(L, -1, i);
    lua_rawseti(L, -2, i + 1);
  }
  lua_pushcfunction(L, searcher);
  lua_rawseti(L, -2, 2);
  lua_pop(L, 2);
}

int luaopen_suture(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, "suture.opened") == LUA_TNIL) {
    lua_pushcfunction(L, keep_names);
    lua_call(L, 0, 0);
    add_searcher(L);
    lua_pushboolean(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "suture.opened");
  }
  lua_pop(L, 1);
  const LuaSource *s = source_of(L, "suture");
  if (!s) return luaL_error(L, "the Lua library is missing from this build (no lua/init.lua)");
  if (load_source(L, s) != LUA_OK) return lua_error(L);
  lua_pushliteral(L, "suture");
  lua_call(L, 1, 1);
  return 1;
}

void bind_where(lua_State *L) {
  lua_Debug at;
  for (int level = 1; lua_getstack(L, level, &at); level++) {
    lua_getinfo(L, "Sl", &at);
    if (at.currentline < 0 || source_named(at.source)) continue; /* C, or the library itself */
    lua_pushfstring(L, "%s:%d: ", at.short_src, at.currentline);
    return;
  }
  lua_pushliteral(L, "");
}

int bind_fail(lua_State *L, const char *fmt, ...) {
  va_list ap;
  bind_where(L);
  va_start(ap, fmt);
  lua_pushvfstring(L, fmt, ap);
  va_end(ap);
  lua_concat(L, 2);
  return lua_error(L);
}

void (*bind_stopped)(lua_State *L);

int bind_raise(lua_State *L, const Err *e) {
  if (e->kind == ERR_STOP) {
    if (bind_stopped) bind_stopped(L);
    lua_pushliteral(L, "interrupted!");
    return lua_error(L);
  }
  bind_where(L);
  lua_pushstring(L, e->text);
  lua_concat(L, 2);
  return lua_error(L);
}
