/* Batch statistics over all processes that share a batch: what one of them found of its part becomes what all find together. With S the
 * sum over processes and n the values per channel of each (N = S n):
 *   of = 0: bn_stats (mean, var)   ->  mean' = S(n mean) / N,  var' = S(n (var + mean^2)) / N - mean'^2
 *   of = 1: bn_dparam              ->  S dparam n / N, which bn_dx divides by n; 0 in a process whose batch counts nothing
 *   of = 2: what of = 0 gave       ->  the same, var times N / (N - 1) (n - 1) / n: unbiased where it is made so by n / (n - 1)
 * Sums are in double, so the difference of squares loses nothing that float32 had. As torch.nn.SyncBatchNorm. */
#include "norm.h"
#include "ranks.h"
#include <stdlib.h>

double (*ranks_sum)(double *v, int n);

static bool shape(const Shape *in, int n_in, const double *attr, Shape *out, Err *e) {
  (void)n_in;
  *out = in[1];
  return bn_input_ok(&in[0], e) && bn_rows_ok(&in[1], "stats", 2, &in[0], e) && want_whole(attr, 0, 1, 0, "of", e) &&
         (attr[0] <= 2 || err_set(e, "of is 0, 1 or 2, got %g", attr[0]));
}

static size_t scratch(const Shape *in, int n_in, const double *attr, const Shape *out) {
  (void)n_in, (void)attr, (void)out;
  return ((size_t)(2 * in[1].dim[1]) + 1) * sizeof(double);
}

static void forward(const Call *c) {
  int64_t channels = c->in[1].shape.dim[1];
  double n = bn_count(&c->in[0].shape), *v = (double *)c->scratch;
  const float *in = c->in[1].data;
  float *out = c->out.data;
  int of = (int)c->attr[0];
  if (!ranks_sum) {
    memcpy(out, in, (size_t)(2 * channels) * sizeof *out);
    return;
  }
  for (int64_t j = 0; j < channels; j++) {
    double a = in[j], b = in[channels + j];
    v[j] = of ? a : n * a;
    v[channels + j] = of ? b : n * (b + a * a);
  }
  v[2 * channels] = n;
  double counts = of < 2 ? ranks_sum(v, (int)(2 * channels + 1)) : ranks_sum(v + 2 * channels, 1);
  double all = v[2 * channels];
  for (int64_t j = 0; j < channels; j++) {
    double a = v[j], b = v[channels + j];
    if (of == 0) {
      double mean = a / all, var = b / all - mean * mean;
      a = mean, b = var > 0 ? var : 0;
    } else if (of == 1) a *= counts * n / all, b *= counts * n / all;
    else b *= all / (all - 1) * (n - 1) / n;
    out[j] = (float)a, out[channels + j] = (float)b;
  }
}

/* bn_train's gradient already runs through the statistics. */
static void grad(Builder *b, Node *n, Node *dy, const bool *needs, Node **dx) {
  (void)b, (void)n, (void)dy, (void)needs, (void)dx;
}

static void reference(const double *const *in, const Shape *is, int n_in, const double *attr, double *out, const Shape *os) {
  (void)is, (void)n_in, (void)attr;
  memcpy(out, in[1], (size_t)shape_count(os) * sizeof *out);
}

const Op op_bn_ranks = {
    .name = "bn_ranks",
    .args = "x stats | of=0",
    .doc = "per-channel sums of one process (bn_stats of x, or with of=1 bn_dparam) become those over all processes that share a batch; "
           "in one process the same; as torch.nn.SyncBatchNorm",
    .layout = OP_CHANNELS_LAST,
    .shape = shape, .forward = forward, .grad = grad, .scratch = scratch, .reference = reference,
    .cases = (const OpCase[]){
        {"4,3,5,6 2,3", "", CASE_POSITIVE | CASE_NO_GRAD},
        {"5,7 2,7", "of=1", CASE_NO_GRAD},
        {"4,3,9 2,3", "of=2", CASE_POSITIVE | CASE_NO_GRAD},
        {0}},
};
