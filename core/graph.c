#include "graph.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "host.h"
#include "run.h"

bool graph_grad_mode = true;
const char *graph_path = "";

static uint64_t next_order = 1, next_mark = 1;
static uint64_t seed_state = 0x9E3779B97F4A7C15u;
static Node waiting = {.prev = &waiting, .next = &waiting}; /* named nodes not computed yet, oldest first */
static Node recorded = {.older = &recorded, .newer = &recorded}; /* all nodes of ops */
static int64_t waiting_bytes;                               /* that they will take */
static Node **effects;                                      /* effects not done yet, in order; a reference each */
static int effect_count, effect_cap;

/* --- names and seeds --- */

const char *graph_intern(const char *text) {
  typedef struct Name { struct Name *next; char text[]; } Name;
  static Name *table[1024];
  uint32_t h = 2166136261u;
  for (const char *p = text; *p; p++) h = (h ^ (unsigned char)*p) * 16777619u;
  Name **slot = &table[h % 1024];
  for (Name *n = *slot; n; n = n->next)
    if (!strcmp(n->text, text)) return n->text;
  Name *n = malloc(sizeof *n + strlen(text) + 1);
  if (!n) return ""; /* a path is a comfort: do without */
  strcpy(n->text, text);
  n->next = *slot;
  *slot = n;
  return n->text;
}

/* splitmix64 (Steele, Lea, Flood 2014) */
uint64_t graph_seed(void) {
  uint64_t z = seed_state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}
void graph_seed_set(uint64_t s) { seed_state = s; }
uint64_t graph_seed_get(void) { return seed_state; }

uint64_t graph_stamp(void) { return ++next_mark; }

/* --- nodes --- */

static Node *node_new(const Op *op, Err *e) {
  Node *n = calloc(1, sizeof *n);
  if (!n) {
    err_memory(e, sizeof *n, "a node");
    return NULL;
  }
  n->refs = 1;
  n->op = op;
  n->path = graph_path;
  n->order = n->recorded_as = next_order++;
  if (op) {
    n->older = recorded.older, n->newer = &recorded;
    recorded.older->newer = n;
    recorded.older = n;
  }
  return n;
}

Node *node_last(Node *before) {
  Node *n = (before ? before : &recorded)->older;
  return n == &recorded ? NULL : n;
}

Node *node_waiting(Node *after) {
  Node *n = (after ? after : &waiting)->next;
  return n == &waiting ? NULL : n;
}

uint64_t node_next_order(void) { return next_order++; }

/* Gives a leaf its tensor; takes over the reference. */
static Node *leaf_on(Node *n, Tensor *t) {
  n->value = t;
  n->shape = t->shape;
  n->dtype = t->dtype;
  return n;
}

Node *node_leaf(Tensor *t, Err *e) {
  Node *n = t ? node_new(NULL, e) : NULL;
  if (n) return leaf_on(n, t);
  tensor_unref(t);
  return NULL;
}

Node *node_ref(Node *n) {
  if (n) n->refs++;
  return n;
}

static int64_t bytes_of(const Node *n) { return shape_count(&n->shape) * (int64_t)sizeof(float); }

int64_t run_waiting_bytes(void) { return waiting_bytes; }

static void unlink_waiting(Node *n) {
  if (!n->next) return;
  waiting_bytes -= bytes_of(n);
  n->prev->next = n->next;
  n->next->prev = n->prev;
  n->prev = n->next = NULL;
}

/* Graphs may be many thousand nodes deep (a long loop at the prompt), so letting go does not recurse: nodes whose last
 * reference went are chained through `prev`, which a dead node has no other use for. */
void node_unref(Node *n) {
  if (!n || --n->refs > 0) return;
  unlink_waiting(n);
  n->prev = NULL;
  Node *dead = n;
  while (dead) {
    Node *d = dead;
    dead = d->prev;
    Node *held[MAX_IN + 5];
    int k = 0;
    for (int i = 0; i < d->n_in; i++) {
      if (d->in[i]) d->in[i]->users--;
      held[k++] = d->in[i];
    }
    held[k++] = d->grad;
    held[k++] = d->instead;
    held[k++] = d->of;
    if (d->tap && host.untapped) host.untapped(d->tap);
    held[k++] = d->effect_on[0];
    held[k++] = d->effect_on[1];
    for (int i = 0; i < k; i++)
      if (held[i] && --held[i]->refs == 0) {
        unlink_waiting(held[i]);
        held[i]->prev = dead;
        dead = held[i];
      }
    if (d->newer) d->older->newer = d->newer, d->newer->older = d->older;
    tensor_unref(d->value);
    free(d);
  }
}

