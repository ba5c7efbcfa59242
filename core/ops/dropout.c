/* Dropout (Srivastava, Hinton et al. 2014). Rank 4 is held channels-last, so that an element's place, which decides its
 * draw, is the same in the gradient. */
#include "common.h"

extern const Op op_dropout;

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)n_in;
  if (!(attr[0] >= 0 && attr[0] <= 1)) return err_set(e, "dropout probability has to be between 0 and 1, but got %g", attr[0]);
  *out = in[0];
  return true;
}

static void forward(const Call *c) {
  kern->dropout(c->out.data, c->in[0].data, c->attr[0], c->seed, shape_count(&c->out.shape));
}

static void grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx) {
  if (!needs[0]) return;
  dx[0] = build_a(b, &op_dropout, 1, &dy, 1, n->attr);
  if (dx[0]) dx[0]->seed = n->seed;
}

const Op op_dropout = {
    .name = "dropout",
    .args = "x | p=0.5",
    .doc = "y = x / (1 - p) with probability 1 - p, else 0, each element alone; as torch.nn.functional.dropout in training",
    .layout = OP_CHANNELS_LAST, .in_place = 1, .random = true, .per_sample = true,
    .shape = shape, .forward = forward, .grad = grad,
    .cases = (const OpCase[]){
        {"4,50", "p=0.5", CASE_RANDOM},
        {"2,3,8,7", "p=0.2", CASE_RANDOM},
        {"7", "p=0", CASE_RANDOM},
        {"3,5,2", "p=1", CASE_RANDOM},
        {".", "p=0.1", CASE_RANDOM},
        {0}},
};
