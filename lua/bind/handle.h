/* What a tensor's userdata holds: for tensor.c and views.c alone. */
#ifndef LUA_BIND_HANDLE_H
#define LUA_BIND_HANDLE_H
#include "tensor.h"

/* The user values of a view: what it was made of, and, where that is a view too, whose numbers they are. */
enum { VIEW_OF = 1, VIEW_ROOT = 2 };

typedef struct Handle {
  Node *node; /* NULL: nothing yet, or let go */
  bool named;
  bool detached, grad; /* of a view: no gradient flows to what it was made of; grad mode was on */
  const Op *by;        /* of a view: what made node, with node's attr; NULL: the same numbers, detached */
  uint64_t moved;      /* goes up by more than the value's version when it names another node: see handle_stamp */
  struct Handle *root; /* NULL, or of a view: the tensor it is a part of, kept alive by the user values */
  uint64_t seen;       /* root's stamp when node was made: with another one it is made anew before anybody looks */
} Handle;

Handle *bind_handle(lua_State *L, int i); /* NULL when it is no tensor */

/* Goes up with every change in place, of the node's numbers or of the node. */
static inline uint64_t handle_stamp(const Handle *h) { return h->moved + (h->node && h->node->value ? h->node->value->version : 0); }

/* The tensor at i is a part of nothing but itself from now on. */
void bind_cut(lua_State *L, int i, Handle *h);
#endif
