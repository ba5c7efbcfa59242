/* suture.core.graph: operations on tensors, the module path that is running, gradients, and the graph as tables. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "host.h"
#include "tensor.h"

enum { MAX_ARG = MAX_IN + MAX_ATTR };

/* An operation ready to be called from Lua: its arguments taken apart. */
typedef struct Fn {
  const Op *op;
  int n_arg, n_in;
  OpArg arg[MAX_ARG];
} Fn;

static const char *current_class = ""; /* of the module that runs */

/* ---- errors ---- */

static int raise_text(lua_State *L, const char *text) {
  Err e;
  err_set(&e, "%s", text);
  return bind_raise(L, &e);
}

/* "conv2d" and "Conv2d", "max_pool2d" and "MaxPool2d", "bn_eval" and "BatchNorm2d" are the same thing. */
static bool same_name(const char *op, const char *class) {
  if (!strncmp(op, "bn_", 3)) return !strncmp(class, "BatchNorm", 9);
  while (*op || *class) {
    if (*op == '_') {
      op++;
      continue;
    }
    if (strncasecmp(op++, class++, 1)) return false;
  }
  return true;
}

/* The message as the user should read it: the module's own name for the operation, and where the input came from:
 * "layer4.1.conv1: Conv2d expects 512 channels, got 256 (from layer3.1.relu)". */
static int raise_build(lua_State *L, const Op *op, const Node *x, Err *e) {
  if (e->kind != ERR_USER) return bind_raise(L, e);
  const char *text = e->text;
  size_t path = strlen(graph_path), name = strlen(op->name);
  if (path && !strncmp(text, graph_path, path) && !strncmp(text + path, ": ", 2)) text += path + 2;
  if (!strncmp(text, op->name, name) && (text[name] == ' ' || text[name] == ':')) text += name + (text[name] == ':' ? 2 : 1);
  const char *from = x && x->op && *x->path && x->path != graph_path ? x->path : NULL;
  lua_pushfstring(L, "%s%s%s%s %s%s%s%s", graph_path, path ? ": " : "", same_name(op->name, current_class) ? current_class : op->name,
                  path ? "" : ":", text, from ? " (from " : "", from ? from : "", from ? ")" : "");
  return raise_text(L, lua_tostring(L, -1));
}

/* ---- calling an operation ---- */

static double attr_number(lua_State *L, const Fn *f, const OpArg *a) {
  int type = lua_type(L, -1);
  if (type == LUA_TBOOLEAN) return lua_toboolean(L, -1);
  double v = lua_tonumber(L, -1);
  if (type == LUA_TNUMBER && (!a->whole || is_whole(v))) return v;
  lua_pushfstring(L, "%s: %s expects a %s, got %s", f->op->name, a->name, a->whole ? "whole number" : "number",
                  type == LUA_TNUMBER ? luaL_tolstring(L, -1, NULL) : luaL_typename(L, -1));
  return raise_text(L, lua_tostring(L, -1));
}

/* The value on top of the stack into attr. */
static void read_attr(lua_State *L, const Fn *f, const OpArg *a, double *attr) {
  double *to = attr + a->slot;
  if (!lua_istable(L, -1)) {
    double v = attr_number(L, f, a);
    for (int i = 0; i < a->n; i++) to[i] = a->list && i ? ATTR_END : v;
    return;
  }
  int n = (int)luaL_len(L, -1);
  if (a->list ? n > a->n : n != a->n) {
    lua_pushfstring(L, "%s: %s expects %s%d numbers, got %d", f->op->name, a->name, a->list ? "at most " : "", a->n, n);
    raise_text(L, lua_tostring(L, -1));
  }
  for (int i = 0; i < a->n; i++) {
    to[i] = ATTR_END;
    if (i >= n) continue;
    lua_geti(L, -1, i + 1);
    to[i] = attr_number(L, f, a);
    lua_pop(L, 1);
  }
}

