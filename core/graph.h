/* The graph: a Node is a value. A leaf has a tensor; any other node is an op on nodes, computed when somebody looks
 * (graph_eval) and not before. Calling a model, an expression at the prompt, fit and an imported file all make the
 * same nodes, so what is printed is what runs.
 *
 * Laziness is not visible, because looking at a value computes with it every *named* value it depends on (those a user
 * holds, see node_name), and because values never change: before a leaf changes in place (node_write), whoever was made
 * of it is given another leaf that keeps the numbers as they were (`of` says whose). So what was recorded is what is
 * computed and differentiated, however late; gradients of such a leaf are those of the leaf it kept the numbers of.
 *
 * Ownership: functions that make nodes return one reference owned by the Builder (below) or, where said, by the caller.
 * A node owns its inputs. When a value is known and no gradient can ask for it, the node lets go of its inputs. */
#ifndef CORE_GRAPH_H
#define CORE_GRAPH_H
#include "op.h"

struct Node {
  int refs;
  int named;           /* handles in the host language that a user may look at */
  const Op *op;        /* NULL: a leaf */
  int n_in;
  Node *in[MAX_IN];    /* NULL: absent optional input */
  double attr[MAX_ATTR];
  uint64_t seed;
  Shape shape;
  DType dtype;
  Tensor *value;       /* NULL: not computed yet */
  bool requires_grad;  /* leaf: set by the user; op: some input requires it and grad mode was on */
  bool frozen;         /* leaf: no optimizer moves it, whatever it asks */
  bool drawn;          /* random numbers drawn while a module ran, others each time, or made of such */
  Node *grad;          /* leaf, or what retains: accumulated gradient, a leaf itself; NULL: none */
  bool retains;        /* op: backward() adds to grad here too */
  Node *instead;       /* while a backward pass is built: the gradient to go on with from here, NULL: what came */
  uint64_t tap;        /* 0, or the host's number for a place where it looks at gradients; host.untapped hears of its end */
  Node *effect_on[2];  /* bn_stats in training: running_mean, running_var leaves that follow this value; NULL once they have … */
  double effect_momentum; /* … with this momentum, once, when it is computed */
  bool followed;       /* op: effect_on[0] is any leaf, whose numbers become this value once it is computed */
  const char *path;    /* module path that made it ("layer1.0.conv1"), "" outside any; interned, never freed */
  uint64_t order;      /* creation order */
  int behind;          /* 0, or of nodes that stand in for one of the same order in a run (passes/narrow.c): their own order */
  uint64_t recorded_as; /* the order that records of a run name: of what it stands in for, else its own */
  bool stands_in;      /* a slice that for this run is another name of such a node */
  int users;           /* inputs of other nodes that are this one */
  Node *of;            /* leaf: NULL, or the leaf whose numbers before a change in place these are */
  Node *older, *newer; /* op: all nodes of ops, as they were made */
  bool waits;          /* leaf: an effect on it has not been done yet */
  bool released;       /* backward() has let go of what it was computed from */
  uint64_t mark;       /* scratch for walks: compares with a fresh stamp */
  int index;           /* scratch for walks */
  Node *prev, *next;   /* list of named nodes that wait to be computed */
};

/* --- leaves --- */
/* A leaf on this tensor (takes over the caller's reference). The caller owns the node. NULL with e on failure. */
Node *node_leaf(Tensor *t, Err *e);
Node *node_ref(Node *n);
void node_unref(Node *n);
/* A handle that a user may look at came or went. */
void node_name(Node *n);
void node_unname(Node *n);
/* Bytes that named nodes will take once somebody looks. */
int64_t graph_waiting_bytes(void);
/* Before changing the leaf's tensor in place: named values that wait on it are computed, and who was made of it keeps its
 * numbers. Then change leaf->value->data (another tensor than before, it may be; whole: its numbers are not set then) and
 * tensor_touch(). On error nothing has changed. */
bool node_write(Node *leaf, bool whole, Err *e);

/* Makes the running statistics follow a bn_stats node: mean and var (leaves; either may be NULL) move towards it with this
 * momentum once it is computed, the variance as the unbiased one (n / (n - 1)). An earlier effect on the same leaves is
 * done first. */
bool node_effect(Node *stats, Node *mean, Node *var, double momentum, Err *e);

/* The leaf's numbers become this value, of its shape, once it is computed: a statistic that a forward writes by hand. An earlier
 * effect on it is done first. *follows: it does; else the numbers are to be written now. */
bool node_follow(Node *leaf, Node *value, bool *follows, Err *e);

/* --- building --- */
/* Collects the nodes made while an expression is built; builder_end gives back its references. When a shape does not
 * fit, the builder fails once: err is filled, and everything made after is NULL and harmless to pass on. */
struct Builder {
  Err *err;
  bool failed;
  int n, cap;
  Node **made;
};
void builder_begin(Builder *b, Err *e);
void builder_end(Builder *b);
/* A new node; attr may be NULL (defaults). Inputs are borrowed (the node takes its own references). */
Node *build(Builder *b, const Op *op, const double *attr, int n_in, Node *const *in);
Node *build_scalar(Builder *b, double value);             /* a leaf of rank 0 */
Node *build_full(Builder *b, const Shape *s, double value); /* a leaf, all elements equal */
/* Sugar for the ops gradients are written with. Each is build() on the op of that name. */
Node *build1(Builder *b, const Op *op, Node *x);
Node *build2(Builder *b, const Op *op, Node *x, Node *y);
Node *build_a(Builder *b, const Op *op, int n_in, Node *const *in, int n_attr, const double *attr); /* first attrs given, rest default */
/* Sums dy over what broadcasting stretched, so that it has s's shape. */
Node *build_unbroadcast(Builder *b, Node *dy, const Shape *s);

