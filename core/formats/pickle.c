#include "pickle.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "host.h"

/* ---- memory: chunks given back all at once ---- */

typedef struct PickleArena {
  struct PickleArena *next;
  size_t used, size;
  _Alignas(16) unsigned char bytes[];
} PickleArena;

typedef struct Machine {
  const unsigned char *begin, *p, *end;
  const char *where; /* "data.pkl" */
  uint64_t base;
  Pickle *out;
  PickleValue **stack, **memo;
  uint32_t depth, stack_cap, memo_cap, memo_next;
  uint32_t *mark; /* depth of the stack at each open mark */
  uint32_t marks, mark_cap;
  size_t persid_cap;
  Err *e;
} Machine;

static void *take(Machine *m, size_t n) {
  n = (n + 15) & ~(size_t)15;
  PickleArena *a = m->out->arena;
  if (!a || a->size - a->used < n) {
    size_t size = a ? a->size * 2 : 4096;
    if (size > 1 << 20) size = 1 << 20;
    if (size < n) size = n;
    PickleArena *more = malloc(sizeof *more + size);
    if (!more) {
      err_memory(m->e, (double)size, "a pickle");
      return NULL;
    }
    *more = (PickleArena){.next = a, .size = size};
    m->out->arena = a = more;
  }
  void *p = a->bytes + a->used;
  a->used += n;
  return p;
}

static bool fail(Machine *m, const char *what) {
  err_set(m->e, "%s: damaged pickle: %s at byte %llu", m->where, what,
          (unsigned long long)(m->base + (uint64_t)(m->p - m->begin)));
  return false;
}

static bool cut_off(Machine *m) {
  err_set(m->e, "%s: the pickle is cut off: it goes on beyond byte %llu, where its data ends", m->where,
          (unsigned long long)(m->base + (uint64_t)(m->end - m->begin)));
  return false;
}

/* realloc for an array of `each`-byte items to hold `need` */
static bool reserve(Machine *m, void *array, uint32_t *cap, uint32_t need, size_t each) {
  if (need <= *cap) return true;
  if (need > PICKLE_MAX) return fail(m, "more than 4 million values, which no weights file has,");
  uint32_t more = *cap ? *cap : 64;
  while (more < need) more *= 2;
  void *old, *p;
  memcpy(&old, array, sizeof old);
  if (!(p = realloc(old, more * each))) return err_memory(m->e, (double)more * (double)each, "a pickle");
  memset((char *)p + *cap * each, 0, (more - *cap) * each);
  memcpy(array, &p, sizeof p);
  *cap = more;
  return true;
}

static PickleValue *value(Machine *m, PickleKind kind) {
  if (m->out->values++ >= PICKLE_MAX) {
    fail(m, "more than 4 million values, which no weights file has,");
    return NULL;
  }
  PickleValue *v = take(m, sizeof *v);
  if (v) {
    memset(v, 0, sizeof *v);
    v->kind = kind;
  }
  return v;
}

/* ---- the stack ---- */

static bool push(Machine *m, PickleValue *v) {
  if (!v || !reserve(m, &m->stack, &m->stack_cap, m->depth + 1, sizeof *m->stack)) return false;
  m->stack[m->depth++] = v;
  return true;
}

static uint32_t floor_of(const Machine *m) { return m->marks ? m->mark[m->marks - 1] : 0; }

/* NULL, with the error set, when nothing is there since the last mark */
static PickleValue *pop(Machine *m) {
  if (m->depth > floor_of(m)) return m->stack[--m->depth];
  fail(m, "an operation lacks its operand");
  return NULL;
}

static PickleValue *top(Machine *m) {
  if (m->depth > floor_of(m)) return m->stack[m->depth - 1];
  fail(m, "an operation lacks its operand");
  return NULL;
}

/* Takes off the last mark: the items above it are stack[*from … depth). The caller lowers depth to *from. */
static bool pop_mark(Machine *m, uint32_t *from) {
  if (!m->marks) return fail(m, "a mark is missing");
  *from = m->mark[--m->marks];
  return true;
}

