/* suture.core.kept: what a user's function keeps in globals, upvalues and tables (lua/nn/kept.lua). */
#include <string.h>
#include "tensor.h"

enum {
  MOST = 200, /* entries of a table that are looked at, and as many at the end of a list */
  DEPTH = 3   /* tables within tables */
};

/* Where these lie on the stack: a table function → whether a user wrote it (nil: not known yet), the tables of what was loaded, the
 * functions and tables that were looked at, and the names of globals that users set (nil: all are looked at). */
enum { USERS = 3, LOADED, SEEN, NAMES };

static bool is_in(lua_State *L, int set) { /* the value on top */
  lua_pushvalue(L, -1);
  bool in = lua_rawget(L, set) != LUA_TNIL;
  lua_pop(L, 1);
  return in;
}

static void add(lua_State *L, int set) { /* the value on top */
  lua_pushvalue(L, -1);
  lua_pushboolean(L, 1);
  lua_rawset(L, set);
}

static void look_into(lua_State *L, int depth);

/* The value on top; it stays. */
static void visit(lua_State *L, int depth) {
  switch (lua_type(L, -1)) {
  case LUA_TUSERDATA: bind_name_kept(L, -1); return;
  case LUA_TTABLE:
    if (depth == 0 || is_in(L, LOADED) || is_in(L, SEEN)) return;
    add(L, SEEN);
    lua_pushliteral(L, "_children"); /* of a module: what was assigned to it */
    bool module = lua_rawget(L, -2) == LUA_TTABLE;
    lua_pop(L, 1);
    if (module) {
      lua_pushliteral(L, "_fields");
      if (lua_rawget(L, -2) == LUA_TTABLE) look_into(L, depth);
      lua_pop(L, 1);
    } else look_into(L, depth);
  }
}

/* The entries of the table on top; it stays. */
static void look_into(lua_State *L, int depth) {
  luaL_checkstack(L, 8, NULL);
  int n = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (n++ == MOST) {
      lua_pop(L, 2);
      break;
    }
    visit(L, depth - 1);
  }
  if (n <= MOST) return;
  lua_Integer last = (lua_Integer)lua_rawlen(L, -1);
  for (lua_Integer i = last > 2 * MOST ? last - MOST : MOST; i <= last; i++) {
    lua_rawgeti(L, -1, i);
    visit(L, depth - 1);
    lua_pop(L, 1);
  }
}

/* The table of globals on top; it stays. */
static void look_at_globals(lua_State *L) {
  if (lua_isnil(L, NAMES)) {
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) visit(L, DEPTH - 1);
    return;
  }
  for (lua_pushnil(L); lua_next(L, NAMES); lua_pop(L, 1)) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_rawget(L, -3);
    visit(L, DEPTH - 1);
  }
}

/* The upvalues of the function on top; it stays. */
static void look_at_upvalues(lua_State *L, const void *globals) {
  luaL_checkstack(L, 8, NULL);
  add(L, SEEN);
  const char *name;
  for (int i = 1; (name = lua_getupvalue(L, -1, i)); i++) {
    if (!strcmp(name, "_ENV") && lua_topointer(L, -1) != globals) { /* one's own, from which the globals are mostly reached */
      visit(L, DEPTH);
      lua_pop(L, 1);
      lua_pushglobaltable(L);
    }
    if (lua_isfunction(L, -1)) {
      lua_pushvalue(L, -1);
      lua_rawget(L, USERS);
      bool known = !lua_isnil(L, -1), own = lua_toboolean(L, -1);
      lua_pop(L, 1);
      if ((own || (!known && !lua_iscfunction(L, -1))) && !is_in(L, SEEN)) look_at_upvalues(L, globals);
    } else if (lua_topointer(L, -1) == globals) {
      if (!is_in(L, SEEN)) {
        add(L, SEEN);
        look_at_globals(L);
      }
    } else visit(L, DEPTH);
    lua_pop(L, 1);
  }
}

/* name(function, module, users, loaded, seen[, names]): tensors that the function or the module keeps are seen by somebody from now on. */
static int kept_name(lua_State *L) {
  lua_settop(L, NAMES);
  lua_pushglobaltable(L);
  const void *globals = lua_topointer(L, -1);
  lua_pop(L, 1);
  lua_pushvalue(L, 1);
  if (!is_in(L, SEEN)) look_at_upvalues(L, globals);
  lua_pushvalue(L, 2);
  visit(L, DEPTH);
  return 0;
}

int bind_kept(lua_State *L);
int bind_kept(lua_State *L) {
  static const luaL_Reg functions[] = {{"name", kept_name}, {0, 0}};
  luaL_newlib(L, functions);
  return 1;
}
