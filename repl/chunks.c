/* load, loadfile, dofile of a long text, and collectgarbage, all of which Ctrl-C stops. Lua's own, which are the upvalues, take
 * seconds for some ten megabytes of code, or some million objects; they answer what is short, and all that is wrong.
 * tests/repl/standard.lua compares both. */
#include "repl/face.h"
#include <string.h>
#include <sys/stat.h>

enum { PIECE = 1 << 16, LONG = 1 << 20 };

typedef struct Text {
  const char *at;
  size_t left;
} Text;

static const char *next_piece(lua_State *L, void *user, size_t *n) {
  Text *t = user;
  const char *at = t->at;
  interrupt_check(L);
  *n = t->left < PIECE ? t->left : PIECE;
  t->at += *n;
  t->left -= *n;
  return at;
}

/* Compiles a text, as lua_load. Ctrl-C, of which the caller's message handler makes what it likes, is no error of the text's. */
static int compile(lua_State *L, const char *s, size_t n, const char *name, const char *mode) {
  Text t = {s, n};
  long before = interrupt_raised();
  int status = lua_load(L, next_piece, &t, name, mode);
  if (status != LUA_OK) interrupt_again(L, before);
  return status;
}

/* load(chunk[, name[, mode[, env]]]) */
static int load(lua_State *L) {
  if (lua_type(L, 1) != LUA_TSTRING || lua_rawlen(L, 1) <= LONG) {
    long before = interrupt_raised();
    int results = interrupt_own(L);
    if (lua_isnil(L, -results)) interrupt_again(L, before); /* of a function that gives the text */
    return results;
  }
  size_t n;
  const char *s = lua_tolstring(L, 1, &n), *mode = luaL_optstring(L, 3, "bt"), *name = luaL_optstring(L, 2, s);
  if (compile(L, s, n, name, mode) != LUA_OK) {
    luaL_pushfail(L);
    lua_insert(L, -2);
    return 2;
  }
  if (!lua_isnone(L, 4)) {
    lua_pushvalue(L, 4);
    if (!lua_setupvalue(L, -2, 1)) lua_pop(L, 1);
  }
  return 1;
}

static int close_file(lua_State *L) { return luaL_fileresult(L, fclose(((luaL_Stream *)lua_touserdata(L, 1))->f) == 0, NULL); }

/* The text that a file of Lua has behind a byte order mark, its first line empty where that is a comment of the system's ("#!");
 * pushed. NULL where loadfile is to answer: for what is short, no plain file, or cannot be read. */
static const char *push_text(lua_State *L, const char *path, size_t *n) {
  struct stat st;
  if (!path || stat(path, &st) || !S_ISREG(st.st_mode) || st.st_size <= LONG) return NULL;
  luaL_Stream *s = lua_newuserdatauv(L, sizeof *s, 0);
  s->closef = NULL;
  luaL_setmetatable(L, LUA_FILEHANDLE);
  if (!(s->f = fopen(path, "rb"))) return NULL;
  s->closef = close_file;
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (size_t got = 1; got > 0; luaL_addsize(&b, got)) {
    interrupt_check(L);
    got = fread(luaL_prepbuffsize(&b, LONG), 1, LONG, s->f);
  }
  luaL_pushresult(&b);
  const char *text = lua_tolstring(L, -1, n), *end;
  if (ferror(s->f)) return NULL;
  if (*n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) text += 3, *n -= 3;
  if (*text != '#') return text;
  end = memchr(text, '\n', *n);
  *n -= end ? (size_t)(end - text) : *n;
  if (!end) return "";
  return *n > 1 && end[1] == LUA_SIGNATURE[0] ? --*n, end + 1 : end; /* in front of a compiled chunk it is dropped */
}