static void read_attrs(lua_State *L, const Fn *f, int i, double *attr) {
  op_defaults(f->op, attr);
  if (lua_isnoneornil(L, i)) return;
  if (!lua_istable(L, i)) {
    lua_pushfstring(L, "%s: expects options as a table, got %s", f->op->name, luaL_typename(L, i));
    raise_text(L, lua_tostring(L, -1));
  }
  for (lua_pushnil(L); lua_next(L, i); lua_pop(L, 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    const OpArg *a = NULL;
    for (int k = f->n_in; k < f->n_arg && !a; k++)
      if (!strcmp(f->arg[k].name, name)) a = &f->arg[k];
    if (!a) {
      lua_pushfstring(L, "%s: has no option '%s' (its arguments: %s)", f->op->name, name, f->op->args);
      raise_text(L, lua_tostring(L, -1));
    }
    read_attr(L, f, a, attr);
  }
}

/* Operations whose result is made of numbers of their inputs, as they are. */
static const char *const moves = " reshape permute slice concat expand flip roll index_select layout ";

static bool is_among(const char *list, const Op *op) {
  char name[64];
  snprintf(name, sizeof name, " %s ", op->name);
  return strstr(list, name);
}

/* Whether input i says which numbers are taken, and is not one of those. */
static bool chooses(const Op *op, int i) { return i == 0 ? !strcmp(op->name, "where") : i == 1 && !strcmp(op->name, "index_select"); }

bool bind_moves(const Op *op, int i) { return (is_among(moves, op) || !strcmp(op->name, "where")) && !chooses(op, i); }

/* What a result is shown as: whole numbers stay whole through these operations, as in PyTorch. */
static DType result_dtype(const Op *op, Node *const *in, int n_in, DType usual) {
  static const char *const counts = " add sub mul neg abs sum prod max min maximum minimum square sign relu pad clamp where pow matmul ";
  if (usual != DTYPE_F32) return usual;
  bool move = is_among(moves, op);
  if (!move && !is_among(counts, op)) return usual;
  DType d = DTYPE_BOOL;
  for (int i = 0; i < n_in; i++) {
    if (!in[i] || chooses(op, i)) continue;
    if (in[i]->dtype == DTYPE_F32) return DTYPE_F32;
    if (in[i]->dtype == DTYPE_I64) d = DTYPE_I64;
  }
  return move ? d : DTYPE_I64;
}

/* Layers and their losses work on fractions: whole numbers there are a mistake, as in PyTorch. */
static bool takes(const Op *op, const Node *x, Err *e) {
  static const char *const fractions = " conv2d linear bn_eval bn_stats bn_train layer_norm scaled_dot_product_attention packed_attention "
                                       "softmax log_softmax cross_entropy nll_loss avg_pool2d max_pool2d adaptive_avg_pool2d dropout "
                                       "dropout_channels stochastic_depth gelu silu hardswish "
                                       "softplus elu leaky_relu binary_cross_entropy binary_cross_entropy_with_logits ";
  if (!x || x->dtype == DTYPE_F32) return true;
  if (!is_among(fractions, op)) return true;
  return err_set(e, "expects float32 numbers, got %s (x:float() makes them so)", x->dtype == DTYPE_I64 ? "int64" : "bool");
}

static bool any_whole(Node *const *in, int n_in) {
  for (int i = 0; i < n_in; i++)
    if (in[i] && in[i]->dtype == DTYPE_I64 && in[i]->value) return true;
  return false;
}

/* Calls f with inputs at 1 … n_in (nil: absent) and options at n_in + 1. */
static int call(lua_State *L, const Fn *f) {
  Node *in[MAX_IN] = {0};
  double attr[MAX_ATTR] = {0};
  lua_settop(L, f->n_in + 1);
  int n_in = 0;
  for (int i = 0; i < f->n_in; i++) {
    int at = i + 1, type = lua_type(L, at);
    if (type == LUA_TNIL && f->arg[i].optional) continue;
    if (type != LUA_TNUMBER && !bind_test_tensor(L, at)) {
      lua_pushfstring(L, "%s: expects a tensor for %s, got %s", f->op->name, f->arg[i].name,
                      type == LUA_TNIL ? "nothing" : luaL_typename(L, at));
      return raise_text(L, lua_tostring(L, -1));
    }
    in[i] = bind_to_tensor(L, at);
    n_in = i + 1;
  }
  read_attrs(L, f, f->n_in + 1, attr);
  Node **slot = bind_new_tensor(L);
  Err e;
  Builder b;
  if (!takes(f->op, in[0], &e)) return raise_build(L, f->op, in[0], &e);
  for (int i = 0; i < n_in; i++) /* a running statistic that a step nobody looked at is still to move */
    if (in[i] && in[i]->waits && !graph_settle(&e)) return bind_raise(L, &e);
  if (any_whole(in, n_in) && bind_whole_call(L, slot, f->op, attr, n_in, in, result_dtype(f->op, in, n_in, f->op->dtype))) {
    bind_made_tensor(L);
    return 1;
  }
  builder_begin(&b, &e);
  *slot = node_ref(build(&b, f->op, attr, n_in, in));
  builder_end(&b);
  if (!*slot) return raise_build(L, f->op, in[0], &e);
  (*slot)->dtype = result_dtype(f->op, in, n_in, (*slot)->dtype);
  bind_made_tensor(L);
  return 1;
}

static int call_fn(lua_State *L) { return call(L, lua_touserdata(L, lua_upvalueindex(1))); }

/* fn(name) → a function of the op's inputs in order and one table of options; nil when there is no such op. */
static int graph_fn(lua_State *L) {
  const Op *op = op_find(luaL_checkstring(L, 1));
  if (!op) return 0;
  Fn *f = lua_newuserdatauv(L, sizeof *f, 0);
  f->op = op;
  f->n_arg = op_args(op, f->arg, MAX_ARG);
  f->n_in = 0;
  while (f->n_in < f->n_arg && f->arg[f->n_in].input) f->n_in++;
  lua_pushcclosure(L, call_fn, 1);
  return 1;
}

/* op(name, {inputs}, {options}): inputs may have holes where an optional one is absent. */
static int graph_op(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 3);
  lua_pushcfunction(L, graph_fn);
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  if (lua_isnil(L, -1)) return bind_fail(L, "there is no operation called '%s'", name);
  lua_getupvalue(L, -1, 1);
  const Fn *f = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (luaL_len(L, 2) > f->n_in) {
    lua_pushfstring(L, "%s: expects at most %d tensors, got %d", name, f->n_in, (int)luaL_len(L, 2));
    return raise_text(L, lua_tostring(L, -1));
  }
  for (int i = 0; i < f->n_in; i++) lua_geti(L, 2, i + 1);
  lua_pushvalue(L, 3);
  lua_call(L, f->n_in + 1, 1);
  return 1;
}

