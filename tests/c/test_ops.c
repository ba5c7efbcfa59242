/* Every op of the registry against its reference, on each instruction set this CPU has (a process each, since plans and
 * kernels are chosen once): one test per op, made from its cases.
 *  - forward through the engine, and called directly between guard values in every mix of memory orders and in place,
 *    against the reference in double;
 *  - gradients through the engine against central differences of the reference;
 *  - one thread and two give the same bits.
 * Errors are relative to the largest value. SEED=n in the environment draws other numbers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "graph.h"
#include "kernels/kernels.h"

static const double FORWARD_TOLERANCE = 1e-5, GRAD_TOLERANCE = 1e-3, STEP = 1e-5;
enum { PROBES = 150 }; /* elements of an input whose gradient is checked */

static uint64_t seed = 20250601, state;
static double uniform(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (double)(state >> 11) * 0x1p-53;
}
static double normal(void) { return sqrt(-2 * log(1 - uniform())) * cos(2 * M_PI * uniform()); }

/* A case with its numbers: inputs row-major, rounded to float32. */
typedef struct Trial {
  const Op *op;
  const OpCase *row;
  double attr[MAX_ATTR];
  int n_in;
  Shape in_shape[MAX_IN], out_shape;
  double *in[MAX_IN], *out, *weight; /* weight: dy */
} Trial;

#define fails(t, ...) fails_at(__LINE__, t, __VA_ARGS__)
static void __attribute__((format(printf, 3, 4))) fails_at(int line, const Trial *t, const char *fmt, ...) {
  char text[400];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  fail_msg("op %s, case {\"%s\", \"%s\"}, %s, seed %llu (line %d): %s", t->op->name, t->row->shapes, t->row->attrs, kern->isa,
           (unsigned long long)seed, line, text);
}

static void *get(size_t n, size_t size) {
  void *p = calloc(n + 1, size);
  assert_non_null(p);
  return p;
}

static double attr_named(const Op *op, const double *attr, const char *name, double other) {
  OpArg arg[MAX_IN + MAX_ATTR];
  for (int i = 0, n = op_args(op, arg, MAX_IN + MAX_ATTR); i < n; i++)
    if (!arg[i].input && !strcmp(arg[i].name, name)) return attr[arg[i].slot];
  return other;
}

static void draw(Trial *t) {
  int last = -1;
  int64_t total = 0, at = 0;
  for (int i = 0; i < t->n_in; i++)
    if (t->in_shape[i].rank >= 0) last = i, total += shape_count(&t->in_shape[i]);
  int64_t *order = get((size_t)total, sizeof *order); /* for kinks: a grid in random order, all different */
  for (int64_t i = 0; i < total; i++) {
    int64_t j = (int64_t)(uniform() * (double)(i + 1));
    order[i] = order[j];
    order[j] = i;
  }
  for (int i = 0; i < t->n_in; i++) {
    const Shape *s = &t->in_shape[i];
    if (s->rank < 0) continue;
    int64_t count = shape_count(s);
    t->in[i] = get((size_t)count, sizeof(double));
    double bound = 0;
    if ((t->row->flags & CASE_INDEX_LAST) && i == last) {
      const Shape *x = &t->in_shape[0];
      int d = (int)attr_named(t->op, t->attr, "dim", x->rank > 1 ? 1 : 0);
      bound = (double)x->dim[d < 0 ? d + x->rank : d];
    }
    for (int64_t k = 0; k < count; k++, at++) {
      double v = normal();
      if (bound > 0) v = floor(uniform() * bound);
      else if (t->row->flags & CASE_COARSE) v = floor(uniform() * 5) - 2;
      else if (t->row->flags & CASE_UNIT) v = 0.05 + 0.9 * uniform();
      else if (t->row->flags & CASE_POSITIVE) v = 0.5 + uniform();
      else if (t->row->flags & CASE_KINKS) v = (order[at] % 2 ? 1 : -1) * (0.11 + 1.9 * ((double)order[at] + 0.5) / (double)total);
      t->in[i][k] = (double)(float)v;
    }
  }
  free(order);
}

static void run_reference(const Trial *t, double *out) {
  t->op->reference((const double *const *)t->in, t->in_shape, t->n_in, t->attr, out, &t->out_shape);
}

