/* Several processes that compute one thing together: the host says how numbers are summed over them (lua/bind/mpi.c). */
#ifndef CORE_RANKS_H
#define CORE_RANKS_H

/* v[i] becomes the sum of v[i] over all processes, the same bits in each. Returns 1, or 0 where this process's batch
 * only stands in for one that it has not: its numbers are not among the sums, and no gradient may reach it. NULL: there
 * is one process. It cannot fail here: the host notices when another is gone, and says so where it is asked next. */
extern double (*ranks_sum)(double *v, int n);
#endif
