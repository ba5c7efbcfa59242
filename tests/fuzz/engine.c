/* Random graphs of all ops at random shapes, through the planner and the kernels, against the plain loops of each op (Op.reference)
 * in double. The bytes choose ops (by a row of their cases, whose sizes and attributes are exchanged for others), what they read,
 * and which leaves want a gradient. The loops run twice, once with an error of some units in the last place behind each op: how far
 * the two lie apart says how exact the answer can be. A gradient is compared along one direction with the loops' difference
 * quotient. */
#include <float.h>
#include <math.h>
#include "fuzz.h"
#include "graph.h"
#include "kernels/kernels.h"

enum { VALUES = 40, OPS = 9, COUNT = 3000, WORK = 300000 };
static const double EXACT = 1e-5, SLACK = 8, STEP = 1e-5;

typedef struct Value {
  Node *node;
  Shape shape;
  const Op *op; /* NULL: a leaf */
  double attr[MAX_ATTR];
  int n_in, in[MAX_IN]; /* -1: absent */
  double *x, *near, *side; /* as the loops make it; with errors; along the direction */
  bool exact;   /* made of nothing that is rounded */
  bool fixed;   /* no gradient is asked for: indices, weights of classes */
  bool rough;   /* its gradient is another's, or none: CASE_NO_GRAD */
  bool tainted; /* made by a jump of what is rounded, or not finite: not compared */
  float *direction;
} Value;

static const uint8_t *choice, *choices_end;
static uint64_t state;
static Value value[VALUES];
static int values;

static unsigned next(unsigned below) { return choice < choices_end ? *choice++ % below : 0; }
static double uniform(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (double)(state >> 11) * 0x1p-53;
}
static double *room(int64_t count) {
  double *p = calloc((size_t)count + 1, sizeof *p);
  fuzz_check(p, "no memory");
  return p;
}

/* Whether the value jumps where what it is made of changes a little; CHOOSES: and is one of few numbers, or of what is there. */
enum { SMOOTH, JUMPS, CHOOSES };
static int kind_of(const Op *op) {
  static const char *const chooses[] = {"sign", "floor", "round", "cast", "one_hot", "where", "max_pool2d_index"};
  static const char *const jumps[] = {"max_pool2d_dx", "relu_dx", "hardswish_dx", "pair_loss_dx",
                                      "class_loss_dx", "straight_through", "pow"};
  for (size_t i = 0; i < sizeof chooses / sizeof *chooses; i++)
    if (!strcmp(op->name, chooses[i])) return CHOOSES;
  for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++)
    if (!strcmp(op->name, jumps[i])) return JUMPS;
  return op->dtype != DTYPE_F32 ? CHOOSES : SMOOTH;
}

static double attr_named(const Op *op, const double *attr, const char *name, double other) {
  OpArg arg[MAX_IN + MAX_ATTR];
  for (int i = 0, n = op_args(op, arg, MAX_IN + MAX_ATTR); i < n; i++)
    if (!arg[i].input && !strcmp(arg[i].name, name)) return attr[arg[i].slot];
  return other;
}

/* --- leaves --- */

static int add_leaf(const Shape *s, const OpCase *row, double bound) {
  Err e;
  int64_t count = shape_count(s);
  Value *v = &value[values];
  *v = (Value){.shape = *s, .exact = true, .fixed = bound > 0};
  v->x = room(count), v->near = room(count), v->side = room(count);
  for (int64_t k = 0; k < count; k++) {
    double u = uniform();
    if (bound > 0) u = floor(u * bound);
    else if (row->flags & CASE_COARSE) u = floor(u * 5) - 2;
    else if (row->flags & CASE_UNIT) u = 0.05 + 0.9 * u;
    else u = row->flags & CASE_POSITIVE ? 0.5 + u : 4 * u - 2;
    v->x[k] = v->near[k] = (float)u;
  }
  Tensor *t = tensor_new(s, &e);
  fuzz_check(t, "%s", e.text);
  float *rows = malloc((size_t)count * 4 + 4);
  for (int64_t k = 0; k < count; k++) rows[k] = (float)v->x[k];
  tensor_from_rows(t, rows);
  free(rows);
  v->node = node_leaf(t, &e);
  fuzz_check(v->node, "%s", e.text);
  v->node->requires_grad = !v->fixed && next(3) == 0;
  return values++;
}

/* --- ops --- */

