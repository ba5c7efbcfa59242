/* suture.core.rows: whole rows of tensors by sample, for caches of what a frozen trunk computes, and plain copies of
 * weights for going back. Every tensor's first dim is outermost in memory, so a row is one run of bytes. */
#include <string.h>
#include "lua/bind/tensor.h"
#include "whole.h"

static size_t row_size(const Tensor *t) { return t->shape.dim[0] ? (size_t)(t->count / t->shape.dim[0]) : 0; }

/* The place at the end of the list at stack index i, checked against n rows. */
static int64_t place_at(lua_State *L, int i, lua_Integer k, int64_t n) {
  lua_geti(L, i, k);
  int64_t place = luaL_checkinteger(L, -1);
  lua_pop(L, 1);
  if (place < 0 || place >= n) bind_fail(L, "row %I is not among %I", (lua_Integer)place, (lua_Integer)n);
  return place;
}

/* new(like, n) → a tensor of n rows of like's dtype, each of like's row shape; the numbers are not set. */
static int rows_new(lua_State *L) {
  Node *like = bind_check_tensor(L, 1);
  Shape s = like->shape;
  luaL_argcheck(L, s.rank > 0, 1, "a tensor with a sample dim expected");
  s.dim[0] = luaL_checkinteger(L, 2);
  Err e;
  Tensor *t = tensor_new(&s, &e);
  if (!t) return bind_raise(L, &e);
  t->dtype = like->dtype;
  bind_push_leaf(L, t);
  return 1;
}

/* put(to, {places}, from): row k of from becomes row places[k] of to. */
static int rows_put(lua_State *L) {
  Tensor *to = bind_check_value(L, 1), *from = bind_check_value(L, 3);
  luaL_checktype(L, 2, LUA_TTABLE);
  size_t size = row_size(to);
  luaL_argcheck(L, row_size(from) == size && from->shape.dim[0] == (int64_t)lua_rawlen(L, 2), 3, "rows do not fit");
  for (lua_Integer k = 0; k < from->shape.dim[0]; k++)
    memcpy(to->data + (size_t)place_at(L, 2, k + 1, to->shape.dim[0]) * size, from->data + (size_t)k * size, size * sizeof(float));
  tensor_touch(to);
  return 0;
}

