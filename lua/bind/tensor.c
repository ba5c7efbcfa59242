/* suture.core.tensor: handles on nodes, their shapes and gradients. The functions of values.c are in the same table. */
#include "handle.h"
#include "kernels/kernels.h"
#include "whole.h"

int bind_depth;

/* ---- memory pressure ---- */

static int64_t low; /* bytes in tensors, and in those nobody has looked at yet, after the last collection, or the least since */

static int64_t held(void) { return tensor_bytes() + graph_waiting_bytes(); }

static void collect(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT);
  low = held();
}

/* Collects when tensors have grown by half of what there was, and by as much as is worth it: a collection takes as long as
 * Lua's own heap is large (0.4 ms for a MB). */
void bind_memory_pressure(lua_State *L) {
  enum { TIMES = 8, LEAST = 1 << 20, MOST = 32 << 20 };
  int64_t live = held();
  if (live < low) low = live;
  if (live - low <= LEAST || live - low <= low / 2) return;
  int64_t step = (int64_t)lua_gc(L, LUA_GCCOUNT) * 1024 * TIMES;
  if (live - low > (step < LEAST ? LEAST : step < MOST ? step : MOST)) collect(L);
}

/* press(): much is about to be made (a model): what nobody holds goes first, the model before it may be. */
static int tensor_press(lua_State *L) {
  if (held() > 8 << 20) collect(L);
  return 0;
}

/* ---- handles ---- */

/* The metatable of the state that asked last, so that it is not looked for by its name each time. */
Handle *bind_handle(lua_State *L, int i) {
  static const void *known;
  void *h = lua_touserdata(L, i);
  if (!h || !lua_getmetatable(L, i)) return NULL;
  const void *mt = lua_topointer(L, -1);
  lua_pop(L, 1);
  if (mt == known) return h;
  if (!(h = luaL_testudata(L, i, BIND_TENSOR))) return NULL;
  known = mt;
  return h;
}

/* A view of what has changed in place since is made anew (lua/tensor/views.lua): the function of on_stale. */
static char stale_key;

static void refresh(lua_State *L, int i, Handle *h) {
  if (!h->root || !h->node) return;
  Err e;
  if (h->root->node && h->root->node->waits && !graph_settle(&e)) bind_raise(L, &e); /* a running statistic that is still to move */
  if (h->seen == handle_stamp(h->root)) return;
  uint64_t before = h->seen;
  i = lua_absindex(L, i);
  h->seen = handle_stamp(h->root);
  luaL_checkstack(L, 4, NULL);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &stale_key);
  lua_pushvalue(L, i);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return;
  h->seen = before;
  lua_error(L);
}

Node *bind_test_tensor(lua_State *L, int i) {
  Handle *h = bind_handle(L, i);
  if (!h) return NULL;
  refresh(L, i, h);
  return h->node;
}

Node *bind_check_tensor(lua_State *L, int i) {
  Handle *h = bind_handle(L, i);
  if (!h) luaL_typeerror(L, i, "tensor");
  if (!h->node) luaL_argerror(L, i, "this tensor has been let go");
  refresh(L, i, h);
  return h->node;
}

Node *bind_to_tensor(lua_State *L, int i) {
  if (lua_type(L, i) != LUA_TNUMBER) return bind_check_tensor(L, i);
  i = lua_absindex(L, i);
  Node **slot = bind_new_tensor(L);
  Err e;
  Shape s = shape_of(0, NULL);
  Tensor *t = tensor_new(&s, &e);
  if (!t) bind_raise(L, &e);
  t->data[0] = (float)lua_tonumber(L, i);
  t->dtype = DTYPE_F32;
  int64_t whole = lua_isinteger(L, i) ? lua_tointeger(L, i) : 0; /* whole numbers stay whole beside whole numbers */
  bool kept = !lua_isinteger(L, i) || whole_set(t, &whole, &e);
  *slot = kept ? node_leaf(t, &e) : NULL;
  if (!kept) tensor_unref(t);
  if (!*slot) bind_raise(L, &e);
  bind_made_tensor(L);
  lua_replace(L, i);
  return bind_check_tensor(L, i);
}

Tensor *bind_check_value(lua_State *L, int i) {
  Node *n = bind_check_tensor(L, i);
  Err e;
  if (!graph_eval(&n, 1, &e)) bind_raise(L, &e);
  return n->value;
}

Node **bind_new_tensor(lua_State *L) {
  bind_memory_pressure(L);
  Handle *h = lua_newuserdatauv(L, sizeof *h, 2);
  *h = (Handle){0};
  luaL_setmetatable(L, BIND_TENSOR);
  return &h->node;
}

static void name(Handle *h) {
  if (h->named || bind_depth > 0) return;
  h->named = true;
  node_name(h->node);
}

/* The weak table node → userdata. */
static char handles_key;
static void push_handles(lua_State *L) { lua_rawgetp(L, LUA_REGISTRYINDEX, &handles_key); }

void bind_made_tensor(lua_State *L) {
  Handle *h = lua_touserdata(L, -1);
  name(h);
  push_handles(L);
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, h->node);
  lua_pop(L, 1);
}

