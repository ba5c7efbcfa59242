/* The planner. Dead code is gone before it starts (graph_walk reaches only what is wanted, narrow.c leaves only the parts of it that are
 * read). Then, in this order:
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

enum { CACHED_PLANS = 48 };
static Plan *cache;

typedef struct Draft { /* a plan being made */
  Plan *p;
  Node **node;
  int count;
  int *uses;      /* per node: how often it is an input or wanted */
  int *user;      /* per node: its last user */
  bool *wanted;
  int *value_of;  /* per node */
  int *copy_of;   /* per value: its twin in the other layout, or -1 */
  int cap_values, cap_steps;
  int *fused_into; /* per node: node index of the step that computes it, or -1 */
  Err *e;
} Draft;

/* --- the cache --- */

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

/* --- fusing --- */

static int sole_user(const Draft *d, int i) { return d->uses[i] == 1 && !d->wanted[i] ? d->user[i] : -1; }
static bool is_op(const Node *n, const char *name) { return n->op && !n->value && !strcmp(n->op->name, name); }
static int input_index(const Node *n, int k) { return k < n->n_in && n->in[k] ? n->in[k]->index : -1; }

/* No other chain has taken node i in. */
static bool is_free(const Draft *d, const int *head, int i) { return head[i] == i && d->fused_into[i] < 0; }

