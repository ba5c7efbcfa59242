/* suture.core.values, all of it also in suture.core.tensor: leaves made, numbers in and out of Lua, leaves changed in place. */
#include <math.h>
#include <string.h>
#include "whole.h"
#include "host.h"
#include "tensor.h"

int64_t bind_part_end(lua_State *L, int64_t lo, int64_t n) {
  enum { PART = 1 << 20 };
  if (host_should_stop()) {
    Err e;
    err_stop(&e);
    bind_raise(L, &e);
  }
  return n - lo < PART ? n : lo + PART;
}

/* ---- dtype ---- */

const char *const bind_dtypes[] = {[DTYPE_F32] = "float32", [DTYPE_I64] = "int64", [DTYPE_BOOL] = "bool", NULL};

static int tensor_dtype(lua_State *L) {
  lua_pushstring(L, bind_dtypes[bind_check_tensor(L, 1)->dtype]);
  return 1;
}

/* ---- making leaves ---- */

/* Raises e; `what` is the function that the user called, or NULL. */
static int raise_in(lua_State *L, const char *what, Err *e) {
  if (what) err_within(e, "%s", what);
  return bind_raise(L, e);
}

static Shape check_size(lua_State *L, int i, const char *what) {
  Shape s = bind_check_shape(L, i);
  Err e;
  if (!shape_check(&s, &e)) raise_in(L, what, &e);
  return s;
}

/* A leaf of this shape on top of the stack, numbers as make leaves them. */
static Tensor *push_made(lua_State *L, Tensor *make(const Shape *, Err *), const Shape *s, DType dtype, const char *what) {
  Err e;
  Node **slot = bind_new_tensor(L);
  Tensor *t = make(s, &e);
  if (!t) raise_in(L, what, &e);
  t->dtype = dtype;
  *slot = node_leaf(t, &e);
  if (!*slot) bind_raise(L, &e);
  bind_made_tensor(L);
  return t;
}

static Tensor *push_leaf(lua_State *L, const Shape *s, DType dtype, const char *what) { return push_made(L, tensor_new, s, dtype, what); }

static DType opt_dtype(lua_State *L, int i) { return (DType)luaL_checkoption(L, i, "float32", bind_dtypes); }

/* A whole number that float32 does not hold, asked for in a tensor of this dtype: it is kept exactly (core/whole.h). */
static bool is_beyond(lua_State *L, int i, DType dtype) {
  return dtype == DTYPE_I64 && lua_isinteger(L, i) && !whole_is_float(lua_tointeger(L, i));
}

/* Room for t's whole numbers, on the stack. */
static int64_t *whole_buffer(lua_State *L, const Tensor *t) {
  size_t bytes = (size_t)(t->count ? t->count : 1) * sizeof(int64_t);
  Err e;
  if (!memory_fits(bytes, false, "whole numbers", &e)) bind_raise(L, &e);
  return lua_newuserdatauv(L, bytes, 0);
}

/* All of t's numbers become the one at i. */
static void whole_fill(lua_State *L, Tensor *t, int i) {
  int64_t *v = whole_buffer(L, t);
  Err e;
  for (int64_t k = 0; k < t->count; k++) v[k] = lua_tointeger(L, i);
  if (!whole_set(t, v, &e)) bind_raise(L, &e);
  lua_pop(L, 1);
}

/* full(shape, value[, dtype[, what]]). `what`, here and below, is the name that errors begin with. */
static int tensor_full(lua_State *L) {
  const char *what = luaL_optstring(L, 4, NULL);
  Shape s = check_size(L, 1, what);
  float v = (float)luaL_checknumber(L, 2);
  bool zeros = v == 0 && !signbit(v);
  Tensor *t = push_made(L, zeros ? tensor_zeros : tensor_new, &s, opt_dtype(L, 3), what);
  if (!zeros)
    FOR_PARTS(t->count, lo, hi)
      for (int64_t i = lo; i < hi; i++) t->data[i] = v;
  if (is_beyond(L, 2, t->dtype)) whole_fill(L, t, 2);
  return 1;
}

