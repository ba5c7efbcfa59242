/* suture.core.whole: operations whose whole numbers pass 2^24, exactly or not at all (core/whole.h). */
#include "whole.h"
#include <string.h>
#include "tensor.h"

/* Whether inputs are whole numbers or truths whose values are known. */
static bool known_whole(Node *const *in, int n) {
  for (int i = 0; i < n; i++)
    if (!in[i] || !in[i]->value || in[i]->dtype == DTYPE_F32) return false;
  return n > 0;
}

/* A leaf on t, which it takes over, into a slot. */
static bool put(Node **slot, Tensor *t, Err *e) {
  if (!t) return false;
  DType dtype = t->dtype;
  *slot = node_leaf(t, e);
  if (*slot) (*slot)->dtype = dtype;
  return *slot != NULL;
}

/* The parts of t's numbers, which float32 holds, as a leaf. */
static Node *part_of(const Tensor *t, int part, Err *e) {
  Tensor *p = tensor_new(&t->shape, e);
  if (!p) return NULL;
  for (int64_t i = 0; i < p->count; i++) p->data[i] = whole_part(whole_at(t, i), part);
  return node_leaf(p, e);
}

/* An operation that moves numbers, done to their parts one after another; the result is joined of them. */
static Tensor *moved(const Op *op, const double *attr, int n_in, Node *const *in, const bool *moves, Err *e) {
  Node *out[WHOLE_PARTS] = {0};
  bool ok = true;
  for (int k = 0; k < WHOLE_PARTS && ok; k++) {
    Node *part[MAX_IN] = {0};
    for (int i = 0; i < n_in && ok; i++) {
      part[i] = in[i] && moves[i] ? part_of(in[i]->value, k, e) : in[i];
      ok = part[i] || !in[i];
    }
    if (ok) {
      Builder b;
      builder_begin(&b, e);
      out[k] = node_ref(build(&b, op, attr, n_in, part));
      builder_end(&b);
      ok = out[k] && graph_eval(&out[k], 1, e);
    }
    for (int i = 0; i < n_in; i++)
      if (in[i] && moves[i] && part[i]) node_unref(part[i]);
  }
  Tensor *t = ok ? tensor_new(&out[0]->shape, e) : NULL;
  if (t) {
    size_t bytes = (size_t)(t->count ? t->count : 1) * sizeof(int64_t);
    int64_t *v = memory_get(bytes, "whole numbers", e);
    if (v)
      for (int64_t i = 0; i < t->count; i++) v[i] = whole_join(out[0]->value->data[i], out[1]->value->data[i], out[2]->value->data[i]);
    if (!v || !whole_set(t, v, e)) {
      tensor_unref(t);
      t = NULL;
    }
    memory_put(v, bytes);
  }
  for (int k = 0; k < WHOLE_PARTS; k++)
    if (out[k]) node_unref(out[k]);
  return t;
}

/* The same for sum, whose result may pass 2^24 where its numbers do not. */
static bool summed(lua_State *L, Node **slot, const Op *op, const double *attr, const Node *x) {
  const Tensor *t = x->value;
  Err e;
  Shape out;
  if (!t->whole && whole_greatest(t) * (double)t->count <= 0x1p24) return false;
  if (!op->shape(&x->shape, 1, attr, &out, &e)) return false; /* which building it says */
  bool gone[MAX_RANK + 1] = {0}; /* attr: dims, or none for all of them */
  for (int d = 0; d < x->shape.rank && attr[0] == ATTR_END; d++) gone[d] = true;
  for (int k = 0; k < MAX_RANK && attr[k] != ATTR_END; k++) gone[(int)(attr[k] < 0 ? attr[k] + x->shape.rank : attr[k])] = true;
  if (!put(slot, whole_sum(t, gone, &out, &e), &e)) bind_raise(L, &e);
  return true;
}

bool bind_whole_call(lua_State *L, Node **slot, const Op *op, const double *attr, int n_in, Node *const *in, DType result) {
  bool any = false, moves[MAX_IN] = {0}, mover = false;
  for (int i = 0; i < n_in; i++) any = any || (in[i] && in[i]->value && in[i]->value->whole);
  WholeOp exact = whole_op(op->name);
  if (!strcmp(op->name, "sum") && known_whole(in, n_in)) return summed(L, slot, op, attr, in[0]);
  if (!any && (exact == WHOLE_NONE || exact > WHOLE_MUL || !known_whole(in, n_in))) return false;
  if (result == DTYPE_F32) return false; /* float32 numbers are asked for, as in PyTorch */
  Err e;
  for (int i = 0; any && i < n_in; i++) {
    Node *n = in[i];
    if (n && !n->value && !graph_eval(&n, 1, &e)) bind_raise(L, &e);
  }
  if (exact != WHOLE_NONE && !known_whole(in, n_in)) return false; /* beside float32 numbers they are such themselves */
  if (exact != WHOLE_NONE) {
    const Tensor *b = n_in > 1 ? in[1]->value : NULL;
    if (!whole_matters(exact, in[0]->value, b)) return false;
    if (put(slot, whole_compute(exact, in[0]->value, b, &e), &e)) return true;
    err_within(&e, "%s", op->name);
    bind_raise(L, &e);
  }
  for (int i = 0; i < n_in; i++) {
    moves[i] = in[i] && bind_moves(op, i);
    mover = mover || moves[i];
  }
  if (!mover) {
    err_set(&e, "%s: the whole numbers here pass 2^24, where float32 begins to round: they are kept, moved, compared, added, summed, "
            "multiplied and divided exactly, but not here (x:float() rounds them)", op->name);
    bind_raise(L, &e);
  }
  if (!put(slot, moved(op, attr, n_in, in, moves, &e), &e)) bind_raise(L, &e);
  return true;
}

static bool is_whole_operand(lua_State *L, int i) {
  if (lua_type(L, i) == LUA_TNUMBER) return lua_isinteger(L, i);
  Node *n = bind_test_tensor(L, i);
  return n && n->dtype != DTYPE_F32 && n->value;
}

static bool has_zero(const Tensor *t) {
  for (int64_t i = 0; i < t->count; i++)
    if (t->data[i] == 0) return true;
  return false;
}

/* divide(a, b, "floor"|"trunc"|"rest") → whole numbers divided exactly, with an error where one is divided by 0; nil where
 * float32 is as good, or they are not whole, or not computed yet. */
static int whole_divide(lua_State *L) {
  static const char *const names[] = {"floor", "trunc", "rest", NULL};
  WholeOp op = WHOLE_FLOOR + (WholeOp)luaL_checkoption(L, 3, NULL, names);
  if (!is_whole_operand(L, 1) || !is_whole_operand(L, 2)) return 0;
  Tensor *a = bind_to_tensor(L, 1)->value, *b = bind_to_tensor(L, 2)->value;
  if (!whole_matters(op, a, b) && !has_zero(b)) return 0;
  Err e;
  Node **slot = bind_new_tensor(L);
  if (!put(slot, whole_compute(op, a, b, &e), &e)) return bind_raise(L, &e);
  bind_made_tensor(L);
  return 1;
}

int bind_whole(lua_State *L) {
  static const luaL_Reg functions[] = {{"divide", whole_divide}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