/* ops() → {name = {args=, doc=, grad=, random=, per_sample=}} */
static int graph_ops(lua_State *L) {
  lua_newtable(L);
  for (int i = 0; op_table[i]; i++) {
    const Op *op = op_table[i];
    lua_createtable(L, 0, 5);
    lua_pushstring(L, op->args);
    lua_setfield(L, -2, "args");
    lua_pushstring(L, op->doc);
    lua_setfield(L, -2, "doc");
    lua_pushboolean(L, op->grad != NULL);
    lua_setfield(L, -2, "grad");
    lua_pushboolean(L, op->random);
    lua_setfield(L, -2, "random");
    lua_pushboolean(L, op->per_sample);
    lua_setfield(L, -2, "per_sample");
    lua_setfield(L, -2, op->name);
  }
  return 1;
}

/* ---- the module that runs ---- */

/* The calls that are open, outermost first. */
typedef struct Running { const char *path, *class; } Running;
static Running *running;
static int running_cap;

/* graph_intern of a Lua string. The same string comes again and again, as a rule from the same place. */
static const char *interned(const char *text) {
  static struct { const char *at, *name; } seen[1024];
  size_t slot = ((uintptr_t)text >> 4) % 1024;
  if (seen[slot].at != text || strcmp(seen[slot].name, text)) {
    seen[slot].name = graph_intern(text);
    seen[slot].at = text;
  }
  return seen[slot].name;
}

/* enter(path, class): a module call begins. */
static int graph_enter(lua_State *L) {
  const char *path = luaL_checkstring(L, 1), *class = luaL_optstring(L, 2, "");
  if (bind_depth >= running_cap) {
    int cap = bind_depth < 32 ? 64 : 2 * bind_depth;
    Running *more = realloc(running, (size_t)cap * sizeof *more);
    if (!more) return bind_fail(L, "not enough memory for %d calls of modules within each other", cap);
    for (int i = running_cap; i < cap; i++) more[i] = (Running){"", ""};
    running = more;
    running_cap = cap;
  }
  running[bind_depth++] = (Running){interned(path), interned(class)};
  graph_path = running[bind_depth - 1].path;
  current_class = running[bind_depth - 1].class;
  return 0;
}

