/* What a slice takes, for the op and for who moves slices about (narrow.c). Attributes are "dim=0 start=0 stop=END step=1". */
#ifndef OPS_SLICE_H
#define OPS_SLICE_H
#include "rules.h"

/* Of x, as Python slices count: negative start and stop from the end, both cut to what is there. */
static inline Part slice_part(const double *attr, const Shape *x) {
  int d = dim_of(attr[0], x->rank);
  double size = (double)x->dim[d], from = attr[1], to = attr[2] == ATTR_END ? size : attr[2];
  if (from < 0) from += size;
  if (to < 0) to += size;
  from = fmin(fmax(from, 0), size);
  to = fmin(fmax(to, from), size);
  return (Part){d, (int64_t)from, (int64_t)attr[3], ((int64_t)to - (int64_t)from + (int64_t)attr[3] - 1) / (int64_t)attr[3]};
}
#endif