void node_name(Node *n) {
  if (n->named++ || n->value || n->next) return;
  waiting_bytes += bytes_of(n);
  n->prev = waiting.prev;
  n->next = &waiting;
  waiting.prev->next = n;
  waiting.prev = n;
}

void node_unname(Node *n) {
  if (--n->named == 0) unlink_waiting(n);
}

static bool effect_due(const Node *n) { return n->effect_on[0] || n->effect_on[1]; }

void node_set_input(Node *n, int k, Node *x) {
  Node *before = n->in[k];
  n->in[k] = node_ref(x);
  if (x) x->users++;
  if (before) before->users--;
  node_unref(before);
}

void node_release(Node *n) {
  for (int i = 0; i < n->n_in; i++) node_set_input(n, i, NULL);
  n->n_in = 0;
}

void node_set_value(Node *n, Tensor *t) {
  tensor_ref(t);
  tensor_unref(n->value);
  n->value = t;
  t->dtype = n->dtype;
  unlink_waiting(n);
  if (!n->requires_grad && !effect_due(n) && !graph_keeps) node_release(n); /* an effect still needs the input's shape */
}

/* --- building --- */

void builder_begin(Builder *b, Err *e) { *b = (Builder){.err = e}; }

void builder_end(Builder *b) {
  for (int i = b->n; i-- > 0;) node_unref(b->made[i]);
  free(b->made);
  *b = (Builder){.err = b->err, .failed = b->failed};
}

/* The builder takes over the reference. */
static Node *keep(Builder *b, Node *n) {
  if (!n) {
    b->failed = true;
    return NULL;
  }
  if (b->n == b->cap) {
    int cap = b->cap ? 2 * b->cap : 16;
    Node **made = realloc(b->made, (size_t)cap * sizeof *made);
    if (!made) {
      b->failed = true;
      err_memory(b->err, (double)cap * sizeof *made, "a graph");
      node_unref(n);
      return NULL;
    }
    b->made = made;
    b->cap = cap;
  }
  return b->made[b->n++] = n;
}

static void fail_at(Err *e, const Op *op) {
  char text[sizeof e->text];
  snprintf(text, sizeof text, "%s%s%s %.800s", graph_path, *graph_path ? ": " : "", op->name, e->text);
  memcpy(e->text, text, sizeof text);
}

Node *build(Builder *b, const Op *op, const double *attr, int n_in, Node *const *in) {
  if (b->failed) return NULL;
  Shape shape[MAX_IN] = {0}, out = {0};
  for (int i = 0; i < n_in; i++) {
    if (in[i]) shape[i] = in[i]->shape;
    else shape[i].rank = -1;
  }
  for (int i = n_in; i < MAX_IN; i++) shape[i].rank = -1;
  double filled[MAX_ATTR] = {0};
  if (attr) memcpy(filled, attr, sizeof filled);
  else op_defaults(op, filled);
  if (!op_attrs_check(op, filled, b->err) || !op->shape(shape, n_in, filled, &out, b->err) || !shape_check(&out, b->err)) {
    fail_at(b->err, op);
    b->failed = true;
    return NULL;
  }
  Node *n = keep(b, node_new(op, b->err));
  if (!n) return NULL;
  n->shape = out;
  n->dtype = op->dtype;
  memcpy(n->attr, filled, sizeof filled);
  n->n_in = n_in;
  for (int i = 0; i < n_in; i++) {
    node_set_input(n, i, in[i]);
    if (!in[i]) continue;
    n->drawn = n->drawn || in[i]->drawn;
    if (graph_grad_mode && in[i]->requires_grad && op->grad) n->requires_grad = true;
  }
  if (op->random) n->seed = graph_seed(), n->drawn = true;
  return n;
}

Node *build1(Builder *b, const Op *op, Node *x) { return build(b, op, NULL, 1, &x); }
Node *build2(Builder *b, const Op *op, Node *x, Node *y) { return build(b, op, NULL, 2, (Node *[]){x, y}); }

