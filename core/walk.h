/* Walks: loops over several arrays of one logical shape that lie differently in memory (broadcast, permuted, sliced,
 * row-major against channels-last). A walk is made once per call from steps in elements; dimensions of one are
 * dropped, the rest sorted by the first array's steps and merged where all arrays allow it, so that equal dense arrays
 * become one loop, and a vector over channels two. */
#ifndef CORE_WALK_H
#define CORE_WALK_H
#include "op.h"

enum { WALK_MAX = 4 };

typedef struct Walk {
  int rank;                         /* 0: one element */
  int64_t count;                    /* elements in all */
  int64_t dim[MAX_RANK];            /* outermost first */
  int64_t step[WALK_MAX][MAX_RANK]; /* of each array, in elements; 0 where it is stretched */
} Walk;

/* The walk over shape `s` with n arrays, steps per logical dimension each. */
void walk_make(Walk *w, const Shape *s, int n, int64_t (*const step)[MAX_RANK]);
/* Steps of a dense view, stretched to shape `to` by numpy's rules (it must fit). */
void walk_steps(const View *v, const Shape *to, int64_t *step);
/* The walk of an op whose inputs broadcast to its output: array 0 is the output, then the first n inputs. */
Walk walk_call(const Call *c, int n);

/* Where array k stands after `flat` elements (0: at the start, of an empty walk too). */
static inline int64_t walk_at(const Walk *w, int k, int64_t flat) {
  int64_t at = 0;
  for (int d = w->rank - 1; d >= 0 && flat; d--) {
    at += flat % w->dim[d] * w->step[k][d];
    flat /= w->dim[d];
  }
  return at;
}

/* A place in a walk: at the start of a run along its last dimension, where each array stands. */
typedef struct Place {
  int64_t index[MAX_RANK], at[WALK_MAX];
} Place;

static inline Place place_at(const Walk *w, int n, int64_t flat) {
  Place p = {0};
  for (int k = 0; k < n; k++) p.at[k] = walk_at(w, k, flat);
  for (int d = w->rank - 1; d >= 0 && flat; d--) p.index[d] = flat % w->dim[d], flat /= w->dim[d];
  return p;
}

/* Moves on by `run` elements, which end within or at the end of the last dimension. */
static inline void place_next(Place *p, const Walk *w, int n, int64_t run) {
  for (int d = w->rank - 1; d >= 0; d--, run = 1) {
    p->index[d] += run;
    for (int k = 0; k < n; k++) p->at[k] += w->step[k][d] * run;
    if (p->index[d] < w->dim[d]) return;
    p->index[d] = 0;
    for (int k = 0; k < n; k++) p->at[k] -= w->step[k][d] * w->dim[d];
  }
}

/* The shape two shapes broadcast to; false with e when they do not: "shapes (2, 3) and (4, 3) do not broadcast at dim 0". */
bool broadcast_shape(const Shape *a, const Shape *b, Shape *out, Err *e);
#endif