static PickleValue *sequence(Machine *m, PickleKind kind, PickleValue **v, uint32_t n) {
  PickleValue *s = value(m, kind);
  if (!s) return NULL;
  if (kind == PK_DICT && n % 2) {
    fail(m, "a dict has a key without value");
    return NULL;
  }
  if (n) {
    if (!(s->seq.v = take(m, n * sizeof *v))) return NULL;
    memcpy(s->seq.v, v, n * sizeof *v);
    s->seq.n = s->seq.cap = n;
  }
  return s;
}

/* Appends to a list, set or dict; an object gets one of its own (subclasses such as OrderedDict). */
static bool extend(Machine *m, PickleValue *to, PickleKind kind, PickleValue **v, uint32_t n) {
  if (to->kind == PK_OBJECT) {
    if (!to->object.items && !(to->object.items = value(m, kind))) return false;
    to = to->object.items;
  }
  if (to->kind != kind) return fail(m, kind == PK_DICT ? "items set on what is no dict" : "items added to what is no list");
  if (kind == PK_DICT && n % 2) return fail(m, "a dict has a key without value");
  if (n > to->seq.cap - to->seq.n) {
    uint32_t cap = to->seq.cap ? to->seq.cap * 2 : 4;
    if (cap < to->seq.n + n) cap = to->seq.n + n;
    PickleValue **more = take(m, cap * sizeof *more);
    if (!more) return false;
    if (to->seq.n) memcpy(more, to->seq.v, to->seq.n * sizeof *more);
    to->seq.v = more;
    to->seq.cap = cap;
  }
  if (n) memcpy(to->seq.v + to->seq.n, v, n * sizeof *v);
  to->seq.n += n;
  return true;
}

/* ---- operands ---- */

static bool bytes(Machine *m, size_t n, const unsigned char **p) {
  if ((size_t)(m->end - m->p) < n) return cut_off(m);
  *p = m->p;
  m->p += n;
  return true;
}

static bool number(Machine *m, int size, uint64_t *v) {
  const unsigned char *p;
  if (!bytes(m, (size_t)size, &p)) return false;
  *v = 0;
  for (int i = size - 1; i >= 0; i--) *v = *v << 8 | p[i];
  return true;
}

static bool line(Machine *m, const char **s, size_t *n) {
  const unsigned char *nl = memchr(m->p, '\n', (size_t)(m->end - m->p));
  if (!nl) return cut_off(m);
  *s = (const char *)m->p;
  *n = (size_t)(nl - m->p);
  m->p = nl + 1;
  return true;
}

static bool push_text(Machine *m, PickleKind kind, const char *s, size_t n) {
  PickleValue *v = value(m, kind);
  if (!v) return false;
  v->str.s = s;
  v->str.n = n;
  return push(m, v);
}

static bool push_sized(Machine *m, PickleKind kind, int size) {
  uint64_t n;
  const unsigned char *p;
  return number(m, size, &n) && bytes(m, n, &p) && push_text(m, kind, (const char *)p, n);
}

static bool push_int(Machine *m, PickleKind kind, int64_t i) {
  PickleValue *v = value(m, kind);
  if (v) v->i = i;
  return push(m, v);
}

static bool push_double(Machine *m, double f) {
  PickleValue *v = value(m, PK_FLOAT);
  if (v) v->f = f;
  return push(m, v);
}

/* LONG1, LONG4: two's complement, least byte first */
static bool push_long(Machine *m, int size) {
  uint64_t n, v = 0;
  const unsigned char *p;
  if (!number(m, size, &n) || !bytes(m, n, &p)) return false;
  if (n > 8) return push_text(m, PK_BIG, (const char *)p, n);
  for (uint64_t i = 0; i < 8; i++) v |= (uint64_t)(i < n ? p[i] : n && p[n - 1] & 128 ? 255 : 0) << 8 * i;
  return push_int(m, PK_INT, (int64_t)v);
}

