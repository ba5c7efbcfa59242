/* Effects: running statistics, and what a forward writes by hand, follow a value once it is computed. write.c registers them,
 * eval.c has them done. */
#include "effect.h"
#include <stdlib.h>
#include <string.h>

static Node **effects; /* not done yet, in order; a reference each */
static int count, cap;

bool effect_add(Node *n, Node *first, Node *second, Err *e) {
  if (!node_list_add(&effects, &count, &cap, n, e)) return false;
  node_ref(n);
  n->effect_on[0] = node_ref(first);
  n->effect_on[1] = node_ref(second);
  if (first) first->waits = true;
  if (second) second->waits = true;
  return true;
}

Node *const *effects_due(int *n) {
  *n = count;
  return effects;
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
  int64_t c = s->shape.dim[s->shape.rank - 1], rows = c ? shape_count(&s->in[0]->shape) / c : 0;
  double unbiased = rows > 1 ? (double)rows / (double)(rows - 1) : 1;
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
void effects_do(void) {
  int left = 0;
  Node *over[64];
  int n_over = 0;
  for (int i = 0; i < count; i++) {
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
  count = left;
  for (int i = 0; i < n_over; i++) node_unref(over[i]);
}

void graph_drop_effects(void) {
  while (count) {
    Node *s = effects[--count];
    end_effect(s);
    node_unref(s);
  }
}
