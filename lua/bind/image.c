/* suture.core.image: pictures, lists of samples, batch loaders. The library in lua/data and lua/image.lua checks what
 * users write; here arguments come from it. */
#include "bind.h"
#include "tensor.h"
#include "whole.h"
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "image/loader.h"
#include "image/shapes.h"

#define SAMPLES "suture.samples"
#define LOADER "suture.loader"
#define FOLDER "suture.folder"
#define PICTURE "suture.picture" /* an Image that is collected when Lua raises */

/* ---- pictures and tensors ---- */

static int picture_gc(lua_State *L) {
  image_free(lua_touserdata(L, 1));
  return 0;
}
static Image *new_picture(lua_State *L) {
  Image *im = lua_newuserdatauv(L, sizeof *im, 0);
  *im = (Image){0};
  luaL_setmetatable(L, PICTURE);
  return im;
}

/* A tensor (C, H, W) or (1, C, H, W) of the values in im: row-major planes for rank 3, pixels as they lie for rank 4. */
static Tensor *to_tensor(const float *px, int h, int w, int c, int rank, Err *e) {
  Shape s = shape_of(rank, rank == 4 ? (int64_t[]){1, c, h, w} : (int64_t[]){c, h, w});
  Tensor *t = tensor_new(&s, e);
  if (!t) return NULL;
  size_t n = (size_t)h * (size_t)w;
  if (rank == 4) memcpy(t->data, px, n * (size_t)c * sizeof *px);
  else
    for (size_t i = 0; i < n; i++)
      for (int k = 0; k < c; k++) t->data[(size_t)k * n + i] = px[i * (size_t)c + (size_t)k];
  return t;
}

/* The picture through the last step of t, pushed as a tensor. im is a collected picture. */
static int push_picture(lua_State *L, const Image *im, const Transform *t, int rank) {
  Err e;
  size_t n = (size_t)im->h * (size_t)im->w * (size_t)im->c;
  float *px = malloc(n * sizeof *px);
  bool ok = px || err_memory(&e, (double)n * sizeof *px, "an image");
  ok = ok && transform_values(px, im, t, &e);
  Tensor *x = ok ? to_tensor(px, im->h, im->w, im->c, rank, &e) : NULL;
  free(px);
  if (!x) return bind_raise(L, &e);
  bind_push_leaf(L, x);
  return 1;
}

/* Adds {kind =, text =} for a remark (a bit) about the picture called `name` to the array on top of the stack; an array
 * takes the place of nil there. */
static void add_remark(lua_State *L, int bit, const char *name) {
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_newtable(L);
  }
  lua_createtable(L, 0, 2);
  lua_pushinteger(L, bit);
  lua_setfield(L, -2, "kind");
  lua_pushfstring(L, "%s: %s", name, image_remark(bit));
  lua_setfield(L, -2, "text");
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

/* Pushes the remarks about one picture, or nil. */
static int push_remarks(lua_State *L, int remarks, const char *name) {
  lua_pushnil(L);
  for (int bit = 0; bit < IMAGE_REMARKS; bit++)
    if (remarks >> bit & 1) add_remark(L, 1 << bit, name);
  return 1;
}

/* Fills im from the tensor at i: (H, W), (C, H, W) or (1, C, H, W) with 1 or 3 channels, 0 … 1, clipped. */
static void check_picture(lua_State *L, int i, Image *im) {
  const Tensor *x = bind_check_value(L, i);
  const Shape *s = &x->shape;
  int r = s->rank;
  int64_t c = r == 2 ? 1 : r == 3 ? s->dim[0] : r == 4 ? s->dim[1] : 0;
  if ((c != 1 && c != 3) || (r == 4 && s->dim[0] != 1))
    luaL_error(L, "an image is a tensor (H, W), (1, H, W), (3, H, W) or (1, 3, H, W), got %s%s", SHAPE_STR(s),
               r == 4 && s->dim[0] > 1 ? " · x[0] is its first" : "");
  if (s->dim[r - 2] > 1 << 24 || s->dim[r - 1] > 1 << 24) luaL_error(L, "the image %s is too large", SHAPE_STR(s));
  Err e;
  if (!image_new(im, (int)s->dim[r - 2], (int)s->dim[r - 1], (int)c, &e)) bind_raise(L, &e);
  size_t n = (size_t)im->h * (size_t)im->w, step = r == 4 ? 1 : n, pixel = r == 4 ? (size_t)c : 1;
  for (size_t p = 0; p < n; p++)
    for (size_t k = 0; k < (size_t)c; k++) {
      float v = x->data[p * pixel + k * step] * 255.0f + 0.5f;
      im->px[p * (size_t)c + k] = (uint8_t)(v >= 1 ? (v < 255 ? v : 255) : 0); /* NaN too becomes 0 */
    }
}

