/* Tensors in Lua: full userdata "suture.tensor", each a handle on one Node (core/graph.h). The same Node pushed twice
 * gives the same userdata, so `p == p` is identity.
 *
 * A handle pushed while no module runs (bind_depth 0) is seen by a user, and its node is *named*; a handle made inside a
 * module's forward is not, unless it is pushed again outside.
 *
 * Lua errors jump. So a binding that makes a node first takes a slot (bind_new_tensor), then acquires into it; nothing is
 * held in C locals when Lua may raise. */
#ifndef LUA_BIND_TENSOR_H
#define LUA_BIND_TENSOR_H
#include "bind.h"
#include "graph.h"

#define BIND_TENSOR "suture.tensor"

enum { MAX_ARG = MAX_IN + MAX_ATTR }; /* of an operation */

/* The names of types, by DType; NULL ends them. */
extern const char *const bind_dtypes[];

/* How many module calls are running; graph.c's enter and leave count. */
extern int bind_depth;

/* The node at stack index i (borrowed; it lives as long as the userdata). */
Node *bind_check_tensor(lua_State *L, int i); /* raises when it is no tensor: "… expects a tensor, got table" */
Node *bind_test_tensor(lua_State *L, int i);  /* NULL when it is no tensor */
/* The same, and a Lua number at i is first replaced, in place on the stack, by a scalar leaf. */
Node *bind_to_tensor(lua_State *L, int i);
/* Its numbers: computes the node if nobody has, raises when that fails. Borrowed. */
Tensor *bind_check_value(lua_State *L, int i);

/* Pushes a tensor userdata that holds nothing yet and returns its slot. Store an owned node in it, then call
 * bind_made_tensor with the slot's userdata on top of the stack. */
Node **bind_new_tensor(lua_State *L);
void bind_made_tensor(lua_State *L);
/* Pushes a handle on the node and takes over the caller's reference. NULL pushes nil. (When Lua itself runs out of memory
 * here the reference is lost; use bind_new_tensor where the node is large.) */
void bind_push_tensor(lua_State *L, Node *n);
/* Pushes a new leaf on the tensor and takes over the caller's reference. */
void bind_push_leaf(lua_State *L, Tensor *t);

/* The userdata at i, if it is a tensor: a user holds it, and may look at it. */
void bind_name_kept(lua_State *L, int i);

/* A computed value that no gradient flows through is as good as a leaf: computes it and makes it one. False for others. */
bool bind_as_leaf(lua_State *L, int i);

/* Whether the tensor at i is a view: it changes in place with what it is a part of. */
bool bind_is_part(lua_State *L, int i);

/* The tensors of the table at i as an array in a new userdata (left on the stack), and how many. */
Node **bind_node_list(lua_State *L, int i, int *n);

/* Long loops, in parts [lo, hi), which end by an error where the host asks to stop. The caller holds nothing, and what is made is not
 * seen before it is whole. */
#define FOR_PARTS(n, lo, hi) for (int64_t lo = 0, hi; lo < (n) && (hi = bind_part_end(L, lo, (n))) > lo; lo = hi)
int64_t bind_part_end(lua_State *L, int64_t lo, int64_t n);

/* One table for several files: the functions of the one on top of the stack go into the one below. */
void bind_join(lua_State *L);
/* Whether op's result is made of input i's numbers as they are. */
bool bind_moves(const Op *op, int i);
/* For operations on whole numbers: where float32 would round them, computes op exactly into slot, or raises where op does not
 * do that; false where it is as good, or result is DTYPE_F32. */
bool bind_whole_call(lua_State *L, Node **slot, const Op *op, const double *attr, int n_in, Node *const *in, DType result);

/* Makes the node of op on these inputs into slot, or raises: as every operation is called from Lua. */
void bind_call(lua_State *L, Node **slot, const Op *op, const double *attr, int n_in, Node *const *in);

/* A shape from the arguments at i: numbers up to the top of the stack, or one table of numbers. */
Shape bind_check_shape(lua_State *L, int i);
/* Pushes a shape: a table {N, C, H, W} that prints as (N, C, H, W). */
void bind_push_shape(lua_State *L, const Shape *s);
/* Runs Lua's collector when tensors have grown by more than max(64 MB, half of what lived after the last time). Called by
 * every push; call it also in loops that make tensors without pushing them. May run __gc, never raises. */
void bind_memory_pressure(lua_State *L);
#endif
