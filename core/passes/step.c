/* What a plan says of itself: the inputs of its steps, whose bytes its values are. */
#include "draft.h"

int root_of(const Plan *p, int v) {
  while (p->value[v].alias >= 0) v = p->value[v].alias;
  return v;
}

bool is_shifted(const Plan *p, int v) {
  for (; p->value[v].alias >= 0; v = p->value[v].alias)
    if (p->value[v].shift) return true;
  return false;
}

int step_inputs(const Plan *p, const Step *s, int v[STEP_IN]) {
  int n = 0;
  for (int k = 0; k < s->n_in; k++) v[n++] = s->in[k];
  int more[FUSED_IN] = {s->bias, s->bn_mean, s->bn_var, s->bn_weight, s->bn_bias, s->residual, s->gate};
  for (int k = 0; k < FUSED_IN; k++) v[n++] = more[k];
  if (s->first >= 0) n += step_inputs(p, &p->first[s->first], v + n);
  return n;
}

void input_shapes(const Plan *p, const Step *s, Shape shape[MAX_IN]) {
  for (int k = 0; k < MAX_IN; k++) {
    bool here = k < s->n_in && s->in[k] >= 0;
    shape[k] = here ? p->value[s->in[k]].shape : (Shape){.rank = -1};
  }
}

static int64_t macs_of(const Plan *p, const Step *s) {
  Shape in[MAX_IN];
  input_shapes(p, s, in);
  return s->op->macs ? s->op->macs(in, s->n_in, s->attr, &p->value[s->out].shape) : 0;
}

static void add_fused(StepInfo *info, const Node *n) {
  info->fused[info->n_fused++] = n->op;
  info->order[info->n_fused] = n->recorded_as;
}

StepInfo plan_step(const Plan *p, int t, Node *const *node) {
  const Step *s = &p->step[t], *first = s->first >= 0 ? &p->first[s->first] : NULL;
  const Node *n = node[first ? first->node : s->node];
  StepInfo info = {.op = first ? first->op : s->op, .order = {n->recorded_as}, .path = n->path, .shape = p->value[s->out].shape};
  for (int k = 0; first && k < first->n_fused; k++) add_fused(&info, node[first->fused[k]]);
  if (first) add_fused(&info, node[s->node]);
  for (int k = 0; k < s->n_fused; k++) add_fused(&info, node[s->fused[k]]);
  info.macs = macs_of(p, s) + (first ? macs_of(p, first) : 0);
  Shape in[MAX_IN];
  input_shapes(p, s, in);
  if (first && first->op == s->op) info.algorithm = "pair";
  else if (s->op->algorithm) info.algorithm = s->op->algorithm(in, s->n_in, s->attr, &p->value[s->out].shape);
  int value[STEP_IN + 2], n_values = step_inputs(p, s, value);
  value[n_values++] = s->out;
  value[n_values++] = s->beside;
  for (int k = 0; k < n_values; k++) {
    bool again = value[k] < 0 || p->value[value[k]].place == AT_NOTHING; /* or the same bytes under another name */
    for (int j = 0; j < k && !again; j++)
      again = value[j] == value[k] || (value[j] >= 0 && root_of(p, value[j]) == root_of(p, value[k]) && !is_shifted(p, value[j]) && !is_shifted(p, value[k]));
    if (!again) info.bytes += shape_count(&p->value[value[k]].shape) * (int64_t)sizeof(float);
  }
  return info;
}