/* ---- transforms from tables ---- */

static double number_field(lua_State *L, int t, const char *name, double otherwise) {
  lua_getfield(L, t, name);
  double v = lua_isnil(L, -1) ? otherwise : lua_tonumber(L, -1);
  lua_pop(L, 1);
  return v;
}
static bool flag_field(lua_State *L, int t, const char *name) {
  lua_getfield(L, t, name);
  bool v = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return v;
}
static int floats_field(lua_State *L, int t, const char *name, float *out) {
  int n = 0;
  if (lua_getfield(L, t, name) == LUA_TTABLE)
    for (; n < 3 && lua_rawgeti(L, -1, n + 1) != LUA_TNIL; n++) {
      out[n] = (float)lua_tonumber(L, -1);
      lua_pop(L, 1);
    }
  return n; /* check_transform tidies the stack */
}

/* {name, p, {lo …}, {hi …}} */
static void check_step(lua_State *L, int i, Step *s) {
  lua_rawgeti(L, i, 1);
  lua_rawgeti(L, i, 2);
  s->adjust = adjust_named(luaL_checkstring(L, -2));
  if (!s->adjust) luaL_error(L, "no change of a picture is called %s", lua_tostring(L, -2));
  s->p = luaL_checknumber(L, -1);
  for (int end = 0; end < 2; end++) {
    lua_rawgeti(L, i, 3 + end);
    for (int k = 0; k < s->adjust->args; k++, lua_pop(L, 1)) {
      lua_rawgeti(L, -1, k + 1);
      (end ? s->hi : s->lo)[k] = luaL_checknumber(L, -1);
    }
  }
  lua_settop(L, i);
}

/* The fields of transform.h by name; the filter as a word; mean and std as arrays. */
static Transform check_transform(lua_State *L, int i) {
  luaL_checktype(L, i, LUA_TTABLE);
  int top = lua_gettop(L);
  Transform t = {.channels = (int)number_field(L, i, "channels", 0), .resize_h = (int)number_field(L, i, "resize_h", 0),
    .resize_w = (int)number_field(L, i, "resize_w", 0), .crop_h = (int)number_field(L, i, "crop_h", 0),
    .crop_w = (int)number_field(L, i, "crop_w", 0), .as_stored = flag_field(L, i, "as_stored"), .draft = flag_field(L, i, "draft"),
    .flip = number_field(L, i, "flip", 0), .random_crop = flag_field(L, i, "random_crop"),
    .pad = (int)number_field(L, i, "pad", 0), .random_resized = flag_field(L, i, "random_resized"),
    .scale = {number_field(L, i, "scale_lo", .08), number_field(L, i, "scale_hi", 1)},
    .ratio = {number_field(L, i, "ratio_lo", 3. / 4), number_field(L, i, "ratio_hi", 4. / 3)},
    .brightness = number_field(L, i, "brightness", 0), .contrast = number_field(L, i, "contrast", 0),
    .saturation = number_field(L, i, "saturation", 0), .hue = number_field(L, i, "hue", 0),
    .rotate = number_field(L, i, "rotate", 0)};
  t.erase = number_field(L, i, "erase", 0);
  t.erase_scale[0] = number_field(L, i, "erase_scale_lo", .02), t.erase_scale[1] = number_field(L, i, "erase_scale_hi", .33);
  t.erase_ratio[0] = number_field(L, i, "erase_ratio_lo", .3), t.erase_ratio[1] = number_field(L, i, "erase_ratio_hi", 3.3);
  t.erase_value = number_field(L, i, "erase_value", 0);
  t.policy = (Policy){.ops = (int)number_field(L, i, "policy_ops", 2), .magnitude = (int)number_field(L, i, "policy_magnitude", 9),
    .bins = (int)number_field(L, i, "policy_bins", 31)};
  if (lua_getfield(L, i, "policy") == LUA_TSTRING) t.policy.kind = policy_named(lua_tostring(L, -1));
  if (lua_getfield(L, i, "steps") == LUA_TTABLE)
    while (t.steps < TRANSFORM_STEPS && lua_rawgeti(L, -1, t.steps + 1) == LUA_TTABLE) {
      check_step(L, lua_gettop(L), &t.step[t.steps++]);
      lua_pop(L, 1);
    }
  lua_getfield(L, i, "filter");
  t.filter = lua_isnil(L, -1) ? FILTER_BILINEAR : (Filter)filter_named(luaL_checkstring(L, -1));
  t.n_mean = floats_field(L, i, "mean", t.mean);
  floats_field(L, i, "std", t.std);
  lua_settop(L, top);
  return t;
}