Node *build_a(Builder *b, const Op *op, int n_in, Node *const *in, int n_attr, const double *attr) {
  double filled[MAX_ATTR] = {0};
  op_defaults(op, filled);
  memcpy(filled, attr, (size_t)n_attr * sizeof *attr);
  return build(b, op, filled, n_in, in);
}

Node *build_full(Builder *b, const Shape *s, double value) {
  if (b->failed) return NULL;
  Tensor *t = tensor_new(s, b->err);
  if (t)
    for (int64_t i = 0; i < t->count; i++) t->data[i] = (float)value;
  return keep(b, node_leaf(t, b->err));
}

Node *build_scalar(Builder *b, double value) { return build_full(b, &(Shape){.rank = 0}, value); }

Node *build_unbroadcast(Builder *b, Node *dy, const Shape *s) {
  extern const Op op_sum, op_reshape;
  if (b->failed || !dy || shape_equal(&dy->shape, s)) return dy;
  double dims[MAX_ATTR];
  op_defaults(&op_sum, dims);
  int lead = dy->shape.rank - s->rank, n = 0;
  for (int i = 0; i < dy->shape.rank; i++)
    if (i < lead || (s->dim[i - lead] == 1 && dy->shape.dim[i] != 1)) dims[n++] = i;
  Node *sum = n ? build(b, &op_sum, dims, 1, &dy) : dy;
  if (!sum || shape_equal(&sum->shape, s)) return sum;
  double shape[MAX_ATTR];
  op_defaults(&op_reshape, shape);
  for (int i = 0; i < s->rank; i++) shape[i] = (double)s->dim[i];
  return build(b, &op_reshape, shape, 1, &sum);
}

/* --- walking --- */

typedef struct Walk { Node **node; int n, cap; bool failed; } Walk;

static bool walk_push(Walk *w, Node *n, Err *e) {
  if (w->n == w->cap) {
    int cap = w->cap ? 2 * w->cap : 256;
    Node **node = realloc(w->node, (size_t)cap * sizeof *node);
    if (!node) return err_memory(e, (double)cap * sizeof *node, "a graph");
    w->node = node;
    w->cap = cap;
  }
  w->node[w->n++] = n;
  return true;
}

static int by_order(const void *a, const void *b) {
  const Node *x = *(Node *const *)a, *y = *(Node *const *)b;
  return x->order == y->order ? x->behind - y->behind : x->order < y->order ? -1 : 1;
}

/* Inputs are made before their users, so creation order is a topological order. */
Node **graph_walk(Node *const *want, int n, bool stop_at_values, int *count, Err *e) {
  uint64_t stamp = graph_stamp();
  Walk w = {0};
  for (int i = 0; i < n; i++)
    if (want[i] && want[i]->mark != stamp) {
      want[i]->mark = stamp;
      if (!walk_push(&w, want[i], e)) goto fail;
    }
  for (int at = 0; at < w.n; at++) {
    Node *x = w.node[at];
    if (x->value && stop_at_values) continue;
    for (int i = 0; i < x->n_in; i++)
      if (x->in[i] && x->in[i]->mark != stamp) {
        x->in[i]->mark = stamp;
        if (!walk_push(&w, x->in[i], e)) goto fail;
      }
  }
  qsort(w.node, (size_t)w.n, sizeof *w.node, by_order);
  *count = w.n;
  if (!w.node && !(w.node = malloc(sizeof *w.node))) err_memory(e, sizeof *w.node, "a graph");
  return w.node;
fail:
  free(w.node);
  return NULL;
}

/* Does x's row i take more than row i of what it is made of? Known of inputs that depend on the batch (index is set): an input of
 * fewer dims than the result is broadcast or looked into, and its first dim is not the result's. */
static bool across_samples(const Node *x) {
  Shape in[MAX_IN];
  for (int k = 0; k < x->n_in; k++) {
    in[k] = x->in[k] ? x->in[k]->shape : (Shape){.rank = -1};
    if (x->n_in > 1 && x->in[k] && x->in[k]->index && in[k].rank < x->shape.rank) return true;
  }
  return !op_keeps_samples(x->op, in, x->n_in, x->attr);
}

/* What a value is of which it only is another view. */
static Node *seen_through(Node *x, const Node *input) {
  extern const Op op_reshape, op_permute;
  while (x != input && x->n_in && (x->op == &op_reshape || x->op == &op_permute)) x = x->in[0];
  return x;
}

