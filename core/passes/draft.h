/* A plan being made, as its passes hand it on (plan.c says in which order). */
#ifndef CORE_PASSES_DRAFT_H
#define CORE_PASSES_DRAFT_H
#include "node.h"
#include "plan.h"

typedef struct Draft { /* a plan being made */
  Plan *p;
  Node **node;
  int count;
  int *uses;      /* per node: how often it is an input or wanted */
  int *user;      /* per node: its last user */
  bool *wanted;
  int *value_of;  /* per node */
  int *copy_of;   /* per value: its twin in the other layout, or -1 */
  int cap_values, cap_steps;
  int *fused_into; /* per node: node index of the step that computes it, or -1 */
  Err *e;
} Draft;

static inline size_t round_up(size_t n) { return (n + 127) & ~(size_t)127; }
static inline size_t value_bytes(const Value *v) { return round_up((size_t)shape_count(&v->shape) * sizeof(float)); }

/* --- step.c: what a plan says of itself --- */
enum { FUSED_IN = 7, STEP_IN = 2 * (MAX_IN + FUSED_IN) };
int step_inputs(const Plan *p, const Step *s, int v[STEP_IN]); /* all that it reads, -1 among them; how many */
void input_shapes(const Plan *p, const Step *s, Shape shape[MAX_IN]); /* of its inputs, rank -1 where there is none */
int root_of(const Plan *p, int v);         /* the value whose bytes v's are */
bool is_shifted(const Plan *p, int v);     /* they do not begin where those do */

/* --- fuse.c; head: per node, the first of the chain it ends --- */
bool is_free(const Draft *d, const int *head, int i);  /* no other chain has taken node i in */
/* Follows the chain behind node i and notes in s what it takes in; returns the node whose value the step computes. */
int fuse_chain(Draft *d, int i, const int *head, Step *s);
/* The node among the next few that node i can compute along with it; -1: none. */
int find_beside(const Draft *d, int i, const int *head);
/* Takes the step that makes in[0] of s, a step of node h that is about to be added, into it, where both sides can: its result is then
 * never whole. */
void pair_up(Draft *d, const Node *h, Step *s, const Shape *out);
int input_index(const Node *n, int k);     /* of input k among the nodes, -1: absent */

/* --- layout.c --- */
bool lay_out(Draft *d);
/* Wanted values become tensors of their own, channels-last where of rank 4. */
bool lay_outputs(Draft *d, Node *const *out, int n_out);

/* --- place.c --- */
bool place(Draft *d, uint64_t forward_end);
#endif
