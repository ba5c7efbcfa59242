/* Text for a terminal: how many cells it takes, and nothing in it that the terminal would take for a command. What a
 * cell is (grapheme clusters, widths) is utf8proc's knowledge. */
#include "lua/bind/cells.h"
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

typedef const utf8proc_uint8_t Byte;

/* Characters that change the order of what stands around them, or break a line where none ends. */
static bool reorders(utf8proc_int32_t c) {
  return c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

/* The next character of s → its bytes, 1 for what is no UTF-8 (*c is then -1). */
static size_t next_char(const char *s, size_t n, utf8proc_int32_t *c) {
  utf8proc_ssize_t bytes = utf8proc_iterate((Byte *)s, (utf8proc_ssize_t)n, c);
  if (bytes > 0) return (size_t)bytes;
  *c = -1;
  return 1;
}

void cells_push_safe(lua_State *L, const char *s, size_t n, bool line) {
  size_t i = 0, done = 0;
  luaL_Buffer b;
  bool changed = false;
  for (size_t bytes; i < n; i += bytes) {
    utf8proc_int32_t c = (unsigned char)s[i];
    char shown[16];
    bytes = 1;
    if ((c >= 0x20 && c < 0x7F) || (!line && (c == '\n' || c == '\t'))) continue;
    if (c >= 0x80) {
      bytes = next_char(s + i, n - i, &c);
      if (c >= 0xA0 && !reorders(c)) continue;
    }
    if (c >= 0x80) snprintf(shown, sizeof shown, "\\u{%x}", (unsigned)c);
    else if (c == '\n' || c == '\t' || c == '\r') snprintf(shown, sizeof shown, "\\%c", "tn\0\0r"[c - '\t']);
    else snprintf(shown, sizeof shown, "\\x%02x", (unsigned)(unsigned char)s[i]);
    if (!changed) luaL_buffinit(L, &b);
    changed = true;
    luaL_addlstring(&b, s + done, i - done);
    luaL_addstring(&b, shown);
    done = i + bytes;
  }
  if (!changed) {
    lua_pushlstring(L, s, n);
    return;
  }
  luaL_addlstring(&b, s + done, n - done);
  luaL_pushresult(&b);
}

/* safe(text [, line]) → the text with control characters, orders to the bidirectional algorithm and bytes that are no
 * UTF-8 written out (\x1b, \u{202e}). Ends of lines and tabs stay, but not where `line` says that it must be one line. */
static int b_safe(lua_State *L) {
  size_t n;
  const char *s = luaL_checklstring(L, 1, &n);
  cells_push_safe(L, s, n, lua_toboolean(L, 2));
  return 1;
}

/* The cluster of characters at s, as one sees them → its bytes; *cells: the columns it takes. */
static size_t cluster(const char *s, size_t n, size_t *cells) {
  utf8proc_int32_t state = 0, c, before;
  size_t i = next_char(s, n, &c);
  *cells = 1;
  if (c < 0x80) {
    if (i == n || (unsigned char)s[i] < 0x80) return i;
  } else *cells = utf8proc_category(c) == UTF8PROC_CATEGORY_CN ? 1 : (size_t)utf8proc_charwidth(c);
  while (c >= 0 && i < n) {
    before = c;
    size_t bytes = next_char(s + i, n - i, &c);
    if (c < 0 || utf8proc_grapheme_break_stateful(before, c, &state)) break;
    bool picture = c == 0xFE0F || (c >= 0x1F1E6 && c <= 0x1F1FF); /* asked for, or the second letter of a flag */
    size_t w = picture ? 2 : (size_t)utf8proc_charwidth(c);
    if (w > *cells) *cells = w;
    i += bytes;
  }
  return i;
}

/* width(text) → the cells it takes on one line of a terminal */
static int b_width(lua_State *L) {
  size_t n, total = 0, cells;
  const char *s = luaL_checklstring(L, 1, &n);
  for (size_t i = 0; i < n; total += cells) i += cluster(s + i, n - i, &cells);
  lua_pushinteger(L, (lua_Integer)total);
  return 1;
}

/* fit(text, room) → how many of its first bytes take at most so many cells, and the cells they take; no cluster is cut */
static int b_fit(lua_State *L) {
  size_t n, i = 0, total = 0, cells;
  const char *s = luaL_checklstring(L, 1, &n);
  lua_Integer room = luaL_checkinteger(L, 2);
  while (i < n) {
    size_t bytes = cluster(s + i, n - i, &cells);
    if ((lua_Integer)(total + cells) > room) break;
    i += bytes;
    total += cells;
  }
  lua_pushinteger(L, (lua_Integer)i);
  lua_pushinteger(L, (lua_Integer)total);
  return 2;
}

int bind_cells(lua_State *L);
int bind_cells(lua_State *L) {
  static const luaL_Reg fns[] = {{"safe", b_safe}, {"width", b_width}, {"fit", b_fit}, {0, 0}};
  luaL_newlib(L, fns);
  return 1;
}
