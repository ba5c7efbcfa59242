/* suture.core.draw: a drawing as a file's bytes. lua/base/canvas.lua makes the list of strokes; here they come from it. */
#include "draw.h"
#include <string.h>
#include "bind.h"
#include "tensor.h"

#define DRAW "suture.draw" /* a Draw that is closed when Lua raises */

static int draw_gc(lua_State *L) {
  Draw **d = luaL_checkudata(L, 1, DRAW);
  draw_close(*d);
  *d = NULL;
  return 0;
}

/* Field i of the stroke at the top of the stack. */
static double number_at(lua_State *L, int i) {
  lua_rawgeti(L, -1, i);
  double v = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return v;
}
static uint32_t colour_at(lua_State *L, int i) {
  lua_rawgeti(L, -1, i);
  uint32_t c = (uint32_t)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return c;
}

static uint32_t byte_of(float v) {
  v = v * 255.0f + 0.5f;
  return v >= 1 ? (v < 255 ? (uint32_t)v : 255) : 0; /* NaN too becomes 0 */
}

/* {"pixels", tensor (3, H, W) of 0 … 1, x, y, width, height, smooth} */
static void pixels(lua_State *L, Draw *d) {
  Err e;
  int stroke = lua_gettop(L);
  lua_rawgeti(L, stroke, 2);
  const Tensor *t = bind_check_value(L, stroke + 1);
  if (t->shape.rank != 3 || t->shape.dim[0] != 3) luaL_error(L, "a picture in a drawing is (3, H, W)");
  size_t h = (size_t)t->shape.dim[1], w = (size_t)t->shape.dim[2], n = h * w;
  if (h < 1 || w < 1 || h > 30000 || w > 30000) luaL_error(L, "the picture %s does not fit a drawing", SHAPE_STR(&t->shape));
  uint32_t *px = lua_newuserdatauv(L, n * sizeof *px, 0);
  for (size_t i = 0; i < n; i++)
    px[i] = byte_of(t->data[i]) << 16 | byte_of(t->data[n + i]) << 8 | byte_of(t->data[2 * n + i]);
  lua_pushvalue(L, stroke);
  double x = number_at(L, 3), y = number_at(L, 4), width = number_at(L, 5), height = number_at(L, 6);
  lua_rawgeti(L, -1, 7);
  bool smooth = lua_toboolean(L, -1);
  lua_settop(L, stroke);
  if (!draw_pixels(d, px, (int)h, (int)w, x, y, width, height, smooth, &e)) bind_raise(L, &e);
}

/* {"line", width, colour, x, y, x, y, …} */
static void line(lua_State *L, Draw *d) {
  size_t n = ((size_t)lua_rawlen(L, -1) - 3) / 2;
  double *points = lua_newuserdatauv(L, (n ? n : 1) * 2 * sizeof *points, 0);
  lua_pushvalue(L, -2);
  for (size_t i = 0; i < 2 * n; i++) points[i] = number_at(L, (int)i + 4);
  draw_line(d, points, n, number_at(L, 2), colour_at(L, 3));
  lua_pop(L, 2);
}

static void stroke(lua_State *L, Draw *d) {
  lua_rawgeti(L, -1, 1);
  const char *what = luaL_checkstring(L, -1);
  lua_pop(L, 1);
  if (!strcmp(what, "rect"))
    draw_rect(d, number_at(L, 3), number_at(L, 4), number_at(L, 5), number_at(L, 6), colour_at(L, 2));
  else if (!strcmp(what, "circle")) draw_circle(d, number_at(L, 3), number_at(L, 4), number_at(L, 5), colour_at(L, 2));
  else if (!strcmp(what, "line")) line(L, d);
  else if (!strcmp(what, "pixels")) pixels(L, d);
  else if (!strcmp(what, "text")) {
    lua_rawgeti(L, -1, 3);
    const char *text = luaL_checkstring(L, -1); /* the stroke keeps it */
    lua_pop(L, 1);
    draw_text(d, number_at(L, 4), number_at(L, 5), number_at(L, 6), number_at(L, 7), (int)number_at(L, 8), colour_at(L, 2), text);
  } else luaL_error(L, "no stroke '%s'", what);
}

static Draw **new_draw(lua_State *L, DrawFormat format, double width, double height, double scale) {
  Err e;
  Draw **d = lua_newuserdatauv(L, sizeof *d, 0);
  *d = NULL;
  luaL_setmetatable(L, DRAW);
  if (!draw_open(format, width, height, scale, d, &e)) bind_raise(L, &e);
  return d;
}

/* render(format, width, height, scale, strokes) → the file's bytes. format: "png", "svg" or "pdf"; strokes: an array of
 * {"rect", colour, x, y, w, h}, {"circle", colour, x, y, r}, {"line", width, colour, x, y, …} (width 0: filled),
 * {"text", colour, text, x, y, size, at, turn}, {"pixels", tensor, x, y, w, h, smooth}; see draw.h */
static int l_render(lua_State *L) {
  static const char *const formats[] = {"png", "svg", "pdf", NULL};
  Err e;
  DrawFormat format = (DrawFormat)luaL_checkoption(L, 1, NULL, formats);
  Draw **d = new_draw(L, format, luaL_checknumber(L, 2), luaL_checknumber(L, 3), luaL_checknumber(L, 4));
  lua_Integer n = luaL_len(L, 5);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, 5, i);
    stroke(L, *d);
    lua_pop(L, 1);
  }
  const uint8_t *bytes;
  size_t size;
  if (!draw_finish(*d, &bytes, &size, &e)) return bind_raise(L, &e);
  lua_pushlstring(L, (const char *)bytes, size);
  return 1;
}

/* width(size, text) → how wide a line of text is, in points */
static int l_width(lua_State *L) {
  double size = luaL_checknumber(L, 1);
  const char *text = luaL_checkstring(L, 2);
  lua_pushnumber(L, draw_text_width(*new_draw(L, DRAW_PNG, 1, 1, 1), size, text));
  return 1;
}

int bind_draw(lua_State *L);
int bind_draw(lua_State *L) {
  static const luaL_Reg methods[] = {{"__gc", draw_gc}, {0, 0}};
  static const luaL_Reg fns[] = {{"render", l_render}, {"width", l_width}, {0, 0}};
  luaL_newmetatable(L, DRAW);
  luaL_setfuncs(L, methods, 0);
  lua_pop(L, 1);
  luaL_newlib(L, fns);
  return 1;
}
