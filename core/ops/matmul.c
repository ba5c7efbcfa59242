/* matmul: op(a) op(b) over the last two dims, op transposing when ta (tb) is set; the dims before them broadcast. */
#include "rules.h"

/* The dims before the last two, as a shape. */
static Shape batch_of(const Shape *s) {
  Shape r = *s;
  r.rank -= 2;
  r.dim[r.rank] = r.dim[r.rank + 1] = 0;
  return r;
}

SHAPE_RULE {
  int p = in[0].rank, q = in[1].rank;
  if (p < 2 || q < 2) return err_set(e, "expects two tensors of at least 2 dims, got %s and %s", SHAPE_STR(&in[0]), SHAPE_STR(&in[1]));
  bool ta = attr[0] != 0, tb = attr[1] != 0;
  int64_t m = in[0].dim[p - 2 + ta], k = in[0].dim[p - 1 - ta], kb = in[1].dim[q - 2 + tb], n = in[1].dim[q - 1 - tb];
  if (!want_int_dims(&in[0], e) || !want_int_dims(&in[1], e)) return false;
  if (k != kb)
    return err_set(e, "cannot multiply %s%s and %s%s: %lld columns meet %lld rows", SHAPE_STR(&in[0]), ta ? " transposed" : "", SHAPE_STR(&in[1]),
                   tb ? " transposed" : "", (long long)k, (long long)kb);
  Shape a = batch_of(&in[0]), b = batch_of(&in[1]);
  if (!broadcast_shape(&a, &b, out, e)) return err_within(e, "dims before the last two");
  out->dim[out->rank++] = m;
  out->dim[out->rank++] = n;
  return true;
}

/* Samples are the first dim of a batch of matrices, against a batch or one matrix. Of two matrices either could hold them. */
KEEPS_SAMPLES { return in[0].rank > 2 && (in[1].rank == 2 || in[0].rank == in[1].rank); }

FORWARD {
  const Shape *a = &c->in[0].shape, *b = &c->in[1].shape, *y = &c->out.shape;
  bool ta = c->attr[0] != 0, tb = c->attr[1] != 0;
  int64_t lda = a->dim[a->rank - 1], ldb = b->dim[b->rank - 1], n = y->dim[y->rank - 1], m = y->dim[y->rank - 2];
  int64_t k = a->dim[a->rank - 1 - ta], size_a = m * k, size_b = k * n;
  const float *x = c->in[0].data, *w = c->in[1].data;
  if (b->rank == 2 && !ta) { /* one matrix for all: one product */
    kern->sgemm(false, tb, shape_count(y) / (n ? n : 1), n, k, 1, x, lda, w, ldb, 0, c->out.data, n);
    return;
  }
  Shape batch = batch_of(y), batch_a = batch_of(a), batch_b = batch_of(b);
  View va = {.shape = batch_a}, vb = {.shape = batch_b};
  int64_t step[3][MAX_RANK];
  shape_strides(&batch, ROW_MAJOR, step[0]);
  walk_steps(&va, &batch, step[1]);
  walk_steps(&vb, &batch, step[2]);
  Walk walk;
  walk_make(&walk, &batch, 3, step);
  int last = walk.rank - 1;
  int64_t run = walk.rank ? walk.dim[last] : 1, sa = walk.rank ? walk.step[1][last] : 0, sb = walk.rank ? walk.step[2][last] : 0;
  for (int64_t i = 0; i < walk.count; i += run)
    kern->sgemm_batch(run, ta, tb, m, n, k, 1, x + walk_at(&walk, 1, i) * size_a, lda, sa * size_a, w + walk_at(&walk, 2, i) * size_b, ldb, sb * size_b, 0,
                      c->out.data + walk_at(&walk, 0, i) * m * n, n, m * n);
}

static Node *product(Builder *b, Node *x, Node *y, bool tx, bool ty) {
  return build_a(b, &op_matmul, 2, (Node *[]){x, y}, 2, (double[]){tx, ty});
}

/* All rows of a batch as one matrix. */
static Node *rows(Builder *b, Node *x) {
  if (!x || x->shape.rank == 2) return x;
  Shape s = {.rank = 2};
  s.dim[1] = x->shape.dim[x->shape.rank - 1];
  s.dim[0] = s.dim[1] ? shape_count(&x->shape) / s.dim[1] : 0;
  return build_shape(b, &op_reshape, x, &s);
}

