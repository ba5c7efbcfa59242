/* Gradient of log_softmax. */
#include "common.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)n_in;
  *out = in[1];
  return want_same(&in[0], "dy", &in[1], "y", e) && want_dim(attr[0], in[1].rank, e) >= 0;
}

static Span span(const Shape *s, const double *attr) { return span_of(s, attr[0] < 0 ? (int)attr[0] + (s->rank ? s->rank : 1) : (int)attr[0]); }

static void forward(const Call *c) {
  Span p = span(&c->out.shape, c->attr);
  kern->softmax_dx(c->out.data, c->in[0].data, c->in[1].data, true, p.outer, p.len, p.inner);
}

static bool keeps_samples(const Shape *in, int n_in, const double *attr) {
  (void)n_in;
  return in[1].rank > 1 && attr[0] != 0 && attr[0] != -in[1].rank;
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)n_in, (void)is;
  Span p = span(os, attr);
  for (int64_t row = 0; row < p.outer * p.inner; row++) {
    int64_t at = row / p.inner * p.len * p.inner + row % p.inner, end = at + p.len * p.inner;
    double sum = 0;
    for (int64_t i = at; i < end; i += p.inner) sum += in[0][i];
    for (int64_t i = at; i < end; i += p.inner) out[i] = in[0][i] - exp(in[1][i]) * sum;
  }
}

const Op op_log_softmax_dx = {
    .name = "log_softmax_dx",
    .args = "dy y | dim=-1",
    .doc = "dx = dy - exp(y) sum over dim of dy; y = log_softmax(x)",
    .layout = OP_ROW_MAJOR, .in_place = 1, .keeps_samples = keeps_samples,
    .shape = shape, .forward = forward, .reference = reference,
    .cases = (const OpCase[]){
        {"4,5 4,5", "", CASE_NO_GRAD},
        {"3,37 3,37", "dim=1", CASE_NO_GRAD},
        {"7,70 7,70", "dim=0", CASE_NO_GRAD},
        {"2,3,4,5 2,3,4,5", "dim=1", CASE_NO_GRAD},
        {0}},
};
