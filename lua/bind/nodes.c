/* suture.core.nodes, all of it also in suture.core.graph: the graph looked at, as tables, and what a run of it would take. */
#include <stdlib.h>
#include <string.h>
#include "host.h"
#include "tensor.h"

/* frontier({want …}, input) → {values to keep per sample …}, why it stopped there, a number for the way that leads there */
static int graph_frontier_of(lua_State *L) {
  int n, count;
  Node **want = bind_node_list(L, 1, &n);
  Node *input = bind_check_tensor(L, 2);
  char why[SHAPE_TEXT] = "";
  uint64_t way;
  Err e;
  Node **found = graph_frontier(want, n, input, &count, why, &way, &e);
  if (!found) return bind_raise(L, &e);
  Node **mine = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *mine, 0);
  memcpy(mine, found, (size_t)count * sizeof *mine);
  free(found);
  lua_createtable(L, count, 0);
  int depth = bind_depth;
  bind_depth = 1; /* no user sees these */
  for (int i = 0; i < count; i++) {
    bind_push_tensor(L, node_ref(mine[i]));
    lua_rawseti(L, -2, i + 1);
  }
  bind_depth = depth;
  lua_pushstring(L, why);
  lua_pushinteger(L, (lua_Integer)way);
  return 3;
}

/* watch(t): from now on whether a value is computed that depends on the leaf t is looked at. watch() → whether one was; nobody
 * looks any more. */
static int graph_watch(lua_State *L) {
  lua_settop(L, 1);
  lua_pushboolean(L, watch_reached());
  watch_leaf(lua_isnil(L, 1) ? NULL : bind_check_tensor(L, 1));
  return 1;
}

/* keep(true): a graph is drawn: computed values hold on to what they were computed from. keep() → those that were asked for since,
 * in order. keep(false) ends it. */
