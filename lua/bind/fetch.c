/* suture.core.fetch: files from the network. Errors that a user can mend come as nil, reason; Ctrl-C is raised. */
#include "fetch.h"
#include "lua/bind/bind.h"

#define FETCH "suture.fetch"

static Fetch *check_fetch(lua_State *L) {
  Fetch **f = luaL_checkudata(L, 1, FETCH);
  luaL_argcheck(L, *f, 1, "this fetch is closed");
  return *f;
}

static int refuse(lua_State *L, const Err *e) {
  if (e->kind != ERR_USER) return bind_raise(L, e);
  lua_pushnil(L);
  lua_pushstring(L, e->text);
  return 2;
}

/* open(url, path, sha256) → a fetch | nil, reason. sha256: the first digits, "" for none known. */
static int b_open(lua_State *L) {
  const char *url = luaL_checkstring(L, 1), *path = luaL_checkstring(L, 2), *sha256 = luaL_checkstring(L, 3);
  Fetch **f = lua_newuserdatauv(L, sizeof *f, 0);
  *f = NULL;
  luaL_setmetatable(L, FETCH);
  Err e;
  return fetch_open(url, path, sha256, f, &e) ? 1 : refuse(L, &e);
}

/* f:step() → done | nil, reason: goes on for at most a tenth of a second. */
static int f_step(lua_State *L) {
  bool done;
  Err e;
  if (!fetch_step(check_fetch(L), &done, &e)) return refuse(L, &e);
  lua_pushboolean(L, done);
  return 1;
}

/* f:progress() → bytes that are there, bytes of the whole (nil: not known) */
static int f_progress(lua_State *L) {
  int64_t have, total;
  fetch_progress(check_fetch(L), &have, &total);
  lua_pushinteger(L, have);
  if (total < 0) lua_pushnil(L);
  else lua_pushinteger(L, total);
  return 2;
}

static int f_close(lua_State *L) {
  Fetch **f = luaL_checkudata(L, 1, FETCH);
  fetch_close(*f);
  *f = NULL;
  return 0;
}

int bind_fetch(lua_State *L);
int bind_fetch(lua_State *L) {
  static const luaL_Reg methods[] = {{"step", f_step}, {"progress", f_progress}, {"__close", f_close}, {"__gc", f_close}, {0, 0}};
  static const luaL_Reg functions[] = {{"open", b_open}, {0, 0}};
  if (luaL_newmetatable(L, FETCH)) {
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
  }
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
