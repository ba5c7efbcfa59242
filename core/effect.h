/* Effects that are due (effect.c). */
#ifndef CORE_EFFECT_H
#define CORE_EFFECT_H
#include "node.h"

/* Once n is computed the leaves move: see node_effect and node_follow. Nothing must be made of them until then. */
bool effect_add(Node *n, Node *first, Node *second, Err *e);
/* The nodes whose effects are not done yet, in order; borrowed. */
Node *const *effects_due(int *n);
/* After a run: does the effects of what was computed and takes them from the list. */
void effects_do(void);
#endif