GRAD {
  Node *x = n->in[0], *w = n->in[1];
  bool ta = n->attr[0] != 0, tb = n->attr[1] != 0;
  if (needs[0]) dx[0] = build_unbroadcast(b, ta ? product(b, w, dy, tb, true) : product(b, dy, w, false, !tb), &x->shape);
  if (!needs[1]) return;
  if (w->shape.rank == 2 && !ta) x = rows(b, x), dy = rows(b, dy);
  dx[1] = build_unbroadcast(b, tb ? product(b, dy, x, true, ta) : product(b, x, dy, !ta, false), &w->shape);
}

static int64_t macs(const Shape *in, int n_in UNUSED, const double *attr, const Shape *out) {
  return as_macs((double)shape_count(out) * (double)in[0].dim[in[0].rank - 1 - (attr[0] != 0)]);
}

/* Rows of y are rows of op(a), columns columns of op(b). */
NARROW {
  int at = w->part.dim - n->shape.rank, dim[2] = {-1, -1};
  for (int k = 0; k < 2; k++) {
    int rank = n->in[k]->shape.rank, d = at + rank;
    bool transposed = n->attr[k] != 0, own = at == (k ? -1 : -2);
    if (own) dim[k] = transposed ? 2 * rank - 3 - d : d;
    else if (at < -2 && d >= 0 && n->in[k]->shape.dim[d] > 1) dim[k] = d;
  }
  return narrow_op(w, n, dim);
}

REFERENCE {
  const Shape *a = &in_shape[0], *b = &in_shape[1];
  int ta = attr[0] != 0, tb = attr[1] != 0;
  Shape batch = batch_of(out_shape), batch_a = batch_of(a), batch_b = batch_of(b);
  int64_t n = out_shape->dim[out_shape->rank - 1], m = out_shape->dim[out_shape->rank - 2], k = a->dim[a->rank - 1 - ta];
  for (int64_t i = 0, count = shape_count(out_shape); i < count; i++) {
    const double *x = in[0] + stretched_at(&batch_a, &batch, i / (m * n)) * m * k;
    const double *y = in[1] + stretched_at(&batch_b, &batch, i / (m * n)) * k * n;
    int64_t row = i / n % m, column = i % n;
    out[i] = 0;
    for (int64_t j = 0; j < k; j++) out[i] += (ta ? x[j * m + row] : x[row * k + j]) * (tb ? y[column * k + j] : y[j * n + column]);
  }
}

CASES = {
  {"3,4 4,5", "", 0}, {"4,3 4,5", "ta=1", 0}, {"3,4 5,4", "tb=1", 0}, {"4,3 5,4", "ta=1 tb=1", 0}, {"2,3,4 4,5", "", 0},
  {"2,3,4 5,4", "tb=1", 0}, {"2,4,3 4,5", "ta=1", 0}, {"2,3,4 2,4,5", "", 0}, {"2,4,3 2,5,4", "ta=1 tb=1", 0}, {"3,4 2,4,5", "", 0},
  {"2,3,4,5 2,3,5,2", "", 0}, {"2,3,4,5 2,3,6,5", "tb=1", 0}, {"2,1,4,5 3,5,2", "", 0}, {"2,3,4,5 2,1,5,2", "", 0}, {"1,1 1,1", "", 0},
  {"2,3,1,5 5,1", "", 0}, {"67,70 70,33", "", CASE_NO_GRAD}, {"5,70,33 5,70,41", "ta=1", CASE_NO_GRAD},
  {0},
};

const Op op_matmul = {
  .name = "matmul",
  .args = "a b | ta=0 tb=0",
  .doc = "y = op(a) op(b) over the last two dims, op transposing where ta, tb are set; dims before them broadcast",
  .layout = OP_ROW_MAJOR,
  .keeps_samples = keeps_samples,
  .shape = shape,
  .forward = forward,
  .grad = grad,
  .narrow = narrow,
  .macs = macs,
  .reference = reference,
  .cases = cases,
};
