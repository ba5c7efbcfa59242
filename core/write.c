/* Changes in place. Values never change (graph.h): a leaf that others were made of hands its tensor on to a leaf of its
 * own for them, and is written in a copy. Where nobody was, as in a training step, it is written where it lies. */
#include <stdlib.h>
#include <string.h>
#include "effect.h"

static bool depends(Node *n, const Node *leaf, bool *yes, Err *e) {
  int count;
  Node **node = graph_walk(&n, 1, true, &count, e);
  if (!node) return false;
  for (int i = 0; i < count; i++)
    if (node[i] == leaf) *yes = true;
  free(node);
  return true;
}

/* Computes the named values that wait on this leaf: a sum that goes on step after step keeps no numbers of all steps. */
static bool compute_waiting(Node *leaf, Err *e) {
  for (Node *n = node_waiting(NULL); n;) {
    bool yes = false;
    if (!depends(n, leaf, &yes, e)) return false;
    if (yes && !graph_eval(&n, 1, e)) return false;
    n = node_waiting(yes ? NULL : n); /* the list has changed */
  }
  return true;
}

/* Who was made of the leaf is made of `kept` from now on. They were made since the leaf was last written, which is where
 * the search from the last node back ends. */
static void hand_over(Node *leaf, Node *kept) {
  for (Node *n = node_last(NULL); n && leaf->users > 0; n = node_last(n))
    for (int k = 0; k < n->n_in; k++)
      if (n->in[k] == leaf) node_set_input(n, k, kept);
}

bool node_write(Node *leaf, bool whole, Err *e) {
  if (leaf->waits && !graph_settle(e)) return false;
  if (leaf->users > 0 && !compute_waiting(leaf, e)) return false;
  Tensor *before = leaf->value;
  if (leaf->users == 0 && before->refs == 1) return true;
  Tensor *t = tensor_new(&before->shape, e);
  if (!t) return false;
  Node *kept = leaf->users > 0 ? node_leaf(tensor_ref(before), e) : NULL;
  if (leaf->users > 0 && !kept) {
    tensor_unref(t);
    return false;
  }
  t->dtype = before->dtype;
  t->version = before->version;
  if (!whole) memcpy(t->data, before->data, (size_t)t->count * sizeof *t->data);
  if (kept) {
    kept->dtype = leaf->dtype;
    kept->requires_grad = leaf->requires_grad;
    kept->of = node_ref(leaf);
    kept->path = leaf->path;
    kept->order = leaf->order; /* before those that are made of it */
    leaf->order = node_next_order();
    hand_over(leaf, kept);
    node_unref(kept);
  }
  leaf->value = t;
  tensor_unref(before);
  return true;
}

/* The effect moves the leaves when it is done; who was made of them keeps their numbers. */
static bool add_effect(Node *n, Node *first, Node *second, Err *e) {
  if ((first && !node_write(first, false, e)) || (second && !node_write(second, false, e))) return false;
  return effect_add(n, first, second, e);
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
