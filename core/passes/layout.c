/* Layout: values and steps out of nodes; each rank-4 value lies as its op wants it. */
#include <stdlib.h>
#include <string.h>
#include "draft.h"

static const Step blank = {.bias = -1, .bn_mean = -1, .bn_var = -1, .bn_weight = -1, .bn_bias = -1, .residual = -1, .gate = -1, .first = -1, .beside = -1};

static int add_value(Draft *d, const Shape *shape, Layout layout, ValuePlace place) {
  Plan *p = d->p;
  if (p->n_values == d->cap_values) {
    int cap = 2 * d->cap_values;
    Value *v = realloc(p->value, (size_t)cap * sizeof *v);
    if (v) p->value = v;
    int *c = v ? realloc(d->copy_of, (size_t)cap * sizeof *c) : NULL;
    if (c) d->copy_of = c;
    if (!c) {
      err_memory(d->e, (double)cap * sizeof *v, "a plan");
      return -1;
    }
    d->cap_values = cap;
  }
  d->copy_of[p->n_values] = -1;
  p->value[p->n_values] = (Value){.shape = *shape, .layout = layout, .place = place, .alias = -1};
  return p->n_values++;
}

static Step *add_step(Draft *d, const Op *op, int node) {
  Plan *p = d->p;
  if (p->n_steps == d->cap_steps) {
    int cap = 2 * d->cap_steps;
    Step *s = realloc(p->step, (size_t)cap * sizeof *s);
    if (!s) {
      err_memory(d->e, (double)cap * sizeof *s, "a plan");
      return NULL;
    }
    p->step = s;
    d->cap_steps = cap;
  }
  Step *s = &p->step[p->n_steps++];
  *s = blank;
  s->op = op, s->node = node;
  return s;
}

static bool same_bytes(const Shape *s) { return s->rank != 4 || s->dim[1] <= 1 || s->dim[2] * s->dim[3] <= 1; }

/* The value v in that layout: itself, another name for the same bytes, or a copy. */
static int in_layout(Draft *d, int v, Layout layout, int node) {
  extern const Op op_layout;
  if (v < 0 || d->p->value[v].shape.rank != 4 || d->p->value[v].layout == layout) return v;
  if (d->copy_of[v] >= 0) return d->copy_of[v];
  Shape shape = d->p->value[v].shape;
  int twin = add_value(d, &shape, layout, AT_ARENA);
  if (twin < 0) return -2;
  if (same_bytes(&shape)) {
    d->p->value[twin].alias = v;
  } else {
    Step *s = add_step(d, &op_layout, node);
    if (!s) return -2;
    s->n_in = 1;
    s->in[0] = v;
    s->out = twin;
  }
  d->copy_of[v] = twin;
  d->copy_of[twin] = v;
  return twin;
}

static Layout any_layout(const Draft *d, const Step *s, const Shape *out) {
  Layout first = CHANNELS_LAST;
  bool found = false;
  for (int k = 0; k < s->n_in; k++) {
    if (s->in[k] < 0 || d->p->value[s->in[k]].shape.rank != 4) continue;
    const Value *v = &d->p->value[s->in[k]];
    if (shape_equal(&v->shape, out)) return v->layout;
    if (!found) first = v->layout, found = true;
  }
  return first;
}

/* Where an op moves no bytes: the layout of its output, and where it starts in the input; -1: it moves some. */
static int64_t alias_shift(const Draft *d, const Op *op, const Step *s, const Shape *out, Layout *layout) {
  const Value *x = s->in[0] >= 0 ? &d->p->value[s->in[0]] : NULL;
  *layout = ROW_MAJOR;
  if (op->layout == OP_ALIAS) return 0;
  if (!op->alias || !x) return -1;
  int64_t shift = op->alias(&x->shape, x->layout, s->attr, out, ROW_MAJOR);
  if (shift >= 0 || out->rank != 4) return shift;
  *layout = CHANNELS_LAST;
  return op->alias(&x->shape, x->layout, s->attr, out, CHANNELS_LAST);
}

