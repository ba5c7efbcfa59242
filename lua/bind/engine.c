/* suture.core.engine: the clock, threads, memory and the random generator. */
#include "ceiling.h"
#include "clock.h"
#include "tensor.h"
#include "kernels/kernels.h"
#include "peak.h"
#include "run.h"

/* clock() → seconds of a clock that only goes forward. */
static int engine_clock(lua_State *L) {
  lua_pushnumber(L, clock_seconds());
  return 1;
}

/* threads([n]) → how many threads compute; n sets it. */
static int engine_threads(lua_State *L) {
  lua_Integer n = luaL_optinteger(L, 1, 0);
  if (!lua_isnoneornil(L, 1) && (n < 1 || n > 1024)) return bind_fail(L, "threads: expects a number from 1 to 1024, got %d", (int)n);
  lua_pushinteger(L, kernels_threads((int)n));
  return 1;
}

/* memory() → bytes in tensors and arenas now, the most since the last peak_reset(). */
static int engine_memory(lua_State *L) {
  lua_pushinteger(L, tensor_bytes());
  lua_pushinteger(L, tensor_peak());
  return 2;
}

static int engine_peak_reset(lua_State *L) {
  (void)L;
  tensor_peak_reset();
  return 0;
}

/* peak() → the most this machine does with the threads in force: floating-point operations and bytes of memory per second. */
static int engine_peak(lua_State *L) {
  Peak p;
  Err e;
  if (!peak_measure(&p, &e)) return bind_raise(L, &e);
  lua_pushnumber(L, p.flops);
  lua_pushnumber(L, p.bandwidth);
  return 2;
}

/* runs() → how many times anything was computed */
static int engine_runs(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)run_count);
  return 1;
}

/* rest(): nothing will run for a while: what intermediate values took is free for the next run, or the system. */
static int engine_rest(lua_State *L) {
  (void)L;
  run_rest();
  return 0;
}

/* ceiling(bytes): from now on tensors may take so many bytes more; 0: as many as there are. */
static int engine_ceiling(lua_State *L) {
  memory_ceiling((int64_t)luaL_checkinteger(L, 1));
  return 0;
}

/* trim(): gives all kept memory back to the system. */
static int engine_trim(lua_State *L) {
  (void)L;
  run_rest();
  memory_trim();
  return 0;
}

/* seed([state]) → the generator's state before; state sets it. */
static int engine_seed(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)graph_seed_get());
  if (!lua_isnoneornil(L, 1)) graph_seed_set((uint64_t)luaL_checkinteger(L, 1));
  return 1;
}

/* draw() → 64 random bits as an integer; advances the generator. */
static int engine_draw(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)graph_seed());
  return 1;
}

/* raise(text): an error with the position of the user's code. */
static int engine_raise(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  bind_where(L);
  lua_insert(L, 1);
  lua_concat(L, 2);
  return lua_error(L);
}

static const luaL_Reg functions[] = {
  {"clock", engine_clock}, {"threads", engine_threads}, {"memory", engine_memory}, {"ceiling", engine_ceiling},
  {"peak_reset", engine_peak_reset}, {"peak", engine_peak}, {"runs", engine_runs}, {"rest", engine_rest}, {"trim", engine_trim},
  {"seed", engine_seed}, {"draw", engine_draw}, {"raise", engine_raise}, {0, 0}};

int bind_engine(lua_State *L) {
  kernels_init();
  luaL_newlib(L, functions);
  lua_pushstring(L, kern->isa);
  lua_setfield(L, -2, "isa");
  return 1;
}