/* The sizes of the row, each exchanged for another, the same for all that are equal. */
typedef struct Sizes { int n; int64_t from[16], to[16]; } Sizes;
static int64_t exchanged(Sizes *z, int64_t size, int64_t wanted) {
  static const int64_t odd[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 0};
  for (int i = 0; i < z->n; i++)
    if (z->from[i] == size) return z->to[i];
  if (z->n == 16) return size;
  z->from[z->n] = size;
  return z->to[z->n++] = wanted >= 0 ? wanted : next(2) ? size : size == 1 && next(4) ? 1 : odd[next(next(16) ? 13 : 14)];
}

static int parse(const char *shapes, Shape *s) {
  int n = 0;
  char text[300], *save = NULL;
  snprintf(text, sizeof text, "%s", shapes);
  for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save), n++) {
    s[n] = (Shape){.rank = strcmp(w, "-") ? 0 : -1};
    if (*w == '-' || *w == '.') continue;
    for (char *p = w; *p; p += *p == ',') s[n].dim[s[n].rank++] = strtoll(p, &p, 10);
  }
  for (int i = n; i < MAX_IN; i++) s[i] = (Shape){.rank = -1};
  return n;
}

static bool small(const Shape *s) {
  int64_t n = 1;
  for (int d = 0; d < s->rank; d++)
    if ((n *= s->dim[d]) > COUNT) return false;
  return true;
}

static void run_reference(const Value *v, double **of, double *out) {
  const double *in[MAX_IN] = {0};
  Shape shape[MAX_IN];
  for (int i = 0; i < MAX_IN; i++) {
    shape[i] = (Shape){.rank = -1};
    if (i < v->n_in && v->in[i] >= 0) in[i] = of[v->in[i]], shape[i] = value[v->in[i]].shape;
  }
  v->op->reference(in, shape, v->n_in, v->attr, out, &v->shape);
}

static double largest(const double *x, int64_t n) {
  double top = 0;
  for (int64_t i = 0; i < n; i++) top = isfinite(x[i]) ? fmax(top, fabs(x[i])) : INFINITY;
  return top;
}