/* ---- pictures ---- */

/* max_pixels([n]) → pixels of which a file may claim twice as many */
static int l_max_pixels(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)image_max_pixels((int64_t)luaL_optinteger(L, 1, 0)));
  return 1;
}

/* read(path, as_stored) → (3, H, W) in 0 … 1, remarks */
static int l_read(lua_State *L) {
  Err e;
  const char *path = luaL_checkstring(L, 1);
  Image *im = new_picture(L);
  if (!image_read(im, path, &(Reading){.as_stored = lua_toboolean(L, 2)}, &e)) return bind_raise(L, &e);
  int remarks = im->remarks;
  push_picture(L, im, &(Transform){0}, 3);
  return 1 + push_remarks(L, remarks, path);
}

/* write(tensor, path, quality) */
static int l_write(lua_State *L) {
  Err e;
  const char *path = luaL_checkstring(L, 2);
  int quality = (int)luaL_optinteger(L, 3, 0);
  Image *im = new_picture(L);
  check_picture(L, 1, im);
  if (!image_write(im, path, quality, &e)) return bind_raise(L, &e);
  return 0;
}

/* preprocess(path or tensor, transform, rank[, seed, epoch, sample]) → (C, H, W), or (1, C, H, W) for rank 4, and remarks;
 * seed: with the transform's random part, as the loader draws it for that sample */
static int l_preprocess(lua_State *L) {
  Err e;
  Transform t = check_transform(L, 2);
  int rank = (int)luaL_optinteger(L, 3, 4);
  bool random = !lua_isnoneornil(L, 4);
  Random r = random_keyed((uint64_t)luaL_optinteger(L, 4, 0), (uint64_t)luaL_optinteger(L, 5, 0),
                          (uint64_t)luaL_optinteger(L, 6, 0));
  Image *im = new_picture(L);
  if (lua_type(L, 1) == LUA_TSTRING) {
    Reading how = transform_reading(&t, random);
    if (!image_read(im, lua_tostring(L, 1), &how, &e)) return bind_raise(L, &e);
  } else {
    check_picture(L, 1, im);
  }
  int remarks = im->remarks;
  if (!transform_image(im, &t, random ? &r : NULL, &e)) return bind_raise(L, &e);
  push_picture(L, im, &t, rank);
  return 1 + push_remarks(L, remarks, remarks ? lua_tostring(L, 1) : "");
}

/* The picture at 1, a tensor or the path of a file, as bytes. */
static Image *argument_picture(lua_State *L) {
  Err e;
  Image *im = new_picture(L);
  if (lua_type(L, 1) != LUA_TSTRING) check_picture(L, 1, im);
  else if (!image_read(im, lua_tostring(L, 1), NULL, &e)) bind_raise(L, &e);
  return im;
}

