/* suture.core.backward, all of it also in suture.core.graph: values computed, gradients, and looks at them on their way. */
#include <stdlib.h>
#include <string.h>
#include "host.h"
#include "tensor.h"

Node **bind_node_list(lua_State *L, int i, int *n) {
  luaL_checktype(L, i, LUA_TTABLE);
  *n = (int)luaL_len(L, i);
  Node **list = lua_newuserdatauv(L, ((size_t)*n + 1) * sizeof *list, 0);
  for (int k = 0; k < *n; k++) {
    lua_geti(L, i, k + 1);
    if (!(list[k] = bind_test_tensor(L, -1)))
      bind_fail(L, "expects a list of tensors, got %s at place %d", luaL_typename(L, -1), k + 1);
    lua_pop(L, 1);
  }
  return list;
}

/* eval{t, …}: computes them together. */
static int graph_eval_list(lua_State *L) {
  int n;
  Node **want = bind_node_list(L, 1, &n);
  Err e;
  if (!graph_eval(want, n, &e)) return bind_raise(L, &e);
  return 0;
}

/* backward(loss[, dy[, retain[, {tensors to compute in the same run}]]]) */
static int graph_backward_from(lua_State *L) {
  lua_settop(L, 4);
  Node *loss = bind_check_tensor(L, 1);
  Node *dy = lua_isnil(L, 2) ? NULL : bind_check_tensor(L, 2);
  int n = 0;
  Node **also = lua_isnil(L, 4) ? NULL : bind_node_list(L, 4, &n);
  Err e;
  if (!graph_backward_with(loss, dy, lua_toboolean(L, 3), also, n, &e)) return bind_raise(L, &e);
  return 0;
}

/* ---- looking at gradients on their way ---- */

static lua_Integer *ended; /* numbers of taps whose node is gone, not yet asked for */
static int ended_count, ended_cap;

static void untapped(uint64_t tap) {
  if (ended_count == ended_cap) {
    int cap = ended_cap ? 2 * ended_cap : 64;
    lua_Integer *more = realloc(ended, (size_t)cap * sizeof *more);
    if (!more) return; /* one entry of a table too many */
    ended = more;
    ended_cap = cap;
  }
  ended[ended_count++] = (lua_Integer)tap;
}

/* tap(t, number): gradients will be looked at here; taps() finds it. */
static int graph_tap(lua_State *L) {
  bind_check_tensor(L, 1)->tap = (uint64_t)luaL_checkinteger(L, 2);
  host.untapped = untapped;
  return 0;
}

/* taps(t) → {{number, tensor} …} of the tapped values beneath t, in the order they were made. */
static int graph_taps(lua_State *L) {
  Node *of = bind_check_tensor(L, 1);
  int count;
  Err e;
  Node **found = graph_walk(&of, 1, false, &count, &e);
  if (!found) return bind_raise(L, &e);
  int n = 0;
  for (int i = 0; i < count; i++)
    if (found[i]->tap) found[n++] = found[i];
  Node **node = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *node, 0);
  memcpy(node, found, (size_t)n * sizeof *node); /* lives as long as t */
  free(found);
  lua_createtable(L, n, 0);
  int depth = bind_depth;
  bind_depth = 1; /* no user sees these */
  for (int i = 0; i < n; i++) {
    lua_createtable(L, 2, 0);
    lua_pushinteger(L, (lua_Integer)node[i]->tap);
    lua_rawseti(L, -2, 1);
    bind_push_tensor(L, node_ref(node[i]));
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, i + 1);
  }
  bind_depth = depth;
  return 1;
}

/* ended_taps() → the numbers of taps whose values are gone since it was last asked. */
static int graph_ended_taps(lua_State *L) {
  lua_createtable(L, ended_count, 0);
  for (int i = 0; i < ended_count; i++) {
    lua_pushinteger(L, ended[i]);
    lua_rawseti(L, -2, i + 1);
  }
  ended_count = 0;
  return 1;
}

/* instead(t, g or nil): the gradient that backward passes go on with from t. */
static int graph_instead(lua_State *L) {
  Node *n = bind_check_tensor(L, 1);
  Node *g = lua_isnoneornil(L, 2) ? NULL : bind_check_tensor(L, 2);
  if (g && !shape_equal(&g->shape, &n->shape))
    return bind_fail(L, "a gradient in place of another has its shape: expects %s, got %s", SHAPE_STR(&n->shape), SHAPE_STR(&g->shape));
  Node *before = n->instead;
  n->instead = node_ref(g);
  node_unref(before);
  return 0;
}

/* retain(t): backward() keeps t's gradient too. */
static int graph_retain(lua_State *L) {
  bind_check_tensor(L, 1)->retains = true;
  return 0;
}

/* grad(of, {wrt …}[, dy[, recorded]]) → {gradient or false, …}; recorded: not through what was made under no_grad. */
static int graph_grad_of(lua_State *L) {
  lua_settop(L, 4);
  bool recorded = lua_toboolean(L, 4);
  Node *of = bind_check_tensor(L, 1);
  Node *dy = lua_isnil(L, 3) ? NULL : bind_check_tensor(L, 3);
  int n;
  Node **wrt = bind_node_list(L, 2, &n);
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) { /* places first, so that nothing is held when Lua may raise */
    bind_new_tensor(L);
    lua_rawseti(L, -2, i + 1);
  }
  Node **out = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *out, 0);
  memset(out, 0, ((size_t)n + 1) * sizeof *out);
  Err e;
  Builder b;
  builder_begin(&b, &e);
  bool ok = graph_grad(&b, of, dy, wrt, n, recorded, out);
  for (int i = 0; ok && i < n; i++) { /* rawgeti does not allocate */
    lua_rawgeti(L, -2, i + 1);
    *(Node **)lua_touserdata(L, -1) = node_ref(out[i]);
    lua_pop(L, 1);
  }
  builder_end(&b);
  if (!ok) return bind_raise(L, &e);
  lua_pop(L, 1);
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, -1, i + 1);
    if (bind_test_tensor(L, -1)) bind_made_tensor(L);
    else {
      lua_pushboolean(L, 0);
      lua_rawseti(L, -3, i + 1);
    }
    lua_pop(L, 1);
  }
  return 1;
}

static const luaL_Reg functions[] = {
  {"eval", graph_eval_list}, {"backward", graph_backward_from}, {"tap", graph_tap}, {"taps", graph_taps}, {"ended_taps", graph_ended_taps},
  {"instead", graph_instead}, {"retain", graph_retain}, {"grad", graph_grad_of}, {0, 0}};

int bind_backward(lua_State *L);
int bind_backward(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
