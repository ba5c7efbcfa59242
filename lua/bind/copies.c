/* suture.core.copies, all of it also in suture.core.tensor: the numbers of a tensor as another one, which no gradient flows to. */
#include <math.h>
#include <string.h>
#include "tensor.h"
#include "whole.h"

/* A leaf on top of the stack of the shape of the tensor at 1, whose numbers are `from`; to be filled. */
static Tensor *push_leaf(lua_State *L, const Tensor *from, DType dtype, const char *what) {
  Err e;
  Node **slot = bind_new_tensor(L);
  Tensor *t = tensor_new(&from->shape, &e);
  if (!t) {
    err_within(&e, "%s", what);
    bind_raise(L, &e);
  }
  t->dtype = dtype;
  if (!(*slot = node_leaf(t, &e))) bind_raise(L, &e);
  (*slot)->drawn = bind_check_tensor(L, 1)->drawn;
  bind_made_tensor(L);
  return t;
}

/* Inside a module, of a value that is not computed yet (or of any, where a graph is drawn): the same as an operation of the graph,
 * through which no gradient flows. False: the caller makes a leaf. Pushes the tensor. */
static bool push_cast(lua_State *L, int i, int to, DType dtype) {
  extern const Op op_cast;
  Node *n = bind_check_tensor(L, i);
  if (bind_depth == 0 || !n->op || (n->value && !graph_keeps)) return false;
  double attr[MAX_ATTR] = {to};
  Node **slot = bind_new_tensor(L);
  Err e;
  Builder b;
  builder_begin(&b, &e);
  *slot = node_ref(build(&b, &op_cast, attr, 1, &n));
  builder_end(&b);
  if (!*slot) bind_raise(L, &e);
  (*slot)->dtype = dtype;
  bind_made_tensor(L);
  return true;
}

/* clone(t) → a new leaf with the same numbers. detach(t) → a new leaf that shares them while neither is written. */
static int tensor_clone(lua_State *L) {
  if (push_cast(L, 1, 4, bind_check_tensor(L, 1)->dtype)) return 1;
  Tensor *from = bind_check_value(L, 1);
  Tensor *t = push_leaf(L, from, from->dtype, "clone");
  FOR_PARTS(t->count, lo, hi) memcpy(t->data + lo, from->data + lo, (size_t)(hi - lo) * sizeof(float));
  Err e;
  if (!whole_copy(t, from, &e)) return bind_raise(L, &e);
  return 1;
}

static int tensor_detach(lua_State *L) {
  if (push_cast(L, 1, 0, bind_check_tensor(L, 1)->dtype)) return 1;
  bind_check_value(L, 1);
  Node **slot = bind_new_tensor(L);
  Err e;
  *slot = node_leaf(tensor_ref(bind_check_tensor(L, 1)->value), &e);
  if (!*slot) return bind_raise(L, &e);
  (*slot)->dtype = bind_check_tensor(L, 1)->dtype;
  (*slot)->drawn = bind_check_tensor(L, 1)->drawn;
  bind_made_tensor(L);
  return 1;
}

/* cast(t, dtype) → a new leaf: int64 cuts toward zero, bool is 0 or 1. */
static int tensor_cast(lua_State *L) {
  DType d = (DType)luaL_checkoption(L, 2, NULL, bind_dtypes);
  if (push_cast(L, 1, d == DTYPE_I64 ? 1 : d == DTYPE_BOOL ? 2 : 3, d)) return 1;
  Tensor *from = bind_check_value(L, 1);
  Tensor *t = push_leaf(L, from, d, "to");
  FOR_PARTS(t->count, lo, hi)
    for (int64_t i = lo; i < hi; i++) {
      float v = from->data[i];
      t->data[i] = d == DTYPE_I64 ? truncf(v) : d == DTYPE_BOOL ? (float)(v != 0) : v;
    }
  return 1;
}

int bind_copies(lua_State *L);

int bind_copies(lua_State *L) {
  static const luaL_Reg functions[] = {{"clone", tensor_clone}, {"detach", tensor_detach}, {"cast", tensor_cast}, {0, 0}};
  luaL_newlib(L, functions);
  return 1;
}
