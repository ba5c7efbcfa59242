/* From nodes to numbers: plan.c turns a set of nodes into steps, exec.c runs them. Used by eval.c and backward.c. */
#ifndef CORE_RUN_H
#define CORE_RUN_H
#include "graph.h"

/* One step of a run, as views and profiles tell it; holds on to nothing. */
typedef struct StepInfo {
  const Op *op;          /* what runs; op_layout where a value had to be laid otherwise for the node */
  const char *algorithm; /* of op, for these shapes; NULL: it has but one */
  int n_fused;
  const Op *fused[7];    /* what else it computes, in order: of bn_eval, add, an activation; then of a pair the second op and its own; or an op beside it */
  uint64_t order[8];     /* creation order of op's node, then of the fused ones */
  const char *path;      /* module path of op's node */
  Shape shape;           /* of the result */
  int64_t macs;
  int64_t bytes;         /* of all inputs and the result, each once and whole */
  double seconds;        /* that it took; 0: only planned */
} StepInfo;

typedef struct RunRecord {
  StepInfo *step; /* malloc'ed; whoever reads the record frees it */
  int n, cap;
  int64_t memory; /* the most a run took: its arena, and the values and gradients it left */
} RunRecord;

/* While it points to a record, every step that runs is added to it, timed. NULL: nothing is measured. */
extern RunRecord *run_record;

/* How many runs there were: who wants to know whether anything was computed looks twice. */
extern uint64_t run_count;

/* The memory of intermediate values is put back, until the next run. */
void run_rest(void);

/* Computes `out` (each one of `node`, in the same order, without a value) and gives them their values. node: in creation
 * order, all that is needed, each an op whose inputs are there too, or with a value. All or nothing. */
bool run_nodes(Node **node, int count, Node *const *out, int n_out, Err *e);
/* The same, planned only; out in any order. Nodes with order below `forward_end` count as forward for `saved`. */
bool run_measure(Node **node, int count, Node *const *out, int n_out, uint64_t forward_end, GraphCost *cost, Err *e);
/* The steps that computing these nodes would be, added to the record. */
bool graph_steps(Node *const *want, int n, RunRecord *record, Err *e);
/* The same of nodes that are walked already; out in any order. */
bool run_steps(Node **node, int count, Node *const *out, int n_out, RunRecord *record, Err *e);
#endif
