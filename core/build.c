/* Building: nodes on nodes, with their shapes checked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "node.h"

void builder_begin(Builder *b, Err *e) { *b = (Builder){.err = e}; }

void builder_end(Builder *b) {
  for (int i = b->n; i-- > 0;) node_unref(b->made[i]);
  free(b->made);
  *b = (Builder){.err = b->err, .failed = b->failed};
}

/* The builder takes over the reference. */
static Node *keep(Builder *b, Node *n) {
  if (!n) {
    b->failed = true;
    return NULL;
  }
  if (b->n == b->cap) {
    int cap = b->cap ? 2 * b->cap : 16;
    Node **made = realloc(b->made, (size_t)cap * sizeof *made);
    if (!made) {
      b->failed = true;
      err_memory(b->err, (double)cap * sizeof *made, "a graph");
      node_unref(n);
      return NULL;
    }
    b->made = made;
    b->cap = cap;
  }
  return b->made[b->n++] = n;
}

static void fail_at(Err *e, const Op *op) {
  char text[sizeof e->text];
  snprintf(text, sizeof text, "%s%s%s %.800s", graph_path, *graph_path ? ": " : "", op->name, e->text);
  memcpy(e->text, text, sizeof text);
}

Node *build(Builder *b, const Op *op, const double *attr, int n_in, Node *const *in) {
  if (b->failed) return NULL;
  Shape shape[MAX_IN] = {0}, out = {0};
  for (int i = 0; i < n_in; i++) {
    if (in[i]) shape[i] = in[i]->shape;
    else shape[i].rank = -1;
  }
  for (int i = n_in; i < MAX_IN; i++) shape[i].rank = -1;
  double filled[MAX_ATTR] = {0};
  if (attr) memcpy(filled, attr, sizeof filled);
  else op_defaults(op, filled);
  if (!op_attrs_check(op, filled, b->err) || !op->shape(shape, n_in, filled, &out, b->err) || !shape_check(&out, b->err)) {
    fail_at(b->err, op);
    b->failed = true;
    return NULL;
  }
  Node *n = keep(b, node_new(op, b->err));
  if (!n) return NULL;
  n->shape = out;
  n->dtype = op->dtype;
  memcpy(n->attr, filled, sizeof filled);
  n->n_in = n_in;
  for (int i = 0; i < n_in; i++) {
    node_set_input(n, i, in[i]);
    if (!in[i]) continue;
    n->drawn = n->drawn || in[i]->drawn;
    if (graph_grad_mode && in[i]->requires_grad && op->grad) n->requires_grad = true;
  }
  if (op->random) n->seed = graph_seed(), n->drawn = true;
  return n;
}

Node *build1(Builder *b, const Op *op, Node *x) { return build(b, op, NULL, 1, &x); }
Node *build2(Builder *b, const Op *op, Node *x, Node *y) { return build(b, op, NULL, 2, (Node *[]){x, y}); }

Node *build_a(Builder *b, const Op *op, int n_in, Node *const *in, int n_attr, const double *attr) {
  double filled[MAX_ATTR] = {0};
  op_defaults(op, filled);
  memcpy(filled, attr, (size_t)n_attr * sizeof *attr);
  return build(b, op, filled, n_in, in);
}

Node *build_full(Builder *b, const Shape *s, double value) {
  if (b->failed) return NULL;
  Tensor *t = tensor_new(s, b->err);
  if (t)
    for (int64_t i = 0; i < t->count; i++) t->data[i] = (float)value;
  return keep(b, node_leaf(t, b->err));
}

Node *build_scalar(Builder *b, double value) { return build_full(b, &(Shape){.rank = 0}, value); }

Node *build_unbroadcast(Builder *b, Node *dy, const Shape *s) {
  extern const Op op_sum, op_reshape;
  if (b->failed || !dy || shape_equal(&dy->shape, s)) return dy;
  double dims[MAX_ATTR];
  op_defaults(&op_sum, dims);
  int lead = dy->shape.rank - s->rank, n = 0;
  for (int i = 0; i < dy->shape.rank; i++)
    if (i < lead || (s->dim[i - lead] == 1 && dy->shape.dim[i] != 1)) dims[n++] = i;
  Node *sum = n ? build(b, &op_sum, dims, 1, &dy) : dy;
  if (!sum || shape_equal(&sum->shape, s)) return sum;
  double shape[MAX_ATTR];
  op_defaults(&op_reshape, shape);
  for (int i = 0; i < s->rank; i++) shape[i] = (double)s->dim[i];
  return build(b, &op_reshape, shape, 1, &sum);
}
