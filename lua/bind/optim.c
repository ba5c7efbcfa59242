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

static double number(lua_State *L, const char *name) {
  lua_getfield(L, 2, name);
  double v = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return v;
}

static bool flag(lua_State *L, const char *name) {
  lua_getfield(L, 2, name);
  bool v = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return v;
}

/* step(group, {kind=, lr=, …}) */
static int optim_step_group(lua_State *L) {
  Group *g = check_group(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  OptimSettings set = {.kind = (OptimKind)number(L, "kind"), .lr = number(L, "lr"), .weight_decay = number(L, "weight_decay"),
                       .momentum = number(L, "momentum"), .dampening = number(L, "dampening"), .beta1 = number(L, "beta1"),
                       .beta2 = number(L, "beta2"), .eps = number(L, "eps"), .alpha = number(L, "alpha"),
                       .nesterov = flag(L, "nesterov"), .maximize = flag(L, "maximize"), .amsgrad = flag(L, "amsgrad"),
                       .centered = flag(L, "centered")};
  Err e;
  if (!optim_step(&set, g->param, g->state, g->n, &e)) return bind_raise(L, &e);
  return 0;
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

static void push_state(lua_State *L, Tensor *t) {
  if (t) bind_push_leaf(L, tensor_ref(t));
  else lua_pushboolean(L, 0);
}

/* state(group, i) → first, second, third (tensors that share memory with the optimizer, or false), step */
static int optim_get_state(lua_State *L) {
  Group *g = check_group(L);
  lua_Integer i = luaL_checkinteger(L, 2);
  luaL_argcheck(L, i >= 1 && i <= g->n, 2, "no such parameter");
  push_state(L, g->state[i - 1].first);
  push_state(L, g->state[i - 1].second);
  push_state(L, g->state[i - 1].third);
  lua_pushinteger(L, g->state[i - 1].step);
  return 4;
}

static bool copy_state(lua_State *L, int at, const Node *p, Tensor **to) {
  if (!lua_toboolean(L, at)) {
    tensor_unref(*to);
    *to = NULL;
    return true;
  }
  Tensor *from = bind_check_value(L, at);
  if (!shape_equal(&from->shape, &p->shape)) return bind_fail(L, "optimizer state has shape %s, its parameter %s", SHAPE_STR(&from->shape), SHAPE_STR(&p->shape));
  Err e;
  Tensor *t = tensor_new(&p->shape, &e);
  if (!t) return bind_raise(L, &e);
  memcpy(t->data, from->data, (size_t)t->count * sizeof(float));
  tensor_unref(*to);
  *to = t;
  return true;
}

/* set_state(group, i, first, second, third, step) */
static int optim_set_state(lua_State *L) {
  Group *g = check_group(L);
  lua_Integer i = luaL_checkinteger(L, 2);
  luaL_argcheck(L, i >= 1 && i <= g->n, 2, "no such parameter");
  copy_state(L, 3, g->param[i - 1], &g->state[i - 1].first);
  copy_state(L, 4, g->param[i - 1], &g->state[i - 1].second);
  copy_state(L, 5, g->param[i - 1], &g->state[i - 1].third);
  g->state[i - 1].step = luaL_checkinteger(L, 6);
  return 0;
}

int bind_optim(lua_State *L);
int bind_optim(lua_State *L) {
  luaL_newmetatable(L, BIND_OPTIM);
  lua_pushcfunction(L, group_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  static const luaL_Reg fn[] = {{"group", optim_group}, {"step", optim_step_group}, {"clip", optim_clip},
                                {"state", optim_get_state}, {"set_state", optim_set_state}, {0, 0}};
  luaL_newlib(L, fn);
  return 1;
}