/* --- parts of values --- */
/* `count` places along a dim, `step` apart, from `start` on. */
typedef struct Part {
  int dim;
  int64_t start, step, count;
} Part;

/* What Op.narrow is told. It is asked first what it would take, then to build it; it says the same both times. */
struct Narrowing {
  Builder *b; /* NULL while it is only asked: nothing is built, and any node but NULL says that it can */
  Part part;  /* of n's value */
};
/* The same part of an input, along its dim; all of it (x may be NULL). */
Node *narrow_part(Narrowing *w, Node *x, int dim);
Node *narrow_whole(Narrowing *w, Node *x);
/* Whether input x is read by the node asked about and nobody else, and not known yet: then not taking it saves computing it. */
bool narrow_alone(const Narrowing *w, const Node *x);
/* n's op on the same part of each input k along dim[k], on all of it where that is -1. */
Node *narrow_op(Narrowing *w, Node *n, const int *dim);

/* --- the context of tracing --- */
extern bool graph_grad_mode; /* true: nodes made now may require gradients */
const char *graph_intern(const char *text);
extern const char *graph_path; /* path given to nodes made now; interned */
uint64_t graph_seed(void);        /* the next seed for a random op; advances the generator */
void graph_seed_set(uint64_t s);  /* seed(n) */
uint64_t graph_seed_get(void);    /* state, for undo and checkpoints */

/* --- computing --- */
/* Computes the values of these nodes (and of named nodes beneath). On error or stop nothing has changed. */
bool graph_eval(Node *const *want, int n, Err *e);
/* Adds d(loss)/d(leaf) to leaf->grad for each leaf with requires_grad beneath, and for what retains; loss must have one element (or dy be
 * given, same shape). Computes loss, and does all effects that are due, in the same plan. Afterwards the graph beneath loss is
 * let go unless retain. */
bool graph_backward(Node *loss, Node *dy, bool retain, Err *e);
/* The same, and computes these nodes in the same run, before the graph is let go: gradients that a host wants to see. */
bool graph_backward_with(Node *loss, Node *dy, bool retain, Node *const *also, int n_also, Err *e);
/* Gradients of `of` (summed, weighted by dy or ones) with respect to any nodes `wrt`, as nodes owned by the caller
 * (out[i] NULL where there is no path). recorded: along values that require a gradient alone, so not through what was made without
 * grad mode; else, for Grad-CAM and the like, along all. */
bool graph_grad(Builder *b, Node *of, Node *dy, Node *const *wrt, int n, bool recorded, Node **out);
/* Effects (running statistics) of training-mode nodes that nobody has looked at yet: done now, in order. */
bool graph_settle(Err *e);
/* Those not done yet are never done: the step they belong to was given up. */
void graph_drop_effects(void);

/* What a run would take, without running: memory in bytes and the number of steps. With backward, gradients of want[0]
 * for every leaf that requires one are planned too. */
typedef struct GraphCost {
  int64_t arena;    /* intermediate values and scratch, as they share one piece of memory */
  int64_t values;   /* the most that intermediate values take at one time, without scratch */
  int64_t scratch;  /* the most that one step takes for itself */
  int64_t outputs;  /* values and gradients kept afterwards */
  int64_t saved;    /* forward values alive when backward begins */
  int steps;
} GraphCost;
bool graph_cost(Node *const *want, int n, bool backward, GraphCost *out, Err *e);

/* All nodes beneath `want` in creation order, each once; values already known count as leaves if stop_at_values.
 * Returns a malloc'ed array of borrowed pointers; NULL with e on failure. */
Node **graph_walk(Node *const *want, int n, bool stop_at_values, int *count, Err *e);
/* The frozen frontier under `want`, given the batch `input`: nodes that depend on input, on nothing that requires a
 * gradient, nothing random and nothing across samples, and are used by a node that is not such (or are wanted). Borrowed pointers
 * malloc'ed; *count 0: nothing to cache. `why` (size SHAPE_TEXT) says what stopped it: "dropout at features.3". *way is another number
 * where other operations, or other constants, lead from the input there. */
Node **graph_frontier(Node *const *want, int n, Node *input, int *count, char *why, uint64_t *way, Err *e);
/* Gives a node the value it would have computed. */
void node_set_value(Node *n, Tensor *t);
/* A computed node that no gradient flows through becomes a leaf on its value. */
void node_become_leaf(Node *n);

/* --- watching (watch.c) --- */
/* While a graph is drawn: computed nodes hold on to what they were computed from, and those that somebody asked for on the way
 * are remembered. graph_keep(false) lets go of both; a call that is on already begins anew. */
extern bool graph_keeps;
void graph_keep(bool on);
Node *const *graph_asked(int *count); /* borrowed, in the order they were asked for */
/* Whether, from now on, a value is computed that depends on this leaf (NULL: nobody watches). */
void watch_leaf(const Node *leaf);
bool watch_reached(void);
bool watch_on(void);
#endif
