/* Gradient of the losses of pairs by their input or their target. */
#include "loss.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  Shape loss;
  *out = in[1];
  if (!(attr[PAIR_KIND] >= LOSS_MSE && attr[PAIR_KIND] <= LOSS_BCE_LOGITS))
    return err_set(e, "kind must be %d to %d, got %g", LOSS_MSE, LOSS_BCE_LOGITS, attr[PAIR_KIND]);
  return pair_loss_ok(in + 1, n_in - 1, attr, &loss, e) && want_same(&in[0], "dy", &loss, "the loss", e);
}

static void forward(const Call *c) {
  kern->pair_loss_dx(c->out.data, c->in[0].data, c->in[1].data, c->in[2].data, data_or_null(c, 3), data_or_null(c, 4),
                     (PairLoss)(int)c->attr[PAIR_KIND], c->attr[PAIR_BETA], (int)c->attr[PAIR_REDUCTION],
                     c->attr[PAIR_BY_TARGET] != 0, shape_count(&c->out.shape));
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)is;
  int64_t n = shape_count(os);
  for (int64_t i = 0; i < n; i++) {
    double x = in[1][i], t = in[2][i], d = x - t, beta = attr[PAIR_BETA], pw = n_in > 4 && in[4] ? in[4][i] : 1, g = 0;
    double sign = (d > 0) - (d < 0), by_target = 0;
    switch ((PairLoss)(int)attr[PAIR_KIND]) {
    case LOSS_MSE: g = 2 * d; break;
    case LOSS_L1: g = sign; break;
    case LOSS_SMOOTH_L1: g = fabs(d) < beta ? d / beta : sign; break;
    case LOSS_HUBER: g = fabs(d) < beta ? d : beta * sign; break;
    case LOSS_BCE:
      g = d / fmax(x * (1 - x), 1e-12);
      by_target = fmax(log1p(-x), -100) - fmax(log(x), -100);
      break;
    case LOSS_BCE_LOGITS:
      g = (1 - t) - (1 + (pw - 1) * t) / (1 + exp(x));
      by_target = -x + (pw - 1) * log1p(exp(-x));
      break;
    }
    bool own = attr[PAIR_KIND] == LOSS_BCE || attr[PAIR_KIND] == LOSS_BCE_LOGITS;
    if (attr[PAIR_BY_TARGET] != 0) g = own ? by_target : -g;
    g *= attr[PAIR_REDUCTION] == REDUCE_NONE ? in[0][i] : in[0][0] / (attr[PAIR_REDUCTION] == REDUCE_MEAN ? (double)n : 1);
    out[i] = g * (n_in > 3 && in[3] ? in[3][i] : 1);
  }
}

const Op op_pair_loss_dx = {
    .name = "pair_loss_dx",
    .args = "dy input target weight? pos_weight? | reduction=1 beta=1.0 kind=0 by_target=0",
    .doc = "d loss / d input (or target) times dy; kind 0 mse, 1 l1, 2 smooth l1, 3 huber, 4 binary cross entropy, 5 the same of "
           "logits; beta is huber's delta too",
    .layout = OP_CHANNELS_LAST,
    .shape = shape, .forward = forward, .reference = reference,
    .cases = (const OpCase[]){
        {". 4,5 4,5", "", CASE_NO_GRAD},
        {"4,5 4,5 4,5", "kind=1 reduction=0", CASE_NO_GRAD},
        {". 4,5 4,5", "kind=2 beta=0.5 by_target=1", CASE_NO_GRAD},
        {". 4,5 4,5", "kind=3 reduction=2", CASE_NO_GRAD},
        {". 4,5 4,5", "kind=4", CASE_NO_GRAD},
        {"2,3,4,5 2,3,4,5 2,3,4,5 2,3,4,5 2,3,4,5", "kind=5 reduction=0", CASE_NO_GRAD},
        {". 33 33 - 33", "kind=5 by_target=1", CASE_NO_GRAD},
        {0}},
};