/* take(from, {places}) → a tensor of those rows. */
static int rows_take(lua_State *L) {
  Tensor *from = bind_check_value(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  Shape s = from->shape;
  s.dim[0] = (int64_t)lua_rawlen(L, 2);
  Err e;
  Tensor *t = tensor_new(&s, &e);
  if (!t) return bind_raise(L, &e);
  t->dtype = from->dtype;
  bind_push_leaf(L, t);
  size_t size = row_size(from);
  for (lua_Integer k = 0; k < s.dim[0]; k++)
    memcpy(t->data + (size_t)k * size, from->data + (size_t)place_at(L, 2, k + 1, from->shape.dim[0]) * size, size * sizeof(float));
  return 1;
}

/* copy({to …}, {from …}): the numbers of each, in one go that nothing interrupts. */
static int rows_copy(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
  luaL_argcheck(L, n == (lua_Integer)lua_rawlen(L, 2), 2, "as many tensors as in the first list expected");
  for (int pass = 0; pass < 2; pass++) /* all checked before any is changed */
    for (lua_Integer k = 1; k <= n; k++) {
      lua_geti(L, 1, k);
      lua_geti(L, 2, k);
      Tensor *from = bind_check_value(L, -1), *to = bind_check_value(L, -2);
      Err e;
      if (!pass) {
        if (!shape_equal(&from->shape, &to->shape)) return bind_fail(L, "tensor %d: shapes %s and %s differ", (int)k, SHAPE_STR(&to->shape), SHAPE_STR(&from->shape));
        if (!node_write(bind_check_tensor(L, -2), false, &e)) return bind_raise(L, &e);
      } else {
        memcpy(to->data, from->data, (size_t)to->count * sizeof(float));
        tensor_touch(to);
        if (!whole_copy(to, from, &e)) return bind_raise(L, &e);
      }
      lua_pop(L, 2);
    }
  return 0;
}

/* finite(t) → true when every number is. */
static int rows_finite(lua_State *L) {
  const Tensor *t = bind_check_value(L, 1);
  enum { BLOCK = 1024 }; /* whole blocks without a branch, for vectors */
  int64_t i = 0;
  bool finite = true;
  for (; finite && t->count - i >= BLOCK; i += BLOCK) {
    const float *at = t->data + i;
    uint32_t bad = 0, bits;
    for (int k = 0; k < BLOCK; k++) {
      memcpy(&bits, at + k, sizeof bits);
      bad |= (bits & 0x7f800000u) == 0x7f800000u; /* all ones in the exponent: infinity or NaN */
    }
    finite = !bad;
  }
  for (; finite && i < t->count; i++) finite = t->data[i] - t->data[i] == 0;
  lua_pushboolean(L, finite);
  return 1;
}

/* blend({to …}, {from …}, a, b): to = a to + b from, all in one go; whole numbers are those of from. */
static int rows_blend(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
  luaL_argcheck(L, n == (lua_Integer)lua_rawlen(L, 2), 2, "as many tensors as in the first list expected");
  float a = (float)luaL_checknumber(L, 3), b = (float)luaL_checknumber(L, 4);
  for (int pass = 0; pass < 2; pass++) /* all checked before any is changed */
    for (lua_Integer k = 1; k <= n; k++) {
      lua_geti(L, 1, k);
      lua_geti(L, 2, k);
      const Tensor *from = bind_check_value(L, -1);
      Tensor *to = bind_check_value(L, -2);
      Err e;
      if (!pass) {
        if (!shape_equal(&from->shape, &to->shape)) return bind_fail(L, "tensor %d: shapes %s and %s differ", (int)k, SHAPE_STR(&to->shape), SHAPE_STR(&from->shape));
        if (!node_write(bind_check_tensor(L, -2), false, &e)) return bind_raise(L, &e);
      } else {
        bool counts = to->dtype != DTYPE_F32;
        if (counts) memcpy(to->data, from->data, (size_t)to->count * sizeof(float));
        else
          for (int64_t i = 0; i < to->count; i++) to->data[i] = a * to->data[i] + b * from->data[i];
        tensor_touch(to);
        if (counts && !whole_copy(to, from, &e)) return bind_raise(L, &e);
      }
      lua_pop(L, 2);
    }
  return 0;
}

/* digest(t) → a whole number that tells whether the bits of t are others than they were: lanes of a product and a rotation,
 * so that the order counts; as many as hide what a product takes. */
static int rows_digest(lua_State *L) {
  const Tensor *t = bind_check_value(L, 1);
  enum { LANES = 8 };
  const uint64_t fold = 0xc4ceb9fe1a85ec53u;
  size_t left = (size_t)t->count * sizeof *t->data;
  uint64_t lane[LANES], all = (uint64_t)t->count;
  for (unsigned k = 0; k < LANES; k++) lane[k] = (k + 1) * 0x9e3779b97f4a7c15u;
  for (const char *p = (const char *)t->data; left > 0;) {
    uint64_t word[LANES] = {0};
    size_t n = left < sizeof word ? left : sizeof word;
    memcpy(word, p, n);
    for (int k = 0; k < LANES; k++) {
      uint64_t x = (lane[k] ^ word[k]) * 0xff51afd7ed558ccdu;
      lane[k] = x << 31 | x >> 33;
    }
    p += n;
    left -= n;
  }
  for (int k = 0; k < LANES; k++) all = ((all ^ lane[k]) * fold) ^ (all >> 29);
  lua_pushinteger(L, (lua_Integer)all);
  return 1;
}

int bind_rows(lua_State *L);
int bind_rows(lua_State *L) {
  static const luaL_Reg fn[] = {
    {"new", rows_new}, {"put", rows_put}, {"take", rows_take}, {"copy", rows_copy}, {"finite", rows_finite},
    {"blend", rows_blend}, {"digest", rows_digest}, {0, 0}};
  luaL_newlib(L, fn);
  return 1;
}
