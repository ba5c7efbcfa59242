/* Functions of table that Ctrl-C stops: Lua's own, the upvalue, take seconds where there are millions of elements. Those of
 * small tables without a metatable, and of what is no table, answer as ever; the others do here what the Lua 5.4 manual (6.6)
 * says, and ask now and then whether to go on. tests/repl/standard.lua compares both. */
#include "repl/face.h"
#include <limits.h>
#include <time.h>

enum { FEW = 10000, TURN = 1 << 12 };

/* Whether argument i may have so many elements that somebody would wait. */
static bool many(lua_State *L, int i) {
  if (!lua_istable(L, i)) return false;
  if (lua_rawlen(L, i) > FEW) return true;
  if (!lua_getmetatable(L, i)) return false;
  lua_pop(L, 1);
  return true;
}

static void turn(lua_State *L, lua_Integer i) {
  if (i % TURN == 0) interrupt_check(L);
}

/* table[to] = table[from], of the tables at two places in the stack */
static void set(lua_State *L, int table, lua_Integer from, int other, lua_Integer to) {
  lua_geti(L, table, from);
  lua_seti(L, other, to);
}

/* table.insert(list, [pos,] value) */
static int insert(lua_State *L) {
  if (lua_gettop(L) != 3 || !many(L, 1)) return interrupt_own(L);
  lua_Integer end = (lua_Integer)((lua_Unsigned)luaL_len(L, 1) + 1), at = luaL_checkinteger(L, 2);
  luaL_argcheck(L, (lua_Unsigned)at - 1 < (lua_Unsigned)end, 2, "position out of bounds");
  for (lua_Integer i = end; i > at; i--) {
    turn(L, i);
    set(L, 1, i - 1, 1, i);
  }
  lua_seti(L, 1, at);
  return 0;
}

/* table.remove(list[, pos]) */
static int extract(lua_State *L) {
  if (lua_isnone(L, 2) || !many(L, 1)) return interrupt_own(L);
  lua_Integer n = luaL_len(L, 1), at = luaL_optinteger(L, 2, n);
  luaL_argcheck(L, at == n || (lua_Unsigned)at - 1 <= (lua_Unsigned)n, 1, "position out of bounds");
  lua_geti(L, 1, at);
  for (; at < n; at++) {
    turn(L, at);
    set(L, 1, at + 1, 1, at);
  }
  lua_pushnil(L);
  lua_seti(L, 1, at);
  return 1;
}

/* table.move(a1, f, e, t[, a2]) */
static int move(lua_State *L) {
  int to = lua_isnoneornil(L, 5) ? 1 : 5;
  if (!lua_istable(L, 1) || !lua_istable(L, to)) return interrupt_own(L);
  lua_Integer f = luaL_checkinteger(L, 2), e = luaL_checkinteger(L, 3), t = luaL_checkinteger(L, 4);
  if (e < f || (f <= 0 && e >= LUA_MAXINTEGER + f) || t > LUA_MAXINTEGER - (e - f)) return interrupt_own(L);
  lua_Integer n = e - f + 1;
  if (t > e || t <= f || (to != 1 && !lua_compare(L, 1, to, LUA_OPEQ)))
    for (lua_Integer i = 0; i < n; i++) turn(L, i), set(L, 1, f + i, to, t + i);
  else
    for (lua_Integer i = n - 1; i >= 0; i--) turn(L, i), set(L, 1, f + i, to, t + i);
  lua_pushvalue(L, to);
  return 1;
}

/* table.concat(list[, sep[, i[, j]]]) */
static int concat(lua_State *L) {
  if (!many(L, 1)) return interrupt_own(L);
  lua_Integer n = luaL_len(L, 1);
  size_t size;
  const char *sep = luaL_optlstring(L, 2, "", &size);
  lua_Integer i = luaL_optinteger(L, 3, 1), last = luaL_optinteger(L, 4, n);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  while (i <= last) {
    turn(L, i);
    lua_geti(L, 1, i);
    if (!lua_isstring(L, -1))
      return luaL_error(L, "invalid value (%s) at index %I in table for 'concat'", luaL_typename(L, -1), (LUAI_UACINT)i);
    luaL_addvalue(&b);
    if (i++ == last) break;
    luaL_addlstring(&b, sep, size);
  }
  luaL_pushresult(&b);
  return 1;
}