/* The text forms of protocol 0: "12\n", "12L\n", "01\n" for True */
static bool push_decimal(Machine *m, bool may_be_bool) {
  const char *s;
  size_t n;
  if (!line(m, &s, &n)) return false;
  if (may_be_bool && n == 2 && s[0] == '0' && (s[1] == '0' || s[1] == '1')) return push_int(m, PK_BOOL, s[1] == '1');
  if (n && s[n - 1] == 'L') n--;
  bool minus = n && s[0] == '-';
  int64_t v = 0;
  if (n == minus) return fail(m, "a number without digits");
  for (size_t i = minus; i < n; i++)
    if (s[i] < '0' || s[i] > '9') return fail(m, "a number with a strange character");
  for (size_t i = minus; i < n; i++)
    if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, s[i] - '0', &v)) return push_text(m, PK_BIG, s, n);
  if (!minus && v == INT64_MIN) return push_text(m, PK_BIG, s, n);
  return push_int(m, PK_INT, minus ? v : -v);
}

static bool push_float_line(Machine *m) {
  const char *s;
  size_t n;
  if (!line(m, &s, &n)) return false;
  char text[64], *end;
  if (!n || n >= sizeof text) return fail(m, "a number of strange length");
  memcpy(text, s, n);
  text[n] = 0;
  double f = strtod(text, &end);
  return *end ? fail(m, "a number with a strange character") : push_double(m, f);
}

static int hex(char c) { return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1; }

/* The escapes of protocol 0: STRING is a quoted Python literal, UNICODE raw-unicode-escape (\uXXXX only) */
static bool push_escaped(Machine *m, bool quoted) {
  const char *s;
  size_t n, k = 0;
  if (!line(m, &s, &n)) return false;
  if (quoted) {
    if (n < 2 || (s[0] != '\'' && s[0] != '"') || s[n - 1] != s[0]) return fail(m, "a string without quotes");
    s++;
    n -= 2;
  }
  if (!memchr(s, '\\', n)) return push_text(m, PK_STR, s, n);
  char *d = take(m, n);
  if (!d) return false;
  for (size_t i = 0; i < n; i++) {
    char c = s[i], next = i + 1 < n ? s[i + 1] : 0;
    if (c != '\\') d[k++] = c;
    else if (quoted && next == 'x' && i + 3 < n && hex(s[i + 2]) >= 0 && hex(s[i + 3]) >= 0) {
      d[k++] = (char)(hex(s[i + 2]) * 16 + hex(s[i + 3]));
      i += 3;
    } else if (quoted && next && strchr("\\'\"ntr", next)) {
      d[k++] = next == 'n' ? '\n' : next == 't' ? '\t' : next == 'r' ? '\r' : next;
      i++;
    } else if (!quoted && next == 'u' && i + 5 < n) {
      uint32_t u = 0;
      for (size_t j = i + 2; j < i + 6; j++) u = u << 4 | ((uint32_t)hex(s[j]) & 15);
      if (u < 0x80) d[k++] = (char)u;
      else if (u < 0x800) {
        d[k++] = (char)(0xc0 | u >> 6);
        d[k++] = (char)(0x80 | (u & 63));
      } else {
        d[k++] = (char)(0xe0 | u >> 12);
        d[k++] = (char)(0x80 | (u >> 6 & 63));
        d[k++] = (char)(0x80 | (u & 63));
      }
      i += 5;
    } else d[k++] = c;
  }
  return push_text(m, PK_STR, d, k);
}

/* ---- names and calls ---- */

static PickleValue *global(Machine *m, const char *module, size_t module_len, const char *name, size_t name_len) {
  PickleValue *v = value(m, PK_GLOBAL);
  if (!v || module_len > 10000 || name_len > 10000) {
    if (v) fail(m, "a name of more than 10,000 bytes");
    return NULL;
  }
  v->global.module = module;
  v->global.module_len = (uint32_t)module_len;
  v->global.name = name;
  v->global.name_len = (uint32_t)name_len;
  return v;
}

static PickleValue *global_lines(Machine *m) {
  const char *module, *name;
  size_t a, b;
  return line(m, &module, &a) && line(m, &name, &b) ? global(m, module, a, name, b) : NULL;
}

static bool push_stack_global(Machine *m) {
  PickleValue *name = pop(m), *module = name ? pop(m) : NULL;
  if (!module) return false;
  if (name->kind != PK_STR || module->kind != PK_STR) return fail(m, "a name that is no string");
  return push(m, global(m, module->str.s, module->str.n, name->str.s, name->str.n));
}

