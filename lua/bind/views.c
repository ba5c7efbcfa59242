/* Views, in suture.core.tensor: which tensors are parts of others, and how they were made (lua/tensor/views.lua). The common ones,
 * by whole numbers alone, are made here; what these functions do not take they answer with nothing, and the caller looks again. */
#include <string.h>
#include "handle.h"

extern const Op op_reshape, op_permute, op_slice, op_expand;

static Handle *check_handle(lua_State *L, int i) {
  Handle *h = bind_handle(L, i);
  if (!h) luaL_typeerror(L, i, "tensor");
  return h;
}

/* gone(t): whether backward() let go of what t was to be computed from: nobody can look at it any more. */
static int view_gone(lua_State *L) {
  Node *n = bind_check_tensor(L, 1);
  lua_pushboolean(L, n->released && !n->value);
  return 1;
}

void bind_cut(lua_State *L, int i, Handle *h) {
  if (!h->root) return;
  i = lua_absindex(L, i);
  h->root = NULL;
  lua_pushnil(L);
  lua_setiuservalue(L, i, VIEW_OF);
  lua_pushnil(L);
  lua_setiuservalue(L, i, VIEW_ROOT);
}

/* The tensor at `at` is a part of the one at `of` from now on. */
static void join(lua_State *L, int at, Handle *view, int of, Handle *from, const Op *by, bool detached) {
  if (from->root) {
    if (lua_getiuservalue(L, of, VIEW_ROOT) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_getiuservalue(L, of, VIEW_OF);
    }
    lua_setiuservalue(L, at, VIEW_ROOT);
  }
  lua_pushvalue(L, of);
  lua_setiuservalue(L, at, VIEW_OF);
  view->root = from->root ? from->root : from;
  view->seen = handle_stamp(view->root);
  view->by = by;
  view->detached = detached;
  view->grad = !detached && graph_grad_mode;
}

/* link(view, of, name, detached): view was made of it, by the operation of that name or ("detach") as the same numbers. link(view): it
 * is a part of itself alone. */
static int view_link(lua_State *L) {
  Handle *view = check_handle(L, 1);
  bind_cut(L, 1, view);
  if (lua_isnoneornil(L, 2)) return 0;
  Handle *of = check_handle(L, 2);
  const char *name = luaL_checkstring(L, 3);
  const Op *by = strcmp(name, "detach") ? op_find(name) : NULL;
  join(L, 1, view, 2, of, by, lua_toboolean(L, 4));
  return 0;
}

/* part_of(t) → the tensor that the view t was made of, whether it is detached from that; nil: t is no view. */
static int view_part_of(lua_State *L) {
  Handle *h = check_handle(L, 1);
  if (!h->root) return 0;
  lua_getiuservalue(L, 1, VIEW_OF);
  lua_pushboolean(L, h->detached);
  return 2;
}

/* How a view was made, in whole numbers. */
static void push_attrs(lua_State *L, const Op *op, const double *attr) {
  OpArg arg[MAX_ARG];
  int count = op_args(op, arg, MAX_ARG);
  lua_createtable(L, 0, 4);
  for (int i = 0; i < count; i++) {
    if (arg[i].input) continue;
    const double *v = attr + arg[i].slot;
    if (arg[i].list) {
      lua_newtable(L);
      for (int k = 0; k < arg[i].n && v[k] != ATTR_END; k++) {
        lua_pushinteger(L, (lua_Integer)v[k]);
        lua_rawseti(L, -2, k + 1);
      }
    } else lua_pushinteger(L, (lua_Integer)v[0]);
    lua_setfield(L, -2, arg[i].name);
  }
}

