/* One row of a table of per-channel values: the weight's or the bias's share of bn_dparam. */
#include "norm.h"

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)n_in;
  if (in[0].rank != 2) return err_set(e, "expects (rows, C), got %s", SHAPE_STR(&in[0]));
  if (!want_whole(attr, 0, 1, 0, "row", e)) return false;
  if (attr[0] >= (double)in[0].dim[0]) return err_set(e, "row %g is out of range for %s", attr[0], SHAPE_STR(&in[0]));
  *out = shape_of(1, &in[0].dim[1]);
  return true;
}

static void forward(const Call *c) {
  int64_t n = c->out.shape.dim[0];
  memcpy(c->out.data, c->in[0].data + (int64_t)c->attr[0] * n, (size_t)n * sizeof(float));
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)n_in, (void)is;
  memcpy(out, in[0] + (int64_t)attr[0] * os->dim[0], (size_t)os->dim[0] * sizeof *out);
}

const Op op_bn_row = {
    .name = "bn_row",
    .args = "x | row=0",
    .doc = "y[c] = x[row,c]",
    .layout = OP_ROW_MAJOR,
    .shape = shape, .forward = forward, .reference = reference,
    .cases = (const OpCase[]){{"2,5", "row=1", CASE_NO_GRAD}, {"4,1", "", CASE_NO_GRAD}, {0}},
};
