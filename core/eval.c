/* Computing: what is asked for, named values beneath it, and the effects that are due, in one run. */
#include "eval.h"
#include <stdlib.h>
#include <string.h>
#include "effect.h"
#include "run.h"

static bool check_there(Node **node, int n, Err *e) {
  for (int i = 0; i < n; i++) {
    Node *x = node[i];
    if (x->value || x->stands_in) continue;
    const char *where = *x->path ? x->path : x->op->name;
    if (x->released) return err_set(e, "%s: this value's graph was let go by backward(); use backward{retain_graph = true} or look at it before", where);
  }
  return true;
}

Node **parts_read(Node **node, int *count, Node *const *want, int n, bool values_end, bool *changed, Err *e) {
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
  if (ok) effects_do();
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

bool graph_settle(Err *e) {
  int n;
  Node *const *due = effects_due(&n);
  if (!n) return true;
  Node **want = malloc((size_t)n * sizeof *want);
  if (!want) return err_memory(e, (double)n * sizeof *want, "a graph");
  memcpy(want, due, (size_t)n * sizeof *want);
  bool ok = graph_eval(want, n, e);
  free(want);
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
