/* Finding ops and taking their argument text apart. */
#include "op.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const Op *op_find(const char *name) {
  for (int i = 0; i < op_count; i++)
    if (!strcmp(op_table[i]->name, name)) return op_table[i];
  return NULL;
}

bool op_keeps_samples(const Op *op, const Shape *in, int n_in, const double *attr) {
  return op->keeps_samples ? op->keeps_samples(in, n_in, attr) : op->per_sample;
}

/* The next word of *s up to `end` or a space; false at the end of the text. */
static bool word(const char **s, char *buf, size_t size) {
  while (**s == ' ') ++*s;
  size_t n = 0;
  for (; **s && **s != ' '; ++*s)
    if (n + 1 < size) buf[n++] = **s;
  buf[n] = 0;
  return n > 0;
}

/* One number of an attribute; *end is left behind it. END means ATTR_END, true and false 1 and 0. */
static double number(const char *s, char **end) {
  static const struct { const char *name; double value; } names[] = {{"END", ATTR_END}, {"true", 1}, {"false", 0}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    size_t n = strlen(names[i].name);
    if (!strncmp(s, names[i].name, n)) {
      *end = (char *)s + n;
      return names[i].value;
    }
  }
  return strtod(s, end);
}

int op_args(const Op *op, OpArg *arg, int max) {
  int n = 0, slot = 0;
  bool attrs = false;
  char w[200];
  for (const char *s = op->args; n < max && word(&s, w, sizeof w);) {
    if (!strcmp(w, "|")) {
      attrs = true;
      continue;
    }
    OpArg *a = &arg[n++];
    *a = (OpArg){.input = !attrs};
    if (!attrs) {
      size_t len = strlen(w);
      a->optional = w[len - 1] == '?';
      snprintf(a->name, sizeof a->name, "%.*s", (int)(a->optional ? len - 1 : len), w);
      continue;
    }
    char *eq = strchr(w, '=');
    snprintf(a->name, sizeof a->name, "%.*s", (int)(eq ? eq - w : (ptrdiff_t)strlen(w)), w);
    a->slot = slot;
    a->optional = true;
    a->whole = eq && !strchr(eq, '.') && !strstr(eq, "e-") && !strstr(eq, "inf");
    if (eq && eq[1] == '*') {
      a->list = true;
      a->n = MAX_IN;
      for (int i = 0; i < MAX_IN; i++) a->value[i] = ATTR_END;
    } else {
      for (char *p = eq; p && (*p == '=' || *p == ',') && a->n < MAX_IN;) a->value[a->n++] = number(p + 1, &p);
    }
    slot += a->n;
  }
  return n;
}

enum { MAX_ARGS = MAX_IN + MAX_ATTR };

/* What an op's text says of its attributes, read once, or again where another op took its place. */
typedef struct Attrs {
  const Op *op;
  double value[MAX_ATTR];
  bool whole[MAX_ATTR], may_end[MAX_ATTR];
} Attrs;

static const Attrs *attrs_of(const Op *op) {
  enum { PLACES = 256 };
  static Attrs read[PLACES];
  Attrs *r = &read[((uintptr_t)op / sizeof *op) % PLACES];
  if (r->op == op) return r;
  OpArg arg[MAX_ARGS];
  int n = op_args(op, arg, MAX_ARGS);
  memset(r, 0, sizeof *r);
  for (int i = 0; i < n; i++)
    for (int k = 0; k < arg[i].n && arg[i].slot + k < MAX_ATTR; k++) {
      int at = arg[i].slot + k;
      r->value[at] = arg[i].value[k];
      r->whole[at] = arg[i].whole;
      r->may_end[at] = arg[i].whole && arg[i].value[k] == ATTR_END;
    }
  r->op = op;
  return r;
}

void op_defaults(const Op *op, double *attr) { memcpy(attr, attrs_of(op)->value, sizeof attrs_of(op)->value); }

bool op_attrs_check(const Op *op, const double *attr, Err *e) {
  const Attrs *r = attrs_of(op);
  for (int at = 0; at < MAX_ATTR; at++) {
    if (!r->whole[at] || is_whole(attr[at]) || (r->may_end[at] && attr[at] == ATTR_END)) continue;
    OpArg arg[MAX_ARGS];
    int n = op_args(op, arg, MAX_ARGS), i = 0;
    while (i < n - 1 && (arg[i].input || at >= arg[i].slot + arg[i].n)) i++;
    return err_set(e, "%s expects whole numbers, got %.17g", arg[i].name, attr[at]);
  }
  return true;
}

bool op_attrs_parse(const Op *op, const char *text, double *attr, Err *e) {
  OpArg arg[MAX_ARGS];
  int n = op_args(op, arg, MAX_ARGS);
  char w[200];
  op_defaults(op, attr);
  for (const char *s = text ? text : ""; word(&s, w, sizeof w);) {
    char *eq = strchr(w, '=');
    size_t len = eq ? (size_t)(eq - w) : strlen(w);
    const OpArg *a = NULL;
    for (int i = 0; i < n; i++)
      if (!arg[i].input && strlen(arg[i].name) == len && !strncmp(arg[i].name, w, len)) a = &arg[i];
    if (!a) return err_set(e, "%s has no attribute \"%.*s\" (it takes: %s)", op->name, (int)len, w, op->args);
    if (!eq) return err_set(e, "%s: expected %s=NUMBER, got \"%s\"", op->name, a->name, w);
    double value[MAX_IN];
    int got = 0;
    for (char *p = eq; *p;) {
      char *from = p + 1, *end;
      if (!*from && a->list && got == 0) break; /* "dims=" is the empty list */
      if (got == a->n) return err_set(e, "%s: %s takes at most %d numbers, got \"%s\"", op->name, a->name, a->n, w);
      value[got++] = number(from, &end);
      if (end == from || (*end && *end != ',')) return err_set(e, "%s: %s expects numbers, got \"%s\"", op->name, a->name, w);
      p = end;
    }
    if (!a->list && got != a->n && got != 1) return err_set(e, "%s: %s expects %d numbers, got %d", op->name, a->name, a->n, got);
    for (int i = 0; i < a->n; i++) attr[a->slot + i] = i < got ? value[i] : a->list ? ATTR_END : value[0];
  }
  return true;
}
