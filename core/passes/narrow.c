/* Parts: where all who read a value read the same part of it (a transformer's head takes the class token's row of the last
 * block's result), the rest of it is not computed, nor what only the rest needs, nor their gradients. Slices wander up through ops that
 * make a part of their result of parts of their inputs (Op.narrow):
 *
 *   slice(linear(gelu(x)))  →  linear(gelu(slice(x)))
 *
 * First demand is passed down from what is wanted to what it is made of: nothing, a part, or the whole. Where users differ, where
 * somebody holds the value, or where its op cannot, that is the whole. Then nodes for the parts are made, and the slices become other names
 * of them, until narrow_end() gives them back what they were: the graph that views draw and gradients are asked of is the one
 * that was built. */
#include <stdlib.h>
#include <string.h>
#include "node.h"
#include "ops/slice.h"

extern const Op op_slice, op_reshape;

typedef enum DemandKind { NOTHING, PART, WHOLE } DemandKind;

typedef struct Demand {
  DemandKind kind;
  Part part;  /* what is read, or was last cut out of the whole */
  Node *made; /* the node for it, or NULL */
  int users;
} Demand;

typedef struct Work {
  Narrowing asked; /* first, for the functions that ops call */
  Demand *demand;
} Work;

/* A slice as it was. */
typedef struct Slice {
  Node *node, *of;
  double attr[MAX_ATTR];
} Slice;

static struct {
  bool in_force;
  Builder b; /* holds what was made */
  Slice *slice;
  int n;
} state;

/* --- what ops ask and say --- */

static bool same_part(const Part *a, const Part *b) {
  return a->dim == b->dim && a->start == b->start && a->step == b->step && a->count == b->count;
}

static void want(Demand *d, const Part *part) {
  if (part && d->kind == NOTHING) d->kind = PART, d->part = *part;
  else if (!part || d->kind == WHOLE || !same_part(&d->part, part)) d->kind = WHOLE;
}

Node *narrow_part(Narrowing *w, Node *x, int dim) {
  Demand *d = &((Work *)(void *)w)->demand[x->index];
  Part part = w->part;
  part.dim = dim;
  if (!w->b) want(d, &part);
  if (!w->b || (d->made && same_part(&d->part, &part))) return d->made ? d->made : x;
  d->part = part; /* x is computed whole */
  return d->made = build_a(w->b, &op_slice, 1, &x, 4, (double[]){dim, (double)part.start, (double)(part.start + (part.count - 1) * part.step + 1), (double)part.step});
}

Node *narrow_whole(Narrowing *w, Node *x) {
  if (x && !w->b) want(&((Work *)(void *)w)->demand[x->index], NULL);
  return x;
}

bool narrow_alone(const Narrowing *w, const Node *x) {
  const Demand *d = &((const Work *)(const void *)w)->demand[x->index];
  return d->users == 1 && d->kind == NOTHING && x->op && !x->value && !node_is_kept(x);
}

Node *narrow_op(Narrowing *w, Node *n, const int *dim) {
  Node *in[MAX_IN];
  for (int k = 0; k < n->n_in; k++) in[k] = n->in[k] && dim[k] >= 0 ? narrow_part(w, n->in[k], dim[k]) : narrow_whole(w, n->in[k]);
  return w->b ? build(w->b, n->op, n->attr, n->n_in, in) : n;
}

/* --- demand --- */

/* Whether x is a slice, of `part`, that takes so little of a value that it may pay to compute no more. */
static bool takes_little(const Node *x, Part *part) {
  if (x->op != &op_slice || !x->n_in || !x->in[0]->op || !x->in[0]->op->narrow) return false;
  *part = slice_part(x->attr, &x->in[0]->shape);
  return part->count > 0 && 2 * part->count <= x->in[0]->shape.dim[part->dim];
}

/* From the last node to the first, so that all users of a node have spoken before it. Returns whether any may be narrowed. */
static bool ask(Work *w, Node **node, int count, bool values_end) {
  bool any = false;
  for (int i = count - 1; i >= 0; i--) {
    Node *x = node[i];
    Demand *d = &w->demand[i];
    if (node_is_kept(x)) d->kind = WHOLE;
    if (d->kind == NOTHING) continue;
    w->asked.part = d->part;
    if (d->kind == PART && x->op && x->op->narrow && !x->value && x->op->narrow(&w->asked, x)) {
      any = true;
      continue;
    }
    d->kind = WHOLE;
    if (!x->op || (values_end && x->value)) continue;
    Part part;
    bool little = takes_little(x, &part);
    for (int k = 0; k < x->n_in; k++)
      if (x->in[k]) want(&w->demand[x->in[k]->index], little ? &part : NULL);
  }
  return any;
}

