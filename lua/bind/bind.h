/* The bindings: one file per noun, `lua/bind/<noun>.c`, each with `int bind_<noun>(lua_State *L)` that leaves one
 * table (its functions) on the stack; all are gathered as `require "suture.core".<noun>`. Bindings are thin:
 * they check arguments, call the core, raise its errors. Whatever can be written in Lua is, in lua/. */
#ifndef LUA_BIND_H
#define LUA_BIND_H
#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>
#include "err.h"

/* A file's text, and what it compiles to (scripts/chunks.c); 0 where it is no Lua. */
typedef struct LuaSource { const char *path, *begin, *end, *chunk, *chunk_end; } LuaSource;
extern const LuaSource lualib_table[]; /* the embedded Lua library, sorted: "lua/nn/init.lua" … */
extern const size_t lualib_count;
extern const luaL_Reg bind_table[];

/* Opens the library: leaves the table `suture` on the stack. `luaopen_suture` of suture.so and the shell call it.
 * Embedded modules are found by require: "suture.nn" is lua/nn.lua, "suture.zoo.resnet" is lua/zoo/resnet.lua;
 * "suture" is lua/init.lua. "suture.core" is the table of bindings. */
int luaopen_suture(lua_State *L);

/* Pushes "script.lua:12: ", the place in the user's code that is running (the library's own frames are skipped), or "". */
void bind_where(lua_State *L);

/* Called, where it is not NULL, before "interrupted!" is raised for the engine. */
extern void (*bind_stopped)(lua_State *L);

/* Raises e as a Lua error (a string with bind_where in front; for ERR_STOP the string "interrupted!"). Nothing may be
 * held by the caller when this is called. */
int bind_raise(lua_State *L, const Err *e);

/* luaL_error with that place in front. */
int bind_fail(lua_State *L, const char *fmt, ...);
#endif