/* ---- sort: the quicksort of Lua's ltablib.c (MIT), so that equal elements end where they would; asked at each comparison ---- */

typedef unsigned int Index;

/* a < b, of two places in the stack */
static bool less(lua_State *L, int a, int b) {
  static unsigned int count;
  if (++count % TURN == 0) interrupt_check(L);
  if (lua_isnil(L, 2)) return lua_compare(L, a, b, LUA_OPLT);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, a - 1);
  lua_pushvalue(L, b - 2);
  lua_call(L, 2, 1);
  bool is = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return is;
}

/* list[i], list[j] = the two on top */
static void set_both(lua_State *L, Index i, Index j) {
  lua_seti(L, 1, i);
  lua_seti(L, 1, j);
}

/* Puts list[i] and list[j] in order. */
static void order(lua_State *L, Index i, Index j) {
  lua_geti(L, 1, i);
  lua_geti(L, 1, j);
  if (less(L, -1, -2)) set_both(L, i, j);
  else lua_pop(L, 2);
}

/* The pivot is on top and in list[up - 1]; list[lo] <= it <= list[up]. → its place in the end */
static Index partition(lua_State *L, Index lo, Index up) {
  Index i = lo, j = up - 1;
  for (;;) {
    while (lua_geti(L, 1, ++i), less(L, -1, -2)) {
      if (i == up - 1) luaL_error(L, "invalid order function for sorting");
      lua_pop(L, 1);
    }
    while (lua_geti(L, 1, --j), less(L, -3, -1)) {
      if (j < i) luaL_error(L, "invalid order function for sorting");
      lua_pop(L, 1);
    }
    if (j < i) {
      lua_pop(L, 1);
      set_both(L, up - 1, i);
      return i;
    }
    set_both(L, i, j);
  }
}

static void sort_part(lua_State *L, Index lo, Index up, unsigned int chance) {
  enum { LARGE = 100 };
  while (lo < up) {
    order(L, lo, up);
    if (up - lo == 1) return;
    Index p = lo + (up - lo) / 2, quarter = (up - lo) / 4, smaller;
    if (up - lo >= LARGE && chance) p = chance % (quarter * 2) + lo + quarter;
    lua_geti(L, 1, p);
    lua_geti(L, 1, lo);
    if (less(L, -2, -1)) set_both(L, p, lo);
    else {
      lua_pop(L, 2);
      order(L, p, up);
    }
    if (up - lo == 2) return;
    lua_geti(L, 1, p);
    lua_pushvalue(L, -1);
    lua_geti(L, 1, up - 1);
    set_both(L, p, up - 1);
    p = partition(L, lo, up);
    if (p - lo < up - p) {
      sort_part(L, lo, p - 1, chance);
      smaller = p - lo;
      lo = p + 1;
    } else {
      sort_part(L, p + 1, up, chance);
      smaller = up - p;
      up = p - 1;
    }
    if ((up - lo) / 128 > smaller) chance = (unsigned int)clock() + (unsigned int)time(NULL); /* too uneven: try others */
  }
}

/* table.sort(list[, comp]) */
static int sort(lua_State *L) {
  if (!many(L, 1)) return interrupt_own(L);
  lua_Integer n = luaL_len(L, 1);
  if (n < 2) return 0;
  luaL_argcheck(L, n < INT_MAX, 1, "array too big");
  if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  luaL_checkstack(L, 40, ""); /* a few for each of at most 32 parts of parts, none of which is larger than half */
  sort_part(L, 1, (Index)n, 0);
  return 0;
}

void tables_bind(lua_State *L) {
  static const luaL_Reg fns[] = {
    {"insert", insert}, {"remove", extract}, {"move", move}, {"concat", concat}, {"sort", sort}, {0, 0}};
  lua_getglobal(L, "table");
  interrupt_stand_for(L, fns);
  lua_pop(L, 1);
}