/* --- in their place --- */

/* The node for the part of x that is read. */
static bool make_part(Work *w, Node *x, Err *e) {
  Demand *d = &w->demand[x->index];
  Part part = w->asked.part = d->part;
  bool mode = graph_grad_mode;
  const char *path = graph_path;
  int from = state.b.n;
  graph_grad_mode = x->requires_grad;
  graph_path = x->path;
  Node *y = x->op->narrow(&w->asked, x);
  graph_grad_mode = mode;
  graph_path = path;
  for (int i = from; i < state.b.n; i++) {
    Node *n = state.b.made[i];
    if (n->recorded_as == n->order) n->recorded_as = x->order;
    n->order = x->order, n->behind = 1 + i - from;
  }
  if (!y) return state.b.failed ? false : err_set(e, "%s: gives no part of itself", x->op->name);
  Shape shape = x->shape;
  shape.dim[part.dim] = part.count;
  if (!shape_equal(&y->shape, &shape)) return err_set(e, "%s: its part has shape %s, not %s", x->op->name, SHAPE_STR(&y->shape), SHAPE_STR(&shape));
  y->dtype = x->dtype;
  d->made = y;
  return true;
}

/* The slice becomes another name of that. */
static void stand_in(Node *slice, Node *part) {
  Slice *s = &state.slice[state.n++];
  *s = (Slice){.node = node_ref(slice), .of = node_ref(slice->in[0])};
  memcpy(s->attr, slice->attr, sizeof s->attr);
  slice->op = &op_reshape;
  op_defaults(&op_reshape, slice->attr);
  for (int d = 0; d < slice->shape.rank; d++) slice->attr[d] = (double)slice->shape.dim[d];
  node_set_input(slice, 0, part);
  slice->stands_in = true;
}

bool narrow_begin(Node **node, int count, Node *const *wanted, int n, bool values_end, bool *changed, Err *e) {
  bool found = false;
  Part part;
  *changed = false;
  for (int i = 0; i < count && !found; i++)
    found = !(values_end && node[i]->value) && takes_little(node[i], &part);
  if (!found || state.in_force) return true;
  Work w = {.demand = calloc((size_t)count, sizeof *w.demand)};
  if (!w.demand) return err_memory(e, (double)count * sizeof *w.demand, "a graph");
  for (int i = 0; i < count; i++) node[i]->index = i;
  for (int i = 0; i < count; i++)
    for (int k = 0; !(values_end && node[i]->value) && k < node[i]->n_in; k++)
      if (node[i]->in[k]) w.demand[node[i]->in[k]->index].users++;
  for (int i = 0; i < n; i++)
    if (wanted[i]) w.demand[wanted[i]->index].kind = WHOLE;
  bool ok = true;
  if (ask(&w, node, count, values_end)) {
    ok = (state.slice = malloc((size_t)count * sizeof *state.slice)) || err_memory(e, (double)count * sizeof *state.slice, "a graph");
    state.in_force = *changed = ok;
    builder_begin(&state.b, e);
    w.asked.b = &state.b;
    for (int i = 0; i < count && ok; i++) {
      Node *x = node[i];
      bool known = values_end && x->value;
      if (w.demand[i].kind == PART) ok = make_part(&w, x, e);
      else if (w.demand[i].kind == WHOLE && !known && x->op == &op_slice && x->n_in && w.demand[x->in[0]->index].kind == PART)
        stand_in(x, w.demand[x->in[0]->index].made);
    }
    if (!ok && *changed) narrow_end();
  }
  free(w.demand);
  return ok;
}

void narrow_end(void) {
  if (!state.in_force) return;
  while (state.n) {
    Slice *s = &state.slice[--state.n];
    Node *x = s->node;
    x->op = &op_slice;
    memcpy(x->attr, s->attr, sizeof s->attr);
    x->stands_in = false;
    if (x->n_in) node_set_input(x, 0, s->of); /* else it let go of its input when it was computed */
    node_unref(s->of);
    node_unref(x);
  }
  free(state.slice);
  state.slice = NULL;
  builder_end(&state.b);
  state.in_force = false;
}