/* Adds an op that reads values or fresh leaves; nothing where the rule refuses. */
static void add_op(Builder *b) {
  const Op *op = op_table[(next(256) << 8 | next(256)) % (unsigned)op_count];
  if (!op->reference || op->random || !op->cases || values + MAX_IN + 1 > VALUES) return;
  int rows = 0;
  while (op->cases[rows].shapes) rows++;
  if (!rows) return;
  const OpCase *row = &op->cases[next((unsigned)rows)];
  Value v = {.op = op, .exact = true, .rough = row->flags & CASE_NO_GRAD};
  Err e;
  Shape shape[MAX_IN];
  Sizes sizes = {0};
  if (!op_attrs_parse(op, row->attrs, v.attr, &e)) return;
  v.n_in = parse(row->shapes, shape);
  int first = values && !(row->flags & (CASE_UNIT | CASE_POSITIVE)) && next(8) ? (int)next((unsigned)values) : -1, last = -1;
  if (first >= 0 && (value[first].shape.rank != shape[0].rank || (v.n_in == 1 && row->flags & CASE_INDEX_LAST))) first = -1;
  for (int i = 0; i < v.n_in; i++) {
    if (shape[i].rank >= 0) last = i;
    for (int d = 0; d < shape[i].rank; d++) {
      bool is_first = i == 0 && first >= 0;
      int64_t other = exchanged(&sizes, shape[i].dim[d], is_first ? value[first].shape.dim[d] : -1);
      shape[i].dim[d] = is_first ? value[first].shape.dim[d] : other;
    }
  }
  for (int i = 0; i < MAX_ATTR; i++) {
    if (!is_whole(v.attr[i]) || v.attr[i] == 0) continue;
    if (v.attr[i] > 1 && next(2)) v.attr[i] = (double)exchanged(&sizes, (int64_t)v.attr[i], -1);
    else if (next(16) == 1) v.attr[i] = (double)next(7) - 2;
  }
  for (int i = 0; i < v.n_in; i++)
    if (!small(&shape[i])) return;
  e.text[0] = 0;
  if (!op_attrs_check(op, v.attr, &e) || !op->shape(shape, v.n_in, v.attr, &v.shape, &e)) {
    fuzz_check(e.text[0], "%s refuses, and no word why", op->name);
    return;
  }
  if (!small(&v.shape) || (op->macs && op->macs(shape, v.n_in, v.attr, &v.shape) > WORK)) return;
  Node *in[MAX_IN] = {0};
  for (int i = 0; i < v.n_in; i++) {
    v.in[i] = -1;
    if (shape[i].rank < 0) continue;
    bool index = i == last && row->flags & CASE_INDEX_LAST, fixed = i == last && row->flags & CASE_CONST_LAST;
    double bound = 0;
    if (index) {
      int d = (int)attr_named(op, v.attr, "dim", shape[0].rank > 1 ? 1 : 0);
      bound = (double)shape[0].dim[d < 0 ? d + shape[0].rank : d];
      if (bound < 1 || i == 0) return;
    } else if (i == 0 && first >= 0) v.in[0] = first;
    else if (!fixed && !(row->flags & (CASE_UNIT | CASE_POSITIVE)))
      for (int tries = 0; tries < 3 && v.in[i] < 0 && next(2); tries++) {
        int k = (int)next((unsigned)(values + 1));
        if (k < values && shape_equal(&value[k].shape, &shape[i])) v.in[i] = k;
      }
    if (v.in[i] < 0) v.in[i] = add_leaf(&shape[i], row, bound);
    Value *from = &value[v.in[i]];
    if (fixed) from->fixed = true, from->node->requires_grad = false;
    in[i] = from->node;
    v.exact &= from->exact;
    v.tainted |= from->tainted;
  }
  if (kind_of(op)) v.tainted |= !v.exact;
  v.exact &= kind_of(op) == CHOOSES;
  v.node = build(b, op, v.attr, v.n_in, in);
  if (!v.node) { /* of a leaf that is stood on already, or of a dtype: said, and nothing made */
    fuzz_check(b->err->text[0], "%s: not made, and no word why", op->name);
    b->failed = false;
    return;
  }
  fuzz_check(shape_equal(&v.node->shape, &v.shape), "%s: the node has shape %s, the rule says %s", op->name,
             SHAPE_STR(&v.node->shape), SHAPE_STR(&v.shape));
  int64_t count = shape_count(&v.shape);
  v.x = room(count), v.near = room(count), v.side = room(count);
  double *of[VALUES], *near[VALUES];
  for (int i = 0; i < values; i++) of[i] = value[i].x, near[i] = value[i].near;
  run_reference(&v, of, v.x);
  run_reference(&v, near, v.near);
  double top = largest(v.x, count);
  if (!v.exact)
    for (int64_t k = 0; k < count; k++) v.near[k] += EXACT * top * (2 * uniform() - 1);
  v.tainted |= !(top < 1e12) || !(largest(v.near, count) < 1e12);
  value[values++] = v;
}

/* --- checks --- */

static void told(void) {
  for (int i = 0; i < values; i++) {
    const Value *v = &value[i];
    const char *wants = v->node->requires_grad ? " requires_grad" : "";
    fprintf(stderr, "  %d: %s %s%s", i, v->op ? v->op->name : "leaf", SHAPE_STR(&v->shape), wants);
    for (int k = 0; k < v->n_in; k++) fprintf(stderr, " %d", v->in[k]);
    for (int k = 0; v->op && k < MAX_ATTR && v->attr[k] != ATTR_END; k++) fprintf(stderr, "%s%g", k ? "," : " | ", v->attr[k]);
    fputc('\n', stderr);
  }
}

static float *rows_of(const Node *n) {
  float *f = malloc((size_t)n->value->count * 4 + 4);
  tensor_to_rows(n->value, f);
  return f;
}

static double spread(const Value *v) {
  double most = 0;
  for (int64_t k = 0, n = shape_count(&v->shape); k < n; k++) most = fmax(most, fabs(v->near[k] - v->x[k]));
  return most;
}

static void check_value(int i) {
  const Value *v = &value[i];
  float *got = rows_of(v->node);
  int64_t count = shape_count(&v->shape);
  double top = largest(v->x, count), most = v->exact ? 0 : EXACT * top + SLACK * spread(v) + FLT_MIN;
  for (int64_t k = 0; k < count && !v->tainted; k++)
    if (!(fabs(got[k] - v->x[k]) <= most)) {
      told();
      fuzz_fail("value %d, element %d: %.9g, should be %.9g within %.3g (largest %.3g)", i, (int)k, got[k], v->x[k], most, top);
    }
  free(got);
}