static int rank_of(lua_State *L) {
  return lua_type(L, 1) != LUA_TSTRING && bind_check_value(L, 1)->shape.rank == 4 ? 4 : 3;
}

/* adjust(path or tensor, name, {numbers}) → (C, H, W), or (1, C, H, W) from one of rank 4 */
static int l_adjust(lua_State *L) {
  Err e;
  const Adjust *adjust = adjust_named(luaL_checkstring(L, 2));
  luaL_argcheck(L, adjust, 2, "no such change");
  luaL_checktype(L, 3, LUA_TTABLE);
  double args[ADJUST_ARGS] = {0};
  for (int i = 0; i < adjust->args; i++, lua_pop(L, 1)) {
    lua_rawgeti(L, 3, i + 1);
    args[i] = luaL_checknumber(L, -1);
  }
  Image *im = argument_picture(L);
  if (!adjust->apply(im, args, &e)) return bind_raise(L, &e);
  return push_picture(L, im, &(Transform){0}, rank_of(L));
}

/* change(path or tensor, name, strength) → as adjust: a change of the policies by its name in the papers */
static int l_change(lua_State *L) {
  Err e;
  Image *im = argument_picture(L);
  if (!policy_change(im, luaL_checkstring(L, 2), luaL_checknumber(L, 3), &e)) return bind_raise(L, &e);
  return push_picture(L, im, &(Transform){0}, rank_of(L));
}

/* strength(name, level, bins, wide, h, w) → how strong, whether it goes both ways */
static int l_strength(lua_State *L) {
  bool is_signed;
  double s = policy_strength(luaL_checkstring(L, 1), (int)luaL_checkinteger(L, 2), (int)luaL_checkinteger(L, 3),
    lua_toboolean(L, 4), (int)luaL_checkinteger(L, 5), (int)luaL_checkinteger(L, 6), &is_signed);
  lua_pushnumber(L, s);
  lua_pushboolean(L, is_signed);
  return 2;
}

/* ---- samples ---- */

static Samples **new_samples(lua_State *L) {
  Samples **s = lua_newuserdatauv(L, sizeof *s, 0);
  *s = NULL;
  luaL_setmetatable(L, SAMPLES);
  return s;
}
static Samples *check_samples(lua_State *L, int i) { return *(Samples **)luaL_checkudata(L, i, SAMPLES); }
static int samples_gc(lua_State *L) {
  Samples **s = luaL_checkudata(L, 1, SAMPLES);
  samples_unref(*s);
  *s = NULL;
  return 0;
}
static int samples_len(lua_State *L) {
  lua_pushinteger(L, check_samples(L, 1)->n);
  return 1;
}

/* files(paths, labels) → samples */
static int l_files(lua_State *L) {
  Err e;
  Samples **s = new_samples(L);
  lua_Integer n = luaL_len(L, 1);
  if (!(*s = samples_new(0, 0, 0, &e))) return bind_raise(L, &e);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, 1, i);
    lua_rawgeti(L, 2, i);
    if (!samples_add_file(*s, luaL_checkstring(L, -2), (int)luaL_checkinteger(L, -1), &e)) return bind_raise(L, &e);
    lua_pop(L, 2);
  }
  return 1;
}

/* cifar(paths) → samples */
static int l_cifar(lua_State *L) {
  Err e;
  Samples **s = new_samples(L);
  lua_Integer n = luaL_len(L, 1);
  if (!(*s = samples_new(32, 32, 3, &e))) return bind_raise(L, &e);
  for (lua_Integer i = 1; i <= n; i++, lua_pop(L, 1)) {
    lua_rawgeti(L, 1, i);
    if (!samples_add_cifar(*s, luaL_checkstring(L, -1), &e)) return bind_raise(L, &e);
  }
  return 1;
}

