/* Squared near zero, absolute beyond (Huber 1964). */
#include "loss.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  if (!(attr[PAIR_BETA] > 0)) return err_set(e, "delta must be above 0, got %g", attr[PAIR_BETA]);
  return pair_loss_ok(in, n_in, attr, out, e);
}

static void forward(const Call *c) { pair_loss_forward(c, LOSS_HUBER); }

static void grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx) { pair_loss_grad(b, n, dy, needs, dx, LOSS_HUBER); }

static double value(double x, double t, double pw, double beta) {
  (void)pw;
  return fabs(x - t) < beta ? 0.5 * (x - t) * (x - t) : beta * (fabs(x - t) - 0.5 * beta);
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)os;
  pair_loss_reference(in, is, n_in, attr, out, value);
}

static bool keeps_samples(const Shape *in, int n_in, const double *attr) {
  (void)n_in;
  return attr[PAIR_REDUCTION] == REDUCE_NONE && in[0].rank > 1;
}

const Op op_huber_loss = {
    .name = "huber_loss",
    .args = "input target | reduction=1 delta=1.0",
    .doc = "d < delta ? d^2 / 2 : delta (d - delta / 2), d = |x - t|, x input, t target of its shape; reduction 0 none, 1 mean, 2 sum; as "
           "torch.nn.functional.huber_loss",
    .layout = OP_CHANNELS_LAST, .keeps_samples = keeps_samples,
    .shape = shape, .forward = forward, .grad = grad, .reference = reference,
    .cases = (const OpCase[]){
        {"4,5 4,5", "", 0},
        {"2,3,4,5 2,3,4,5", "delta=2 reduction=0", 0},
        {"33 33", "delta=2 reduction=2", 0},
        {"90,70 90,70", "", CASE_NO_GRAD},
        {". .", "", 0},
        {0}},
};
