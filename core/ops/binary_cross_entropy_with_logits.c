/* Binary cross entropy of logits. */
#include "loss.h"

static void forward(const Call *c) { pair_loss_forward(c, LOSS_BCE_LOGITS); }

static void grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx) { pair_loss_grad(b, n, dy, needs, dx, LOSS_BCE_LOGITS); }

static double value(double x, double t, double pw, double beta) {
  (void)beta;
  return (1 - t) * x + (1 + (pw - 1) * t) * (log1p(exp(-fabs(x))) + fmax(-x, 0));
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)os;
  pair_loss_reference(in, is, n_in, attr, out, value);
}

static bool keeps_samples(const Shape *in, int n_in, const double *attr) {
  (void)n_in;
  return attr[PAIR_REDUCTION] == REDUCE_NONE && in[0].rank > 1;
}

const Op op_binary_cross_entropy_with_logits = {
    .name = "binary_cross_entropy_with_logits",
    .args = "input target weight? pos_weight? | reduction=1",
    .doc = "weight ((1 - t) x + (1 + (pos_weight - 1) t) log(1 + exp(-x))), x input, t target of its shape; reduction 0 none, 1 mean, 2 sum; as "
           "torch.nn.functional.binary_cross_entropy_with_logits",
    .layout = OP_CHANNELS_LAST, .keeps_samples = keeps_samples,
    .shape = pair_loss_ok, .forward = forward, .grad = grad, .reference = reference,
    .cases = (const OpCase[]){
        {"4,5 4,5", "", 0},
        {"2,3,4,5 2,3,4,5", "reduction=0", 0},
        {"33 33 33 33", "reduction=2", CASE_NO_GRAD},
        {"4,5 4,5 - 4,5", "", CASE_NO_GRAD},
        {". .", "", 0},
        {0}},
};
