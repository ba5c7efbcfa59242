/* Softmax along one dimension. */
#include "common.h"

extern const Op op_softmax_dx;

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)n_in;
  *out = in[0];
  return want_dim(attr[0], in[0].rank, e) >= 0;
}

static Span span(const Shape *s, const double *attr) { return span_of(s, attr[0] < 0 ? (int)attr[0] + (s->rank ? s->rank : 1) : (int)attr[0]); }

static void forward(const Call *c) {
  Span p = span(&c->out.shape, c->attr);
  kern->softmax(c->out.data, c->in[0].data, false, p.outer, p.len, p.inner);
}

static void grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx) {
  if (needs[0]) dx[0] = build_a(b, &op_softmax_dx, 2, (Node *[]){dy, n}, 1, n->attr);
}

static Node *narrow(Narrowing *w, Node *n) {
  int d = w->part.dim;
  return d == (int)n->attr[0] || d == (int)n->attr[0] + n->shape.rank ? NULL : narrow_op(w, n, &d);
}

static bool keeps_samples(const Shape *in, int n_in, const double *attr) {
  (void)n_in;
  return in[0].rank > 1 && attr[0] != 0 && attr[0] != -in[0].rank;
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)n_in, (void)is;
  Span p = span(os, attr);
  for (int64_t row = 0; row < p.outer * p.inner; row++) {
    int64_t at = row / p.inner * p.len * p.inner + row % p.inner, end = at + p.len * p.inner;
    double m = -INFINITY, sum = 0;
    for (int64_t i = at; i < end; i += p.inner) m = fmax(m, in[0][i]);
    for (int64_t i = at; i < end; i += p.inner) sum += exp(in[0][i] - m);
    for (int64_t i = at; i < end; i += p.inner) out[i] = exp(in[0][i] - m) / sum;
  }
}

const Op op_softmax = {
    .name = "softmax",
    .args = "x | dim=-1",
    .doc = "y = exp(x) / sum over dim of exp(x); as torch.nn.functional.softmax",
    .layout = OP_ROW_MAJOR, .in_place = 1, .keeps_samples = keeps_samples,
    .shape = shape, .forward = forward, .grad = grad, .narrow = narrow, .reference = reference,
    .cases = (const OpCase[]){
        {"4,5", "", 0},
        {"3,37", "dim=1", 0},
        {"7,70", "dim=0", 0},
        {"2,3,4,5", "dim=1", 0},
        {"2,3,4,19", "", 0},
        {"6", "", 0},
        {".", "", 0},
        {"2,1,3", "dim=1", 0},
        {0}},
};