/* eye(n, m[, what]): ones on the diagonal. */
static int tensor_eye(lua_State *L) {
  const char *what = luaL_optstring(L, 3, NULL);
  Shape s = {.rank = 2, .dim = {luaL_checkinteger(L, 1), luaL_checkinteger(L, 2)}};
  Tensor *t = push_made(L, tensor_zeros, &s, DTYPE_F32, what);
  int64_t n = s.dim[0] < s.dim[1] ? s.dim[0] : s.dim[1];
  FOR_PARTS(n, lo, hi)
    for (int64_t i = lo; i < hi; i++) t->data[i * (s.dim[1] + 1)] = 1;
  return 1;
}

/* Room for numbers in the order of the logical shape, on the stack; raises when there is none. */
static float *rows_buffer(lua_State *L, int64_t count, const char *what) {
  size_t bytes = (size_t)(count ? count : 1) * sizeof(float);
  Err e;
  if (!memory_fits(bytes, false, "a copy of the numbers", &e)) raise_in(L, what, &e);
  return lua_newuserdatauv(L, bytes, 0);
}

/* The same for a new leaf t on top of the stack: its own memory where that is in this order. Then rows_done. */
static float *rows_of(lua_State *L, Tensor *t, const char *what) { return t->shape.rank == 4 ? rows_buffer(L, t->count, what) : t->data; }
static int rows_done(lua_State *L, Tensor *t, const float *rows) {
  if (rows == t->data) return 1;
  tensor_from_rows(t, rows);
  lua_pop(L, 1);
  return 1;
}

/* from_list(shape, flat table[, dtype]): numbers and booleans in row-major order. */
static int tensor_from_list(lua_State *L) {
  Shape s = check_size(L, 1, NULL);
  luaL_checktype(L, 2, LUA_TTABLE);
  Tensor *t = push_leaf(L, &s, opt_dtype(L, 3), NULL);
  float *rows = rows_of(L, t, NULL);
  bool beyond = false;
  for (int64_t i = 0; i < t->count; i++) {
    int type = lua_rawgeti(L, 2, i + 1);
    beyond = beyond || is_beyond(L, -1, t->dtype);
    if (type == LUA_TBOOLEAN) rows[i] = (float)lua_toboolean(L, -1);
    else if (type == LUA_TNUMBER) rows[i] = (float)lua_tonumber(L, -1);
    else bind_fail(L, "a tensor is made of numbers, got %s", luaL_typename(L, -1));
    lua_pop(L, 1);
  }
  rows_done(L, t, rows);
  if (!beyond) return 1;
  int64_t *v = whole_buffer(L, t);
  for (int64_t i = 0; i < t->count; i++) {
    lua_rawgeti(L, 2, i + 1);
    v[i] = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : lua_isboolean(L, -1) ? lua_toboolean(L, -1) : whole_of((float)lua_tonumber(L, -1));
    lua_pop(L, 1);
  }
  Err e;
  if (!whole_from_rows(t, v, &e)) bind_raise(L, &e);
  lua_pop(L, 1);
  return 1;
}

/* arange(start, step, count[, dtype[, what]]) */
static int tensor_arange(lua_State *L) {
  const char *what = luaL_optstring(L, 5, NULL);
  double start = luaL_checknumber(L, 1), step = luaL_checknumber(L, 2), count = luaL_checknumber(L, 3);
  if (!is_whole(count)) return bind_fail(L, "%s%s%f elements are more than can be counted (2^53)", what ? what : "", what ? ": " : "", count);
  Shape s = {.rank = 1, .dim = {(int64_t)count}};
  Tensor *t = push_leaf(L, &s, opt_dtype(L, 4), what);
  FOR_PARTS(t->count, lo, hi)
    for (int64_t i = lo; i < hi; i++) t->data[i] = (float)(start + step * (double)i);
  double last = start + step * (count - 1);
  if (t->dtype != DTYPE_I64 || !lua_isinteger(L, 1) || !lua_isinteger(L, 2) || fmax(fabs(start), fabs(last)) <= 0x1p24) return 1;
  int64_t *v = whole_buffer(L, t);
  uint64_t first = (uint64_t)lua_tointeger(L, 1), by = (uint64_t)lua_tointeger(L, 2);
  for (int64_t i = 0; i < t->count; i++) v[i] = (int64_t)(first + by * (uint64_t)i);
  Err e;
  if (!whole_set(t, v, &e)) bind_raise(L, &e);
  lua_pop(L, 1);
  return 1;
}

