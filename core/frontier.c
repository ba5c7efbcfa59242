/* The frozen frontier: how far from the input on a value is the same in each epoch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "node.h"

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