void bind_push_tensor(lua_State *L, Node *n) {
  if (!n) {
    lua_pushnil(L);
    return;
  }
  push_handles(L);
  if (lua_rawgetp(L, -1, n) == LUA_TUSERDATA) {
    lua_remove(L, -2);
    node_unref(n);
    name(lua_touserdata(L, -1));
    return;
  }
  lua_pop(L, 2);
  *bind_new_tensor(L) = n;
  bind_made_tensor(L);
}

void bind_push_leaf(lua_State *L, Tensor *t) {
  Err e;
  Node *n = node_leaf(t, &e);
  if (!n) bind_raise(L, &e);
  bind_push_tensor(L, n);
}

static int tensor_gc(lua_State *L) {
  Handle *h = bind_handle(L, 1); /* anything may come: a metatable's functions can be called */
  Node *n = h ? h->node : NULL;
  if (!n) return 0;
  h->node = NULL;
  h->root = NULL;
  if (h->named) node_unname(n);
  node_unref(n);
  return 0;
}

/* name(t): from now on t is seen by a user (the results of an outermost module call). */
static int tensor_name(lua_State *L) {
  Handle *h = bind_handle(L, 1);
  if (h && h->node) name(h);
  return 0;
}

void bind_name_kept(lua_State *L, int i) {
  Handle *h = bind_handle(L, i);
  if (h && h->node && !h->named && !h->node->released) name(h);
}

/* is(x): whether x is a tensor. */
static int tensor_is(lua_State *L) {
  lua_pushboolean(L, bind_handle(L, 1) != NULL);
  return 1;
}

/* collected(x): x was a tensor, and the collector has let go of it: only a weak table still has it. */
static int tensor_collected(lua_State *L) {
  Handle *h = bind_handle(L, 1);
  lua_pushboolean(L, h && !h->node);
  return 1;
}

/* ---- shapes ---- */

static char shape_key;

void bind_push_shape(lua_State *L, const Shape *s) {
  lua_createtable(L, s->rank, 0);
  for (int i = 0; i < s->rank; i++) {
    lua_pushinteger(L, s->dim[i]);
    lua_rawseti(L, -2, i + 1);
  }
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &shape_key) == LUA_TTABLE) lua_setmetatable(L, -2);
  else lua_pop(L, 1);
}

static int64_t check_dim(lua_State *L, int i, int which) {
  int ok;
  lua_Integer d = lua_tointegerx(L, i, &ok);
  if (!ok) bind_fail(L, "a shape is made of whole numbers, got %s at place %d", luaL_tolstring(L, i, NULL), which);
  return d;
}

Shape bind_check_shape(lua_State *L, int i) {
  Shape s = {0};
  bool table = lua_istable(L, i);
  lua_Integer n = table ? luaL_len(L, i) : lua_gettop(L) - i + 1;
  if (n > MAX_RANK) bind_fail(L, "a shape has at most %d dimensions, got %I", MAX_RANK, n);
  s.rank = n < 0 ? 0 : (int)n;
  for (int k = 0; k < s.rank; k++) {
    if (table) lua_geti(L, i, k + 1);
    s.dim[k] = check_dim(L, table ? -1 : i + k, k);
    if (table) lua_pop(L, 1);
  }
  return s;
}

/* shape(t) → table; rank, numel, dtype … without making one. */
static int tensor_shape(lua_State *L) {
  bind_push_shape(L, &bind_check_tensor(L, 1)->shape);
  return 1;
}

static int tensor_rank(lua_State *L) {
  lua_pushinteger(L, bind_check_tensor(L, 1)->shape.rank);
  return 1;
}

static int tensor_numel(lua_State *L) {
  lua_pushinteger(L, shape_count(&bind_check_tensor(L, 1)->shape));
  return 1;
}

/* size(t, d): the length of dimension d, 0-based, negative from the end; nil out of range. */
static int tensor_size(lua_State *L) {
  const Shape *s = &bind_check_tensor(L, 1)->shape;
  lua_Integer d = luaL_checkinteger(L, 2);
  if (d < 0) d += s->rank;
  if (d < 0 || d >= s->rank) return 0;
  lua_pushinteger(L, s->dim[d]);
  return 1;
}

bool bind_as_leaf(lua_State *L, int i) {
  Node *n = bind_check_tensor(L, i);
  if (!n->op) return true;
  if (n->requires_grad) return false;
  bind_check_value(L, i);
  if (n->n_in > 0 && !graph_keeps) return false;
  node_become_leaf(n);
  return true;
}

/* ---- views (lua/tensor/views.lua) ---- */

