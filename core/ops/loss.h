/* What the losses share. */
#ifndef OPS_LOSS_H
#define OPS_LOSS_H
#include "common.h"

extern const Op op_class_loss_dx, op_pair_loss_dx;

/* --- losses over classes: logits (C), (N, C), (N, C, L) or (N, C, H, W); target class indices of the logits' shape without
 * the classes, or probabilities of the logits' shape --- */

/* Attributes, as class_loss_dx lists them; nll_loss has none but IGNORE and REDUCTION. */
enum { SMOOTHING, IGNORE, REDUCTION, LOG_PROBS, CLASS_ATTRS };

static inline Span class_span(const Shape *x) { return x->rank == 1 ? span_of(x, 0) : channels_of(x); }

static inline ClassLoss class_loss_of(const Shape *x, const Shape *target, const double *attr) {
  Span p = class_span(x);
  return (ClassLoss){.outer = p.outer, .c = p.len, .inner = p.inner, .soft = shape_equal(x, target), .log_probs = attr[LOG_PROBS] != 0,
                     .smoothing = attr[SMOOTHING], .ignore = attr[IGNORE], .reduction = (int)attr[REDUCTION]};
}

/* The logits' shape without the classes. */
static inline Shape class_rows(const Shape *x) {
  Shape s = {0};
  for (int i = 0; i < x->rank; i++)
    if (i != (x->rank == 1 ? 0 : 1)) s.dim[s.rank++] = x->dim[i];
  return s;
}

static inline bool class_loss_ok(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  const Shape *x = &in[0], *t = &in[1];
  if (x->rank < 1 || x->rank > 4)
    return err_set(e, "expects input of shape (C), (N, C), (N, C, L) or (N, C, H, W), got %s", SHAPE_STR(x));
  int64_t classes = class_span(x).len;
  if (classes < 1) return err_set(e, "expects at least one class, got input %s", SHAPE_STR(x));
  if (!want_reduction(attr[REDUCTION], e)) return false;
  if (!(attr[SMOOTHING] >= 0 && attr[SMOOTHING] <= 1))
    return err_set(e, "label_smoothing must be between 0.0 and 1.0, got %g", attr[SMOOTHING]);
  Shape rows = class_rows(x);
  bool soft = shape_equal(x, t), hard = shape_equal(&rows, t);
  if (!hard && (!soft || attr[LOG_PROBS] != 0))
    return err_set(e, "input %s wants class indices of shape %s%s, got target %s", SHAPE_STR(x), SHAPE_STR(&rows),
                   attr[LOG_PROBS] != 0 ? "" : ", or probabilities of the input's shape", SHAPE_STR(t));
  if (!want_vector(in, n_in, 2, "weight", classes, e)) return false;
  *out = attr[REDUCTION] == REDUCE_NONE ? rows : shape_of(0, NULL);
  return true;
}

/* What one row loses by class j: q[j] in loss = - sum q log p; and what the row counts in the mean. target -1: ignored. */
static inline double class_q(const double *const *in, int n_in, const ClassLoss *s, int64_t row, int64_t j) {
  double t = s->soft ? in[1][(row / s->inner * s->c + j) * s->inner + row % s->inner] : in[1][row] == (double)j;
  if (!s->soft && in[1][row] == s->ignore) return 0;
  return (t * (1 - s->smoothing) + s->smoothing / (double)s->c) * (n_in > 2 && in[2] ? in[2][j] : 1);
}
static inline double class_weighs(const double *const *in, int n_in, const ClassLoss *s, int64_t row) {
  if (s->soft) return 1;
  if (in[1][row] == s->ignore) return 0;
  return n_in > 2 && in[2] && in[1][row] >= 0 && in[1][row] < (double)s->c ? in[2][(int64_t)in[1][row]] : 1;
}
static inline bool class_missing(const double *const *in, const ClassLoss *s, int64_t row) {
  double t = in[1][row];
  return !s->soft && t != s->ignore && !(t >= 0 && t < (double)s->c && t == floor(t));
}
/* As row-major arrays lie, also for rank 4. */
static inline ClassLoss class_loss_rows(const Shape *x, const Shape *target, const double *attr) {
  ClassLoss s = class_loss_of(x, target, attr);
  Span p = span_of(x, x->rank == 1 ? 0 : 1);
  s.outer = p.outer, s.inner = p.inner;
  return s;
}
/* ln of the sum of exp over a row's logits. */
static inline double class_log_sum(const double *x, const ClassLoss *s, int64_t row) {
  double m = -INFINITY, sum = 0;
  const double *p = x + row / s->inner * s->c * s->inner + row % s->inner;
  if (s->log_probs) return 0;
  for (int64_t j = 0; j < s->c; j++) m = fmax(m, p[j * s->inner]);
  for (int64_t j = 0; j < s->c; j++) sum += exp(p[j * s->inner] - m);
  return m + log(sum);
}