/* mnist(images, labels) → samples */
static int l_mnist(lua_State *L) {
  Err e;
  const char *images = luaL_checkstring(L, 1), *labels = luaL_checkstring(L, 2);
  Samples **s = new_samples(L);
  if (!samples_add_mnist(s, images, labels, &e)) return bind_raise(L, &e);
  return 1;
}

/* shapes(domain, n per class, size, seed, split) → samples */
static int l_shapes(lua_State *L) {
  Err e;
  int domain = shapes_domain_named(luaL_checkstring(L, 1)), size = (int)luaL_checkinteger(L, 3);
  lua_Integer n = luaL_checkinteger(L, 2), seed = luaL_checkinteger(L, 4);
  int split = (int)luaL_checkinteger(L, 5);
  Samples **s = new_samples(L);
  if (!(*s = samples_new(size, size, 3, &e)) || !shapes_add(*s, (ShapesDomain)domain, n, (uint64_t)seed, split, &e))
    return bind_raise(L, &e);
  return 1;
}

/* shape_mask(domain, class, i, size, seed, split) → how much of each pixel of such a picture its shape covers, (size, size) */
static int l_shape_mask(lua_State *L) {
  Err e;
  int domain = shapes_domain_named(luaL_checkstring(L, 1)), k = (int)luaL_checkinteger(L, 2), size = (int)luaL_checkinteger(L, 4);
  lua_Integer i = luaL_checkinteger(L, 3), seed = luaL_checkinteger(L, 5);
  int split = (int)luaL_checkinteger(L, 6);
  luaL_argcheck(L, domain >= 0, 1, "no such domain");
  luaL_argcheck(L, k >= 0 && k < SHAPES_PER_DOMAIN, 2, "no such class");
  luaL_argcheck(L, size >= 1 && size <= 1024, 4, "1 to 1024");
  Shape s = {.rank = 2, .dim = {size, size}};
  Tensor *t = tensor_new(&s, &e);
  if (!t) return bind_raise(L, &e);
  shapes_mask(t->data, size, (ShapesDomain)domain, k, i, (uint64_t)seed, split);
  bind_push_leaf(L, t);
  return 1;
}

/* shape_classes(domain) → names, or nil and the domains' names */
static int l_shape_classes(lua_State *L) {
  int d = shapes_domain_named(luaL_checkstring(L, 1));
  if (d < 0) lua_pushnil(L);
  lua_newtable(L);
  for (int k = 0; k < (d < 0 ? SHAPES_DOMAINS : SHAPES_PER_DOMAIN); k++) {
    lua_pushstring(L, d < 0 ? shapes_domain_name(k) : shapes_class((ShapesDomain)d, k));
    lua_rawseti(L, -2, k + 1);
  }
  return d < 0 ? 2 : 1;
}

/* labels(samples, order) → array of class indices */
static int l_labels(lua_State *L) {
  Samples *s = check_samples(L, 1);
  lua_Integer n = luaL_len(L, 2);
  lua_createtable(L, (int)n, 0);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, 2, i);
    lua_Integer k = lua_tointeger(L, -1);
    if (k < 0 || k >= s->n) return luaL_error(L, "sample %I of %I does not exist", k, (lua_Integer)s->n);
    lua_pop(L, 1);
    lua_pushinteger(L, s->label[k]);
    lua_rawseti(L, -2, i);
  }
  return 1;
}

/* name(samples, i) → the path, or "image i" */
static int l_name(lua_State *L) {
  Samples *s = check_samples(L, 1);
  lua_Integer i = luaL_checkinteger(L, 2);
  luaL_argcheck(L, i >= 0 && i < s->n, 2, "no such sample");
  if (s->path) lua_pushstring(L, s->path[i]);
  else lua_pushfstring(L, "image %I", i);
  return 1;
}