/* become(t, from): t names from's value from now on, which keeps its gradient if t's was kept. */
static int tensor_become(lua_State *L) {
  Node *old = bind_check_tensor(L, 1), *n = bind_check_tensor(L, 2);
  if (old == n) return 0;
  Handle *h = bind_handle(L, 1);
  push_handles(L);
  lua_pushvalue(L, 1);
  lua_rawsetp(L, -2, n);
  if (lua_rawgetp(L, -1, old) == LUA_TUSERDATA && lua_rawequal(L, -1, 1)) {
    lua_pushnil(L);
    lua_rawsetp(L, -3, old);
  }
  h->moved = handle_stamp(h) + 1;
  h->node = node_ref(n);
  if (old->op && old->retains && n->requires_grad) {
    n->retains = true, old->retains = false;
    n->grad = old->grad, old->grad = NULL;
  }
  if (h->named) {
    node_name(n);
    node_unname(old);
  }
  node_unref(old);
  return 0;
}

/* on_stale(f): f(view) is called before a view is looked at whose tensor has changed in place. */
static int tensor_on_stale(lua_State *L) {
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &stale_key);
  return 0;
}

bool bind_is_part(lua_State *L, int i) {
  Handle *h = bind_handle(L, i);
  return h && h->root;
}

/* ---- gradients ---- */

static int tensor_requires_grad(lua_State *L) {
  Node *n = bind_check_tensor(L, 1);
  if (lua_gettop(L) > 1) {
    luaL_checktype(L, 2, LUA_TBOOLEAN);
    if (n->requires_grad != lua_toboolean(L, 2) && !bind_as_leaf(L, 1))
      return bind_fail(L, "requires_grad can be set on tensors that were not computed; this one came from %s (x:detach() cuts it off)", n->op->name);
    n->requires_grad = lua_toboolean(L, 2);
    if (n->requires_grad) { /* a leaf of its own from now on */
      bind_cut(L, 1, bind_handle(L, 1));
    }
  }
  lua_pushboolean(L, n->requires_grad);
  return 1;
}

/* frozen(t[, on]): a frozen leaf is moved by no optimizer. */
static int tensor_frozen(lua_State *L) {
  Node *n = bind_check_tensor(L, 1);
  if (lua_gettop(L) > 1) n->frozen = lua_toboolean(L, 2);
  lua_pushboolean(L, n->frozen);
  return 1;
}

static int tensor_is_leaf(lua_State *L) {
  Node *n = bind_check_tensor(L, 1);
  lua_pushboolean(L, !n->op || !n->requires_grad);
  return 1;
}

/* grad(t) → the accumulated gradient or nil. grad(t, g) sets it (g a leaf of t's shape, or nil). */
static int tensor_grad(lua_State *L) {
  Node *n = bind_check_tensor(L, 1);
  if (lua_gettop(L) == 1) {
    bind_push_tensor(L, n->grad ? node_ref(n->grad) : NULL);
    return 1;
  }
  Node *g = lua_isnil(L, 2) ? NULL : bind_check_tensor(L, 2);
  if (g) {
    if (!shape_equal(&g->shape, &n->shape))
      return bind_fail(L, "grad: expects shape %s, got %s", SHAPE_STR(&n->shape), SHAPE_STR(&g->shape));
    if (!bind_as_leaf(L, 2)) return bind_fail(L, "grad: expects a tensor that no gradient flows through (x:detach())");
    node_ref(g);
  }
  Node *old = n->grad;
  n->grad = g;
  if (old) node_unref(old);
  return 0;
}

/* version(t) → goes up with every change in place; id(t) → this tensor's number, never used twice. */
static int tensor_version(lua_State *L) {
  Node *n = bind_check_tensor(L, 1);
  lua_pushinteger(L, n->value ? (lua_Integer)n->value->version : 0);
  return 1;
}

static int tensor_id(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)bind_check_value(L, 1)->id);
  return 1;
}

/* metatable() and shape_metatable(): the tables whose fields lua/tensor.lua fills. */
static int tensor_metatable(lua_State *L) {
  luaL_getmetatable(L, BIND_TENSOR);
  return 1;
}

static int tensor_shape_metatable(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &shape_key);
  return 1;
}

static const luaL_Reg functions[] = {
  {"is", tensor_is}, {"collected", tensor_collected}, {"name", tensor_name}, {"shape", tensor_shape}, {"rank", tensor_rank},
  {"numel", tensor_numel},
  {"size", tensor_size}, {"requires_grad", tensor_requires_grad}, {"frozen", tensor_frozen},
  {"become", tensor_become}, {"on_stale", tensor_on_stale},
  {"press", tensor_press},
  {"is_leaf", tensor_is_leaf}, {"grad", tensor_grad}, {"version", tensor_version}, {"id", tensor_id},
  {"metatable", tensor_metatable}, {"shape_metatable", tensor_shape_metatable}, {0, 0}};

int bind_values(lua_State *L);
int bind_copies(lua_State *L);
int bind_views(lua_State *L);

void bind_join(lua_State *L) {
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, -6);
  }
  lua_pop(L, 1);
}

int bind_tensor(lua_State *L) {
  static bool ready;
  if (!ready) {
    ready = true;
    kernels_init();
  }
  luaL_newmetatable(L, BIND_TENSOR);
  lua_pushcfunction(L, tensor_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &handles_key);
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &shape_key);
  luaL_newlib(L, functions);
  bind_values(L);
  bind_join(L);
  bind_copies(L);
  bind_join(L);
  bind_views(L);
  bind_join(L);
  return 1;
}