static inline void class_loss_reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out) {
  ClassLoss s = class_loss_rows(&is[0], &is[1], attr);
  double sum = 0, weighs = 0;
  for (int64_t row = 0; row < s.outer * s.inner; row++) {
    double loss = class_missing(in, &s, row) ? NAN : 0, log_sum = class_log_sum(in[0], &s, row);
    for (int64_t j = 0; j < s.c; j++) {
      double q = class_q(in, n_in, &s, row, j);
      if (q != 0) loss += q * (log_sum - in[0][(row / s.inner * s.c + j) * s.inner + row % s.inner]);
    }
    sum += loss, weighs += class_weighs(in, n_in, &s, row);
    if (s.reduction == REDUCE_NONE) out[row] = loss;
  }
  if (s.reduction != REDUCE_NONE) *out = sum / (s.reduction == REDUCE_MEAN ? weighs : 1);
}

/* --- losses of pairs: input and target of one shape, weights of that shape --- */

enum { PAIR_REDUCTION, PAIR_BETA, PAIR_KIND, PAIR_BY_TARGET, PAIR_ATTRS }; /* pair_loss_dx's; the ops themselves have the first two */

static inline bool pair_loss_ok(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  if (!want_reduction(attr[PAIR_REDUCTION], e)) return false;
  if (!shape_equal(&in[0], &in[1]))
    return err_set(e, "target size %s must be the same as input size %s", SHAPE_STR(&in[1]), SHAPE_STR(&in[0]));
  for (int i = 2; i < 4; i++)
    if (given(in, n_in, i) && !want_same(&in[i], i == 2 ? "weight" : "pos_weight", &in[0], "input", e)) return false;
  *out = attr[PAIR_REDUCTION] == REDUCE_NONE ? in[0] : shape_of(0, NULL);
  return true;
}

static inline void pair_loss_forward(const Call *c, PairLoss kind) {
  kern->pair_loss(c->out.data, c->in[0].data, c->in[1].data, data_or_null(c, 2), data_or_null(c, 3), kind,
                  c->attr[PAIR_BETA], (int)c->attr[PAIR_REDUCTION], shape_count(&c->in[0].shape));
}

static inline void pair_loss_grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx, PairLoss kind) {
  for (int i = 0; i < 2; i++)
    if (needs[i])
      dx[i] = build_a(b, &op_pair_loss_dx, 5, (Node *[]){dy, n->in[0], n->in[1], input_or_null(n, 2), input_or_null(n, 3)}, PAIR_ATTRS,
                      (double[]){n->attr[PAIR_REDUCTION], n->attr[PAIR_BETA], kind, i});
}

/* value(x, t, pw, beta) summed up as the reduction says. */
static inline void pair_loss_reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out,
                                       double (*value)(double x, double t, double pw, double beta)) {
  int64_t n = shape_count(&is[0]);
  double sum = 0;
  for (int64_t i = 0; i < n; i++) {
    double v = value(in[0][i], in[1][i], n_in > 3 && in[3] ? in[3][i] : 1, attr[PAIR_BETA]);
    if (n_in > 2 && in[2]) v *= in[2][i];
    if (attr[PAIR_REDUCTION] == REDUCE_NONE) out[i] = v;
    sum += v;
  }
  if (attr[PAIR_REDUCTION] != REDUCE_NONE) *out = attr[PAIR_REDUCTION] == REDUCE_MEAN ? sum / (double)n : sum;
}
#endif
