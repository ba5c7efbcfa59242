/* Who watches what is computed: drawings, and training that keeps values between epochs. */
#include <stdlib.h>
#include "node.h"

static Node **asked; /* a reference each */
static int asked_count, asked_cap;
static uint64_t watched;
static bool reached;

static bool remember(Node *n, Err *e) {
  if (!node_list_add(&asked, &asked_count, &asked_cap, n, e)) return false;
  node_ref(n);
  return true;
}

bool watch_run(Node *const *want, int n, Node *const *node, int count, Err *e) {
  for (int i = 0; watched && i < count; i++)
    if (node[i]->order == watched) reached = true;
  for (int i = 0; graph_keeps && i < n; i++)
    if (want[i] && want[i]->op && !want[i]->value && !remember(want[i], e)) return false;
  return true;
}

void watch_leaf(const Node *leaf) {
  watched = leaf ? leaf->order : 0;
  reached = false;
}

bool watch_reached(void) { return reached; }

bool watch_on(void) { return watched != 0; }

void node_become_leaf(Node *n) {
  Err e;
  for (int i = 0; graph_keeps && i < n->n_in; i++)
    if (n->in[i] && n->in[i]->op) remember(n->in[i], &e); /* a row too few where memory is out */
  node_release(n);
  n->op = NULL;
}

Node *const *graph_asked(int *count) {
  *count = asked_count;
  return asked;
}

void graph_keep(bool on) {
  graph_keeps = on;
  while (asked_count) {
    Node *n = asked[--asked_count];
    if (n->value && !n->requires_grad) node_release(n);
    node_unref(n);
  }
}