/* Goes on with a number that stands for a way from the input: the operation x and its single numbers. */
static uint64_t step_of_way(uint64_t way, const Node *x) {
  way = (way ^ (uint64_t)(uintptr_t)x->op) * 0x100000001B3u;
  way = (way ^ (uint64_t)(uintptr_t)x->path) * 0x100000001B3u;
  for (int k = 0; k < x->n_in; k++) {
    const Node *c = x->in[k];
    uint32_t bits;
    if (!c || c->op || c->index || c->requires_grad || c->value->count != 1) continue;
    memcpy(&bits, c->value->data, sizeof bits);
    way = (way ^ bits) * 0x100000001B3u;
  }
  return way;
}

Node **graph_frontier(Node *const *want, int n, Node *input, int *count, char *why, uint64_t *way, Err *e) {
  int total;
  Node **node = graph_walk(want, n, false, &total, e);
  if (!node) return NULL;
  *count = 0;
  *why = 0;
  *way = 0;
  /* index: 0 independent of input, 1 may be kept per sample, 2 may not */
  for (int i = 0; i < total; i++) {
    Node *x = node[i];
    int kind = x == input;
    bool later = false;
    for (int k = 0; k < x->n_in; k++)
      if (x->in[k]) {
        if (x->in[k]->index) kind = 1;
        if (x->in[k]->index == 2) later = true;
      }
    if (kind && x != input) {
      bool across = across_samples(x), moves = x->requires_grad, random = x->drawn;
      if (!later && !moves && (across || random) && !*why)
        snprintf(why, SHAPE_TEXT, "%s at %s", random ? "randomness" : "a value across samples", *x->path ? x->path : x->op->name);
      if (later || moves || across || random || x->shape.rank < 1 || x->shape.dim[0] != input->shape.dim[0]) kind = 2;
    }
    x->index = kind;
    if (kind == 1 && x->op) *way = step_of_way(*way, x);
  }
  /* `later` values are found by their users; a wanted value is its own user. */
  uint64_t stamp = graph_stamp();
  Node **out = malloc(((size_t)total + 1) * sizeof *out);
  if (!out) {
    err_memory(e, (double)total * sizeof *out, "a graph");
    free(node);
    return NULL;
  }
  for (int i = 0; i < total; i++)
    for (int k = 0; k <= node[i]->n_in; k++) {
      Node *x = k < node[i]->n_in ? node[i]->in[k] : NULL;
      bool used_later = x && node[i]->index == 2;
      if (k == node[i]->n_in) {
        for (int j = 0; j < n; j++)
          if (want[j] == node[i]) x = node[i], used_later = true;
      }
      if (used_later && x->index == 1) x = seen_through(x, input);
      if (used_later && x->index == 1 && x != input && x->mark != stamp) {
        x->mark = stamp;
        out[(*count)++] = x;
      }
      if (used_later && x == input) { /* input itself is used past the frontier: nothing can be cut off */
        *count = 0;
        free(node);
        return out;
      }
    }
  free(node);
  return out;
}

/* --- effects --- */

bool node_list_add(Node ***list, int *n, int *cap, Node *x, Err *e) {
  if (*n == *cap) {
    int more = *cap ? 2 * *cap : 64;
    Node **room = realloc(*list, (size_t)more * sizeof *room);
    if (!room) return err_memory(e, (double)more * sizeof *room, "a graph");
    *list = room;
    *cap = more;
  }
  (*list)[(*n)++] = x;
  return true;
}

/* The effect moves the leaves when it is done; nothing is made of them until then. */
static bool add_effect(Node *n, Node *first, Node *second, Err *e) {
  if ((first && !node_write(first, false, e)) || (second && !node_write(second, false, e))) return false;
  if (!node_list_add(&effects, &effect_count, &effect_cap, n, e)) return false;
  node_ref(n);
  n->effect_on[0] = node_ref(first);
  n->effect_on[1] = node_ref(second);
  if (first) first->waits = true;
  if (second) second->waits = true;
  return true;
}

bool node_effect(Node *stats, Node *mean, Node *var, double momentum, Err *e) {
  stats->effect_momentum = momentum;
  return add_effect(stats, mean, var, e);
}

bool node_follow(Node *leaf, Node *value, bool *follows, Err *e) {
  *follows = !leaf->op && !leaf->requires_grad && value->op && !value->value && !effect_due(value);
  if (!*follows) return true;
  value->followed = true;
  return add_effect(value, leaf, NULL, e);
}

