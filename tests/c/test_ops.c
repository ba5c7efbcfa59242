/* Every op of the registry against its reference, on each instruction set this CPU has: one test per op, made from its cases
 * and from the awkward sizes (sweeps, below) that its shape rule admits.
 *  - forward through the engine, and called directly between guard values in every mix of memory orders and in place,
 *    against the reference in double;
 *  - gradients through the engine against central differences of the reference;
 *  - a part of the result, and its gradients, as the engine makes it of parts of the inputs (Op.narrow), against the whole;
 *  - one thread and two give the same bits.
 * Errors are relative to the largest value. SEED=n in the environment draws other numbers. */
#include <math.h>
#include "kernel_test.h"
#include "graph.h"
#include "run.h"

static const double FORWARD_TOLERANCE = 1e-5, GRAD_TOLERANCE = 1e-3, STEP = 1e-5;
enum { PROBES = 150, PROBE_WORK = 1 << 12 }; /* elements of an input whose gradient is checked, and elements computed for it */

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
  bool swept; /* a case of the sweeps: few gradients do */
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

/* Takes the case apart; false with e filled where the op does not admit it. */
static bool trial_shapes(Trial *t, const Op *op, const OpCase *row, Err *e) {
  *t = (Trial){.op = op, .row = row};
  if (!op_attrs_parse(op, row->attrs, t->attr, e)) return false;
  char text[300], *save = NULL;
  snprintf(text, sizeof text, "%s", row->shapes);
  for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
    Shape *s = &t->in_shape[t->n_in++];
    s->rank = strcmp(w, "-") ? 0 : -1;
    if (*w == '-' || *w == '.') continue;
    for (char *p = w; *p; p += *p == ',') s->dim[s->rank++] = strtoll(p, &p, 10);
  }
  for (int i = t->n_in; i < MAX_IN; i++) t->in_shape[i].rank = -1;
  OpArg arg[MAX_IN + MAX_ATTR];
  int inputs = 0;
  for (int i = 0, n = op_args(op, arg, MAX_IN + MAX_ATTR); i < n; i++) {
    inputs += arg[i].input; /* they come before the attributes */
    if (arg[i].input && !arg[i].optional && t->in_shape[i].rank < 0) return err_set(e, "%s is missing", arg[i].name);
  }
  if (t->n_in > inputs) return err_set(e, "%d inputs, %d at most", t->n_in, inputs);
  return op->shape(t->in_shape, t->n_in, t->attr, &t->out_shape, e);
}

