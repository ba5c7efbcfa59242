/* Binary cross entropy of probabilities. */
#include "loss.h"

static void forward(const Call *c) { pair_loss_forward(c, LOSS_BCE); }

static void grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx) { pair_loss_grad(b, n, dy, needs, dx, LOSS_BCE); }

static double value(double x, double t, double pw, double beta) {
  (void)pw, (void)beta;
  return -(t * fmax(log(x), -100) + (1 - t) * fmax(log1p(-x), -100));
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)os;
  pair_loss_reference(in, is, n_in, attr, out, value);
}

static bool keeps_samples(const Shape *in, int n_in, const double *attr) {
  (void)n_in;
  return attr[PAIR_REDUCTION] == REDUCE_NONE && in[0].rank > 1;
}

const Op op_binary_cross_entropy = {
    .name = "binary_cross_entropy",
    .args = "input target weight? | reduction=1",
    .doc = "-weight (t log x + (1 - t) log(1 - x)), logarithms no less than -100, x input, t target of its shape; reduction 0 none, 1 mean, 2 sum; as "
           "torch.nn.functional.binary_cross_entropy",
    .layout = OP_CHANNELS_LAST, .keeps_samples = keeps_samples,
    .shape = pair_loss_ok, .forward = forward, .grad = grad, .reference = reference,
    .cases = (const OpCase[]){
        {"4,5 4,5", "", CASE_UNIT},
        {"2,3,4,5 2,3,4,5 2,3,4,5", "reduction=0", CASE_UNIT | CASE_CONST_LAST},
        {"7 7 7", "reduction=2", CASE_UNIT | CASE_CONST_LAST},
        {0}},
};