/* get(samples, i, transform) → (C, H, W), remarks */
static int l_get(lua_State *L) {
  Err e;
  Samples *s = check_samples(L, 1);
  lua_Integer i = luaL_checkinteger(L, 2);
  luaL_argcheck(L, i >= 0 && i < s->n, 2, "no such sample");
  Transform t = check_transform(L, 3);
  Reading how = transform_reading(&t, false);
  Image *im = new_picture(L);
  if (!samples_get(s, i, &how, im, &e)) return bind_raise(L, &e);
  int remarks = im->remarks;
  if (!transform_image(im, &t, NULL, &e)) return bind_raise(L, &e);
  push_picture(L, im, &t, 3);
  return 1 + push_remarks(L, remarks, remarks ? s->path[i] : "");
}

/* ---- order ---- */

/* shuffle(array, seed, epoch) → a new array, mixed */
static int l_shuffle(lua_State *L) {
  lua_Integer n = luaL_len(L, 1);
  uint64_t seed = (uint64_t)luaL_checkinteger(L, 2), epoch = (uint64_t)luaL_optinteger(L, 3, 0);
  int64_t *order = lua_newuserdatauv(L, (size_t)(n ? n : 1) * sizeof *order, 0);
  for (lua_Integer i = 0; i < n; i++, lua_pop(L, 1)) {
    lua_rawgeti(L, 1, i + 1);
    order[i] = lua_tointeger(L, -1);
  }
  Random r = random_keyed(seed, epoch, ~(uint64_t)0);
  random_shuffle(&r, order, n);
  lua_createtable(L, (int)n, 0);
  for (lua_Integer i = 0; i < n; i++) {
    lua_pushinteger(L, order[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* drawn(weights, n, seed, epoch) → n places from 0, each drawn, with replacement, as often as its weight (0 or above) says */
static int l_drawn(lua_State *L) {
  lua_Integer many = luaL_len(L, 1), n = luaL_checkinteger(L, 2);
  uint64_t seed = (uint64_t)luaL_checkinteger(L, 3), epoch = (uint64_t)luaL_checkinteger(L, 4);
  double *upto = lua_newuserdatauv(L, (size_t)(many + 1) * sizeof *upto, 0), sum = 0;
  for (lua_Integer i = 0; i < many; i++, lua_pop(L, 1)) {
    lua_rawgeti(L, 1, i + 1);
    upto[i] = sum += luaL_checknumber(L, -1);
  }
  luaL_argcheck(L, sum > 0, 1, "weights above 0 expected");
  Random r = random_keyed(seed, epoch, ~(uint64_t)0);
  lua_createtable(L, (int)n, 0);
  for (lua_Integer i = 0; i < n; i++) {
    double at = random_unit(&r) * sum;
    lua_Integer low = 0, high = many - 1;
    while (low < high) { /* the first place whose sum is beyond `at` */
      lua_Integer middle = low + (high - low) / 2;
      if (upto[middle] > at) high = middle;
      else low = middle + 1;
    }
    lua_pushinteger(L, low);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* seed() → the next of the generator that seed(n) sets */
static int l_seed(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)(graph_seed() >> 1));
  return 1;
}

/* gather(tensor, array of rows) → the rows, as a tensor of the same kind */
static int l_gather(lua_State *L) {
  Err e;
  lua_Integer n = luaL_len(L, 2);
  const Tensor *x = bind_check_value(L, 1);
  if (x->shape.rank < 1) return luaL_error(L, "a scalar has no rows");
  int64_t rows = x->shape.dim[0], each = rows ? x->count / rows : 0;
  Shape s = x->shape;
  s.dim[0] = n;
  for (lua_Integer i = 0; i < n; i++, lua_pop(L, 1)) {
    lua_rawgeti(L, 2, i + 1);
    lua_Integer k = lua_tointeger(L, -1);
    if (k < 0 || k >= rows) return luaL_error(L, "row %I of %I does not exist", k, (lua_Integer)rows);
  }
  int64_t *whole = x->whole ? lua_newuserdatauv(L, (size_t)(n * each + 1) * sizeof *whole, 0) : NULL;
  Tensor *t = tensor_new(&s, &e);
  if (!t) return bind_raise(L, &e);
  t->dtype = x->dtype;
  for (lua_Integer i = 0; i < n; i++, lua_pop(L, 1)) {
    lua_rawgeti(L, 2, i + 1);
    int64_t from = lua_tointeger(L, -1) * each;
    memcpy(t->data + i * each, x->data + from, (size_t)each * sizeof(float));
    if (whole) memcpy(whole + i * each, x->whole + from, (size_t)each * sizeof *whole);
  }
  if (whole && !whole_set(t, whole, &e)) {
    tensor_unref(t);
    return bind_raise(L, &e);
  }
  bind_push_leaf(L, t);
  return 1;
}

/* ---- loader ---- */

static int loader_close(lua_State *L) {
  Loader **l = luaL_checkudata(L, 1, LOADER);
  loader_free(*l);
  *l = NULL;
  return 0;
}

/* loader(samples, order, transform, {batch, drop_last, augment, seed, epoch, threads}) → loader */
static int l_loader(lua_State *L) {
  Err e;
  Samples *s = check_samples(L, 1);
  lua_Integer n = luaL_len(L, 2);
  Transform t = check_transform(L, 3);
  LoaderSettings set = {.batch = (int)number_field(L, 4, "batch", 1), .drop_last = flag_field(L, 4, "drop_last"),
    .augment = flag_field(L, 4, "augment"), .threads = (int)number_field(L, 4, "threads", 0)};
  lua_getfield(L, 4, "seed");
  set.seed = (uint64_t)lua_tointeger(L, -1);
  lua_getfield(L, 4, "epoch");
  set.epoch = (uint64_t)lua_tointeger(L, -1);
  Loader **l = lua_newuserdatauv(L, sizeof *l, 0);
  *l = NULL;
  luaL_setmetatable(L, LOADER);
  int64_t *order = lua_newuserdatauv(L, (size_t)(n ? n : 1) * sizeof *order, 0);
  for (lua_Integer i = 0; i < n; i++, lua_pop(L, 1)) {
    lua_rawgeti(L, 2, i + 1);
    order[i] = lua_tointeger(L, -1);
  }
  int64_t keep = (int64_t)number_field(L, 3, "keep", 0);
  if (keep > 0) set.kept = samples_kept(s, &t, set.augment, keep, &e); /* NULL: another pass is at what is kept otherwise */
  if (!(*l = loader_new(s, order, n, &t, &set, &e))) return bind_raise(L, &e);
  lua_pop(L, 1);
  return 1;
}

/* kept(samples) → pictures that are kept, their bytes, pictures that found no room, the room (bytes) */
static int l_kept(lua_State *L) {
  Samples *s = check_samples(L, 1);
  KeptCount all = {0};
  for (int i = 0; i < 2; i++) {
    KeptCount c = s->kept[i] ? kept_count(s->kept[i]) : (KeptCount){0};
    all.count += c.count, all.bytes += c.bytes, all.refused += c.refused, all.limit += c.limit;
  }
  lua_pushinteger(L, all.count);
  lua_pushinteger(L, all.bytes);
  lua_pushinteger(L, all.refused);
  lua_pushinteger(L, all.limit);
  return 4;
}

/* next(loader, samples) → x (N, C, H, W), y (N) of class indices, remarks; nothing after the last */
static int l_next(lua_State *L) {
  Err e;
  Loader **l = luaL_checkudata(L, 1, LOADER);
  Batch b;
  if (!*l) return 0;
  if (!loader_next(*l, &b, &e)) {
    loader_close(L);
    return bind_raise(L, &e);
  }
  if (!b.n) return loader_close(L);
  Shape xs = shape_of(4, (int64_t[]){b.n, b.c, b.h, b.w}), ys = shape_of(1, (int64_t[]){b.n});
  Tensor *x = tensor_new(&xs, &e), *y = x ? tensor_new(&ys, &e) : NULL;
  if (!y || !loader_values(*l, &b, x->data, &e)) {
    tensor_unref(x);
    tensor_unref(y);
    return bind_raise(L, &e);
  }
  for (int i = 0; i < b.n; i++) y->data[i] = (float)b.label[i];
  y->dtype = DTYPE_I64;
  bind_push_leaf(L, x);
  bind_push_leaf(L, y);
  lua_pushnil(L);
  for (int bit = 0; bit < IMAGE_REMARKS; bit++)
    if (b.remarked[bit] >= 0) add_remark(L, 1 << bit, check_samples(L, 2)->path[b.remarked[bit]]);
  return 3;
}

/* ---- folders ---- */

/* list(path) → array of {name, "folder" | "file"} without "." and "..", in no order; or nil and a message */
static int l_list(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  DIR **slot = lua_newuserdatauv(L, sizeof *slot, 0);
  *slot = NULL;
  luaL_setmetatable(L, FOLDER);
  DIR *d = *slot = opendir(path);
  if (!d) {
    int why = errno;
    lua_pushnil(L);
    lua_pushstring(L, strerror(why));
    return 2;
  }
  lua_newtable(L);
  lua_Integer n = 0;
  for (struct dirent *f; (f = readdir(d));) {
    if (!strcmp(f->d_name, ".") || !strcmp(f->d_name, "..")) continue;
    struct stat st;
    bool folder = !fstatat(dirfd(d), f->d_name, &st, 0) && S_ISDIR(st.st_mode); /* a broken link is a file that cannot be read */
    lua_createtable(L, 2, 0);
    lua_pushstring(L, f->d_name);
    lua_rawseti(L, -2, 1);
    lua_pushstring(L, folder ? "folder" : "file");
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, ++n);
  }
  *slot = NULL;
  closedir(d);
  return 1;
}
static int folder_gc(lua_State *L) {
  DIR **slot = lua_touserdata(L, 1);
  if (*slot) closedir(*slot);
  return 0;
}

/* full(path) → the absolute path, or the path as given */
static int l_full(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  char *p = realpath(path, NULL);
  lua_pushstring(L, p ? p : path);
  free(p);
  return 1;
}

static int l_cores(lua_State *L) {
  long n = sysconf(_SC_NPROCESSORS_ONLN);
  lua_pushinteger(L, n < 1 ? 1 : n);
  return 1;
}

int bind_image(lua_State *L) {
  static const luaL_Reg picture[] = {{"__gc", picture_gc}, {0, 0}};
  static const luaL_Reg samples[] = {{"__gc", samples_gc}, {"__len", samples_len}, {0, 0}};
  static const luaL_Reg loader[] = {{"__gc", loader_close}, {"__close", loader_close}, {0, 0}};
  static const luaL_Reg folder[] = {{"__gc", folder_gc}, {0, 0}};
  static const struct { const char *name; const luaL_Reg *fns; } types[] = {
    {PICTURE, picture}, {SAMPLES, samples}, {LOADER, loader}, {FOLDER, folder}};
  for (int i = 0; i < 4; i++) {
    luaL_newmetatable(L, types[i].name);
    luaL_setfuncs(L, types[i].fns, 0);
    lua_pop(L, 1);
  }
  static const luaL_Reg fns[] = {{"read", l_read}, {"max_pixels", l_max_pixels}, {"write", l_write}, {"preprocess", l_preprocess}, {"adjust", l_adjust},
    {"change", l_change}, {"strength", l_strength}, {"files", l_files},
    {"cifar", l_cifar}, {"mnist", l_mnist}, {"shapes", l_shapes}, {"shape_classes", l_shape_classes}, {"shape_mask", l_shape_mask}, {"labels", l_labels},
    {"name", l_name}, {"get", l_get}, {"shuffle", l_shuffle}, {"drawn", l_drawn}, {"seed", l_seed}, {"gather", l_gather}, {"loader", l_loader}, {"kept", l_kept},
    {"next", l_next}, {"close", loader_close}, {"list", l_list}, {"full", l_full}, {"cores", l_cores}, {0, 0}};
  luaL_newlib(L, fns);
  return 1;
}