static void trial_begin(Trial *t, const Op *op, const OpCase *row) {
  Err e;
  if (!trial_shapes(t, op, row, &e)) fails(t, "%s", e.text);
  state = seed * 0x9e3779b97f4a7c15u + 1;
  for (const char *c = op->name; *c; c++) state = state * 31 + (uint64_t)*c;
  for (const char *c = row->shapes; *c; c++) state = state * 31 + (uint64_t)*c;
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
    int64_t count = shape_count(&t->in_shape[i]), made = shape_count(&t->out_shape), n = count < PROBES ? count : PROBES;
    if (t->swept && n * (count + made) > PROBE_WORK) n = 1 + PROBE_WORK / (count + made);
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

/* --- parts --- */

/* Every other of the last places along a dim, at most half of them; its rows, and the gradients of its elements weighted in order. whole: all of
 * y is wanted, so that it is cut out of that. Returns how many steps computed y's op for a part of it only. */
static int engine_part(const Trial *t, int dim, bool whole, float **part, float **grads) {
  Err e;
  Builder b;
  Node *in[MAX_IN] = {0};
  RunRecord ran = {0};
  int64_t size = t->out_shape.dim[dim], count = size / 4 ? size / 4 : 1, step = size > 3 ? 2 : 1, start = size - 1 - (count - 1) * step;
  int narrow = 0;
  for (int i = 0; i < t->n_in; i++) {
    if (!t->in[i]) continue;
    in[i] = leaf(t, &t->in_shape[i], t->in[i]);
    in[i]->requires_grad = t->op->grad && !is_constant(t, i);
  }
  extern const Op op_slice;
  builder_begin(&b, &e);
  Node *y = build(&b, t->op, t->attr, t->n_in, in);
  Node *s = build_a(&b, &op_slice, 1, &y, 4, (double[]){dim, (double)start, (double)size, (double)step}), *both[] = {s, y};
  if (b.failed) fails(t, "build: %s", e.text);
  run_record = &ran;
  if (!graph_eval(both, whole ? 2 : 1, &e)) fails(t, "eval: %s", e.text);
  if (s->requires_grad) {
    Node *dy = leaf(t, &s->shape, t->weight);
    if (!graph_backward(s, dy, true, &e)) fails(t, "backward: %s", e.text);
    node_unref(dy);
  }
  run_record = NULL;
  for (int i = 0; i < ran.n; i++) narrow += ran.step[i].op == t->op && shape_equal(&ran.step[i].shape, &s->shape);
  free(ran.step);
  if (s->op != &op_slice) fails(t, "the slice is not what it was: a %s", s->op->name);
  *part = rows_of(s);
  for (int i = 0; i < t->n_in; i++) grads[i] = in[i] && in[i]->grad ? rows_of(in[i]->grad) : NULL;
  builder_end(&b);
  for (int i = 0; i < t->n_in; i++) node_unref(in[i]);
  return narrow;
}

static void check_same(const Trial *t, const char *what, float *got, float *want, int64_t count, double tolerance) {
  if (!got != !want) fails(t, "%s: there is %s, of the whole %s", what, got ? "one" : "none", want ? "one" : "none");
  if (!got) return;
  double *of_whole = get((size_t)count, sizeof *of_whole);
  for (int64_t i = 0; i < count; i++) of_whole[i] = want[i];
  check_close(t, what, got, of_whole, count, tolerance);
  free(of_whole);
  free(got);
  free(want);
}

/* Along each dim that has parts. Returns how many steps were narrowed. */
static int check_parts(const Trial *t) {
  int narrow = 0;
  for (int d = 0; d < t->out_shape.rank; d++) {
    if (t->out_shape.dim[d] < 2 || !shape_count(&t->out_shape)) continue;
    float *part[2], *grads[2][MAX_IN];
    char what[80];
    narrow += engine_part(t, d, false, &part[0], grads[0]);
    engine_part(t, d, true, &part[1], grads[1]);
    int64_t size = t->out_shape.dim[d], count = shape_count(&t->out_shape) / size * (size / 4 ? size / 4 : 1);
    snprintf(what, sizeof what, "part along dim %d", d);
    check_same(t, what, part[0], part[1], count, FORWARD_TOLERANCE);
    for (int i = 0; i < t->n_in; i++) {
      if (!t->in[i]) continue;
      snprintf(what, sizeof what, "gradient of input %d by a part along dim %d", i, d);
      check_same(t, what, grads[0][i], grads[1][i], shape_count(&t->in_shape[i]), FORWARD_TOLERANCE);
    }
  }
  return narrow;
}

/* --- called directly, between guards --- */

static void drop_guarded(const Trial *t, const char *what, float *p, int64_t n) {
  if (!guards_held(p, n)) fails(t, "%s: wrote outside", what);
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

/* As op.h says: that of the first rank-4 input of the output's shape, else of the first. */
static Layout out_layout(const Trial *t, int mix) {
  Layout to = layout_for(t, mix, 0);
  for (int i = t->n_in - 1, same = 0; i >= 0; i--) {
    if (t->in_shape[i].rank != 4) continue;
    bool fits = shape_equal(&t->in_shape[i], &t->out_shape);
    if (fits || !same) to = layout_for(t, mix, i);
    same |= fits;
  }
  return to;
}

/* over: the input whose memory is the output's, too; -1: none's. */
static void check_direct(const Trial *t, int mix, int over) {
  Call c = {.attr = t->attr, .seed = seed, .n_in = t->n_in};
  const Op *op = t->op;
  char what[60];
  snprintf(what, sizeof what, over < 0 ? "called with layouts %d" : "called with layouts %d over input %d", mix, over);
  for (int i = 0; i < MAX_IN; i++) {
    c.in[i].shape.rank = -1;
    if (t->in[i]) c.in[i] = guarded_view(&t->in_shape[i], layout_for(t, mix, i), t->in[i]);
  }
  Layout to = out_layout(t, mix);
  if (!strcmp(op->name, "layout")) to = to == ROW_MAJOR ? CHANNELS_LAST : ROW_MAJOR;
  if (over >= 0) c.out = (View){.data = c.in[over].data, .shape = c.in[over].shape, .layout = c.in[over].layout};
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
  if (over < 0) drop_guarded(t, what, c.out.data, count);
  for (int i = 0; i < t->n_in; i++) {
    if (!t->in[i]) continue;
    int64_t n = shape_count(&t->in_shape[i]);
    if (i != over) { /* inputs are only read */
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

/* Returns how many steps were narrowed to parts. */
static int run_case(const Op *op, const OpCase *row, bool swept) {
  Trial t;
  int narrow = 0;
  trial_begin(&t, op, row);
  t.swept = swept;
  if (!op->reference && !(row->flags & CASE_RANDOM)) fails(&t, "the op has no reference");
  if (!op->grad && !(row->flags & (CASE_NO_GRAD | CASE_RANDOM))) fails(&t, "the op has no gradient, and the case does not say CASE_NO_GRAD");
  check_engine(&t);
  for (int mix = 0; mix < (mixes(&t) ? 4 : 1); mix++) {
    check_direct(&t, mix, -1);
    for (int k = 0; k < op->in_place; k++)
      if (shape_equal(&t.in_shape[k], &t.out_shape) && layout_for(&t, mix, k) == out_layout(&t, mix)) check_direct(&t, mix, k);
  }
  if (op->grad && op->reference && !(row->flags & (CASE_NO_GRAD | CASE_RANDOM))) check_grads(&t);
  if (op->narrow) narrow = check_parts(&t);
  trial_end(&t);
  return narrow;
}

/* --- awkward sizes --- */

/* Vectors' ends, maps of one pixel, channels that fill no vector; the last is large enough for every kernel to cut it in
 * pieces for threads. */
typedef struct Size { int n, c, h, w; } Size;
static const Size sizes[] = {
  {1, 1, 1, 1},  {3, 3, 1, 1},  {1, 17, 1, 1},  {3, 33, 1, 1},  {3, 1, 7, 7},   {1, 3, 7, 7},   {3, 17, 7, 7},
  {1, 33, 7, 7}, {1, 1, 13, 9}, {3, 3, 13, 9},  {1, 17, 13, 9}, {3, 33, 13, 9}, {3, 33, 31, 17},
};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* Cases with the letters N, C, H, W for sizes. Each is for all ops that admit it, numbers drawn as for their first case. */
static const OpCase sweeps[] = {
  {"N,C,H,W", "", 0}, {"N,C,H,W", "dim=1", 0}, {"N,C,H,W", "dims=1", 0}, {"N,C,H,W", "dims=2,3", 0}, {"N,C,H,W", "dims=0,2,3 keepdim=1", 0},
  {"N,C,H,W", "dims=0,2,3,1", 0}, {"N,C,H,W", "shape=N,-1", 0}, {"N,C,1,W", "shape=N,C,H,W", 0}, {"N,C,H,W", "start=1 dim=1 step=2", 0},
  {"N,C,H,W", "pad=1,2,0,3", 0}, {"N,C,H,W", "kernel=1 stride=2", 0}, {"N,C,H,W", "kernel=3 stride=2 padding=1", 0},
  {"N,C,H,W", "kernel=7 stride=1 padding=3", 0}, {"N,C,H,W", "size=3,5", 0}, {"N,C,3,5", "size=H,W", 0},
  {"N,C,H,W N,C,H,W", "", 0}, {"N,C,H,W N,C,H,W", "reduction=0", 0}, {"N,C,H,W N,C,H,W", "dim=1", 0}, {"N,C,H,W C,1,1", "", CASE_NO_GRAD},
  {"N,C,H,W N,C,1,1", "", CASE_NO_GRAD}, {". N,C,H,W", "", CASE_NO_GRAD}, {". N,C,H,W N,C,H,W", "", CASE_NO_GRAD}, {"N,C,H,W N,C,H,W N,C,H,W", "", CASE_NO_GRAD},
  {"N,C,H,W C,1,1 N,1,1,1", "", CASE_NO_GRAD}, {"N,C,H,W N,H,W", "", CASE_INDEX_LAST}, {"N,C,H,W N,H,W", "reduction=0", CASE_INDEX_LAST},
  {"N,C,H,W C C C C", "", CASE_POSITIVE}, {"N,C,H,W 2,C C C", "", CASE_POSITIVE | CASE_NO_GRAD},
  {"N,C,H,W N,C,H,W 2,C", "", CASE_POSITIVE | CASE_NO_GRAD}, {"N,C,H,W N,C,H,W 2,C C 2,C", "", CASE_POSITIVE | CASE_NO_GRAD},
  {"N,C,H,W N,C,H,W C C C", "", CASE_POSITIVE | CASE_NO_GRAD}, {"N,C,H,W N,C,H,W N,C,H,W", "kernel=1 stride=1", CASE_NO_GRAD},
  {"N,C,H,W C", "dim=1 size=C", CASE_INDEX_LAST}, {"N,C,H,W 5,W 5", "", 0},
  {"N,C,H,W N,C,W,H", "", 0}, {"N,C,H,W N,C,H,W", "ta=1", 0}, {"N,C,H,W N,C,H,W", "tb=1", 0}, {"N,C,H,W C,C,1,1 C", "", 0},
};
enum { SWEEPS = sizeof sweeps / sizeof *sweeps };
static int admitted[SWEEPS];

static void fill_letters(char *to, size_t room, const char *text, const Size *s) {
  to[0] = 0;
  for (size_t at = 0; *text; text++) {
    int size = *text == 'N' ? s->n : *text == 'C' ? s->c : *text == 'H' ? s->h : s->w;
    at += (size_t)snprintf(to + at, room - at, strchr("NCHW", *text) ? "%d" : "%c", strchr("NCHW", *text) ? size : *text);
  }
}

static void test_op(void **given) {
  const Op *op = *given;
  if (!op->cases || !op->cases[0].shapes) fail_msg("op %s has no cases", op->name);
  int narrow = 0;
  for (const OpCase *row = op->cases; row->shapes; row++) narrow += run_case(op, row, false);
  if (op->narrow && op->layout != OP_ALIAS && !narrow) fail_msg("op %s can be narrowed, and never is", op->name);
  for (int i = 0; i < SWEEPS; i++)
    for (int k = 0; k < SIZES; k++) {
      if ((sweeps[i].flags ^ op->cases[0].flags) & CASE_INDEX_LAST) continue;
      char shapes[100], attrs[100];
      fill_letters(shapes, sizeof shapes, sweeps[i].shapes, &sizes[k]);
      fill_letters(attrs, sizeof attrs, sweeps[i].attrs, &sizes[k]);
      OpCase row = {shapes, attrs, sweeps[i].flags | op->cases[0].flags};
      Trial t;
      Err e;
      if (!trial_shapes(&t, op, &row, &e)) continue;
      /* Where memory is watched, which takes long, each size with every third op that admits it. */
      if (admitted[i]++ % 3 == 0 || !SANITIZED) run_case(op, &row, true);
    }
}

static void test_sweeps_are_for_something(void **unused) {
  (void)unused;
  for (int i = 0; i < SWEEPS; i++)
    if (!admitted[i]) fail_msg("no op admits {\"%s\", \"%s\"}", sweeps[i].shapes, sweeps[i].attrs);
}

static int all_ops(void) {
  struct CMUnitTest *tests = get((size_t)op_count + 1, sizeof *tests);
  for (int i = 0; i < op_count; i++) tests[i] = (struct CMUnitTest){.name = op_table[i]->name, .test_func = test_op, .initial_state = (void *)(uintptr_t)op_table[i]};
  tests[op_count] = (struct CMUnitTest)cmocka_unit_test(test_sweeps_are_for_something);
  char group[40];
  snprintf(group, sizeof group, "ops %s", kern->isa);
  int failed = _cmocka_run_group_tests(group, tests, (size_t)op_count + 1, NULL, NULL);
  free(tests);
  return failed;
}

int main(void) {
  if (getenv("SEED")) seed = strtoull(getenv("SEED"), NULL, 10);
  printf("test_ops: seed %llu\n", (unsigned long long)seed);
  return each_isa(all_ops) != 0;
}