bool lay_out(Draft *d) {
  Plan *p = d->p;
  Step *chain = calloc((size_t)d->count + 1, sizeof *chain);
  int *head = malloc(((size_t)d->count + 1) * sizeof *head);
  if (!chain || !head) {
    free(chain);
    free(head);
    return err_memory(d->e, (double)d->count * sizeof *chain, "a plan");
  }
  bool ok = true;
  for (int i = 0; i < d->count; i++) head[i] = i, d->fused_into[i] = d->value_of[i] = -1;
  for (int i = 0; i < d->count; i++) {
    Node *n = d->node[i];
    if (n->value || !n->op->fuses || !is_free(d, head, i)) continue;
    Step s = blank;
    int end = fuse_chain(d, i, head, &s);
    head[end] = i;
    chain[end] = s;
  }
  for (int i = 0; i < d->count && ok; i++) {
    Node *n = d->node[i];
    if (n->value) {
      int v = add_value(d, &n->shape, shape_layout(&n->shape), AT_LEAF);
      if ((ok = v >= 0)) p->value[v].slot = i;
      d->value_of[i] = v;
      continue;
    }
    if (d->fused_into[i] >= 0) continue;
    Node *h = d->node[head[i]];
    Step s = h->op->fuses ? chain[i] : blank;
    s.op = h->op;
    s.node = head[i];
    s.n_in = h->n_in;
    memcpy(s.attr, h->attr, sizeof s.attr);
#define AS_VALUE(x) ((x) = (x) >= 0 ? d->value_of[x] : -1)
    AS_VALUE(s.bn_mean), AS_VALUE(s.bn_var), AS_VALUE(s.bn_weight), AS_VALUE(s.bn_bias), AS_VALUE(s.residual), AS_VALUE(s.gate);
#undef AS_VALUE
    OpLayout want = h->op->layout;
    for (int k = 0; k < h->n_in && ok; k++) {
      int at = input_index(h, k);
      s.in[k] = at < 0 ? -1 : d->value_of[at];
      if (want == OP_CHANNELS_LAST) s.in[k] = in_layout(d, s.in[k], CHANNELS_LAST, head[i]);
      if (want == OP_ROW_MAJOR || want == OP_ALIAS) s.in[k] = in_layout(d, s.in[k], ROW_MAJOR, head[i]);
      ok = s.in[k] != -2;
    }
    Layout tail = want == OP_CHANNELS_LAST ? CHANNELS_LAST : ROW_MAJOR;
    if (ok && s.residual >= 0) ok = (s.residual = in_layout(d, s.residual, tail, head[i])) != -2;
    if (ok && s.gate >= 0) ok = (s.gate = in_layout(d, s.gate, tail, head[i])) != -2;
    if (!ok) break;
    if (h->op->fuses == FUSE_MAP && h->n_in > 2) s.bias = s.in[2];
    Layout layout;
    int64_t shift = alias_shift(d, h->op, &s, &n->shape, &layout);
    if (shift < 0 && n->shape.rank == 4)
      layout = want == OP_CHANNELS_LAST ? CHANNELS_LAST : want == OP_ANY ? any_layout(d, &s, &n->shape) : ROW_MAJOR;
    int v = add_value(d, &n->shape, layout, AT_ARENA);
    if (!(ok = v >= 0)) break;
    d->value_of[i] = v;
    s.out = v;
    int other = shift < 0 && head[i] == i ? find_beside(d, i, head) : -1;
    if (other >= 0) {
      if (!(ok = (s.beside = add_value(d, &d->node[other]->shape, ROW_MAJOR, AT_ARENA)) >= 0)) break;
      d->value_of[other] = s.beside;
      d->fused_into[other] = i;
      s.fused[s.n_fused++] = other;
    }
    if (shift >= 0) {
      p->value[v].alias = s.in[0];
      p->value[v].shift = shift;
    } else {
      pair_up(d, h, &s, &n->shape);
      Step *to = add_step(d, h->op, head[i]);
      if ((ok = to != NULL)) *to = s;
    }
  }
  free(chain);
  free(head);
  return ok;
}

bool lay_outputs(Draft *d, Node *const *out, int n_out) {
  extern const Op op_layout;
  Plan *p = d->p;
  for (int i = 0; i < n_out; i++) {
    int v = d->value_of[out[i]->index];
    v = in_layout(d, v, shape_layout(&out[i]->shape), out[i]->index);
    if (v == -2) return false;
    if (p->value[v].alias >= 0 || p->value[v].place != AT_ARENA) { /* another's bytes: an output needs its own */
      int own = add_value(d, &out[i]->shape, p->value[v].layout, AT_ARENA);
      Step *s = own >= 0 ? add_step(d, &op_layout, out[i]->index) : NULL;
      if (!s) return false;
      s->n_in = 1;
      s->in[0] = v;
      s->out = own;
      v = own;
    }
    p->value[v].place = AT_OUTPUT;
    p->value[v].slot = i;
    p->out[i] = v;
    p->output_bytes += value_bytes(&p->value[v]);
  }
  return true;
}