static void trial_begin(Trial *t, const Op *op, const OpCase *row) {
  *t = (Trial){.op = op, .row = row};
  state = seed * 0x9e3779b97f4a7c15u + (uint64_t)(row - op->cases) + 1;
  for (const char *c = op->name; *c; c++) state = state * 31 + (uint64_t)*c;
  Err e;
  if (!op_attrs_parse(op, row->attrs, t->attr, &e)) fails(t, "%s", e.text);
  char text[300], *save = NULL;
  snprintf(text, sizeof text, "%s", row->shapes);
  for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
    Shape *s = &t->in_shape[t->n_in++];
    s->rank = strcmp(w, "-") ? 0 : -1;
    if (*w == '-' || *w == '.') continue;
    for (char *p = w; *p; p += *p == ',') s->dim[s->rank++] = strtoll(p, &p, 10);
  }
  for (int i = t->n_in; i < MAX_IN; i++) t->in_shape[i].rank = -1;
  if (!op->shape(t->in_shape, t->n_in, t->attr, &t->out_shape, &e)) fails(t, "the shape rule says: %s", e.text);
  draw(t);
  int64_t count = shape_count(&t->out_shape);
  t->out = get((size_t)count, sizeof(double));
  t->weight = get((size_t)count, sizeof(double));
  for (int64_t i = 0; i < count; i++) t->weight[i] = (double)(float)normal();
  if (op->reference) run_reference(t, t->out);
}
static void trial_end(Trial *t) {
  for (int i = 0; i < t->n_in; i++) free(t->in[i]);
  free(t->out);
  free(t->weight);
}

/* Both NaN, both the same infinity, or close as the largest finite value goes. */
static void check_close(const Trial *t, const char *what, const float *got, const double *want, int64_t n, double tolerance) {
  double top = 1e-30;
  for (int64_t i = 0; i < n; i++)
    if (isfinite(want[i]) && fabs(want[i]) > top) top = fabs(want[i]);
  for (int64_t i = 0; i < n; i++) {
    bool same = isnan(want[i]) ? isnan(got[i]) : isinf(want[i]) ? got[i] == (float)want[i] : fabs(got[i] - want[i]) <= tolerance * top;
    if (!same) fails(t, "%s: element %lld is %.9g, should be %.9g (largest %.3g)", what, (long long)i, got[i], want[i], top);
  }
}

/* --- through the engine --- */

static Node *leaf(const Trial *t, const Shape *s, const double *rows) {
  Err e;
  int64_t count = shape_count(s);
  Tensor *x = tensor_new(s, &e);
  if (!x) fails(t, "%s", e.text);
  float *f = get((size_t)count, sizeof *f);
  for (int64_t i = 0; i < count; i++) f[i] = (float)rows[i];
  tensor_from_rows(x, f);
  free(f);
  Node *n = node_leaf(x, &e);
  if (!n) fails(t, "%s", e.text);
  return n;
}

static float *rows_of(const Node *n) {
  float *f = get((size_t)n->value->count, sizeof *f);
  tensor_to_rows(n->value, f);
  return f;
}

/* The value, and with `grads` d sum(y * weight) / d input, each NULL where none came. */
static float *engine(const Trial *t, int threads, float **grads) {
  Err e;
  Builder b;
  Node *in[MAX_IN] = {0};
  kernels_threads(threads);
  graph_seed_set(seed);
  for (int i = 0; i < t->n_in; i++) {
    if (!t->in[i]) continue;
    in[i] = leaf(t, &t->in_shape[i], t->in[i]);
    in[i]->requires_grad = grads != NULL;
  }
  builder_begin(&b, &e);
  Node *y = build(&b, t->op, t->attr, t->n_in, in);
  if (!y) fails(t, "build: %s", e.text);
  if (!shape_equal(&y->shape, &t->out_shape)) fails(t, "the node has shape %s, the rule says %s", SHAPE_STR(&y->shape), SHAPE_STR(&t->out_shape));
  if (grads && y->requires_grad) {
    Node *dy = leaf(t, &t->out_shape, t->weight);
    if (!graph_backward(y, dy, true, &e)) fails(t, "backward: %s", e.text);
    node_unref(dy);
    for (int i = 0; i < t->n_in; i++) {
      grads[i] = in[i] && in[i]->grad ? rows_of(in[i]->grad) : NULL;
      if (grads[i] && !shape_equal(&in[i]->grad->shape, &t->in_shape[i])) fails(t, "gradient %d has shape %s", i, SHAPE_STR(&in[i]->grad->shape));
    }
  }
  if (!y->value && !graph_eval(&y, 1, &e)) fails(t, "eval: %s", e.text);
  float *out = rows_of(y);
  builder_end(&b);
  for (int i = 0; i < t->n_in; i++)
    if (in[i]) node_unref(in[i]);
  return out;
}

static void check_same_bits(const Trial *t, const char *what, const float *a, const float *b, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (memcmp(&a[i], &b[i], sizeof *a)) fails(t, "%s: element %lld is %.9g with one thread, %.9g with two", what, (long long)i, a[i], b[i]);
}