/* Follows the chain behind node i and notes in s what it takes in; returns the node whose value the step computes. */
static int fuse_chain(Draft *d, int i, const int *head, Step *s) {
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

/* --- values and steps --- */

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

/* --- places --- */

typedef struct Hole { size_t at, size; } Hole;
typedef struct Arena {
  Hole *hole;
  int n, cap;
  size_t top, held; /* where it ends, and bytes taken and not given back */
} Arena;

#define ARENA_MAX ((size_t)1 << 60)

static size_t round_up(size_t n) { return (n + 127) & ~(size_t)127; }

/* Best fit; grows the top where no hole fits, starting in the last hole when that touches the top. */
static size_t arena_take(Arena *a, size_t size) {
  int best = -1;
  a->held += size;
  for (int i = 0; i < a->n; i++)
    if (a->hole[i].size >= size && (best < 0 || a->hole[i].size < a->hole[best].size)) best = i;
  if (best >= 0) {
    size_t at = a->hole[best].at;
    a->hole[best].at += size;
    a->hole[best].size -= size;
    if (!a->hole[best].size) memmove(a->hole + best, a->hole + best + 1, (size_t)(--a->n - best) * sizeof *a->hole);
    return at;
  }
  if (a->n && a->hole[a->n - 1].at + a->hole[a->n - 1].size == a->top) {
    size_t at = a->hole[--a->n].at;
    a->top = at + size;
    return at;
  }
  size_t at = a->top;
  a->top += size;
  return at;
}

static void arena_give(Arena *a, size_t at, size_t size) {
  if (!size) return;
  a->held -= size;
  int i = 0;
  while (i < a->n && a->hole[i].at < at) i++;
  memmove(a->hole + i + 1, a->hole + i, (size_t)(a->n - i) * sizeof *a->hole);
  a->hole[i] = (Hole){at, size};
  a->n++;
  if (i + 1 < a->n && at + size == a->hole[i + 1].at) {
    a->hole[i].size += a->hole[i + 1].size;
    memmove(a->hole + i + 1, a->hole + i + 2, (size_t)(--a->n - i - 1) * sizeof *a->hole);
  }
  if (i > 0 && a->hole[i - 1].at + a->hole[i - 1].size == at) {
    a->hole[i - 1].size += a->hole[i].size;
    memmove(a->hole + i, a->hole + i + 1, (size_t)(--a->n - i) * sizeof *a->hole);
  }
}

static int root_of(const Plan *p, int v) {
  while (p->value[v].alias >= 0) v = p->value[v].alias;
  return v;
}

static bool is_shifted(const Plan *p, int v) {
  for (; p->value[v].alias >= 0; v = p->value[v].alias)
    if (p->value[v].shift) return true;
  return false;
}

static size_t value_bytes(const Value *v) { return round_up((size_t)shape_count(&v->shape) * sizeof(float)); }

static void touch(Plan *p, int v, int step) {
  if (v < 0) return;
  Value *r = &p->value[root_of(p, v)];
  if (step > r->last) r->last = step;
}

enum { FUSED_IN = 7, STEP_IN = 2 * (MAX_IN + FUSED_IN) };
static int step_inputs(const Plan *p, const Step *s, int v[STEP_IN]) {
  int n = 0;
  for (int k = 0; k < s->n_in; k++) v[n++] = s->in[k];
  int more[FUSED_IN] = {s->bias, s->bn_mean, s->bn_var, s->bn_weight, s->bn_bias, s->residual, s->gate};
  for (int k = 0; k < FUSED_IN; k++) v[n++] = more[k];
  if (s->first >= 0) n += step_inputs(p, &p->first[s->first], v + n);
  return n;
}

/* The shapes of its inputs, rank -1 where there is none. */
static void input_shapes(const Plan *p, const Step *s, Shape shape[MAX_IN]) {
  for (int k = 0; k < MAX_IN; k++) {
    bool here = k < s->n_in && s->in[k] >= 0;
    shape[k] = here ? p->value[s->in[k]].shape : (Shape){.rank = -1};
  }
}

/* Whether two values are the same memory in the same order. */
static bool same_view(const Plan *p, int a, int b) {
  const Value *x = &p->value[a], *y = &p->value[b];
  return root_of(p, a) == root_of(p, b) && !is_shifted(p, a) && !is_shifted(p, b) && x->layout == y->layout && shape_equal(&x->shape, &y->shape);
}

/* Whether the output of step t may take the place of its input v: nobody wants that any more, it is as long and in the same order, and
 * what else the step reads of that memory is read with the same element; nothing, where it is read `to_the_end`. */
static bool may_take(const Plan *p, int t, int v, bool to_the_end) {
  const Step *s = &p->step[t];
  if (v < 0) return false;
  const int root = root_of(p, v), out = root_of(p, s->out);
  const Value *x = &p->value[v], *o = &p->value[s->out], *r = &p->value[root];
  if (r->place != AT_ARENA || r->last != t || root == out || is_shifted(p, v) || value_bytes(r) != value_bytes(&p->value[out]) ||
      x->layout != o->layout || !shape_equal(&x->shape, &o->shape))
    return false;
  int in[STEP_IN], n = step_inputs(p, s, in);
  for (int k = 0; k < n; k++)
    if (in[k] >= 0 && root_of(p, in[k]) == root && ((to_the_end && k < s->n_in) || !same_view(p, in[k], v))) return false;
  return true;
}

/* The value whose place the output of step t takes; -1: none. */
static int overwritten(const Plan *p, int t) {
  const Step *s = &p->step[t];
  if (s->first >= 0) return -1;
  for (int k = 0; k < s->n_in && k < s->op->in_place; k++)
    if (may_take(p, t, s->in[k], false)) return root_of(p, s->in[k]);
  if (s->residual < 0 || !s->op->over_residual) return -1;
  Shape shape[MAX_IN];
  input_shapes(p, s, shape);
  bool over = s->op->over_residual(shape, s->n_in, s->attr, &p->value[s->out].shape) && may_take(p, t, s->residual, true);
  return over ? root_of(p, s->residual) : -1;
}

static size_t fold_bytes(const Plan *p, const Step *s) {
  return s->bn_var >= 0 ? round_up(2 * sizeof(float) * (size_t)p->value[s->bn_var].shape.dim[0]) : 0;
}

/* Bytes of scratch that the step's op wants. */
static size_t scratch_bytes(const Plan *p, const Step *s) {
  Shape in[MAX_IN], first[MAX_IN];
  input_shapes(p, s, in);
  const Shape *out = &p->value[s->out].shape;
  if (s->first < 0) return round_up(s->op->scratch ? s->op->scratch(in, s->n_in, s->attr, out) : 0);
  const Step *f = &p->first[s->first];
  input_shapes(p, f, first);
  return round_up(s->op->pair(f->op, first, f->attr, in, s->attr, out));
}

static bool place(Draft *d, uint64_t forward_end) {
  Plan *p = d->p;
  int in[STEP_IN];
  for (int v = 0; v < p->n_values; v++) p->value[v].first = p->value[v].last = -1;
  for (int t = 0; t < p->n_steps; t++) {
    Step *s = &p->step[t];
    int n = step_inputs(p, s, in);
    for (int k = 0; k < n; k++) touch(p, in[k], t);
    Value *out = &p->value[root_of(p, s->out)];
    if (out->first < 0) out->first = t;
    touch(p, s->out, t);
    if (s->beside < 0) continue;
    p->value[s->beside].first = t;
    touch(p, s->beside, t);
  }
  Arena a = {.cap = 2 * (p->n_values + 2 * p->n_steps) + 8};
  if (!(a.hole = malloc((size_t)a.cap * sizeof *a.hole))) return err_memory(d->e, (double)a.cap * sizeof *a.hole, "a plan");
  bool begun_backward = false;
  for (int t = 0; t < p->n_steps; t++) {
    Step *s = &p->step[t];
    int n = step_inputs(p, s, in), out = root_of(p, s->out);
    Value *o = &p->value[out];
    if (!begun_backward && d->node[s->node]->order >= forward_end) { /* what the forward pass leaves for the backward pass */
      begun_backward = true;
      for (int v = 0; v < p->n_values; v++) {
        const Value *x = &p->value[v];
        if (x->place == AT_ARENA && x->alias < 0 && x->first >= 0 && x->first < t && x->last >= t) p->saved_bytes += value_bytes(x);
      }
    }
    if (o->place == AT_ARENA && o->first == t) {
      int over = overwritten(p, t);
      if (over >= 0) {
        o->offset = p->value[over].offset;
        p->value[over].first = -2; /* its bytes live on under the new name */
      } else {
        o->offset = arena_take(&a, value_bytes(o));
      }
    }
    Value *beside = s->beside >= 0 && p->value[s->beside].place == AT_ARENA ? &p->value[s->beside] : NULL;
    if (beside) beside->offset = arena_take(&a, value_bytes(beside));
    Step *first = s->first >= 0 ? &p->first[s->first] : NULL;
    size_t scratch = scratch_bytes(p, s), fold = fold_bytes(p, s), all = scratch + fold + (first ? fold_bytes(p, first) : 0) + 128;
    if (a.held > p->values_peak) p->values_peak = a.held;
    if (all > p->scratch_peak) p->scratch_peak = all;
    s->scratch_offset = arena_take(&a, all);
    if (a.top > ARENA_MAX) { /* no machine has it, and sums of sizes must not wrap */
      free(a.hole);
      return err_memory(d->e, (double)a.top, "intermediate values");
    }
    s->fold_offset = s->scratch_offset + scratch;
    if (first) first->fold_offset = s->fold_offset + fold;
    arena_give(&a, s->scratch_offset, all);
    for (int k = 0; k < n; k++) {
      if (in[k] < 0) continue;
      Value *x = &p->value[root_of(p, in[k])];
      if (x->place == AT_ARENA && x->last == t && x->first >= 0) {
        arena_give(&a, x->offset, value_bytes(x));
        x->first = -2;
      }
    }
    Value *made[] = {o, beside};
    for (int k = 0; k < 2; k++) {
      if (!made[k] || made[k]->place != AT_ARENA || made[k]->last != t || made[k]->first != t) continue;
      arena_give(&a, made[k]->offset, value_bytes(made[k])); /* computed for nobody */
      made[k]->first = -2;
    }
  }
  p->arena = a.top;
  free(a.hole);
  return true;
}

/* --- putting it together --- */

/* The node among the next few that node i can compute along with it; -1: none. */
static int find_beside(const Draft *d, int i, const int *head) {
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

/* Takes the step that makes in[0] of s, a step of node h that is about to be added, into it, where both sides can: its result is then
 * never whole. */
static void pair_up(Draft *d, const Node *h, Step *s, const Shape *out) {
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

static bool lay_out(Draft *d) {
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

/* Wanted values become tensors of their own, channels-last where of rank 4. */
static bool lay_outputs(Draft *d, Node *const *out, int n_out) {
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

static int64_t macs_of(const Plan *p, const Step *s) {
  Shape in[MAX_IN];
  input_shapes(p, s, in);
  return s->op->macs ? s->op->macs(in, s->n_in, s->attr, &p->value[s->out].shape) : 0;
}

static void add_fused(StepInfo *info, const Node *n) {
  info->fused[info->n_fused++] = n->op;
  info->order[info->n_fused] = n->recorded_as;
}

StepInfo plan_step(const Plan *p, int t, Node *const *node) {
  const Step *s = &p->step[t], *first = s->first >= 0 ? &p->first[s->first] : NULL;
  const Node *n = node[first ? first->node : s->node];
  StepInfo info = {.op = first ? first->op : s->op, .order = {n->recorded_as}, .path = n->path, .shape = p->value[s->out].shape};
  for (int k = 0; first && k < first->n_fused; k++) add_fused(&info, node[first->fused[k]]);
  if (first) add_fused(&info, node[s->node]);
  for (int k = 0; k < s->n_fused; k++) add_fused(&info, node[s->fused[k]]);
  info.macs = macs_of(p, s) + (first ? macs_of(p, first) : 0);
  Shape in[MAX_IN];
  input_shapes(p, s, in);
  if (first && first->op == s->op) info.algorithm = "pair";
  else if (s->op->algorithm) info.algorithm = s->op->algorithm(in, s->n_in, s->attr, &p->value[s->out].shape);
  int value[STEP_IN + 2], n_values = step_inputs(p, s, value);
  value[n_values++] = s->out;
  value[n_values++] = s->beside;
  for (int k = 0; k < n_values; k++) {
    bool again = value[k] < 0 || p->value[value[k]].place == AT_NOTHING; /* or the same bytes under another name */
    for (int j = 0; j < k && !again; j++)
      again = value[j] == value[k] || (value[j] >= 0 && root_of(p, value[j]) == root_of(p, value[k]) && !is_shifted(p, value[j]) && !is_shifted(p, value[k]));
    if (!again) info.bytes += shape_count(&p->value[value[k]].shape) * (int64_t)sizeof(float);
  }
  return info;
}