static int graph_keep_on(lua_State *L) {
  if (!lua_isnone(L, 1)) {
    graph_keep(lua_toboolean(L, 1));
    return 0;
  }
  int n;
  Node *const *found = graph_asked(&n);
  Node **mine = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *mine, 0);
  if (n) memcpy(mine, found, (size_t)n * sizeof *mine);
  lua_createtable(L, n, 0);
  for (int i = 0; i < n; i++) {
    bind_push_tensor(L, node_ref(mine[i]));
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* set_value(t, value): t's value is known from elsewhere (a cache). */
static int graph_set_value(lua_State *L) {
  Node *n = bind_check_tensor(L, 1);
  Tensor *v = bind_check_value(L, 2);
  if (!shape_equal(&n->shape, &v->shape))
    return bind_fail(L, "set_value: expects shape %s, got %s", SHAPE_STR(&n->shape), SHAPE_STR(&v->shape));
  if (!n->value) node_set_value(n, v);
  return 0;
}

/* cost({want …}[, backward]) → {arena, values, scratch, outputs, saved: bytes; steps}: what a run would take, without running. */
static int graph_cost_of(lua_State *L) {
  lua_settop(L, 2);
  int n;
  Node **want = bind_node_list(L, 1, &n);
  GraphCost c;
  Err e;
  if (!graph_cost(want, n, lua_toboolean(L, 2), &c, &e)) return bind_raise(L, &e);
  lua_createtable(L, 0, 6);
  lua_pushinteger(L, c.arena);
  lua_setfield(L, -2, "arena");
  lua_pushinteger(L, c.values);
  lua_setfield(L, -2, "values");
  lua_pushinteger(L, c.scratch);
  lua_setfield(L, -2, "scratch");
  lua_pushinteger(L, c.outputs);
  lua_setfield(L, -2, "outputs");
  lua_pushinteger(L, c.saved);
  lua_setfield(L, -2, "saved");
  lua_pushinteger(L, c.steps);
  lua_setfield(L, -2, "steps");
  return 1;
}

/* ---- the graph as tables ---- */

/* order(t) → its place in the order of creation. order() → the last place given. */
static int graph_order(lua_State *L) {
  if (lua_isnone(L, 1)) {
    Err e;
    Shape s = {0};
    Node *n = node_leaf(tensor_new(&s, &e), &e);
    if (!n) return bind_raise(L, &e);
    lua_Integer order = (lua_Integer)n->order;
    node_unref(n);
    lua_pushinteger(L, order);
    return 1;
  }
  lua_pushinteger(L, (lua_Integer)bind_check_tensor(L, 1)->order);
  return 1;
}

static int graph_path_of(lua_State *L) {
  lua_pushstring(L, bind_check_tensor(L, 1)->path);
  return 1;
}

static int graph_op_of(lua_State *L) {
  Node *n = bind_check_tensor(L, 1);
  if (!n->op) return 0;
  lua_pushstring(L, n->op->name);
  return 1;
}

static int graph_known(lua_State *L) {
  lua_pushboolean(L, bind_check_tensor(L, 1)->value != NULL);
  return 1;
}

static void push_attrs(lua_State *L, const Node *n) {
  OpArg arg[MAX_ARG];
  int count = op_args(n->op, arg, MAX_ARG);
  lua_newtable(L);
  for (int i = 0; i < count; i++) {
    if (arg[i].input) continue;
    const double *v = n->attr + arg[i].slot;
    if (arg[i].n == 1 && !arg[i].list) lua_pushnumber(L, v[0]);
    else {
      lua_newtable(L);
      for (int k = 0; k < arg[i].n && v[k] != ATTR_END; k++) {
        lua_pushnumber(L, v[k]);
        lua_rawseti(L, -2, k + 1);
      }
    }
    lua_setfield(L, -2, arg[i].name);
  }
}

static int64_t macs_of(const Node *n) {
  if (!n->op || !n->op->macs) return 0;
  Shape in[MAX_IN];
  for (int i = 0; i < MAX_IN; i++) {
    if (i < n->n_in && n->in[i]) in[i] = n->in[i]->shape;
    else in[i] = (Shape){.rank = -1};
  }
  return n->op->macs(in, n->n_in, n->attr, &n->shape);
}

/* walk({t, …}[, stop at values[, handles]]) → the nodes beneath in creation order, each a table: order, op (nil: a leaf), path, shape, numel, dtype,
 * requires_grad, frozen, known, inputs (orders, false where absent), attrs, macs, random; a leaf has its
 * tensor, with handles every node. */
static int graph_walk_tables(lua_State *L) {
  lua_settop(L, 3);
  bool handles = lua_toboolean(L, 3);
  int n, count;
  Node **want = bind_node_list(L, 1, &n);
  Err e;
  Node **found = graph_walk(want, n, lua_toboolean(L, 2), &count, &e);
  if (!found) return bind_raise(L, &e);
  Node **node = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *node, 0);
  memcpy(node, found, (size_t)count * sizeof *node); /* lives as long as the tensors asked for: they are on the stack */
  free(found);
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    Node *x = node[i];
    lua_createtable(L, 0, 12);
    lua_pushinteger(L, (lua_Integer)x->order);
    lua_setfield(L, -2, "order");
    lua_pushstring(L, x->path);
    lua_setfield(L, -2, "path");
    bind_push_shape(L, &x->shape);
    lua_setfield(L, -2, "shape");
    lua_pushinteger(L, shape_count(&x->shape));
    lua_setfield(L, -2, "numel");
    lua_pushboolean(L, x->requires_grad);
    lua_setfield(L, -2, "requires_grad");
    lua_pushboolean(L, x->frozen);
    lua_setfield(L, -2, "frozen");
    lua_pushboolean(L, x->value != NULL);
    lua_setfield(L, -2, "known");
    lua_createtable(L, x->n_in, 0);
    for (int k = 0; k < x->n_in; k++) {
      if (x->in[k]) lua_pushinteger(L, (lua_Integer)x->in[k]->order);
      else lua_pushboolean(L, 0);
      lua_rawseti(L, -2, k + 1);
    }
    lua_setfield(L, -2, "inputs");
    if (x->op) {
      lua_pushstring(L, x->op->name);
      lua_setfield(L, -2, "op");
      push_attrs(L, x);
      lua_setfield(L, -2, "attrs");
      lua_pushinteger(L, macs_of(x));
      lua_setfield(L, -2, "macs");
      lua_pushboolean(L, x->op->random);
      lua_setfield(L, -2, "random");
    }
    if (!x->op || handles) {
      bind_push_tensor(L, node_ref(x->of ? x->of : x));
      lua_setfield(L, -2, "tensor");
    }
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static const luaL_Reg functions[] = {
  {"frontier", graph_frontier_of}, {"set_value", graph_set_value}, {"cost", graph_cost_of}, {"order", graph_order}, {"path", graph_path_of},
  {"op_of", graph_op_of}, {"known", graph_known}, {"watch", graph_watch}, {"keep", graph_keep_on}, {"walk", graph_walk_tables}, {0, 0}};

int bind_nodes(lua_State *L);
int bind_nodes(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
