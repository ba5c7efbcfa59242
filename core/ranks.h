/* Several processes that compute one thing together: the host says how numbers are summed over them (lua/bind/mpi.c). */
#ifndef CORE_RANKS_H
#define CORE_RANKS_H
#include "graph.h"

/* v[i] becomes the sum of v[i] over all processes, the same bits in each. Returns 1, or 0 where this process's batch
 * only stands in for one that it has not: its numbers are not among the sums, and no gradient may reach it. NULL: there
 * is one process. It cannot fail here: the host notices when another is gone, and says so where it is asked next. */
extern double (*ranks_sum)(double *v, int n);

/* What a host that sums gradients while a backward pass still runs is told; NULL: nobody asks. Of a pass about to begin: leaf[i]
 * will have grad[i] as its gradient, NULL: none. */
extern void (*ranks_begin)(Node *const *leaf, Node *const *grad, int n);
/* The value of a node that was asked for is whole, and nothing writes to it any more, while the rest of the run goes on. */
extern void (*ranks_whole)(const Node *of, const Tensor *value);
#endif
