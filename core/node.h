/* Nodes from within, for the files that build, walk, rewrite and run graphs. Everybody else has graph.h. */
#ifndef CORE_NODE_H
#define CORE_NODE_H
#include "graph.h"

uint64_t graph_stamp(void); /* a fresh mark for a walk */

Node *node_new(const Op *op, Err *e);    /* without inputs and shape; op NULL: an empty leaf */
Node *node_on(Node *leaf, Tensor *t);    /* gives an empty leaf its tensor, and takes over the reference; the leaf */
void node_release(Node *n);              /* lets go of the inputs */
void node_set_input(Node *n, int k, Node *x); /* x takes the place of input k */
Node *node_last(Node *before);    /* the node of an op made last, or last before that one; NULL: none */
Node *node_waiting(Node *after);  /* the first named node that waits to be computed, or the next one after it; NULL: none */
uint64_t node_next_order(void);
int node_by_order(const void *a, const void *b); /* for qsort: as they were made */
/* The leaf whose numbers these are, of a leaf that keeps what it was recorded with; else the node itself. */
static inline Node *node_origin(Node *n) { return n->of ? n->of : n; }
static inline bool effect_due(const Node *n) { return n->effect_on[0] || n->effect_on[1]; }
bool node_is_kept(const Node *n); /* a run must leave its value behind: somebody holds it, or statistics follow it */
bool node_list_add(Node ***list, int *n, int *cap, Node *x, Err *e); /* behind the others; references are the caller's */

/* Before want is computed by a run over node: who watches (see graph_keep, watch_leaf) is told. */
bool watch_run(Node *const *want, int n, Node *const *node, int count, Err *e);

/* Puts nodes that compute no more than is read in the place of others (passes/narrow.c), beneath `want`, of node: what graph_walk gave
 * for it with stop_at_values = values_end. *changed: it did; the walk is to be made again, and narrow_end() puts everything back. */
bool narrow_begin(Node **node, int count, Node *const *want, int n, bool values_end, bool *changed, Err *e);
void narrow_end(void);
#endif