static void end_effect(Node *s) {
  for (int k = 0; k < 2; k++) {
    if (!s->effect_on[k]) continue;
    s->effect_on[k]->waits = false;
    node_unref(s->effect_on[k]);
    s->effect_on[k] = NULL;
  }
}

/* running = (1 - momentum) * running + momentum * batch, the variance unbiased (PyTorch, BatchNorm2d). */
static void do_effect(Node *s) {
  if (s->followed) {
    Tensor *to = s->effect_on[0]->value;
    memcpy(to->data, s->value->data, (size_t)to->count * sizeof(float));
    tensor_touch(to);
    end_effect(s);
    return;
  }
  int64_t c = s->shape.dim[s->shape.rank - 1], count = c ? shape_count(&s->in[0]->shape) / c : 0;
  double unbiased = count > 1 ? (double)count / (double)(count - 1) : 1;
  for (int k = 0; k < 2; k++) {
    Node *leaf = s->effect_on[k];
    if (!leaf) continue;
    float m = (float)s->effect_momentum, f = (float)(k ? unbiased : 1);
    for (int64_t i = 0; i < c; i++) leaf->value->data[i] = (1 - m) * leaf->value->data[i] + m * f * s->value->data[k * c + i];
    tensor_touch(leaf->value);
  }
  end_effect(s);
}

/* After a run: does the effects of what was computed and takes them from the list. */
static void do_effects(void) {
  int left = 0;
  Node *over[64];
  int n_over = 0;
  for (int i = 0; i < effect_count; i++) {
    Node *s = effects[i];
    if (!s->value) {
      effects[left++] = s;
      continue;
    }
    do_effect(s);
    if (!s->requires_grad) node_release(s);
    if (n_over < 64) over[n_over++] = s;
    else node_unref(s);
  }
  effect_count = left;
  for (int i = 0; i < n_over; i++) node_unref(over[i]);
}

bool graph_settle(Err *e) {
  if (!effect_count) return true;
  int n = effect_count;
  Node **want = malloc((size_t)n * sizeof *want);
  if (!want) return err_memory(e, (double)n * sizeof *want, "a graph");
  memcpy(want, effects, (size_t)n * sizeof *want);
  bool ok = graph_eval(want, n, e);
  free(want);
  return ok;
}

void graph_drop_effects(void) {
  while (effect_count) {
    Node *s = effects[--effect_count];
    end_effect(s);
    node_unref(s);
  }
}

/* --- computing --- */

bool node_is_kept(const Node *n) { return !n->value && (n->named || effect_due(n)); }

static bool check_there(Node **node, int n, Err *e) {
  for (int i = 0; i < n; i++) {
    Node *x = node[i];
    if (x->value || x->stands_in) continue;
    const char *where = *x->path ? x->path : x->op->name;
    if (x->released) return err_set(e, "%s: this value's graph was let go by backward(); use backward{retain_graph = true} or look at it before", where);
  }
  return true;
}

/* What is left of a walk beneath `want` (taken over; NULL: it failed) when only what is read is computed; *changed: narrow_end() is due,
 * whatever is given back. */
static Node **parts_read(Node **node, int *count, Node *const *want, int n, bool values_end, bool *changed, Err *e) {
  *changed = false;
  bool ok = node && check_there(node, *count, e) && narrow_begin(node, *count, want, n, values_end, changed, e);
  if (ok && !*changed) return node;
  free(node);
  return ok ? graph_walk(want, n, values_end, count, e) : NULL;
}

/* What a run leaves behind is what was asked for, named values beneath it, and statistics whose effect is due. */
static bool graph_run(Node *const *want, int n, Err *e) {
  int count, wanted = 0;
  Node **node = graph_walk(want, n, true, &count, e);
  if (!node) return false;
  bool settled = false;
  for (int i = 0; i < n && !settled; i++)
    if (want[i] && want[i]->waits) settled = true; /* what was made of it before it began to wait takes its numbers as they are */
  if (settled) { /* a running statistic is read: what it waits for comes first */
    free(node);
    if (!graph_settle(e) || !(node = graph_walk(want, n, true, &count, e))) return false;
  }
  bool changed = false, ok = watch_run(want, n, node, count, e);
  if (ok) ok = (node = parts_read(node, &count, want, n, true, &changed, e));
  Node **out = ok ? malloc((size_t)(count + 1) * sizeof *out) : NULL;
  if (ok && !out) ok = err_memory(e, (double)count * sizeof *out, "a graph");
  if (ok) {
    uint64_t stamp = graph_stamp();
    for (int i = 0; i < n; i++)
      if (want[i] && !want[i]->value) want[i]->mark = stamp;
    for (int i = 0; i < count; i++)
      if (node[i]->mark == stamp || node_is_kept(node[i])) out[wanted++] = node[i];
    if (wanted) ok = run_nodes(node, count, out, wanted, e);
  }
  if (ok) do_effects();
  if (changed) narrow_end();
  free(out);
  free(node);
  return ok;
}

