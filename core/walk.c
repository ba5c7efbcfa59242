/* Loops over arrays that lie differently in memory. */
#include "walk.h"

void walk_make(Walk *w, const Shape *s, int n, int64_t (*const step)[MAX_RANK]) {
  int order[MAX_RANK], rank = 0;
  w->count = 1;
  for (int d = 0; d < s->rank; d++) {
    w->count *= s->dim[d];
    if (s->dim[d] == 1) continue;
    int at = rank++; /* insertion by falling steps of the first array, then of the others */
    for (; at > 0; at--) {
      int64_t left = 0, here = 0;
      for (int k = 0; k < n && left == here; k++) {
        left = step[k][order[at - 1]], here = step[k][d];
        if (left < 0) left = -left;
        if (here < 0) here = -here;
      }
      if (left >= here) break;
      order[at] = order[at - 1];
    }
    order[at] = d;
  }
  w->rank = 0;
  for (int i = 0; i < rank; i++) {
    int d = order[i], last = w->rank - 1;
    bool joins = last >= 0;
    for (int k = 0; k < n && joins; k++) joins = w->step[k][last] == step[k][d] * s->dim[d];
    if (joins) w->dim[last] *= s->dim[d];
    else last = w->rank++, w->dim[last] = s->dim[d];
    for (int k = 0; k < n; k++) w->step[k][last] = step[k][d];
  }
}

void walk_steps(const View *v, const Shape *to, int64_t *step) {
  int64_t own[MAX_RANK];
  shape_strides(&v->shape, v->layout, own);
  int shift = to->rank - v->shape.rank;
  for (int d = 0; d < to->rank; d++) step[d] = d < shift || v->shape.dim[d - shift] == 1 ? 0 : own[d - shift];
}

Walk walk_call(const Call *c, int n) {
  int64_t step[WALK_MAX][MAX_RANK];
  walk_steps(&c->out, &c->out.shape, step[0]);
  for (int k = 0; k < n; k++) walk_steps(&c->in[k], &c->out.shape, step[k + 1]);
  Walk w;
  walk_make(&w, &c->out.shape, n + 1, step);
  return w;
}

bool broadcast_shape(const Shape *a, const Shape *b, Shape *out, Err *e) {
  Shape s = {.rank = a->rank > b->rank ? a->rank : b->rank};
  for (int d = 0; d < s.rank; d++) {
    int i = d - (s.rank - a->rank), j = d - (s.rank - b->rank);
    int64_t p = i < 0 ? 1 : a->dim[i], q = j < 0 ? 1 : b->dim[j];
    if (p != q && p != 1 && q != 1)
      return err_set(e, "shapes %s and %s do not broadcast at dim %d (%lld and %lld: equal or 1 would do)", SHAPE_STR(a), SHAPE_STR(b), d,
                     (long long)p, (long long)q);
    s.dim[d] = p == 1 ? q : p;
  }
  *out = s;
  return true;
}
