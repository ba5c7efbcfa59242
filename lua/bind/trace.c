/* suture.core.trace: what the planner makes of a graph, without running it. */
#include <stdlib.h>
#include "plan.h"
#include "run.h"
#include "tensor.h"

static void set_int(lua_State *L, const char *name, int64_t v) {
  lua_pushinteger(L, (lua_Integer)v);
  lua_setfield(L, -2, name);
}

static void set_bool(lua_State *L, const char *name, bool v) {
  lua_pushboolean(L, v);
  lua_setfield(L, -2, name);
}

static const char *place_name(ValuePlace p) {
  switch (p) {
  case AT_LEAF: return "leaf";
  case AT_OUTPUT: return "output";
  case AT_ARENA: return "arena";
  default: return "nothing";
  }
}

/* The step on top of the stack as a table: op, order and path of its first node, what is fused behind it, where its result lies. */
static void push_step(lua_State *L, const Plan *p, const Step *s, Node *const *node) {
  lua_createtable(L, 0, 10);
  lua_pushstring(L, s->op->name);
  lua_setfield(L, -2, "op");
  set_int(L, "order", (int64_t)node[s->node]->order);
  lua_pushstring(L, node[s->node]->path);
  lua_setfield(L, -2, "path");
  set_bool(L, "bn", s->bn_var >= 0);
  set_bool(L, "add", s->residual >= 0);
  lua_pushstring(L, s->act ? s->act->name : NULL);
  lua_setfield(L, -2, "activation");
  const Value *v = &p->value[s->out];
  bind_push_shape(L, &v->shape);
  lua_setfield(L, -2, "shape");
  lua_pushstring(L, place_name(v->place));
  lua_setfield(L, -2, "place");
  set_int(L, "bytes", shape_count(&v->shape) * (int64_t)sizeof(float));
  set_int(L, "scratch", (int64_t)s->scratch);
}

/* steps(t) → the steps that compute t, in order; and the bytes of the arena they share. */
static int trace_steps(lua_State *L) {
  Node *want = bind_check_tensor(L, 1);
  Err e;
  int count;
  if (want->value) {
    lua_newtable(L);
    lua_pushinteger(L, 0);
    return 2;
  }
  Node **found = graph_walk(&want, 1, true, &count, &e);
  if (!found) return bind_raise(L, &e);
  Node **node = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *node, 0);
  for (int i = 0; i < count; i++) node[i] = found[i];
  free(found);
  const Plan *p = plan_get(node, count, &want, 1, UINT64_MAX, &e); /* kept by the cache; pushes below make no other plan */
  if (!p) return bind_raise(L, &e);
  lua_createtable(L, p->n_steps, 0);
  for (int i = 0; i < p->n_steps; i++) {
    push_step(L, p, &p->step[i], node);
    lua_rawseti(L, -2, i + 1);
  }
  lua_pushinteger(L, (lua_Integer)p->arena);
  return 2;
}

int bind_trace(lua_State *L);
int bind_trace(lua_State *L) {
  static const luaL_Reg functions[] = {{"steps", trace_steps}, {0, 0}};
  luaL_newlib(L, functions);
  return 1;
}
