/* From nodes to numbers: plan.c turns a set of nodes into steps, exec.c runs them. Used by graph.c. */
#ifndef CORE_RUN_H
#define CORE_RUN_H
#include "graph.h"

uint64_t graph_stamp(void);
void node_release(Node *n); /* lets go of the inputs */

/* Computes `out` (each one of `node`, in the same order, without a value) and gives them their values. node: in creation
 * order, all that is needed, each an op whose inputs are there too, or with a value. All or nothing. */
bool run_nodes(Node **node, int count, Node *const *out, int n_out, Err *e);
/* The same, planned only; out in any order. Nodes with order below `forward_end` count as forward for `saved`. */
bool run_measure(Node **node, int count, Node *const *out, int n_out, uint64_t forward_end, GraphCost *cost, Err *e);
#endif
