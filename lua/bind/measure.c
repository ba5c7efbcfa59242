/* suture.core.measure: figures of how well a model does. */
#include "lua/bind/tensor.h"
#include "measure.h"

/* ranks(scores (N, C), column, is) → the area under the ROC curve and the mean precision of a column's scores; is: N truths,
 * 1 for members. nil where all or none are members. */
static int measure_ranks_of(lua_State *L) {
  const Tensor *t = bind_check_value(L, 1);
  int64_t column = luaL_checkinteger(L, 2), n = t->shape.dim[0], c = t->shape.rank == 2 ? t->shape.dim[1] : 0;
  luaL_argcheck(L, column >= 0 && column < c, 2, "no such column");
  luaL_argcheck(L, (int64_t)luaL_len(L, 3) == n, 3, "a truth for each row expected");
  uint8_t *is = lua_newuserdatauv(L, (size_t)n + 1, 0);
  for (int64_t i = 0; i < n; i++, lua_pop(L, 1)) {
    lua_rawgeti(L, 3, i + 1);
    is[i] = lua_tonumber(L, -1) != 0;
  }
  double auc, precision;
  Err e;
  if (!measure_ranks(t->data + column, n, c, is, &auc, &precision, &e)) return bind_raise(L, &e);
  if (auc - auc != 0) return 0;
  lua_pushnumber(L, auc);
  lua_pushnumber(L, precision);
  return 2;
}

int bind_measure(lua_State *L);
int bind_measure(lua_State *L) {
  static const luaL_Reg fn[] = {{"ranks", measure_ranks_of}, {0, 0}};
  luaL_newlib(L, fn);
  return 1;
}
