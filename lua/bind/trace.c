/* suture.core.trace: the steps of a run, planned or timed. */
#include <stdlib.h>
#include "clock.h"
#include "run.h"
#include "tensor.h"

static RunRecord record; /* no local of C holds it when Lua jumps */

static void begin_record(void) {
  free(record.step);
  record = (RunRecord){0};
}

static void set_int(lua_State *L, const char *name, int64_t v) {
  lua_pushinteger(L, (lua_Integer)v);
  lua_setfield(L, -2, name);
}

static void push_step(lua_State *L, const StepInfo *s) {
  lua_createtable(L, 0, 9);
  lua_pushstring(L, s->op->name);
  lua_setfield(L, -2, "op");
  lua_pushstring(L, s->algorithm);
  lua_setfield(L, -2, "algorithm");
  lua_pushstring(L, s->path);
  lua_setfield(L, -2, "path");
  lua_createtable(L, s->n_fused, 0);
  lua_createtable(L, s->n_fused + 1, 0);
  for (int k = 0; k <= s->n_fused; k++) {
    lua_pushinteger(L, (lua_Integer)s->order[k]);
    lua_rawseti(L, -2, k + 1);
    if (k == s->n_fused) break;
    lua_pushstring(L, s->fused[k]->name);
    lua_rawseti(L, -3, k + 1);
  }
  lua_setfield(L, -3, "orders");
  lua_setfield(L, -2, "fused");
  bind_push_shape(L, &s->shape);
  lua_setfield(L, -2, "shape");
  set_int(L, "macs", s->macs);
  set_int(L, "bytes", s->bytes);
  lua_pushnumber(L, s->seconds);
  lua_setfield(L, -2, "seconds");
}

/* The record as a list of tables: op, algorithm (nil: it has but one), path, fused {op …}, orders (of the nodes it
 * computes: op's, then the fused ones'), shape, macs, bytes (inputs and result), seconds. Then the memory a run took. */
static int push_record(lua_State *L) {
  lua_createtable(L, record.n, 0);
  for (int i = 0; i < record.n; i++) {
    push_step(L, &record.step[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_pushinteger(L, (lua_Integer)record.memory);
  begin_record();
  return 2;
}

/* steps{t, …} → the steps that would compute them, in order; bytes of memory. */
static int trace_steps(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  int n = (int)luaL_len(L, 1);
  Node **want = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *want, 0);
  for (int i = 0; i < n; i++) {
    lua_geti(L, 1, i + 1);
    want[i] = bind_check_tensor(L, -1);
    lua_pop(L, 1);
  }
  Err e;
  begin_record();
  bool ok = graph_steps(want, n, &record, &e);
  return ok ? push_record(L) : bind_raise(L, &e);
}

/* timed(f) → what ran during f(): its steps, in order; bytes of memory; seconds of the whole call. */
static int trace_timed(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  begin_record();
  run_record = &record;
  double begin = clock_seconds();
  int status = lua_pcall(L, 0, 0, 0);
  double seconds = clock_seconds() - begin;
  run_record = NULL;
  if (status != LUA_OK) return lua_error(L);
  push_record(L);
  lua_pushnumber(L, seconds);
  return 3;
}

int bind_trace(lua_State *L);
int bind_trace(lua_State *L) {
  static const luaL_Reg functions[] = {{"steps", trace_steps}, {"timed", trace_timed}, {0, 0}};
  luaL_newlib(L, functions);
  return 1;
}
