/* Walking a graph. */
#include "graph.h"
#include <stdlib.h>
#include "node.h"

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

int node_by_order(const void *a, const void *b) {
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
  qsort(w.node, (size_t)w.n, sizeof *w.node, node_by_order);
  *count = w.n;
  if (!w.node && !(w.node = malloc(sizeof *w.node))) err_memory(e, sizeof *w.node, "a graph");
  return w.node;
fail:
  free(w.node);
  return NULL;
}
