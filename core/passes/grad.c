/* Gradients as graph (reverse mode; Griewank & Walther, Evaluating Derivatives, 2008). Nodes are added only along paths
 * that lead to what is asked for, so a frozen prefix costs nothing: there is no path. */
#include <stdlib.h>
#include "node.h"

bool graph_grad(Builder *b, Node *of, Node *dy, Node *const *wrt, int n, bool recorded, Node **out) {
  extern const Op op_add;
  int count;
  Node **node = graph_walk(&of, 1, false, &count, b->err);
  if (!node) return false;
  Node **grad = calloc((size_t)count + 1, sizeof *grad);
  bool *needed = calloc((size_t)count + 1, sizeof *needed);
  bool ok = grad && needed;
  if (!ok) err_memory(b->err, (double)count * sizeof *grad, "gradients");
  for (int i = 0; i < n; i++) out[i] = NULL;
  if (ok) {
    for (int i = 0; i < n; i++) wrt[i]->index = -1;
    for (int i = 0; i < count; i++) node[i]->index = i;
    for (int i = 0; i < n; i++)
      if (wrt[i]->index >= 0) needed[wrt[i]->index] = true; /* not beneath `of`: no gradient */
    for (int i = 0; i < count; i++)
      for (int j = 0; j < n && node[i]->of; j++)
        if (wrt[j] == node[i]->of) needed[i] = true;
    for (int i = 0; i < count; i++)
      for (int k = 0; k < node[i]->n_in; k++)
        if (node[i]->in[k] && node[i]->op->grad && needed[node[i]->in[k]->index] && (node[i]->requires_grad || !recorded)) needed[i] = true;
    /* Where a wanted node was computed already and let go of its inputs, it is simply a leaf here. */
    for (int i = 0; i < count && ok; i++)
      if (node[i]->released && node[i]->requires_grad)
        ok = err_set(b->err, "backward: %s was let go by an earlier backward(); use backward{retain_graph = true} there", *node[i]->path ? node[i]->path : node[i]->op->name);
  }
  const char *path = graph_path;
  if (ok) {
    grad[count - 1] = dy ? dy : build_full(b, &of->shape, 1);
    for (int i = count - 1; i >= 0 && ok; i--) {
      Node *x = node[i];
      if (grad[i] && x->instead) grad[i] = x->instead;
      if (!grad[i] || !needed[i] || !x->n_in) continue;
      bool needs[MAX_IN] = {0}, any = false;
      Node *dx[MAX_IN] = {0};
      for (int k = 0; k < x->n_in; k++) any |= needs[k] = x->in[k] && needed[x->in[k]->index];
      if (!any) continue;
      if (!x->op->grad) continue; /* comparisons, argmax: the gradient is zero almost everywhere */
      graph_path = x->path;
      x->op->grad(b, x, grad[i], needs, dx);
      ok = !b->failed;
      for (int k = 0; k < x->n_in && ok; k++) {
        if (!needs[k] || !dx[k]) continue;
        int to = x->in[k]->index;
        grad[to] = grad[to] ? build2(b, &op_add, grad[to], dx[k]) : dx[k];
        ok = grad[to] != NULL;
      }
    }
  }
  graph_path = path;
  for (int i = 0; ok && i < n; i++)
    if (wrt[i]->index >= 0) out[i] = grad[wrt[i]->index];
  for (int i = 0; i < count; i++) /* the leaf's, from those who were made of it before it was written */
    for (int j = 0; j < n && ok && node[i]->of && grad[i]; j++)
      if (wrt[j] == node[i]->of) ok = (out[j] = out[j] ? build2(b, &op_add, out[j], grad[i]) : grad[i]) != NULL;
  free(grad);
  free(needed);
  free(node);
  return ok;
}