/* sum(weight * value) where the leaves that want a gradient are `step` along the direction. */
static double along(int last, const double *weight, double step) {
  double *of[VALUES], sum = 0;
  for (int i = 0; i <= last; i++) {
    Value *v = &value[i];
    of[i] = v->side;
    if (v->op) run_reference(v, of, v->side);
    else
      for (int64_t k = 0, n = shape_count(&v->shape); k < n; k++)
        v->side[k] = v->x[k] + (v->direction ? step * v->direction[k] : 0);
  }
  for (int64_t k = 0, n = shape_count(&value[last].shape); k < n; k++) sum += weight[k] * value[last].side[k];
  return sum;
}

static void check_gradient(int last) {
  Err e = {.text = ""};
  Value *y = &value[last];
  int64_t count = shape_count(&y->shape);
  double *weight = room(count), got = 0, size = 0;
  Tensor *t = tensor_new(&y->shape, &e);
  fuzz_check(t, "%s", e.text);
  float *rows = malloc((size_t)count * 4 + 4);
  for (int64_t k = 0; k < count; k++) weight[k] = rows[k] = (float)(2 * uniform() - 1);
  tensor_from_rows(t, rows);
  free(rows);
  Node *dy = node_leaf(t, &e);
  bool went = graph_backward(y->node, dy, next(2), &e);
  bool smooth = !y->tainted && spread(y) <= 1e-3 * largest(y->x, count);
  node_unref(dy);
  fuzz_check(went || e.text[0], "no gradient, and no word why");
  for (int i = 0; i <= last; i++) {
    Value *v = &value[i];
    if (v->op) {
      smooth &= kind_of(v->op) == SMOOTH && !v->tainted && !v->rough;
      continue;
    }
    if (!went || !v->node->requires_grad || !v->node->grad) continue;
    fuzz_check(shape_equal(&v->node->grad->shape, &v->shape), "a gradient of shape %s of %s", SHAPE_STR(&v->node->grad->shape),
               SHAPE_STR(&v->shape));
    int64_t n = shape_count(&v->shape);
    float *g = rows_of(v->node->grad);
    v->direction = malloc((size_t)n * 4 + 4);
    for (int64_t k = 0; k < n; k++) {
      v->direction[k] = (float)(2 * uniform() - 1);
      got += (double)g[k] * v->direction[k];
      size += fabs((double)g[k] * v->direction[k]);
    }
    free(g);
  }
  if (went && smooth) {
    double at = along(last, weight, 0), up = (along(last, weight, STEP) - at) / STEP;
    double down = (at - along(last, weight, -STEP)) / STEP, want = (up + down) / 2;
    size = fmax(size, fabs(want));
    if (isfinite(want) && size < 1e8 && fabs(up - down) <= 1e-3 * size && fabs(got - want) > 5e-3 * size + 1e-6 * fabs(at)) {
      told();
      fuzz_fail("the gradient of %d goes %.9g along a direction, should go %.9g (%.9g and %.9g; size %.3g)", last, got, want, up,
                down, size);
    }
  }
  free(weight);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  kernels_init();
  kernels_threads(1);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  Err e = {.text = ""};
  Builder b;
  choice = bytes, choices_end = bytes + size;
  state = 0x9e3779b97f4a7c15u + next(256) * 0xd1342543de82ef95u;
  values = 0;
  graph_seed_set(1);
  builder_begin(&b, &e);
  for (int i = 1 + (int)next(OPS); i > 0; i--) add_op(&b);
  if (values && value[values - 1].op) {
    int last = values - 1, other = (int)next((unsigned)values);
    if (value[last].node->requires_grad && next(2)) check_gradient(last);
    Node *want[2] = {value[last].node, value[other].node};
    int n = !value[last].node->value ? 1 : 0;
    Node *also = value[other].node;
    if (other != last && value[other].op && !also->value && !also->released) want[n++] = also;
    if (n && !graph_eval(want, n, &e)) told(), fuzz_fail("eval: %s", e.text);
    for (int i = 0; i < values; i++)
      if (value[i].node->value) check_value(i);
  }
  builder_end(&b);
  for (int i = 0; i < values; i++) {
    if (!value[i].op) node_unref(value[i].node);
    free(value[i].x), free(value[i].near), free(value[i].side), free(value[i].direction);
  }
  return 0;
}
