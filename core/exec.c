/* The executor: binds a plan to tensors and runs its steps, polling the host between them. */
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "dispatch.h"
#include "host.h"
#include "kernels/kernels.h"
#include "node.h"
#include "plan.h"
#include "ranks.h"

/* One arena serves all plans (they never run at the same time); it grows to the largest. One that is more than twice
 * what the last runs took, RUNS of them or more, shrinks to that. */
enum { RUNS = 64 };
static char *arena;
static size_t arena_size;

void run_rest(void) {
  memory_put(arena, arena_size);
  arena = NULL;
  arena_size = 0;
}

static bool arena_reserve(size_t size, Err *e) {
  static size_t most, most_before; /* of these runs and of the RUNS before them */
  static int runs;
  if (runs++ == RUNS) most_before = most, most = 0, runs = 1;
  if (size > most) most = size;
  size_t want = most > most_before ? most : most_before;
  if (size <= arena_size && arena_size / 2 <= want) return true;
  if (size <= arena_size) size = want;
  run_rest();
  arena = memory_get(size, "intermediate values", e);
  arena_size = arena ? size : 0;
  return arena != NULL;
}

typedef struct Run {
  const Plan *p;
  Node **node;
  Tensor **out;
} Run;

static View view_of(const Run *r, int v) {
  View w = {0};
  if (v < 0) {
    w.shape.rank = -1;
    return w;
  }
  const Value *x = &r->p->value[v];
  w.shape = x->shape;
  w.layout = x->layout;
  int64_t shift = 0;
  for (; x->alias >= 0; x = &r->p->value[x->alias]) shift += x->shift;
  if (x->place == AT_LEAF) {
    Tensor *t = r->node[x->slot]->value;
    w.tensor = t, w.shift = shift;
    w.data = t->data;
  } else if (x->place == AT_OUTPUT) {
    w.data = r->out[x->slot]->data;
  } else if (x->place == AT_NOTHING) {
    return w;
  } else {
    w.data = (float *)(void *)(arena + x->offset);
  }
  w.data += shift;
  return w;
}

static const float *data_of(const Run *r, int v) { return v < 0 ? NULL : view_of(r, v).data; }

/* The call that a step is. */
static Call call_of(const Run *r, const Step *s) {
  Call c = {.attr = s->attr, .seed = r->node[s->node]->seed, .n_in = s->n_in, .out = view_of(r, s->out), .beside = view_of(r, s->beside)};
  for (int k = 0; k < MAX_IN; k++) c.in[k] = view_of(r, k < s->n_in ? s->in[k] : -1);
  c.scratch = arena + s->scratch_offset;
  if (s->op->fuses) {
    c.epilogue = (Epilogue){.shift = data_of(r, s->bias), .residual = data_of(r, s->residual), .gate = data_of(r, s->gate),
                            .act = s->act ? s->act->activation : ACT_NONE, .act_attr = s->act_attr};
    if (s->bn_var >= 0) {
      int channels = (int)r->p->value[s->bn_var].shape.dim[0];
      float *scale = (float *)(void *)(arena + s->fold_offset), *shift = scale + channels;
      kern->bn_fold(scale, shift, data_of(r, s->bn_mean), data_of(r, s->bn_var), data_of(r, s->bn_weight),
                    data_of(r, s->bn_bias), data_of(r, s->bias), (float)s->bn_eps, channels);
      c.epilogue.scale = scale;
      c.epilogue.shift = shift;
    }
  }
  return c;
}

static void run_step(const Run *r, const Step *s) {
  Call c = call_of(r, s), first;
  if (s->first >= 0) first = call_of(r, &r->p->first[s->first]), c.first = &first, c.first_op = r->p->first[s->first].op;
  s->op->forward(&c);
}

RunRecord *run_record;

static bool record_step(RunRecord *record, StepInfo info, Err *e) {
  if (record->n == record->cap) {
    int cap = record->cap ? 2 * record->cap : 256;
    StepInfo *more = realloc(record->step, (size_t)cap * sizeof *more);
    if (!more) return err_memory(e, (double)cap * sizeof *more, "a record");
    record->step = more;
    record->cap = cap;
  }
  record->step[record->n++] = info;
  return true;
}

static void record_memory(RunRecord *record, const Plan *p) {
  int64_t memory = (int64_t)(p->arena + p->output_bytes);
  if (memory > record->memory) record->memory = memory;
}

static bool run_recorded(const Run *r, int t, Err *e) {
  StepInfo info = plan_step(r->p, t, r->node);
  double begin = clock_seconds();
  run_step(r, &r->p->step[t]);
  info.seconds = clock_seconds() - begin;
  return record_step(run_record, info, e);
}

