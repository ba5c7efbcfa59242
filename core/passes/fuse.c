/* Fusing: which nodes one step computes (fuse), which an op computes along with its own (beside), and which step runs within
 * another (pair). */
#include <stdlib.h>
#include <string.h>
#include "draft.h"

static int sole_user(const Draft *d, int i) { return d->uses[i] == 1 && !d->wanted[i] ? d->user[i] : -1; }
static bool is_op(const Node *n, const char *name) { return n->op && !n->value && !strcmp(n->op->name, name); }
int input_index(const Node *n, int k) { return k < n->n_in && n->in[k] ? n->in[k]->index : -1; }

bool is_free(const Draft *d, const int *head, int i) { return head[i] == i && d->fused_into[i] < 0; }

int fuse_chain(Draft *d, int i, const int *head, Step *s) {
  int at = i, user = sole_user(d, i);
  bool channels_last_dim = d->node[i]->shape.rank == 4 || d->node[i]->shape.rank == 2; /* dim 1 is the map's output dim */
  if (user >= 0 && d->node[i]->op->fuses == FUSE_MAP && channels_last_dim && is_op(d->node[user], "bn_eval") && input_index(d->node[user], 0) == at) {
    Node *bn = d->node[user];
    s->bn_mean = input_index(bn, 1);
    s->bn_var = input_index(bn, 2);
    s->bn_weight = input_index(bn, 3);
    s->bn_bias = input_index(bn, 4);
    s->bn_eps = bn->attr[0];
    d->fused_into[at] = s->fused[s->n_fused++] = user;
    at = user;
    user = sole_user(d, at);
  }
  if (user >= 0 && is_free(d, head, user) && is_op(d->node[user], "add") && shape_equal(&d->node[user]->shape, &d->node[at]->shape)) {
    int a = input_index(d->node[user], 0), b = input_index(d->node[user], 1), other = a == at ? b : a;
    if (a != b && shape_equal(&d->node[other]->shape, &d->node[at]->shape)) {
      s->residual = other;
      d->fused_into[at] = s->fused[s->n_fused++] = user;
      at = user;
      user = sole_user(d, at);
    }
  }
  if (user >= 0 && is_free(d, head, user) && !d->node[user]->value && d->node[user]->op->activation) {
    s->act = d->node[user]->op;
    memcpy(s->act_attr, d->node[user]->attr, sizeof s->act_attr);
    d->fused_into[at] = s->fused[s->n_fused++] = user;
    at = user;
  } else if (user >= 0 && is_free(d, head, user) && is_op(d->node[user], "relu_dx") && input_index(d->node[user], 0) == at &&
             input_index(d->node[user], 1) != at && shape_equal(&d->node[user]->in[1]->shape, &d->node[at]->shape)) {
    s->gate = input_index(d->node[user], 1);
    d->fused_into[at] = s->fused[s->n_fused++] = user;
    at = user;
  }
  return at;
}

int find_beside(const Draft *d, int i, const int *head) {
  enum { NEAR = 4 };
  const Node *n = d->node[i];
  Shape in[MAX_IN];
  if (!n->op->beside) return -1;
  for (int k = 0; k < MAX_IN; k++) in[k] = k < n->n_in && n->in[k] ? n->in[k]->shape : (Shape){.rank = -1};
  for (int j = i + 1; j <= i + NEAR && j < d->count; j++) {
    const Node *m = d->node[j];
    bool same = !m->value && is_free(d, head, j) && m->n_in > 0;
    for (int k = 0; same && k < m->n_in; k++) same = k < n->n_in && m->in[k] == n->in[k];
    if (same && n->op->beside(m->op, m->attr, in, n->attr)) return j;
  }
  return -1;
}

void pair_up(Draft *d, const Node *h, Step *s, const Shape *out) {
  Plan *p = d->p;
  int at = input_index(h, 0), v = s->in[0], t = p->n_steps - 1;
  if (!s->op->pair || at < 0 || d->uses[at] != 1 || d->wanted[at] || v != d->value_of[at]) return;
  while (t >= 0 && p->step[t].out != v) t--;
  if (t < 0) return;
  const Step *first = &p->step[t];
  if (first->first >= 0 || first->residual >= 0 || first->gate >= 0) return;
  Shape first_in[MAX_IN], in[MAX_IN];
  input_shapes(p, first, first_in);
  input_shapes(p, s, in);
  if (!s->op->pair(first->op, first_in, first->attr, in, s->attr, out)) return;
  Step *more = realloc(p->first, (size_t)(p->n_first + 1) * sizeof *more);
  if (!more) return; /* apart, then */
  p->first = more;
  p->first[s->first = p->n_first++] = *first;
  memmove(p->step + t, p->step + t + 1, (size_t)(--p->n_steps - t) * sizeof *p->step);
  p->value[v].place = AT_NOTHING;
}