static void check_engine(const Trial *t) {
  int64_t count = shape_count(&t->out_shape);
  float *one = engine(t, 1, NULL), *two = engine(t, 2, NULL);
  if (t->op->reference) check_close(t, "engine", one, t->out, count, FORWARD_TOLERANCE);
  check_same_bits(t, "value", one, two, count);
  free(one);
  free(two);
}

static bool is_constant(const Trial *t, int i) {
  for (int k = i + 1; k < t->n_in; k++)
    if (t->in[k]) return false;
  return t->row->flags & (CASE_INDEX_LAST | CASE_CONST_LAST);
}

/* d sum(reference * weight) / d in[i][k] */
static double difference(const Trial *t, int i, int64_t k, double *out) {
  double x = t->in[i][k], sum[2] = {0};
  for (int side = 0; side < 2; side++) {
    t->in[i][k] = x + (side ? STEP : -STEP);
    run_reference(t, out);
    for (int64_t j = 0, count = shape_count(&t->out_shape); j < count; j++) sum[side] += out[j] * t->weight[j];
  }
  t->in[i][k] = x;
  return (sum[1] - sum[0]) / (2 * STEP);
}

static void check_grads(const Trial *t) {
  float *one[MAX_IN] = {0}, *two[MAX_IN] = {0};
  double *scratch = get((size_t)shape_count(&t->out_shape), sizeof *scratch);
  free(engine(t, 1, one));
  free(engine(t, 2, two));
  for (int i = 0; i < t->n_in; i++) {
    if (!t->in[i] || is_constant(t, i)) continue;
    int64_t count = shape_count(&t->in_shape[i]), n = count < PROBES ? count : PROBES;
    float *got = get((size_t)n, sizeof *got);
    double *want = get((size_t)n, sizeof *want);
    for (int64_t k = 0; k < n; k++) {
      int64_t at = n == count ? k : (int64_t)(uniform() * (double)count);
      want[k] = difference(t, i, at, scratch);
      got[k] = one[i] ? one[i][at] : 0;
    }
    char what[40];
    snprintf(what, sizeof what, "gradient of input %d", i);
    if (one[i]) check_same_bits(t, what, one[i], two[i], count);
    check_close(t, what, got, want, n, GRAD_TOLERANCE);
    free(got);
    free(want);
    free(one[i]);
    free(two[i]);
  }
  free(scratch);
}

/* --- called directly, between guards --- */

enum { GUARD = 32 };
static const float GUARD_VALUE = 12345.0f;

static float *guarded(int64_t n) {
  float *p = aligned_alloc(64, ((size_t)(n + 2 * GUARD) * sizeof *p + 63) / 64 * 64);
  assert_non_null(p);
  for (int64_t i = 0; i < n + 2 * GUARD; i++) p[i] = i < GUARD || i >= n + GUARD ? GUARD_VALUE : NAN;
  return p + GUARD;
}
static void drop_guarded(const Trial *t, const char *what, float *p, int64_t n) {
  for (int i = 0; i < GUARD; i++)
    if (p[-1 - i] != GUARD_VALUE || p[n + i] != GUARD_VALUE) fails(t, "%s: wrote outside", what);
  free(p - GUARD);
}

/* mix: 0 all channels-last, 1 all row-major, 2 and 3 alternating. */
static Layout layout_for(const Trial *t, int mix, int i) {
  if (t->op->layout != OP_ANY) return t->op->layout == OP_CHANNELS_LAST ? CHANNELS_LAST : ROW_MAJOR;
  return mix == 0 ? CHANNELS_LAST : mix == 1 ? ROW_MAJOR : (i + mix) % 2 ? CHANNELS_LAST : ROW_MAJOR;
}

static View guarded_view(const Shape *s, Layout layout, const double *rows) {
  View v = {.shape = *s, .layout = s->rank == 4 ? layout : ROW_MAJOR};
  int64_t count = shape_count(s);
  v.data = guarded(count);
  if (!rows) return v;
  float *f = get((size_t)count, sizeof *f);
  for (int64_t i = 0; i < count; i++) f[i] = (float)rows[i];
  layout_copy(v.data, v.layout, f, ROW_MAJOR, s);
  free(f);
  return v;
}

