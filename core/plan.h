/* A plan: the steps that compute some nodes, with every value's layout and place in memory settled. It knows the graph's
 * structure (ops, attributes, shapes, what is wanted), not its numbers, so one plan serves every training step. */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H
#include "run.h"

typedef enum ValuePlace {
  AT_LEAF,   /* the tensor of a leaf: slot is its node index */
  AT_OUTPUT, /* a tensor made by the run: slot counts outputs */
  AT_ARENA,  /* offset in the arena */
  AT_NOTHING /* never whole: a step computes it along the way */
} ValuePlace;

typedef struct Value {
  Shape shape;
  Layout layout;
  ValuePlace place;
  int slot;
  int alias;      /* the value whose bytes these are, or -1 */
  int64_t shift;  /* from the alias's first element to this one's */
  size_t offset;
  int first, last; /* steps between which it lives */
} Value;

typedef struct Step {
  const Op *op;
  double attr[MAX_ATTR];
  int node;        /* index of the node it computes: seed and path come from there */
  int n_in, in[MAX_IN], out; /* values; in: -1 absent */
  int n_fused, fused[4];     /* nodes computed with it: behind the op, in order, the last one's value is `out`; then the one beside it */
  int beside;                /* the value of that, or -1 */
  /* what they take, -1: not; a BatchNorm has a bn_var */
  int bias, bn_mean, bn_var, bn_weight, bn_bias, residual, gate;
  double bn_eps;
  const Op *act;   /* the activation's op, or NULL */
  double act_attr[MAX_ACT_ATTR];
  int first;       /* number in Plan.first of the step whose result in[0] is and that runs within this one, or -1 */
  size_t scratch_offset, fold_offset;
} Step;

typedef struct Plan {
  struct Plan *next; /* cache chain, most recently used first */
  uint64_t hash;
  void *key;
  size_t key_size;
  int n_values, n_steps, n_first, n_nodes, n_out;
  Value *value;
  Step *step, *first;
  int *out;        /* values wanted */
  size_t arena, output_bytes, saved_bytes, values_peak, scratch_peak;
} Plan;

/* The plan for these nodes (see run.h; out in the order of node), made or found in the cache. NULL with e on failure. Owned by the cache; valid
 * until the next call. node[i]->index is set to i. */
Plan *plan_get(Node **node, int count, Node *const *out, int n_out, uint64_t forward_end, Err *e);
/* Step t, of a run over these nodes. */
StepInfo plan_step(const Plan *p, int t, Node *const *node);
#endif
