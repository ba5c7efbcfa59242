/* Readers that are Lua: NAME.lua gives a function of the bytes, which raises where what it is told is wrong. Lines of Lua that run
 * count as libFuzzer's edges do. */
#include <lauxlib.h>
#include <lualib.h>
#include "fuzz.h"
#include "lua/bind/bind.h"

enum { LINES = 1 << 14 };
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t lines[LINES];
static lua_State *L;

static void line_runs(lua_State *state, lua_Debug *ar) {
  lua_getinfo(state, "S", ar);
  unsigned h = 2166136261u;
  for (const char *c = ar->short_src; *c; c++) h = (h ^ (unsigned char)*c) * 16777619u;
  h += (unsigned)ar->currentline * 2654435761u;
  lines[(h ^ h >> 16) % LINES]++;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  const char *name = strrchr((*argv)[0], '/');
  char path[200];
  snprintf(path, sizeof path, "tests/fuzz/%s.lua", name ? name + 1 : (*argv)[0]);
  L = luaL_newstate();
  luaL_openlibs(L);
  luaL_requiref(L, "suture", luaopen_suture, 1);
  if (luaL_dofile(L, path)) fuzz_fail("%s", lua_tostring(L, -1));
  lua_replace(L, 1);
  lua_settop(L, 1);
  lua_sethook(L, line_runs, LUA_MASKLINE, 0);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static unsigned runs;
  lua_pushvalue(L, 1);
  lua_pushlstring(L, (const char *)bytes, size);
  if (lua_pcall(L, 1, 0, 0)) fuzz_fail("%s", luaL_tolstring(L, -1, NULL));
  if (++runs % 64 == 0) lua_gc(L, LUA_GCCOLLECT);
  return 0;
}