/* ---- random numbers: one seed per call from the graph's generator; splitmix64 of seed and place, so that a tensor's
 * numbers depend on nothing but the seed. Drawn in row-major order, whatever the storage. ---- */

static uint64_t mix(uint64_t x) { /* Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators (2014) */
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

static double unit(uint64_t bits) { return ((double)(bits >> 11) + 0.5) * 0x1p-53; } /* in (0, 1) */
static uint64_t bits_at(uint64_t seed, int64_t i) { return mix(seed + (uint64_t)i * 0x9e3779b97f4a7c15u); }

static void draw_uniform(lua_State *L, float *rows, int64_t n, double low, double high) {
  uint64_t seed = mix(graph_seed());
  float below = high > low ? nextafterf((float)high, (float)low) : (float)high;
  FOR_PARTS(n, lo, hi)
    for (int64_t i = lo; i < hi; i++) {
      float v = (float)(low + (high - low) * unit(bits_at(seed, i)));
      rows[i] = v < below ? v : below;
    }
}

static void draw_normal(lua_State *L, float *rows, int64_t n, double mean, double std) { /* Box and Muller (1958), two from 64 bits */
  uint64_t seed = mix(graph_seed());
  float m = (float)mean, s = (float)std;
  FOR_PARTS(n, lo, hi) /* of even lengths, but the last */
    for (int64_t i = lo; i < hi; i += 2) {
      uint64_t bits = bits_at(seed, i);
      float u = ((float)(bits >> 40) + 0.5f) * 0x1p-24f, a = (float)(bits & 0xffffff) * (6.2831853f * 0x1p-24f);
      float r = s * sqrtf(-2 * logf(u)), sine, cosine;
      sincosf(a, &sine, &cosine);
      rows[i] = m + r * cosine;
      if (i + 1 < n) rows[i + 1] = m + r * sine;
    }
}

static void draw_permutation(lua_State *L, float *rows, int64_t n) { /* Fisher and Yates, from the end */
  uint64_t seed = mix(graph_seed());
  for (int64_t i = 0; i < n; i++) rows[i] = (float)i;
  FOR_PARTS(n, lo, hi)
    for (int64_t i = n - 1 - lo; i > 0 && i > n - 1 - hi; i--) {
      int64_t j = (int64_t)(mix(seed + (uint64_t)i) % (uint64_t)(i + 1));
      float t = rows[i];
      rows[i] = rows[j];
      rows[j] = t;
    }
}

/* random(kind, shape, a, b[, what]): "normal" with mean a and standard deviation b, "uniform" in [a, b), "randint" in a … b-1. */
static int tensor_random(lua_State *L) {
  static const char *const kinds[] = {"normal", "uniform", "randint", "permutation", NULL};
  int kind = luaL_checkoption(L, 1, NULL, kinds);
  const char *what = luaL_optstring(L, 5, NULL);
  Shape s = check_size(L, 2, what);
  double a = luaL_checknumber(L, 3), b = luaL_checknumber(L, 4);
  Tensor *t = push_leaf(L, &s, kind >= 2 ? DTYPE_I64 : DTYPE_F32, what);
  bind_check_tensor(L, -1)->drawn = bind_depth > 0;
  float *rows = rows_of(L, t, what);
  if (kind == 0) draw_normal(L, rows, t->count, a, b);
  else draw_uniform(L, rows, t->count, a, b);
  if (kind == 2)
    for (int64_t i = 0; i < t->count; i++) rows[i] = floorf(rows[i]);
  if (kind == 3) draw_permutation(L, rows, t->count);
  return rows_done(L, t, rows);
}

/* ---- numbers out ---- */

/* The number at a place of t's storage, as a value of this dtype. */
static void push_number(lua_State *L, const Tensor *t, int64_t at, DType dtype) {
  float v = t->data[at];
  if (dtype == DTYPE_BOOL) lua_pushboolean(L, v != 0);
  else if (dtype == DTYPE_I64 && (t->whole || (v >= -0x1p63f && v < 0x1p63f))) lua_pushinteger(L, whole_at(t, at));
  else lua_pushnumber(L, v);
}

/* item(t): its one number. */
static int tensor_item(lua_State *L) {
  Node *n = bind_check_tensor(L, 1);
  if (shape_count(&n->shape) != 1)
    return bind_fail(L, "item: expects a tensor with one element, got shape %s", SHAPE_STR(&n->shape));
  push_number(L, bind_check_value(L, 1), 0, n->dtype);
  return 1;
}

/* flat(t[, from, count]) → a table of numbers in row-major order, from place `from` (0-based). */
static int tensor_flat(lua_State *L) {
  Tensor *t = bind_check_value(L, 1);
  int64_t from = luaL_optinteger(L, 2, 0), count = luaL_optinteger(L, 3, t->count - from);
  if (from < 0 || count < 0 || from > t->count || count > t->count - from)
    return bind_fail(L, "%I elements from %I on of a tensor of %I", (lua_Integer)count, (lua_Integer)from, (lua_Integer)t->count);
  Err e;
  if (!memory_fits((size_t)count * 2 * sizeof(double), false, "a table of the numbers", &e)) bind_raise(L, &e); /* a value and its type */
  lua_createtable(L, count <= INT32_MAX ? (int)count : 0, 0);
  if (t->shape.rank != 4) {
    FOR_PARTS(count, lo, hi)
      for (int64_t i = lo; i < hi; i++) {
        push_number(L, t, from + i, t->dtype);
        lua_rawseti(L, -2, i + 1);
      }
    return 1;
  }
  int64_t stride[MAX_RANK];
  shape_strides(&t->shape, CHANNELS_LAST, stride);
  FOR_PARTS(count, lo, hi)
    for (int64_t i = lo; i < hi; i++) {
      int64_t rest = from + i, at = 0;
      for (int d = 3; d >= 0; d--) {
        at += rest % t->shape.dim[d] * stride[d];
        rest /= t->shape.dim[d];
      }
      push_number(L, t, at, t->dtype);
      lua_rawseti(L, -2, i + 1);
    }
  return 1;
}

/* stats(t) → least, greatest and sum of finite numbers, how many are not finite, whether all are whole, how many are 0, how many
 * are no number. */
static int tensor_stats(lua_State *L) {
  Tensor *t = bind_check_value(L, 1);
  double lo = INFINITY, hi = -INFINITY, sum = 0;
  int64_t bad = 0, zeros = 0, nans = 0;
  bool whole = true;
  FOR_PARTS(t->count, from, to)
    for (int64_t i = from; i < to; i++) {
      double v = t->data[i];
      zeros += v == 0;
      if (!isfinite(v)) {
        bad++;
        nans += isnan(v);
        continue;
      }
      if (v < lo) lo = v;
      if (v > hi) hi = v;
      if (v != floor(v)) whole = false;
      sum += v;
    }
  lua_pushnumber(L, lo);
  lua_pushnumber(L, hi);
  lua_pushnumber(L, sum);
  lua_pushinteger(L, bad);
  lua_pushboolean(L, whole);
  lua_pushinteger(L, zeros);
  lua_pushinteger(L, nans);
  return 7;
}

/* histogram(t, low, high, bins) → {how many of its numbers lie in each of so many equal parts of low … high, the last with both its
 * ends}, and the sum of the squares of all that are finite */
static int tensor_histogram(lua_State *L) {
  Tensor *t = bind_check_value(L, 1);
  double low = luaL_checknumber(L, 2), high = luaL_checknumber(L, 3), squares = 0;
  lua_Integer bins = luaL_checkinteger(L, 4);
  luaL_argcheck(L, bins >= 1 && bins <= 1 << 20 && high > low && isfinite(high - low), 4, "parts of a range");
  int64_t *count = lua_newuserdatauv(L, (size_t)bins * sizeof *count, 0);
  memset(count, 0, (size_t)bins * sizeof *count);
  double each = (double)bins / (high - low);
  FOR_PARTS(t->count, from, to)
    for (int64_t i = from; i < to; i++) {
      double v = t->data[i];
      if (!isfinite(v)) continue;
      squares += v * v;
      if (v < low || v > high) continue;
      int64_t k = (int64_t)((v - low) * each);
      count[k < bins ? k : bins - 1]++;
    }
  lua_createtable(L, (int)bins, 0);
  for (lua_Integer k = 0; k < bins; k++) {
    lua_pushinteger(L, count[k]);
    lua_rawseti(L, -2, k + 1);
  }
  lua_pushnumber(L, squares);
  return 2;
}

/* bytes(t) → its numbers in row-major order as a string of little-endian float32, behind them its whole numbers where it
 * has them; same bits, same string. */
static int tensor_bytes_of(lua_State *L) {
  Tensor *t = bind_check_value(L, 1);
  luaL_Buffer b;
  size_t floats = (size_t)t->count * sizeof(float), size = floats + (t->whole ? (size_t)t->count * sizeof(int64_t) : 0);
  Err e;
  if (!memory_fits(2 * size, false, "a string of the numbers", &e)) bind_raise(L, &e);
  float *rows = (float *)(void *)luaL_buffinitsize(L, &b, size ? size : 1);
  tensor_to_rows(t, rows);
  if (t->whole) memcpy((char *)rows + floats, t->whole, size - floats);
  luaL_pushresultsize(&b, size);
  return 1;
}

/* ---- leaves changed in place ---- */

/* The leaf at i, ready to be written (see node_write). whole: all its numbers are about to be. */
static Tensor *writable(lua_State *L, int i, bool whole, const char *what) {
  Node *n = bind_check_tensor(L, i);
  Err e;
  if (bind_is_part(L, i)) bind_fail(L, "%s: this is a part of another tensor (lua/tensor/views.lua writes there)", what);
  if (!bind_as_leaf(L, i)) {
    err_set(&e, "%s: a value that gradients flow through cannot change in place; this one came from %s (x:detach() cuts it off)", what, n->op->name);
    bind_raise(L, &e);
  }
  if (!node_write(n, whole, &e)) bind_raise(L, &e);
  tensor_touch(n->value);
  return n->value;
}

/* fill(t, value) */
static int tensor_fill(lua_State *L) {
  float v = (float)luaL_checknumber(L, 2);
  Tensor *t = writable(L, 1, true, "fill_");
  for (int64_t i = 0; i < t->count; i++) t->data[i] = v;
  if (is_beyond(L, 2, t->dtype)) whole_fill(L, t, 2);
  lua_settop(L, 1);
  return 1;
}

/* copy(t, from[, what]): same shape. */
static int tensor_copy(lua_State *L) {
  const char *what = luaL_optstring(L, 3, "copy_");
  Node *n = bind_check_tensor(L, 1), *value = bind_check_tensor(L, 2);
  Err e;
  bool follows = false;
  if (bind_depth > 0 && !graph_keeps && !bind_is_part(L, 1) && n->dtype == value->dtype && shape_equal(&n->shape, &value->shape)) {
    if (!node_follow(n, value, &follows, &e)) return bind_raise(L, &e);
    if (follows) return lua_settop(L, 1), 1; /* a statistic: with the run that the values it is made of need */
  }
  Tensor *from = bind_check_value(L, 2);
  n = bind_check_tensor(L, 1);
  if (!shape_equal(&n->shape, &from->shape))
    return bind_fail(L, "%s: expects shape %s, got %s", what, SHAPE_STR(&n->shape), SHAPE_STR(&from->shape));
  Tensor *t = writable(L, 1, true, what);
  memmove(t->data, from->data, (size_t)t->count * sizeof(float));
  if (from != t && !whole_copy(t, from, &e)) return bind_raise(L, &e);
  n->drawn = n->drawn || bind_check_tensor(L, 2)->drawn;
  lua_settop(L, 1);
  return 1;
}

/* take(t, from): t gets from's numbers without a copy where both are leaves of one kind; from is spent: it may hold t's old ones. */
static int tensor_take(lua_State *L) {
  Node *n = bind_check_tensor(L, 1), *from = bind_check_tensor(L, 2);
  if (from->op || n->op || n == from || !from->value || from->value->dtype != n->value->dtype || !shape_equal(&n->shape, &from->shape)) return tensor_copy(L);
  writable(L, 1, true, "take");
  Tensor *old = n->value;
  from->value->version = old->version;
  tensor_forget_forms(from->value);
  n->value = from->value;
  from->value = old;
  lua_settop(L, 1);
  return 1;
}

/* forget_forms(t): other forms of a leaf's numbers, prepared for kernels, are let go, as when they change. */
static int tensor_forget_forms_of(lua_State *L) {
  tensor_forget_forms(bind_check_value(L, 1));
  return 0;
}

/* redraw(t, "normal"|"uniform", a, b) */
static int tensor_redraw(lua_State *L) {
  static const char *const kinds[] = {"normal", "uniform", NULL};
  int kind = luaL_checkoption(L, 2, NULL, kinds);
  double a = luaL_checknumber(L, 3), b = luaL_checknumber(L, 4);
  int64_t n = shape_count(&bind_check_tensor(L, 1)->shape);
  float *rows = rows_buffer(L, n, NULL);
  if (kind == 0) draw_normal(L, rows, n, a, b);
  else draw_uniform(L, rows, n, a, b);
  tensor_from_rows(writable(L, 1, true, kind == 0 ? "normal_" : "uniform_"), rows);
  if (bind_depth > 0) bind_check_tensor(L, 1)->drawn = true;
  lua_settop(L, 1);
  return 1;
}

/* Where the element at `flat` of the row-major order lies in t's storage. */
static int64_t stored_at(const Tensor *t, int64_t flat) {
  if (t->shape.rank != 4) return flat;
  const int64_t *d = t->shape.dim; /* rank 4 lies channels-last */
  int64_t w = flat % d[3], h = flat / d[3] % d[2], c = flat / (d[3] * d[2]) % d[1], n = flat / (d[3] * d[2] * d[1]);
  return ((n * d[2] + h) * d[3] + w) * d[1] + c;
}

/* put(t, {place …}, {size …}, {step …}, from): writes boxes of these sizes into t, each beginning at a place and going on by these
 * steps, both counted in t's row-major order. from: as many numbers, in that order, or one for all. */
static int tensor_put(lua_State *L) {
  bind_check_tensor(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  Shape box = check_size(L, 3, "x[i] = y"), step = bind_check_shape(L, 4);
  if (step.rank != box.rank) return bind_fail(L, "put: %d sizes and %d steps", box.rank, step.rank);
  bind_to_tensor(L, 5);
  Tensor *from = bind_check_value(L, 5);
  int64_t places = (int64_t)lua_rawlen(L, 2), each = shape_count(&box), low = 0, high = 0;
  for (int d = 0; d < box.rank; d++) *(step.dim[d] < 0 ? &low : &high) += (box.dim[d] - 1) * step.dim[d];
  if (from->count != 1 && from->count != places * each)
    return bind_fail(L, "put: %d numbers for %d places", (int)from->count, (int)(places * each));
  if (places * each == 0) return 0;
  float *source = rows_buffer(L, from->count, NULL);
  tensor_to_rows(from, source);
  int64_t *at = lua_newuserdatauv(L, (size_t)places * sizeof *at, 0), count = shape_count(&bind_check_tensor(L, 1)->shape);
  for (int64_t k = 0; k < places; k++) {
    lua_rawgeti(L, 2, k + 1);
    at[k] = lua_tointeger(L, -1);
    lua_pop(L, 1);
    if (at[k] + low < 0 || at[k] + high >= count) return bind_fail(L, "put: place %d is out of range", (int)at[k]);
  }
  Tensor *old = bind_check_value(L, 1);
  int64_t *whole = old->dtype == DTYPE_I64 && (old->whole || from->whole) ? whole_buffer(L, old) : NULL, *wholes = NULL;
  if (whole) { /* all of t's whole numbers, changed beside the others */
    for (int64_t i = 0; i < old->count; i++) whole[i] = whole_at(old, i);
    whole_to_rows(from, wholes = whole_buffer(L, from));
  }
  Tensor *t = writable(L, 1, false, "x[i] = y");
  for (int64_t i = 0; i < places * each; i++) {
    int64_t flat = at[i / each], rest = i % each;
    for (int d = box.rank - 1; d >= 0; d--) {
      flat += rest % box.dim[d] * step.dim[d];
      rest /= box.dim[d];
    }
    int64_t to = stored_at(t, flat), k = from->count == 1 ? 0 : i;
    t->data[to] = source[k];
    if (whole) whole[to] = wholes[k];
  }
  Err e;
  if (whole && !whole_set(t, whole, &e)) return bind_raise(L, &e);
  return 0;
}

/* count_up(t) → t's one number plus 1, in place. The counter of batches: no value is ever computed from it, so nothing
 * that waits is asked for first. */
static int tensor_count_up(lua_State *L) {
  Tensor *t = bind_check_value(L, 1);
  int64_t seen = whole_at(t, 0) + 1;
  DType dtype = t->dtype;
  Err e;
  tensor_touch(t);
  if (!whole_set(t, &seen, &e)) return bind_raise(L, &e);
  t->dtype = dtype; /* a file may have kept it as float32 */
  lua_pushinteger(L, seen);
  return 1;
}

/* check_targets(what, target, logits, ignore): class numbers fit the logits (N, classes, …); raises where not. Computes
 * the targets if nobody has. */
static int tensor_check_targets(lua_State *L) {
  const char *what = luaL_checkstring(L, 1);
  Tensor *t = bind_check_value(L, 2);
  Node *x = bind_check_tensor(L, 3);
  double ignore = luaL_checknumber(L, 4);
  Err e;
  if (x->shape.rank < 1) {
    err_set(&e, "%s: expects logits of shape (N, classes), got a scalar", what);
    return bind_raise(L, &e);
  }
  int64_t classes = x->shape.dim[x->shape.rank > 1 ? 1 : 0];
  for (int64_t i = 0; i < t->count; i++) {
    float v = t->data[i];
    if (v == (float)ignore || (v >= 0 && v < (float)classes && v == floorf(v))) continue;
    err_set(&e, "%s: target %g at index %lld is not below %lld classes%s", what, (double)v, (long long)i, (long long)classes,
            v != floorf(v) ? " (targets are class numbers: whole, from 0)" : v < 0 ? " (classes count from 0)" : "");
    return bind_raise(L, &e);
  }
  return 0;
}

/* check_unit(what, p): all numbers are from 0 to 1; raises where not. Computes p, but where it is watched or drawn what is computed:
 * there only numbers that are known are looked at. */
static int tensor_check_unit(lua_State *L) {
  const char *what = luaL_checkstring(L, 1);
  if (!bind_check_tensor(L, 2)->value && (watch_on() || graph_keeps)) return 0;
  Tensor *t = bind_check_value(L, 2);
  for (int64_t i = 0; i < t->count; i++) {
    float v = t->data[i];
    if (v >= 0 && v <= 1) continue;
    Err e;
    err_set(&e, "%s: expects probabilities, from 0 to 1, got %g at index %lld · of logits: %s_with_logits", what, v == v ? (double)v : NAN, (long long)i, what);
    return bind_raise(L, &e);
  }
  return 0;
}

static const luaL_Reg functions[] = {
  {"dtype", tensor_dtype}, {"full", tensor_full}, {"eye", tensor_eye}, {"from_list", tensor_from_list}, {"arange", tensor_arange},
  {"random", tensor_random}, {"item", tensor_item}, {"flat", tensor_flat}, {"stats", tensor_stats}, {"histogram", tensor_histogram},
  {"bytes", tensor_bytes_of}, {"fill", tensor_fill}, {"copy", tensor_copy}, {"take", tensor_take}, {"forget_forms", tensor_forget_forms_of},
  {"redraw", tensor_redraw},
  {"put", tensor_put}, {"count_up", tensor_count_up}, {"check_targets", tensor_check_targets},
  {"check_unit", tensor_check_unit},
  {0, 0}};

int bind_values(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