/* Python 2 made OrderedDict(([k, v], [k, v], …)): put the pairs where SETITEMS would have.
 * The list is emptied, so that no number of calls can multiply it. */
static bool take_pairs(Machine *m, PickleValue *object, PickleValue *pairs) {
  for (uint32_t i = 0; i < pairs->seq.n; i++) {
    PickleValue *p = pairs->seq.v[i];
    if ((p->kind != PK_LIST && p->kind != PK_TUPLE) || p->seq.n != 2) return fail(m, "an OrderedDict of what are no pairs");
    if (!extend(m, object, PK_DICT, p->seq.v, 2)) return false;
  }
  pairs->seq.n = 0;
  return true;
}

static bool push_call(Machine *m, PickleValue *callable, PickleValue *args) {
  PickleValue *v = value(m, PK_OBJECT);
  if (!v) return false;
  v->object.callable = callable;
  v->object.args = args;
  PickleValue *first = (PickleValue *)pickle_item(args, 0);
  if (first && first->kind == PK_LIST && pickle_is_global(callable, "collections", "OrderedDict") &&
      !take_pairs(m, v, first))
    return false;
  return push(m, v);
}

static bool call(Machine *m) {
  PickleValue *args = pop(m), *callable = args ? pop(m) : NULL;
  return callable && push_call(m, callable, args);
}

/* callable(what lies on the stack from `first` on), replacing all from `from` on */
static bool call_since_mark(Machine *m, PickleValue *callable, uint32_t first, uint32_t from) {
  PickleValue *args = sequence(m, PK_TUPLE, m->stack + first, m->depth - first);
  m->depth = from;
  return args && push_call(m, callable, args);
}

static bool build(Machine *m) {
  PickleValue *state = pop(m), *object = state ? top(m) : NULL;
  if (!object) return false;
  if (object->kind == PK_OBJECT) object->object.state = state;
  return true; /* attributes of anything else do not matter to a reader of weights */
}

static bool push_persid(Machine *m, PickleValue *item) {
  PickleValue *v = item ? value(m, PK_PERSID) : NULL;
  if (!v) return false;
  v->item = item;
  Pickle *out = m->out;
  uint32_t cap = (uint32_t)m->persid_cap;
  if (!reserve(m, &out->persid, &cap, (uint32_t)out->persid_count + 1, sizeof *out->persid)) return false;
  m->persid_cap = cap;
  out->persid[out->persid_count++] = v;
  return push(m, v);
}

/* ---- the memo ---- */

static bool put(Machine *m, uint64_t i) {
  PickleValue *v = top(m);
  /* every entry takes at least one byte of input to make, and writers number them from 0 */
  if (v && (i > (uint64_t)(m->end - m->begin) || i >= PICKLE_MAX)) return fail(m, "a memo number beyond the pickle's length");
  if (!v || !reserve(m, &m->memo, &m->memo_cap, (uint32_t)i + 1, sizeof *m->memo)) return false;
  m->memo[i] = v;
  return true;
}

static bool get(Machine *m, uint64_t i) {
  if (i >= m->memo_cap || !m->memo[i]) return fail(m, "a reference to a memo entry that does not exist");
  return push(m, m->memo[i]);
}

static bool memo_line(Machine *m, bool store) {
  const char *s;
  size_t n;
  uint64_t i = 0;
  if (!line(m, &s, &n)) return false;
  if (!n || n > 9) return fail(m, "a memo number of strange length");
  for (size_t k = 0; k < n; k++) {
    if (s[k] < '0' || s[k] > '9') return fail(m, "a memo number with a strange character");
    i = i * 10 + (uint64_t)(s[k] - '0');
  }
  return store ? put(m, i) : get(m, i);
}

static bool memo_number(Machine *m, int size, bool store) {
  uint64_t i;
  return number(m, size, &i) && (store ? put(m, i) : get(m, i));
}

/* ---- the opcodes ---- */

static bool collect(Machine *m, PickleKind kind) {
  uint32_t from;
  if (!pop_mark(m, &from)) return false;
  PickleValue *v = sequence(m, kind, m->stack + from, m->depth - from);
  m->depth = from;
  return push(m, v);
}