/* A memory error, told of the node that wants most. */
static bool err_of_largest(Node *const *node, int count, Err *e) {
  const Node *largest = NULL;
  for (int i = 0; i < count; i++)
    if (!node[i]->value && (!largest || shape_count(&node[i]->shape) > shape_count(&largest->shape))) largest = node[i];
  if (!largest) return false;
  const char *path = largest->path;
  return err_within(e, "%s%s%s %s", path, *path ? ": " : "", largest->op->name, SHAPE_STR(&largest->shape));
}

void (*ranks_whole)(const Node *of, const Tensor *value);

/* Says that step t was the last of those that write to value v, where v is an output. */
static void wrote(const Plan *p, int v, int t, int *last) {
  while (v >= 0 && p->value[v].alias >= 0) v = p->value[v].alias;
  if (v >= 0 && p->value[v].place == AT_OUTPUT) last[p->value[v].slot] = t;
}

/* Of each output the step behind which it is whole, -1: none is; a list the caller frees, NULL where there is no memory for it. */
static int *whole_behind(const Plan *p, int n_out) {
  int *last = malloc(((size_t)n_out + 1) * sizeof *last);
  for (int i = 0; last && i < n_out; i++) last[i] = -1;
  for (int t = 0; last && t < p->n_steps; t++) {
    wrote(p, p->step[t].out, t, last);
    wrote(p, p->step[t].beside, t, last);
  }
  return last;
}

uint64_t run_count;

bool run_nodes(Node **node, int count, Node *const *out, int n_out, Err *e) {
  run_count++;
  Plan *p = plan_get(node, count, out, n_out, UINT64_MAX, e);
  if (!p) return false;
  if (!kernels_room(e)) return false;
  if (!arena_reserve(p->arena, e)) return err_of_largest(node, count, e);
  Tensor **made = calloc((size_t)n_out + 1, sizeof *made);
  if (!made) return err_memory(e, (double)n_out, "a run");
  bool ok = true;
  for (int i = 0; i < n_out && ok; i++) ok = (made[i] = tensor_new(&out[i]->shape, e)) || err_of_largest(&out[i], 1, e);
  Run r = {p, node, made};
  int *whole = ok && ranks_whole ? whole_behind(p, n_out) : NULL;
  if (run_record) record_memory(run_record, p);
  host.computing = true;
  for (int t = 0; t < p->n_steps && ok; t++) {
    if (host_should_stop()) ok = err_stop(e);
    else if (run_record) ok = run_recorded(&r, t, e);
    else run_step(&r, &p->step[t]);
    for (int i = 0; whole && ok && i < n_out; i++)
      if (whole[i] == t) ranks_whole(out[i], made[i]);
  }
  free(whole);
  host.computing = false;
  if (ok && host_should_stop()) ok = err_stop(e); /* loops, long copies and fills end early where the host asks to stop */
  for (int i = 0; i < n_out; i++) {
    if (ok) node_set_value(out[i], made[i]);
    tensor_unref(made[i]);
  }
  free(made);
  return ok;
}

static Plan *plan_of(Node **node, int count, Node *const *out, int n_out, uint64_t forward_end, Err *e) {
  Node **todo = malloc((size_t)(n_out + 1) * sizeof *todo); /* a value already known, or asked for twice, costs nothing */
  if (!todo) {
    err_memory(e, (double)n_out, "a run");
    return NULL;
  }
  int n = 0;
  uint64_t stamp = graph_stamp();
  for (int i = 0; i < n_out; i++) out[i]->mark = stamp;
  for (int i = 0; i < count; i++)
    if (node[i]->mark == stamp && !node[i]->value) todo[n++] = node[i];
  Plan *p = plan_get(node, count, todo, n, forward_end, e);
  free(todo);
  return p;
}

bool run_measure(Node **node, int count, Node *const *out, int n_out, uint64_t forward_end, GraphCost *cost, Err *e) {
  const Plan *p = plan_of(node, count, out, n_out, forward_end, e);
  if (!p) return false;
  *cost = (GraphCost){.arena = (int64_t)p->arena, .values = (int64_t)p->values_peak, .scratch = (int64_t)p->scratch_peak,
                      .outputs = (int64_t)p->output_bytes, .saved = (int64_t)p->saved_bytes, .steps = p->n_steps};
  return true;
}

bool run_steps(Node **node, int count, Node *const *out, int n_out, RunRecord *record, Err *e) {
  const Plan *p = plan_of(node, count, out, n_out, UINT64_MAX, e);
  if (!p) return false;
  record_memory(record, p);
  bool ok = true;
  for (int t = 0; t < p->n_steps && ok; t++) ok = record_step(record, plan_step(p, t, node), e);
  return ok;
}
