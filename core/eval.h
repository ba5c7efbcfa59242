/* What computing has in common with backward passes (eval.c, backward.c). */
#ifndef CORE_EVAL_H
#define CORE_EVAL_H
#include "node.h"

/* What is left of a walk beneath `want` (taken over; NULL: it failed) when only what is read is computed; *changed: narrow_end() is due,
 * whatever is given back. */
Node **parts_read(Node **node, int *count, Node *const *want, int n, bool values_end, bool *changed, Err *e);
#endif