static bool tuple(Machine *m, uint32_t n) {
  if (m->depth < floor_of(m) + n) return fail(m, "an operation lacks its operand");
  PickleValue *v = sequence(m, PK_TUPLE, m->stack + m->depth - n, n);
  m->depth -= n;
  return push(m, v);
}

static bool extend_since_mark(Machine *m, PickleKind kind) {
  uint32_t from;
  if (!pop_mark(m, &from)) return false;
  PickleValue **items = m->stack + from;
  uint32_t n = m->depth - from;
  m->depth = from;
  PickleValue *to = top(m);
  return to && extend(m, to, kind, items, n);
}

static bool extend_by(Machine *m, PickleKind kind, uint32_t n) {
  if (m->depth < floor_of(m) + n + 1) return fail(m, "an operation lacks its operand");
  m->depth -= n;
  return extend(m, m->stack[m->depth - 1], kind, m->stack + m->depth, n);
}

static bool step(Machine *m, int op) {
  uint64_t u;
  uint32_t from;
  const unsigned char *p;
  const char *s;
  size_t n;
  PickleValue *v;
  switch (op) {
  case 0x80: /* PROTO */
    if (!number(m, 1, &u)) return false;
    return u <= 5 || fail(m, "a protocol newer than 5");
  case 0x95: return bytes(m, 8, &p); /* FRAME */
  case '(':
    if (!reserve(m, &m->mark, &m->mark_cap, m->marks + 1, sizeof *m->mark)) return false;
    m->mark[m->marks++] = m->depth;
    return true;
  case '0': /* POP: takes a mark off too, as Python does */
    if (m->marks && m->depth == floor_of(m)) {
      m->marks--;
      return true;
    }
    return pop(m) != NULL;
  case '1':
    if (!pop_mark(m, &from)) return false;
    m->depth = from;
    return true;
  case '2': return (v = top(m)) && push(m, v);

  case 'N': return push_int(m, PK_NONE, 0);
  case 0x88: return push_int(m, PK_BOOL, 1);
  case 0x89: return push_int(m, PK_BOOL, 0);
  case 'I': return push_decimal(m, true);
  case 'L': return push_decimal(m, false);
  case 'F': return push_float_line(m);
  case 'K': return number(m, 1, &u) && push_int(m, PK_INT, (int64_t)u);
  case 'M': return number(m, 2, &u) && push_int(m, PK_INT, (int64_t)u);
  case 'J': return number(m, 4, &u) && push_int(m, PK_INT, (int32_t)u);
  case 0x8a: return push_long(m, 1);
  case 0x8b: return push_long(m, 4);
  case 'G': { /* big-endian */
    double f;
    if (!number(m, 8, &u)) return false;
    u = __builtin_bswap64(u);
    memcpy(&f, &u, 8);
    return push_double(m, f);
  }

  case 'S': return push_escaped(m, true);
  case 'V': return push_escaped(m, false);
  case 'T': return push_sized(m, PK_STR, 4);
  case 'U': return push_sized(m, PK_STR, 1);
  case 'X': return push_sized(m, PK_STR, 4);
  case 0x8c: return push_sized(m, PK_STR, 1);
  case 0x8d: return push_sized(m, PK_STR, 8);
  case 'B': return push_sized(m, PK_BYTES, 4);
  case 'C': return push_sized(m, PK_BYTES, 1);
  case 0x8e: case 0x96: return push_sized(m, PK_BYTES, 8);

  case ')': return tuple(m, 0);
  case 0x85: return tuple(m, 1);
  case 0x86: return tuple(m, 2);
  case 0x87: return tuple(m, 3);
  case 't': return collect(m, PK_TUPLE);
  case ']': return push(m, value(m, PK_LIST));
  case 'l': return collect(m, PK_LIST);
  case 'a': return extend_by(m, PK_LIST, 1);
  case 'e': return extend_since_mark(m, PK_LIST);
  case '}': return push(m, value(m, PK_DICT));
  case 'd': return collect(m, PK_DICT);
  case 's': return extend_by(m, PK_DICT, 2);
  case 'u': return extend_since_mark(m, PK_DICT);
  case 0x8f: return push(m, value(m, PK_SET));
  case 0x90: return extend_since_mark(m, PK_SET);
  case 0x91: return collect(m, PK_SET);

  case 'p': return memo_line(m, true);
  case 'q': return memo_number(m, 1, true);
  case 'r': return memo_number(m, 4, true);
  case 0x94: return put(m, m->memo_next) && ++m->memo_next;
  case 'g': return memo_line(m, false);
  case 'h': return memo_number(m, 1, false);
  case 'j': return memo_number(m, 4, false);

  case 'c': return push(m, global_lines(m));
  case 0x93: return push_stack_global(m);
  case 'R': case 0x81: return call(m); /* REDUCE, NEWOBJ: callable and a tuple of arguments */
  case 0x92: return pop(m) && call(m); /* NEWOBJ_EX: keyword arguments dropped */
  case 'i': return (v = global_lines(m)) && pop_mark(m, &from) && call_since_mark(m, v, from, from);
  case 'o':
    if (!pop_mark(m, &from)) return false;
    return m->depth > from ? call_since_mark(m, m->stack[from], from + 1, from) : fail(m, "an object without class");
  case 'b': return build(m);
  case 'Q': return push_persid(m, pop(m));
  case 'P':
    if (!line(m, &s, &n) || !(v = value(m, PK_STR))) return false;
    v->str.s = s;
    v->str.n = n;
    return push_persid(m, v);
  default: {
    char what[60];
    m->p--;
    snprintf(what, sizeof what, "opcode 0x%02x is not known or not supported", op);
    return fail(m, what);
  }
  }
}

