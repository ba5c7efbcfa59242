/* The planner. Dead code is gone before it starts (graph_walk reaches only what is wanted, passes/narrow.c leaves only the parts of
 * it that are read). Then, in this order (passes/fuse.c, layout.c, place.c):
 *   fuse     convolution or linear map + BatchNorm in eval + add + activation become one step; so do BatchNorm, or the
 *            gradient of a map by its input, + add + activation or the gradient of a ReLU
 *   beside   an op that only passes over what the one before it reads anyway runs along with that (Op.beside)
 *   pair     a step whose result only one other wants runs within that where its op can (Op.pair)
 *   layout   each rank-4 value lies as its op wants it; a copy is put in where neighbours differ
 *   place    every value gets a place: its leaf, an output tensor, or an offset in the one arena, shared by lifetime */
#include "plan.h"
#include <stdlib.h>
#include <string.h>
#include "kernels/kernels.h"
#include "passes/draft.h"

enum { CACHED_PLANS = 48 };
static Plan *cache;

static void plan_free(Plan *p) {
  if (!p) return;
  free(p->key);
  free(p->value);
  free(p->step);
  free(p->first);
  free(p->out);
  free(p);
}

typedef struct KeyNode {
  const Op *op;
  double attr[MAX_ATTR];
  int in[MAX_IN], n_in, wanted, forward, constant;
  Shape shape;
} KeyNode;

static void *make_key(Node **node, int count, const bool *wanted, uint64_t forward_end, size_t *size) {
  *size = sizeof(KeyNode) * (size_t)count + 2 * sizeof(int64_t);
  char *bytes = calloc(1, *size);
  if (!bytes) return NULL;
  int64_t head[2] = {kernels_threads(0), (int64_t)(intptr_t)kern};
  memcpy(bytes, head, sizeof head);
  for (int i = 0; i < count; i++) {
    KeyNode *k = (KeyNode *)(void *)(bytes + sizeof head) + i;
    Node *n = node[i];
    k->shape.rank = n->shape.rank;
    for (int d = 0; d < n->shape.rank; d++) k->shape.dim[d] = n->shape.dim[d];
    k->wanted = wanted[i];
    k->forward = n->order < forward_end;
    if (n->value) continue;
    k->op = n->op;
    k->n_in = n->n_in;
    memcpy(k->attr, n->attr, sizeof k->attr);
    for (int j = 0; j < n->n_in; j++) k->in[j] = n->in[j] ? n->in[j]->index : -1;
  }
  return bytes;
}

static uint64_t hash_bytes(const void *p, size_t n) { /* FNV-1a over 8-byte words */
  const uint64_t *w = p;
  uint64_t h = 14695981039346656037u;
  for (size_t i = 0; i < n / 8; i++) h = (h ^ w[i]) * 1099511628211u;
  return h;
}

static Plan *make(Node **node, int count, Node *const *out, int n_out, const bool *wanted, uint64_t forward_end, Err *e) {
  Plan *p = calloc(1, sizeof *p);
  Draft d = {.p = p, .node = node, .count = count, .e = e, .cap_values = 2 * count + 8, .cap_steps = count + 8};
  int *ints = calloc(4 * (size_t)count + 4, sizeof *ints);
  if (p) {
    p->value = malloc((size_t)d.cap_values * sizeof *p->value);
    p->step = malloc((size_t)d.cap_steps * sizeof *p->step);
    p->out = calloc((size_t)n_out + 1, sizeof *p->out);
    p->n_nodes = count;
    p->n_out = n_out;
  }
  d.copy_of = malloc((size_t)d.cap_values * sizeof *d.copy_of);
  bool ok = p && ints && p->value && p->step && p->out && d.copy_of;
  if (!ok) err_memory(e, (double)count * sizeof(Step), "a plan");
  if (ok) {
    d.uses = ints;
    d.user = ints + count;
    d.value_of = ints + 2 * (size_t)count;
    d.fused_into = ints + 3 * (size_t)count;
    d.wanted = (bool *)(intptr_t)wanted;
    for (int i = 0; i < count; i++)
      for (int k = 0; !node[i]->value && k < node[i]->n_in; k++)
        if (node[i]->in[k]) {
          d.uses[node[i]->in[k]->index]++;
          d.user[node[i]->in[k]->index] = i;
        }
    ok = lay_out(&d) && lay_outputs(&d, out, n_out) && place(&d, forward_end);
  }
  free(ints);
  free(d.copy_of);
  if (!ok) {
    plan_free(p);
    return NULL;
  }
  return p;
}

Plan *plan_get(Node **node, int count, Node *const *out, int n_out, uint64_t forward_end, Err *e) {
  for (int i = 0; i < count; i++) node[i]->index = i;
  bool *wanted = calloc((size_t)count + 1, sizeof *wanted);
  size_t size;
  if (!wanted) {
    err_memory(e, (double)count, "a plan");
    return NULL;
  }
  for (int i = 0; i < n_out; i++) wanted[out[i]->index] = true;
  void *key = make_key(node, count, wanted, forward_end, &size);
  Plan *p = NULL;
  if (!key) {
    err_memory(e, (double)size, "a plan");
    goto done;
  }
  uint64_t hash = hash_bytes(key, size);
  int depth = 0;
  for (Plan **at = &cache; *at; at = &(*at)->next, depth++) {
    p = *at;
    if (p->hash == hash && p->key_size == size && p->n_out == n_out && !memcmp(p->key, key, size)) {
      *at = p->next;
      p->next = cache;
      cache = p;
      free(key);
      goto done;
    }
    if (depth == CACHED_PLANS) {
      *at = NULL;
      plan_free(p);
      break;
    }
  }
  p = make(node, count, out, n_out, wanted, forward_end, e);
  if (p) {
    p->hash = hash;
    p->key = key;
    p->key_size = size;
    p->next = cache;
    cache = p;
  } else {
    free(key);
  }
done:
  free(wanted);
  return p;
}
