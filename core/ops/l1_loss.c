/* Mean absolute error. */
#include "loss.h"

static void forward(const Call *c) { pair_loss_forward(c, LOSS_L1); }

static void grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx) { pair_loss_grad(b, n, dy, needs, dx, LOSS_L1); }

static double value(double x, double t, double pw, double beta) {
  (void)pw, (void)beta;
  return fabs(x - t);
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)os;
  pair_loss_reference(in, is, n_in, attr, out, value);
}

static bool keeps_samples(const Shape *in, int n_in, const double *attr) {
  (void)n_in;
  return attr[PAIR_REDUCTION] == REDUCE_NONE && in[0].rank > 1;
}

const Op op_l1_loss = {
    .name = "l1_loss",
    .args = "input target | reduction=1",
    .doc = "|x - t|, x input, t target of its shape; reduction 0 none, 1 mean, 2 sum; as "
           "torch.nn.functional.l1_loss",
    .layout = OP_CHANNELS_LAST, .keeps_samples = keeps_samples,
    .shape = pair_loss_ok, .forward = forward, .grad = grad, .reference = reference,
    .cases = (const OpCase[]){
        {"4,5 4,5", "", CASE_KINKS},
        {"2,3,4,5 2,3,4,5", "reduction=0", CASE_KINKS},
        {"33 33", "reduction=2", CASE_KINKS},
        {"90,70 90,70", "", CASE_NO_GRAD},
        {". .", "", CASE_KINKS},
        {0}},
};