static void check_direct(const Trial *t, int mix, bool in_place) {
  Call c = {.attr = t->attr, .seed = seed, .n_in = t->n_in};
  const Op *op = t->op;
  char what[60];
  snprintf(what, sizeof what, "called with layouts %d%s", mix, in_place ? " in place" : "");
  for (int i = 0; i < MAX_IN; i++) {
    c.in[i].shape.rank = -1;
    if (t->in[i]) c.in[i] = guarded_view(&t->in_shape[i], layout_for(t, mix, i), t->in[i]);
  }
  Layout to = layout_for(t, mix, 0); /* as op.h says: that of the first rank-4 input of the output's shape, else the first */
  for (int i = t->n_in - 1, same = 0; i >= 0; i--) {
    if (t->in_shape[i].rank != 4) continue;
    bool fits = shape_equal(&t->in_shape[i], &t->out_shape);
    if (fits || !same) to = c.in[i].layout;
    same |= fits;
  }
  if (!strcmp(op->name, "layout")) to = to == ROW_MAJOR ? CHANNELS_LAST : ROW_MAJOR;
  if (in_place) c.out = (View){.data = c.in[0].data, .shape = c.in[0].shape, .layout = c.in[0].layout};
  else c.out = guarded_view(&t->out_shape, to, NULL);
  int64_t scratch = op->scratch ? (int64_t)(op->scratch(t->in_shape, t->n_in, t->attr, &t->out_shape) + sizeof(float) - 1) / (int64_t)sizeof(float) : 0;
  float *work = guarded(scratch);
  c.scratch = work;
  if (op->fuses == FUSE_MAP && t->n_in > 2) c.epilogue.shift = c.in[2].data; /* as the executor hands over a bias */
  op->forward(&c);
  drop_guarded(t, "scratch", work, scratch);
  int64_t count = shape_count(&t->out_shape);
  float *rows = get((size_t)count, sizeof *rows);
  layout_copy(rows, ROW_MAJOR, c.out.data, c.out.layout, &t->out_shape);
  if (op->reference) check_close(t, what, rows, t->out, count, FORWARD_TOLERANCE);
  free(rows);
  if (!in_place) drop_guarded(t, what, c.out.data, count);
  for (int i = 0; i < t->n_in; i++) {
    if (!t->in[i]) continue;
    int64_t n = shape_count(&t->in_shape[i]);
    if (!(in_place && i == 0)) { /* inputs are only read */
      float *now = get((size_t)n, sizeof *now);
      layout_copy(now, ROW_MAJOR, c.in[i].data, c.in[i].layout, &t->in_shape[i]);
      for (int64_t k = 0; k < n; k++)
        if (now[k] != (float)t->in[i][k]) fails(t, "%s: input %d was changed", what, i);
      free(now);
    }
    drop_guarded(t, what, c.in[i].data, n);
  }
}

static bool mixes(const Trial *t) {
  if (t->op->layout != OP_ANY) return false;
  for (int i = 0; i < t->n_in; i++)
    if (t->in_shape[i].rank == 4) return true;
  return t->out_shape.rank == 4;
}

static void test_op(void **given) {
  const Op *op = *given;
  if (!op->cases || !op->cases[0].shapes) fail_msg("op %s has no cases", op->name);
  for (const OpCase *row = op->cases; row->shapes; row++) {
    Trial t;
    trial_begin(&t, op, row);
    if (!op->reference && !(row->flags & CASE_RANDOM)) fails(&t, "the op has no reference");
    if (!op->grad && !(row->flags & (CASE_NO_GRAD | CASE_RANDOM))) fails(&t, "the op has no gradient, and the case does not say CASE_NO_GRAD");
    check_engine(&t);
    for (int mix = 0; mix < (mixes(&t) ? 4 : 1); mix++) {
      check_direct(&t, mix, false);
      if (op->in_place && shape_equal(&t.in_shape[0], &t.out_shape)) check_direct(&t, mix, true);
    }
    if (op->grad && op->reference && !(row->flags & (CASE_NO_GRAD | CASE_RANDOM))) check_grads(&t);
    trial_end(&t);
  }
}

/* In a process for each instruction set, before any thread exists. */
static int run_isa(const char *isa) {
  fflush(NULL);
  pid_t child = fork();
  if (child) {
    int status = 1;
    waitpid(child, &status, 0);
    return status != 0;
  }
  setenv("SUTURE_ISA", isa, 1);
  kernels_init();
  if (strcmp(kern->isa, isa)) {
    printf("skipped: this CPU has no %s\n", isa);
    exit(0);
  }
  struct CMUnitTest *tests = get((size_t)op_count, sizeof *tests);
  for (int i = 0; i < op_count; i++) tests[i] = (struct CMUnitTest){.name = op_table[i]->name, .test_func = test_op, .initial_state = (void *)(uintptr_t)op_table[i]};
  char group[40];
  snprintf(group, sizeof group, "ops %s", isa);
  int failed = _cmocka_run_group_tests(group, tests, (size_t)op_count, NULL, NULL);
  free(tests);
  exit(failed != 0);
}

int main(void) {
  if (getenv("SEED")) seed = strtoull(getenv("SEED"), NULL, 10);
  printf("test_ops: seed %llu\n", (unsigned long long)seed);
  int failed = 0;
  static const char *const isas[] = {"sse2", "avx2", "avx512"};
  for (int i = 0; i < 3; i++) failed += run_isa(isas[i]);
  return failed != 0;
}