/* leave(depth): back to the call at this depth (the outermost's is 1), or to none (0). */
static int graph_leave(lua_State *L) {
  lua_Integer depth = luaL_checkinteger(L, 1);
  bind_depth = depth < 0 ? 0 : depth > running_cap ? running_cap : (int)depth;
  graph_path = bind_depth ? running[bind_depth - 1].path : "";
  current_class = bind_depth ? running[bind_depth - 1].class : "";
  return 0;
}

static int graph_depth(lua_State *L) {
  lua_pushinteger(L, bind_depth);
  return 1;
}

/* here() → the path of the module that runs. */
static int graph_here(lua_State *L) {
  lua_pushstring(L, graph_path);
  return 1;
}

/* grad_mode([on]) → as it was before. */
static int graph_mode(lua_State *L) {
  lua_pushboolean(L, graph_grad_mode);
  if (!lua_isnoneornil(L, 1)) graph_grad_mode = lua_toboolean(L, 1);
  return 1;
}

/* effect(stats, mean, var, momentum): running statistics follow this value once it is computed. */
static int graph_effect(lua_State *L) {
  Err e;
  if (!node_effect(bind_check_tensor(L, 1), bind_check_tensor(L, 2), bind_check_tensor(L, 3), luaL_checknumber(L, 4), &e))
    return bind_raise(L, &e);
  return 0;
}

static int graph_settle_now(lua_State *L) {
  Err e;
  if (!graph_settle(&e)) return bind_raise(L, &e);
  return 0;
}

/* drop_effects(): running statistics forget the values that were never computed. */
static int graph_drop(lua_State *L) {
  (void)L;
  graph_drop_effects();
  return 0;
}

/* ---- computing ---- */

/* The tensors of the table at i as an array in a new userdata (left on the stack), and how many. */
static Node **nodes_of(lua_State *L, int i, int *n) {
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
  Node **want = nodes_of(L, 1, &n);
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
  Node **also = lua_isnil(L, 4) ? NULL : nodes_of(L, 4, &n);
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

/* grad(of, {wrt …}[, dy]) → {gradient or false, …} */
static int graph_grad_of(lua_State *L) {
  lua_settop(L, 3);
  Node *of = bind_check_tensor(L, 1);
  Node *dy = lua_isnil(L, 3) ? NULL : bind_check_tensor(L, 3);
  int n;
  Node **wrt = nodes_of(L, 2, &n);
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
  bool ok = graph_grad(&b, of, dy, wrt, n, out);
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

/* frontier({want …}, input) → {values to keep per sample …}, why it stopped there */
static int graph_frontier_of(lua_State *L) {
  int n, count;
  Node **want = nodes_of(L, 1, &n);
  Node *input = bind_check_tensor(L, 2);
  char why[SHAPE_TEXT] = "";
  Err e;
  Node **found = graph_frontier(want, n, input, &count, why, &e);
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
  return 2;
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
  Node **want = nodes_of(L, 1, &n);
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
  Node **want = nodes_of(L, 1, &n);
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
      bind_push_tensor(L, node_ref(x));
      lua_setfield(L, -2, "tensor");
    }
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static const luaL_Reg functions[] = {
  {"fn", graph_fn}, {"op", graph_op}, {"ops", graph_ops}, {"enter", graph_enter}, {"leave", graph_leave},
  {"depth", graph_depth}, {"here", graph_here}, {"grad_mode", graph_mode}, {"effect", graph_effect}, {"settle", graph_settle_now}, {"drop_effects", graph_drop},
  {"eval", graph_eval_list}, {"backward", graph_backward_from}, {"grad", graph_grad_of}, {"frontier", graph_frontier_of},
  {"set_value", graph_set_value}, {"cost", graph_cost_of}, {"order", graph_order}, {"path", graph_path_of}, {"op_of", graph_op_of},
  {"tap", graph_tap}, {"taps", graph_taps}, {"ended_taps", graph_ended_taps}, {"instead", graph_instead}, {"retain", graph_retain},
  {"known", graph_known}, {"walk", graph_walk_tables}, {0, 0}};

int bind_graph(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "suture.core");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "tensor"); /* the tensor metatable must be there */
  lua_pop(L, 2);
  luaL_newlib(L, functions);
  return 1;
}