/* made(t) → {of = tensor, name, attrs (nil for "detach"), detached, grad}: how the view t was made; nil: t is no view. */
static int view_made(lua_State *L) {
  Handle *h = check_handle(L, 1);
  if (!h->root) return 0;
  lua_createtable(L, 0, 5);
  lua_getiuservalue(L, 1, VIEW_OF);
  lua_setfield(L, -2, "of");
  lua_pushstring(L, h->by ? h->by->name : "detach");
  lua_setfield(L, -2, "name");
  if (h->by) {
    push_attrs(L, h->by, h->node->attr);
    lua_setfield(L, -2, "attrs");
  }
  lua_pushboolean(L, h->detached);
  lua_setfield(L, -2, "detached");
  lua_pushboolean(L, h->grad);
  lua_setfield(L, -2, "grad");
  return 1;
}

/* ---- made here ---- */

/* The tensor at 1 for such a view; NULL: the long way has to look. A reshape of a view may turn out to be a copy. */
static Handle *plain_source(lua_State *L) {
  Handle *h = bind_handle(L, 1);
  if (!h || !h->node) return NULL;
  bind_check_tensor(L, 1); /* as it is now */
  if (h->root && h->by == &op_reshape) {
    lua_getiuservalue(L, 1, VIEW_OF);
    bool may_be_copy = bind_handle(L, -1)->root;
    lua_pop(L, 1);
    if (may_be_copy) return NULL;
  }
  return h;
}

/* Pushes the view by op of the tensor at `of`. */
static int push_view(lua_State *L, int of, Handle *from, const Op *op, const double *attr) {
  Node **slot = bind_new_tensor(L);
  bind_call(L, slot, op, attr, 1, &from->node);
  bind_made_tensor(L);
  int at = lua_gettop(L);
  join(L, at, bind_handle(L, at), of, from, op, false);
  return 1;
}

/* Whole numbers, and no more than a shape has, at 2 … top. */
static bool whole_arguments(lua_State *L, int top, int64_t v[MAX_RANK]) {
  if (top < 2 || top - 1 > MAX_RANK) return false;
  for (int i = 2; i <= top; i++) {
    if (!lua_isinteger(L, i)) return false;
    v[i - 2] = lua_tointeger(L, i);
  }
  return true;
}

static bool dim_in(int64_t *d, int rank) {
  if (*d < 0) *d += rank;
  return *d >= 0 && *d < rank;
}

/* reshaped(t, size, …): t under another shape, where one size may be -1. */
static int view_reshaped(lua_State *L) {
  int64_t v[MAX_RANK];
  int top = lua_gettop(L), hole = -1;
  Handle *h = whole_arguments(L, top, v) ? plain_source(L) : NULL;
  if (!h) return 0;
  int64_t count = shape_count(&h->node->shape), known = 1;
  for (int k = 0; k < top - 1; k++) {
    if (v[k] == -1 && hole < 0) hole = k;
    else if (v[k] < 0 || v[k] > INT32_MAX || (known *= v[k]) > INT32_MAX) return 0; /* so that it does not wrap: the long way */
  }
  if (hole >= 0 ? known == 0 || count % known : known != count) return 0;
  if (hole >= 0) v[hole] = count / known;
  double attr[MAX_ATTR];
  op_defaults(&op_reshape, attr);
  for (int k = 0; k < top - 1; k++) attr[k] = (double)v[k];
  return push_view(L, 1, h, &op_reshape, attr);
}

/* permuted(t, dim, …): its dimensions in that order. */
static int view_permuted(lua_State *L) {
  int64_t v[MAX_RANK];
  int top = lua_gettop(L);
  Handle *h = whole_arguments(L, top, v) ? plain_source(L) : NULL;
  if (!h || h->node->shape.rank != top - 1) return 0;
  double attr[MAX_ATTR];
  unsigned seen = 0;
  op_defaults(&op_permute, attr);
  for (int k = 0; k < top - 1; k++) {
    if (!dim_in(&v[k], top - 1) || seen & 1u << v[k]) return 0;
    seen |= 1u << v[k];
    attr[k] = (double)v[k];
  }
  return push_view(L, 1, h, &op_permute, attr);
}