/* loadfile([path[, mode[, env]]]) */
static int load_file(lua_State *L) {
  const char *path = luaL_optstring(L, 1, NULL), *mode = luaL_optstring(L, 2, NULL);
  int most = lua_gettop(L);
  size_t n;
  const char *text = push_text(L, path, &n);
  if (!text) {
    lua_settop(L, most);
    return interrupt_own(L);
  }
  if (compile(L, text, n, lua_pushfstring(L, "@%s", path), mode) != LUA_OK) {
    luaL_pushfail(L);
    lua_insert(L, -2);
    return 2;
  }
  if (most >= 3) {
    lua_pushvalue(L, 3);
    if (!lua_setupvalue(L, -2, 1)) lua_pop(L, 1);
  }
  return 1;
}

static int results(lua_State *L, int status, lua_KContext base) {
  (void)status;
  return lua_gettop(L) - (int)base;
}

/* dofile([path]) */
static int do_file(lua_State *L) {
  size_t n;
  const char *path = luaL_optstring(L, 1, NULL), *text = (lua_settop(L, 1), push_text(L, path, &n));
  if (!text) {
    lua_settop(L, 1);
    return interrupt_own(L);
  }
  if (compile(L, text, n, lua_pushfstring(L, "@%s", path), NULL) != LUA_OK) return lua_error(L);
  lua_KContext base = lua_gettop(L) - 1;
  lua_callk(L, 0, LUA_MULTRET, base, results);
  return results(L, LUA_OK, base);
}

/* ---- collectgarbage: Lua collects as much as MUCH in a tenth of a second ---- */

enum { MUCH = 100 << 10 /* KB */, MOST = 20 /* a step of 2^20 bytes */ };

/* "collect" where there is much: two cycles in steps, the one under way and a whole one. */
static int collect_all(lua_State *L) {
  for (int cycles = 0, step; cycles < 2; cycles += step) {
    interrupt_check(L);
    if ((step = lua_gc(L, LUA_GCSTEP, 0)) < 0) return luaL_pushfail(L), 1; /* called by a finalizer */
  }
  lua_pushinteger(L, 0);
  return 1;
}

/* "step" of n KB where that is much, a part at a time. → whether a cycle ended */
static int collect_step(lua_State *L, lua_Integer n) {
  int ended = 0;
  for (; n > 0 && ended == 0; n -= 1 << 10) {
    interrupt_check(L);
    if ((ended = lua_gc(L, LUA_GCSTEP, n < 1 << 10 ? (int)n : 1 << 10)) < 0) return luaL_pushfail(L), 1;
  }
  lua_pushboolean(L, ended);
  return 1;
}

/* "generational": its collections cannot be stopped, so there are none; it only changes when memory comes back. */
static int stays_incremental(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "suture.base.note");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "once");
  lua_pushliteral(L, "generational");
  lua_pushliteral(L, "the collector stays incremental: Ctrl-C could not stop a generational one");
  lua_call(L, 2, 0);
  lua_pushliteral(L, "incremental");
  return 1;
}

/* collectgarbage([what, ...]) */
static int collect(lua_State *L) {
  const char *what = luaL_optstring(L, 1, "collect");
  if (strcmp(what, "generational") == 0) return stays_incremental(L);
  if (strcmp(what, "incremental") == 0)
    luaL_argcheck(L, (lua_Unsigned)luaL_optinteger(L, 4, 0) <= MOST, 4, "a step of more than 2^20 bytes, which Ctrl-C could not stop");
  if (lua_gc(L, LUA_GCCOUNT) < MUCH) return interrupt_own(L);
  if (strcmp(what, "collect") == 0) return collect_all(L);
  if (strcmp(what, "step") == 0 && luaL_optinteger(L, 2, 0) > 1 << 10) return collect_step(L, luaL_checkinteger(L, 2));
  return interrupt_own(L);
}

void chunks_bind(lua_State *L) {
  static const luaL_Reg fns[] = {
    {"load", load}, {"loadfile", load_file}, {"dofile", do_file}, {"collectgarbage", collect}, {0, 0}};
  lua_pushglobaltable(L);
  interrupt_stand_for(L, fns);
  lua_pop(L, 1);
}
