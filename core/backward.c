/* Backward passes: gradients of a loss into leaves, and what such a pass would take. */
#include <stdlib.h>
#include "effect.h"
#include "eval.h"
#include "ranks.h"
#include "run.h"

void (*ranks_begin)(Node *const *leaf, Node *const *grad, int n);

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
  if (!node_waiting(NULL)) return true;
  Node **node = graph_walk(&loss, 1, true, &total, e);
  bool ok = node;
  for (Node *w = node_waiting(NULL); ok && w; w = node_waiting(w)) {
    int count;
    Node **beneath = graph_walk(&w, 1, true, &count, e);
    bool hangs = false;
    for (int i = 0; beneath && i < count && !hangs; i++)
      hangs = beneath[i]->op && beneath[i]->requires_grad && bsearch(&beneath[i], node, (size_t)total, sizeof *node, node_by_order);
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
  int n = 0, n_hang = 0, n_due;
  bool narrowed = false, ok = retain || hanging(loss, &hang, &n_hang, e);
  if (ok) ok = leaf_gradients(&b, &loss, 1, dy, &leaf, &grad, &n, &narrowed);
  if (ok) ok = own_gradients(&own, grad, n, e);
  if (ok) {
    Node *const *due = effects_due(&n_due);
    Node **want = malloc((size_t)(n + 1 + n_due + n_also + n_hang) * sizeof *want);
    ok = want || err_memory(e, (double)n, "a graph");
    if (ok) {
      int m = 0;
      want[m++] = loss;
      for (int i = 0; i < n; i++) want[m++] = grad[i];
      /* Statistics of branches that the loss does not look at, too: what they are computed from is let go of now. */
      for (int i = 0; i < n_due; i++) want[m++] = due[i];
      for (int i = 0; i < n_also; i++) want[m++] = also[i];
      for (int i = 0; i < n_hang; i++) want[m++] = hang[i];
      if (ranks_begin) ranks_begin(leaf, grad, n);
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
    else node_on(own[i], tensor_ref(grad[i]->value));
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
  uint64_t forward_end = node_next_order();
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