bool graph_eval(Node *const *want, int n, Err *e) {
  bool known = true;
  for (int i = 0; i < n; i++)
    if (want[i] && (!want[i]->value || want[i]->waits)) known = false;
  return known || graph_run(want, n, e);
}

/* Makes the gradient nodes of want[0] for all leaves that require one and all nodes that retain theirs: leaf[i] and its new total gradient grad[i], NULL where there is no path.
 * What of `want` only is read in part is narrowed first: see parts_read. */
static bool leaf_gradients(Builder *b, Node *const *want, int n, Node *dy, Node ***leaves, Node ***grads, int *count, bool *changed) {
  extern const Op op_add;
  int total;
  Node *loss = want[0];
  Node **node = parts_read(graph_walk(want, n, false, &total, b->err), &total, want, n, false, changed, b->err);
  if (!node) return false;
  Node **leaf = malloc(2 * (size_t)(total + 1) * sizeof *leaf);
  if (!leaf) {
    free(node);
    return err_memory(b->err, (double)total, "a graph");
  }
  Node **grad = leaf + total + 1;
  *count = 0;
  uint64_t stamp = graph_stamp();
  for (int i = 0; i < total; i++) {
    Node *to = node_origin(node[i]);
    if (!node[i]->requires_grad || !to->requires_grad || (to->op && !to->retains) || to->mark == stamp) continue;
    to->mark = stamp;
    leaf[(*count)++] = to;
  }
  free(node);
  bool mode = graph_grad_mode;
  graph_grad_mode = false;
  bool ok = graph_grad(b, loss, dy, leaf, *count, true, grad);
  for (int i = 0; ok && i < *count; i++)
    if (grad[i] && leaf[i]->grad) {
      Node *sum = build2(b, &op_add, leaf[i]->grad, grad[i]);
      grad[i] = sum;
      ok = sum != NULL;
    }
  graph_grad_mode = mode;
  *leaves = leaf; /* the caller frees it, also after an error */
  *grads = grad;
  return ok;
}

/* The nodes that leaves will hold as their gradients: grad[i] itself, or an empty leaf where that is some other value too. */
static bool own_gradients(Node ***out, Node *const *grad, int n, Err *e) {
  Node **own = *out = calloc((size_t)n + 1, sizeof *own);
  if (!own) return err_memory(e, (double)n * sizeof *own, "gradients");
  for (int i = 0; i < n; i++) {
    if (!grad[i]) continue;
    bool shared = !grad[i]->op || grad[i]->refs > 1;
    if (!(own[i] = shared ? node_new(NULL, e) : node_ref(grad[i]))) return false;
  }
  return true;
}

/* The named values not computed yet that are made of what hangs from the loss, which backward() is about to let go of: a list the
 * caller frees. */
static bool hanging(Node *loss, Node ***list, int *n, Err *e) {
  int total, cap = 0;
  *list = NULL, *n = 0;
  if (waiting.next == &waiting) return true;
  Node **node = graph_walk(&loss, 1, true, &total, e);
  bool ok = node;
  for (Node *w = waiting.next; ok && w != &waiting; w = w->next) {
    int count;
    Node **beneath = graph_walk(&w, 1, true, &count, e);
    bool hangs = false;
    for (int i = 0; beneath && i < count && !hangs; i++)
      hangs = beneath[i]->op && beneath[i]->requires_grad && bsearch(&beneath[i], node, (size_t)total, sizeof *node, by_order);
    free(beneath);
    ok = beneath;
    if (!hangs) continue;
    ok = node_list_add(list, n, &cap, w, e);
  }
  free(node);
  return ok;
}

bool graph_backward(Node *loss, Node *dy, bool retain, Err *e) { return graph_backward_with(loss, dy, retain, NULL, 0, e); }

