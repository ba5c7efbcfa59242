/* suture.core.graph: operations on tensors and the module path that is running. The functions of backward.c and nodes.c are
 * in the same table. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "host.h"
#include "tensor.h"

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
static const char *const moves =
  " reshape permute slice slice_scatter concat expand flip roll index_select index_copy straight_through layout cast ";

static bool is_among(const char *list, const Op *op) {
  char name[64];
  snprintf(name, sizeof name, " %s ", op->name);
  return strstr(list, name);
}

/* Whether input i says which numbers are taken, and is not one of those. */
static bool chooses(const Op *op, int i) {
  static const char *const by[] = {"where", "index_select", "index_copy"};
  return i < 3 && !strcmp(op->name, by[i]);
}

bool bind_moves(const Op *op, int i) { return (is_among(moves, op) || !strcmp(op->name, "where")) && !chooses(op, i); }

/* What a result is shown as: whole numbers stay whole through these operations, as in PyTorch. */
static DType result_dtype(const Op *op, Node *const *in, int n_in, DType usual) {
  static const char *const counts = " add sub mul neg abs sum prod max min maximum minimum square sign relu pad clamp where pow matmul ";
  if (usual != DTYPE_F32) return usual;
  DType d = DTYPE_BOOL;
  for (int i = 0; i < n_in; i++) { /* as nearly always: it is a float32 number, whatever op is */
    if (!in[i] || chooses(op, i)) continue;
    if (in[i]->dtype == DTYPE_F32) return usual;
    if (in[i]->dtype == DTYPE_I64) d = DTYPE_I64;
  }
  if (is_among(moves, op)) return d;
  return is_among(counts, op) ? DTYPE_I64 : usual;
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

void bind_call(lua_State *L, Node **slot, const Op *op, const double *attr, int n_in, Node *const *in) {
  Err e;
  Builder b;
  if (n_in && !takes(op, in[0], &e)) raise_build(L, op, in[0], &e);
  for (int i = 0; i < n_in; i++) /* a running statistic that a step nobody looked at is still to move */
    if (in[i] && in[i]->waits && !graph_settle(&e)) bind_raise(L, &e);
  if (any_whole(in, n_in) && bind_whole_call(L, slot, op, attr, n_in, in, result_dtype(op, in, n_in, op->dtype))) {
    memcpy((*slot)->attr, attr, sizeof (*slot)->attr); /* a view is made anew by them */
    return;
  }
  builder_begin(&b, &e);
  *slot = node_ref(build(&b, op, attr, n_in, in));
  builder_end(&b);
  if (!*slot) raise_build(L, op, n_in ? in[0] : NULL, &e);
  (*slot)->dtype = result_dtype(op, in, n_in, (*slot)->dtype);
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
  bind_call(L, slot, f->op, attr, n_in, in);
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

/* effect(stats, mean or nil, var or nil, momentum): running statistics follow this value once it is computed. */
static int graph_effect(lua_State *L) {
  Err e;
  Node *leaf[2] = {0};
  for (int k = 0; k < 2; k++) {
    if (lua_isnil(L, 2 + k)) continue;
    if (!bind_as_leaf(L, 2 + k)) return bind_fail(L, "batch_norm: a gradient flows through running statistics: they are to be buffers");
    leaf[k] = bind_check_tensor(L, 2 + k);
  }
  if (!node_effect(bind_check_tensor(L, 1), leaf[0], leaf[1], luaL_checknumber(L, 4), &e)) return bind_raise(L, &e);
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

static const luaL_Reg functions[] = {
  {"fn", graph_fn}, {"op", graph_op}, {"ops", graph_ops}, {"enter", graph_enter}, {"leave", graph_leave}, {"depth", graph_depth},
  {"here", graph_here}, {"grad_mode", graph_mode}, {"effect", graph_effect}, {"settle", graph_settle_now}, {"drop_effects", graph_drop},
  {0, 0}};

int bind_backward(lua_State *L);
int bind_nodes(lua_State *L);

int bind_graph(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "suture.core");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "tensor"); /* the tensor metatable must be there */
  lua_pop(L, 2);
  luaL_newlib(L, functions);
  bind_backward(L);
  bind_join(L);
  bind_nodes(L);
  bind_join(L);
  return 1;
}