/* transposed(t, a, b): two of its dimensions swapped. */
static int view_transposed(lua_State *L) {
  int64_t v[MAX_RANK];
  Handle *h = lua_gettop(L) == 3 && whole_arguments(L, 3, v) ? plain_source(L) : NULL;
  int rank = h ? h->node->shape.rank : 0;
  if (!h || !dim_in(&v[0], rank) || !dim_in(&v[1], rank)) return 0;
  double attr[MAX_ATTR];
  op_defaults(&op_permute, attr);
  for (int k = 0; k < rank; k++) attr[k] = k == v[0] ? (double)v[1] : k == v[1] ? (double)v[0] : k;
  return push_view(L, 1, h, &op_permute, attr);
}

static int push_slice(lua_State *L, Handle *h, int64_t dim, int64_t start, int64_t stop) {
  double attr[MAX_ATTR];
  op_defaults(&op_slice, attr);
  attr[0] = (double)dim, attr[1] = (double)start, attr[2] = (double)stop, attr[3] = 1;
  return push_view(L, 1, h, &op_slice, attr);
}

/* narrowed(t, dim, start, length): a part of one dimension. */
static int view_narrowed(lua_State *L) {
  int64_t v[MAX_RANK];
  Handle *h = lua_gettop(L) == 4 && whole_arguments(L, 4, v) ? plain_source(L) : NULL;
  if (!h || !dim_in(&v[0], h->node->shape.rank)) return 0;
  int64_t n = h->node->shape.dim[v[0]];
  if (v[1] < 0) v[1] += n;
  if (v[1] < 0 || v[1] > n || v[2] < 0 || v[2] > n - v[1]) return 0;
  return push_slice(L, h, v[0], v[1], v[1] + v[2]);
}

/* element(t, dim, i): element i of one dimension, which goes away. */
static int view_element(lua_State *L) {
  int64_t v[MAX_RANK];
  Handle *h = lua_gettop(L) == 3 && whole_arguments(L, 3, v) ? plain_source(L) : NULL;
  if (!h || !dim_in(&v[0], h->node->shape.rank)) return 0;
  const Shape s = h->node->shape;
  if (!dim_in(&v[1], (int)(s.dim[v[0]] < INT32_MAX ? s.dim[v[0]] : INT32_MAX))) return 0;
  push_slice(L, h, v[0], v[1], v[1] + 1);
  double attr[MAX_ATTR];
  op_defaults(&op_reshape, attr);
  for (int k = 0, n = 0; k < s.rank; k++)
    if (k != v[0]) attr[n++] = (double)s.dim[k];
  int part = lua_gettop(L);
  return push_view(L, part, bind_handle(L, part), &op_reshape, attr);
}

/* flattened(t, first, last): these dimensions and those between made one. */
static int view_flattened(lua_State *L) {
  int64_t v[MAX_RANK];
  Handle *h = lua_gettop(L) == 3 && whole_arguments(L, 3, v) ? plain_source(L) : NULL;
  if (!h) return 0;
  const Shape *s = &h->node->shape;
  if (!dim_in(&v[0], s->rank) || !dim_in(&v[1], s->rank) || v[0] > v[1]) return 0;
  double attr[MAX_ATTR];
  op_defaults(&op_reshape, attr);
  int n = 0;
  for (int k = 0; k < s->rank; k++) {
    if (k > v[0] && k <= v[1]) attr[n - 1] *= (double)s->dim[k];
    else attr[n++] = (double)s->dim[k];
  }
  return push_view(L, 1, h, &op_reshape, attr);
}

static const luaL_Reg functions[] = {
  {"gone", view_gone}, {"link", view_link}, {"part_of", view_part_of}, {"made", view_made}, {"reshaped", view_reshaped},
  {"permuted", view_permuted}, {"transposed", view_transposed}, {"narrowed", view_narrowed}, {"element", view_element},
  {"flattened", view_flattened}, {0, 0}};

int bind_views(lua_State *L);
int bind_views(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