bool graph_backward_with(Node *loss, Node *dy, bool retain, Node *const *also, int n_also, Err *e) {
  if (!loss->requires_grad)
    return err_set(e, "backward: this value does not depend on anything that requires a gradient (is everything frozen, or was it made under no_grad?)");
  if (!dy && shape_count(&loss->shape) != 1)
    return err_set(e, "backward: a gradient starts from one number, got shape %s: take :sum() or :mean(), or give backward(dy)", SHAPE_STR(&loss->shape));
  if (dy && !shape_equal(&dy->shape, &loss->shape))
    return err_set(e, "backward: dy has shape %s, the value %s", SHAPE_STR(&dy->shape), SHAPE_STR(&loss->shape));
  Builder b;
  builder_begin(&b, e);
  Node **leaf = NULL, **grad = NULL, **own = NULL, **hang = NULL;
  int n = 0, n_hang = 0;
  bool narrowed = false, ok = retain || hanging(loss, &hang, &n_hang, e);
  if (ok) ok = leaf_gradients(&b, &loss, 1, dy, &leaf, &grad, &n, &narrowed);
  if (ok) ok = own_gradients(&own, grad, n, e);
  if (ok) {
    Node **want = malloc((size_t)(n + 1 + effect_count + n_also + n_hang) * sizeof *want);
    ok = want || err_memory(e, (double)n, "a graph");
    if (ok) {
      int m = 0;
      want[m++] = loss;
      for (int i = 0; i < n; i++) want[m++] = grad[i];
      /* Statistics of branches that the loss does not look at, too: what they are computed from is let go of now. */
      for (int i = 0; i < effect_count; i++) want[m++] = effects[i];
      for (int i = 0; i < n_also; i++) want[m++] = also[i];
      for (int i = 0; i < n_hang; i++) want[m++] = hang[i];
      ok = graph_eval(want, m, e);
    }
    free(want);
  }
  if (narrowed) narrow_end();
  /* Only now, when all is computed, does anything change; and nothing from here on can fail. */
  for (int i = 0; own && i < n; i++) {
    if (!own[i]) continue;
    if (!ok) {
      node_unref(own[i]);
      continue;
    }
    if (own[i] == grad[i]) node_release(own[i]);
    else leaf_on(own[i], tensor_ref(grad[i]->value));
    node_unref(leaf[i]->grad);
    leaf[i]->grad = own[i];
  }
  free(own);
  if (ok && !retain) {
    int total;
    Node **node = graph_walk(&loss, 1, false, &total, e);
    if (node) {
      for (int i = 0; i < total; i++) node_ref(node[i]);
      for (int i = 0; i < total; i++)
        if (node[i]->op && node[i]->requires_grad) {
          node_release(node[i]);
          node[i]->released = true;
        }
      for (int i = 0; i < total; i++) node_unref(node[i]);
      free(node);
    }
  }
  free(leaf);
  free(hang);
  builder_end(&b);
  return ok;
}

bool graph_cost(Node *const *want, int n, bool backward, GraphCost *out, Err *e) {
  Builder b;
  builder_begin(&b, e);
  Node **leaf = NULL, **grad = NULL, **all = NULL, **node = NULL;
  int k = 0, count;
  uint64_t forward_end = next_order;
  bool narrowed = false, ok = !backward || leaf_gradients(&b, want, n, NULL, &leaf, &grad, &k, &narrowed);
  if (ok) ok = (all = malloc((size_t)(n + k) * sizeof *all)) || err_memory(e, (double)(n + k), "a graph");
  if (ok) {
    int m = 0;
    for (int i = 0; i < n; i++) all[m++] = want[i];
    for (int i = 0; i < k; i++)
      if (grad[i]) all[m++] = grad[i];
    node = graph_walk(all, m, true, &count, e);
    if (!backward) node = parts_read(node, &count, all, m, true, &narrowed, e);
    ok = node && run_measure(node, count, all, m, forward_end, out, e);
  }
  if (narrowed) narrow_end();
  free(node);
  free(all);
  free(leaf);
  builder_end(&b);
  return ok;
}

bool graph_steps(Node *const *want, int n, RunRecord *record, Err *e) {
  int count;
  bool narrowed;
  Node **node = parts_read(graph_walk(want, n, true, &count, e), &count, want, n, true, &narrowed, e);
  bool ok = node && run_steps(node, count, want, n, record, e);
  if (narrowed) narrow_end();
  free(node);
  return ok;
}
