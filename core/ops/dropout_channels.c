/* Dropout of whole channels (Tompson et al. 2015): nn.Dropout1d, nn.Dropout2d. */
#include "common.h"

extern const Op op_dropout_channels;

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)n_in;
  if (!(attr[0] >= 0 && attr[0] <= 1)) return err_set(e, "dropout probability has to be between 0 and 1, but got %g", attr[0]);
  if (in[0].rank < 2) return err_set(e, "expects (N, C, …), got %s", SHAPE_STR(&in[0]));
  *out = in[0];
  return want_int(in[0].dim[1], "channels", &in[0], e);
}

static void forward(const Call *c) {
  const Shape *s = &c->out.shape;
  Span p = channels_of(s);
  kern->dropout_channels(c->out.data, c->in[0].data, c->attr[0], c->seed, p.outer, (int)p.len, p.inner,
                         s->rank == 4 ? s->dim[2] * s->dim[3] : 1);
}

static void grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx) {
  if (!needs[0]) return;
  dx[0] = build_a(b, &op_dropout_channels, 1, &dy, 1, n->attr);
  if (dx[0]) dx[0]->seed = n->seed;
}

const Op op_dropout_channels = {
    .name = "dropout_channels",
    .args = "x | p=0.5",
    .doc = "y[n,c,…] = x[n,c,…] / (1 - p) with probability 1 - p, else 0, all of a channel together; as "
           "torch.nn.functional.dropout2d in training",
    .layout = OP_CHANNELS_LAST, .in_place = 1, .random = true, .per_sample = true,
    .shape = shape, .forward = forward, .grad = grad,
    .cases = (const OpCase[]){
        {"4,5,3,2", "p=0.5", CASE_RANDOM},
        {"3,8,7", "p=0.2", CASE_RANDOM},
        {"3,8", "p=0", CASE_RANDOM},
        {0}},
};
