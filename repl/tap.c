/* What Lua writes to the terminal, for a transcript: print, io.write and the files' write tell a function of it. */
#include "repl/face.h"
#include <stdio.h>
#include <string.h>

static const char LISTENER[] = "suture.listener";

/* Calls the listener with the text on top of the stack, which goes. An error in it is nobody's here. */
static void tell(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, LISTENER) != LUA_TFUNCTION) {
    lua_pop(L, 2);
    return;
  }
  lua_insert(L, -2);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1);
}

/* Lua's own print, and then the same words to the listener. */
static int tap_print(lua_State *L) {
  int n = lua_gettop(L);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (int i = 1; i <= n; i++) {
    if (i > 1) luaL_addchar(&b, '\t');
    luaL_tolstring(L, i, NULL);
    luaL_addvalue(&b);
  }
  luaL_addchar(&b, '\n');
  luaL_pushresult(&b);
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  fwrite(text, 1, size, stdout);
  fflush(stdout);
  tell(L);
  return 0;
}

/* f:write(…) and io.write(…): Lua's own (upvalue 1), and then the listener hears what went to the terminal. */
static int tap_write(lua_State *L) {
  bool method = lua_toboolean(L, lua_upvalueindex(2));
  int n = lua_gettop(L), first = method ? 2 : 1;
  luaL_checkstack(L, n + 8, "too many values to write");
  bool told = false;
  if (!method) {
    lua_getfield(L, LUA_REGISTRYINDEX, "_IO_output");
    luaL_Stream *s = luaL_testudata(L, -1, LUA_FILEHANDLE);
    told = s && s->f == stdout;
    lua_pop(L, 1);
  } else {
    luaL_Stream *s = luaL_testudata(L, 1, LUA_FILEHANDLE);
    told = s && s->closef && (s->f == stdout || s->f == stderr);
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  for (int i = 1; i <= n; i++) lua_pushvalue(L, i);
  lua_call(L, n, LUA_MULTRET);
  int results = lua_gettop(L) - n;
  if (told) {
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = first; i <= n; i++) {
      lua_pushvalue(L, i);
      luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    tell(L);
  }
  return results;
}

/* tap(f): from now on f(text) hears what is written to the terminal. */
static int b_tap(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  bool before = lua_getfield(L, LUA_REGISTRYINDEX, LISTENER) == LUA_TFUNCTION;
  lua_pushvalue(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, LISTENER);
  if (before) return 0;
  lua_pushcfunction(L, tap_print);
  lua_setglobal(L, "print");
  lua_getglobal(L, "io");
  if (lua_getfield(L, -1, "write") == LUA_TFUNCTION) {
    lua_pushboolean(L, 0);
    lua_pushcclosure(L, tap_write, 2);
    lua_setfield(L, -2, "write");
  }
  luaL_getmetatable(L, LUA_FILEHANDLE);
  lua_getfield(L, -1, "__index");
  if (lua_getfield(L, -1, "write") == LUA_TFUNCTION) {
    lua_pushboolean(L, 1);
    lua_pushcclosure(L, tap_write, 2);
    lua_setfield(L, -2, "write");
  }
  return 0;
}

void tap_bind(lua_State *L) {
  lua_pushcfunction(L, b_tap);
  lua_setfield(L, -2, "tap");
}