static bool run(Machine *m) {
  for (uint32_t steps = 1;; steps++) {
    if (m->p >= m->end) return cut_off(m);
    int op = *m->p++;
    if (op == '.') {
      m->marks = 0;
      return m->depth ? true : fail(m, "it ends without a value");
    }
    if (!step(m, op)) return false;
    if (!(steps & 0xffff) && host_should_stop()) return err_stop(m->e);
  }
}

bool pickle_read(const unsigned char *input, size_t size, const char *where, uint64_t base, Pickle *out, Err *e) {
  *out = (Pickle){0};
  Machine m = {.begin = input, .p = input, .end = input + size, .where = where, .base = base, .out = out, .e = e};
  bool ok = reserve(&m, &m.stack, &m.stack_cap, 64, sizeof *m.stack) && run(&m);
  if (ok) {
    out->root = m.stack[m.depth - 1];
    out->size = (size_t)(m.p - input);
  } else pickle_free(out);
  free(m.stack);
  free(m.memo);
  free(m.mark);
  return ok;
}

void pickle_free(Pickle *p) {
  for (PickleArena *a = p->arena, *next; a; a = next) {
    next = a->next;
    free(a);
  }
  free(p->persid);
  *p = (Pickle){0};
}

/* ---- looking ---- */

static bool same(const char *s, size_t n, const char *text) { return n == strlen(text) && !memcmp(s, text, n); }

bool pickle_is_global(const PickleValue *v, const char *module, const char *name) {
  return v && v->kind == PK_GLOBAL && same(v->global.module, v->global.module_len, module) &&
         same(v->global.name, v->global.name_len, name);
}

bool pickle_is_str(const PickleValue *v, const char *text) {
  return v && (v->kind == PK_STR || v->kind == PK_BYTES) && same(v->str.s, v->str.n, text);
}

const PickleValue *pickle_dict(const PickleValue *v) {
  if (v && v->kind == PK_OBJECT) v = v->object.items;
  return v && v->kind == PK_DICT ? v : NULL;
}

const PickleValue *pickle_item(const PickleValue *v, size_t i) {
  return v && (v->kind == PK_TUPLE || v->kind == PK_LIST) && i < v->seq.n ? v->seq.v[i] : NULL;
}

const PickleValue *pickle_get(const PickleValue *dict, const char *key) {
  if ((dict = pickle_dict(dict)))
    for (uint32_t i = dict->seq.n; i >= 2; i -= 2)
      if (pickle_is_str(dict->seq.v[i - 2], key)) return dict->seq.v[i - 1];
  return NULL;
}
