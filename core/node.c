/* Nodes: references, names, and the lists they are in. */
#include "node.h"
#include <stdlib.h>
#include "host.h"

static uint64_t next_order = 1;
static Node waiting = {.prev = &waiting, .next = &waiting}; /* named nodes not computed yet, oldest first */
static Node recorded = {.older = &recorded, .newer = &recorded}; /* all nodes of ops */
static int64_t waiting_bytes;                               /* that they will take */

Node *node_new(const Op *op, Err *e) {
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

Node *node_on(Node *n, Tensor *t) {
  n->value = t;
  n->shape = t->shape;
  n->dtype = t->dtype;
  return n;
}

Node *node_leaf(Tensor *t, Err *e) {
  Node *n = t ? node_new(NULL, e) : NULL;
  if (n) return node_on(n, t);
  tensor_unref(t);
  return NULL;
}

Node *node_ref(Node *n) {
  if (n) n->refs++;
  return n;
}

static int64_t bytes_of(const Node *n) { return shape_count(&n->shape) * (int64_t)sizeof(float); }

int64_t graph_waiting_bytes(void) { return waiting_bytes; }

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

bool node_is_kept(const Node *n) { return !n->value && (n->named || effect_due(n)); }

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
