/* Places: every value gets its leaf, an output tensor, or an offset in the one arena, which values share by lifetime. */
#include <stdlib.h>
#include <string.h>
#include "draft.h"

typedef struct Hole { size_t at, size; } Hole;
typedef struct Arena {
  Hole *hole;
  int n, cap;
  size_t top, held; /* where it ends, and bytes taken and not given back */
} Arena;

#define ARENA_MAX ((size_t)1 << 60)

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

static void touch(Plan *p, int v, int step) {
  if (v < 0) return;
  Value *r = &p->value[root_of(p, v)];
  if (step > r->last) r->last = step;
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

bool place(Draft *d, uint64_t forward_end) {
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
