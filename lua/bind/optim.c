/* suture.core.optim: a userdata holds the parameters of one group and what the optimizer remembers of each. */
#include <stdlib.h>
#include <string.h>
#include "lua/bind/tensor.h"
#include "optim.h"

#define BIND_OPTIM "suture.optim"

typedef struct Group {
  int n;
  Node **param;
  OptimState *state;
} Group;

static Group *check_group(lua_State *L) { return luaL_checkudata(L, 1, BIND_OPTIM); }

static int group_gc(lua_State *L) {
  Group *g = check_group(L);
  for (int i = 0; i < g->n; i++) {
    node_unref(g->param[i]);
    optim_state_free(&g->state[i]);
  }
  free(g->param);
  free(g->state);
  *g = (Group){0};
  return 0;
}

/* group{tensors …} */
static int optim_group(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  int n = (int)lua_rawlen(L, 1);
  Group *g = lua_newuserdatauv(L, sizeof *g, 0);
  *g = (Group){0};
  luaL_setmetatable(L, BIND_OPTIM);
  g->param = calloc((size_t)n + 1, sizeof *g->param);
  g->state = calloc((size_t)n + 1, sizeof *g->state);
  if (!g->param || !g->state) return bind_fail(L, "out of memory");
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, 1, i + 1);
    Node *p = bind_check_tensor(L, -1);
    g->param[g->n++] = node_ref(p);
    lua_pop(L, 1);
  }
  return 1;
}

/* kernel(name) → the options that the optimizer's step reads, or nil */
static int optim_kernel(lua_State *L) {
  const OptimizerKernel *kernel = kern->optimizer(luaL_checkstring(L, 1));
  lua_pushstring(L, kernel ? kernel->options : NULL);
  return 1;
}

/* step(group, name, {numbers}, used): the numbers in the order of kernel(name) */
static int optim_step_group(lua_State *L) {
  enum { MOST = 16 };
  Group *g = check_group(L);
  const OptimizerKernel *kernel = kern->optimizer(luaL_checkstring(L, 2));
  luaL_argcheck(L, kernel, 2, "no such optimizer");
  luaL_checktype(L, 3, LUA_TTABLE);
  double set[MOST] = {0};
  luaL_argcheck(L, lua_rawlen(L, 3) <= MOST, 3, "too many numbers");
  for (int i = 0; i < (int)lua_rawlen(L, 3); i++) {
    lua_rawgeti(L, 3, i + 1);
    set[i] = luaL_checknumber(L, -1);
    lua_pop(L, 1);
  }
  Err e;
  if (!optim_step(kernel, set, g->param, g->state, g->n, (unsigned)luaL_checkinteger(L, 4), &e)) return bind_raise(L,
    &e);
  return 0;
}

/* prepare(group, used) → the numbers of the parameters that a step would move, with their states and gradients ready */
static int optim_prepare_group(lua_State *L) {
  Group *g = check_group(L);
  Err e;
  if (!optim_prepare(g->param, g->state, g->n, (unsigned)luaL_checkinteger(L, 2), &e)) return bind_raise(L, &e);
  lua_newtable(L);
  for (int i = 0, k = 0; i < g->n; i++) {
    if (!optim_moves(g->param[i])) continue;
    lua_pushinteger(L, i + 1);
    lua_rawseti(L, -2, ++k);
  }
  return 1;
}

/* clip(group, max_norm) → the norm before */
static int optim_clip(lua_State *L) {
  Group *g = check_group(L);
  double norm;
  Err e;
  if (!optim_clip_grad_norm(g->param, g->n, luaL_checknumber(L, 2), &norm, &e)) return bind_raise(L, &e);
  lua_pushnumber(L, norm);
  return 1;
}

static OptimState *check_state(lua_State *L, Group *g, const Node **p) {
  lua_Integer i = luaL_checkinteger(L, 2);
  luaL_argcheck(L, i >= 1 && i <= g->n, 2, "no such parameter");
  if (p) *p = g->param[i - 1];
  return &g->state[i - 1];
}

static int check_place(lua_State *L) {
  lua_Integer k = luaL_checkinteger(L, 3);
  luaL_argcheck(L, k >= 1 && k <= OPTIM_STATES, 3, "no such state");
  return (int)k - 1;
}

/* state(group, i, k) → a tensor that shares memory with the optimizer, or nil */
static int optim_get_state(lua_State *L) {
  OptimState *s = check_state(L, check_group(L), NULL);
  Tensor *t = s->at[check_place(L)];
  if (t) bind_push_leaf(L, tensor_ref(t));
  else lua_pushnil(L);
  return 1;
}

/* set_state(group, i, k, tensor or nil): a copy of its numbers */
static int optim_set_state(lua_State *L) {
  const Node *p;
  OptimState *s = check_state(L, check_group(L), &p);
  Tensor **to = &s->at[check_place(L)], *t = NULL;
  if (!lua_isnoneornil(L, 4)) {
    Tensor *from = bind_check_value(L, 4);
    if (!shape_equal(&from->shape, &p->shape))
      return bind_fail(L, "optimizer state has shape %s, its parameter %s", SHAPE_STR(&from->shape),
        SHAPE_STR(&p->shape));
    Err e;
    if (!(t = tensor_new(&p->shape, &e))) return bind_raise(L, &e);
    memcpy(t->data, from->data, (size_t)t->count * sizeof(float));
  }
  tensor_unref(*to);
  *to = t;
  return 0;
}

/* steps(group, i[, n]) → how many steps parameter i has made; n: says so */
static int optim_steps(lua_State *L) {
  OptimState *s = check_state(L, check_group(L), NULL);
  if (!lua_isnoneornil(L, 3)) s->step = luaL_checkinteger(L, 3);
  lua_pushinteger(L, s->step);
  return 1;
}

int bind_optim(lua_State *L);
int bind_optim(lua_State *L) {
  luaL_newmetatable(L, BIND_OPTIM);
  lua_pushcfunction(L, group_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  static const luaL_Reg fn[] = {{"group", optim_group}, {"kernel", optim_kernel}, {"step", optim_step_group},
                                {"prepare", optim_prepare_group}, {"clip", optim_clip}, {"state", optim_get_state},
                                {"set_state", optim_set_state}, {"steps", optim_steps}, {0, 0}};
  luaL_newlib(L, fn);
  return 1;
}
