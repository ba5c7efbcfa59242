/* string.find, match, gmatch and gsub that Ctrl-C stops. Lua's own run to their end, which for some patterns is never:
 * ("a"):rep(40):find(("a*"):rep(40) .. "b") has more ways to try than there are atoms. These match by the rules of the
 * Lua 5.4 manual (6.4.1) and ask now and then whether to go on. */
#include "repl/face.h"
#include <ctype.h>
#include <stddef.h>
#include <string.h>

enum { CAPTURES = 32, DEPTH = 200, OPEN = -1, PLACE = -2 };

typedef struct Match {
  lua_State *L;
  const char *src, *end, *pattern_end;
  int depth, level;
  size_t steps; /* since anybody was asked */
  struct { const char *at; ptrdiff_t size; } capture[CAPTURES]; /* size OPEN: not closed yet; PLACE: (), its position */
} Match;

static const char *match(Match *m, const char *s, const char *p);

static inline void step(Match *m, size_t n) {
  if ((m->steps += n) < 1 << 16) return;
  m->steps = 0;
  interrupt_check(m->L);
}

/* ---- single characters ---- */

/* Where the item that begins at p ends: before its quantifier. */
static const char *item_end(Match *m, const char *p) {
  char first = *p++;
  if (first == '%') {
    if (p == m->pattern_end) luaL_error(m->L, "malformed pattern (ends with '%%')");
    return p + 1;
  }
  if (first != '[') return p;
  if (*p == '^') p++;
  do { /* a ']' in the first place is a member */
    if (p == m->pattern_end) luaL_error(m->L, "malformed pattern (missing ']')");
    if (*p++ == '%' && p < m->pattern_end) p++;
  } while (*p != ']');
  return p + 1;
}

static bool in_class(int c, int class) {
  bool in;
  switch (tolower(class)) {
  case 'a': in = isalpha(c); break;
  case 'c': in = iscntrl(c); break;
  case 'd': in = isdigit(c); break;
  case 'g': in = isgraph(c); break;
  case 'l': in = islower(c); break;
  case 'p': in = ispunct(c); break;
  case 's': in = isspace(c); break;
  case 'u': in = isupper(c); break;
  case 'w': in = isalnum(c); break;
  case 'x': in = isxdigit(c); break;
  case 'z': in = c == 0; break; /* no more in the manual, but in Lua */
  default: return class == c;
  }
  return isupper(class) ? !in : in;
}

/* Whether c is in the set from p, a '[', to last, its ']'. */
static bool in_set(int c, const char *p, const char *last) {
  bool found = true;
  if (*++p == '^') found = false, p++;
  for (; p < last; p++) {
    if (*p == '%') {
      if (in_class(c, (unsigned char)*++p)) return found;
    } else if (p[1] == '-' && p + 2 < last) {
      if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2]) return found;
      p += 2;
    } else if ((unsigned char)*p == c) return found;
  }
  return !found;
}

static inline bool fits(const Match *m, const char *s, const char *p, const char *item_end_) {
  if (s >= m->end) return false;
  int c = (unsigned char)*s;
  switch (*p) {
  case '.': return true;
  case '%': return in_class(c, (unsigned char)p[1]);
  case '[': return in_set(c, p, item_end_ - 1);
  default: return (unsigned char)*p == c;
  }
}

/* ---- parts of patterns; each gives where the match of all that follows ends, or NULL ---- */

static const char *longest(Match *m, const char *s, const char *p, const char *after) {
  ptrdiff_t n = 0;
  while (fits(m, s + n, p, after)) n++;
  step(m, (size_t)n);
  for (; n >= 0; n--) {
    const char *end = match(m, s + n, after + 1);
    if (end) return end;
  }
  return NULL;
}

static const char *shortest(Match *m, const char *s, const char *p, const char *after) {
  for (;; s++) {
    const char *end = match(m, s, after + 1);
    if (end || !fits(m, s, p, after)) return end;
  }
}

static const char *open_capture(Match *m, const char *s, const char *p, ptrdiff_t what) {
  if (m->level >= CAPTURES) luaL_error(m->L, "too many captures");
  m->capture[m->level].at = s;
  m->capture[m->level++].size = what;
  const char *end = match(m, s, p);
  if (!end) m->level--;
  return end;
}

static const char *close_capture(Match *m, const char *s, const char *p) {
  int k = m->level - 1;
  while (k >= 0 && m->capture[k].size != OPEN) k--;
  if (k < 0) luaL_error(m->L, "invalid pattern capture");
  m->capture[k].size = s - m->capture[k].at;
  const char *end = match(m, s, p);
  if (!end) m->capture[k].size = OPEN;
  return end;
}

/* %1: behind the same text once more, NULL: it is not there */
static const char *again(Match *m, const char *s, char digit) {
  int k = digit - '1';
  if (k < 0 || k >= m->level || m->capture[k].size == OPEN) luaL_error(m->L, "invalid capture index %%%d", k + 1);
  size_t n = (size_t)m->capture[k].size;
  return (size_t)(m->end - s) >= n && !memcmp(m->capture[k].at, s, n) ? s + n : NULL;
}

/* %bxy: behind the balanced text, NULL: it is not there */
static const char *balanced(Match *m, const char *s, const char *p) {
  if (p + 1 >= m->pattern_end) luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
  if (s >= m->end || *s != *p) return NULL;
  long open = 1;
  while (++s < m->end) {
    step(m, 1);
    if (*s == p[1]) {
      if (--open == 0) return s + 1;
    } else if (*s == p[0]) open++;
  }
  return NULL;
}

/* %f[set]: behind it where s is such a border, else NULL */
static const char *border(Match *m, const char *s, const char *p) {
  if (*p != '[') luaL_error(m->L, "missing '[' after '%%f' in pattern");
  const char *end = item_end(m, p);
  int before = s == m->src ? 0 : (unsigned char)s[-1], now = s < m->end ? (unsigned char)*s : 0;
  return !in_set(before, p, end - 1) && in_set(now, p, end - 1) ? end : NULL;
}

static const char *go_on(Match *m, const char *s, const char *p) {
  while (s && p != m->pattern_end) {
    step(m, 1);
    switch (*p) {
    case '(': return p[1] == ')' ? open_capture(m, s, p + 2, PLACE) : open_capture(m, s, p + 1, OPEN);
    case ')': return close_capture(m, s, p + 1);
    case '$':
      if (p + 1 == m->pattern_end) return s == m->end ? s : NULL;
      break;
    case '%':
      if (p[1] == 'b') {
        s = balanced(m, s, p + 2);
        p += 4;
        continue;
      }
      if (p[1] == 'f') {
        if (!(p = border(m, s, p + 2))) return NULL;
        continue;
      }
      if (p[1] >= '0' && p[1] <= '9') {
        s = again(m, s, p[1]);
        p += 2;
        continue;
      }
    }
    const char *after = item_end(m, p), *end;
    bool one = fits(m, s, p, after);
    switch (after < m->pattern_end ? *after : '\0') {
    case '*': return longest(m, s, p, after);
    case '+': return one ? longest(m, s + 1, p, after) : NULL;
    case '-': return shortest(m, s, p, after);
    case '?':
      if (one && (end = match(m, s + 1, after + 1))) return end;
      p = after + 1;
      break;
    default:
      if (!one) return NULL;
      s++;
      p = after;
    }
  }
  return s;
}

static const char *match(Match *m, const char *s, const char *p) {
  if (m->depth-- == 0) luaL_error(m->L, "pattern too complex");
  const char *end = go_on(m, s, p);
  m->depth++;
  return end;
}

static const char *match_at(Match *m, const char *s, const char *p) {
  m->level = 0;
  m->depth = DEPTH;
  return match(m, s, p);
}

/* ---- captures ---- */

/* Pushes capture k of a match [s, e); without any, the first is all of it. */
static void push_capture(Match *m, int k, const char *s, const char *e) {
  if (k >= m->level) {
    if (k != 0) luaL_error(m->L, "invalid capture index %%%d", k + 1);
    lua_pushlstring(m->L, s, (size_t)(e - s));
  } else if (m->capture[k].size == OPEN) luaL_error(m->L, "unfinished capture");
  else if (m->capture[k].size == PLACE) lua_pushinteger(m->L, m->capture[k].at - m->src + 1);
  else lua_pushlstring(m->L, m->capture[k].at, (size_t)m->capture[k].size);
}

static int push_captures(Match *m, const char *s, const char *e) {
  int n = m->level == 0 && s ? 1 : m->level;
  luaL_checkstack(m->L, n, "too many captures");
  for (int k = 0; k < n; k++) push_capture(m, k, s, e);
  return n;
}

/* ---- the functions ---- */

static const char *begin(lua_State *L, Match *m) {
  size_t n, size;
  const char *s = luaL_checklstring(L, 1, &n), *p = luaL_checklstring(L, 2, &size);
  *m = (Match){.L = L, .src = s, .end = s + n, .pattern_end = p + size};
  return p;
}

static bool is_plain(const char *p, const char *end) {
  for (; p < end; p++)
    if (*p && strchr("^$*+?.([%-", *p)) return false;
  return true;
}

/* Argument 3, a position in the string, as a pointer; NULL: behind its end. */
static const char *begin_at(lua_State *L, const Match *m) {
  lua_Integer at = luaL_optinteger(L, 3, 1), n = m->end - m->src;
  if (at < 0) at = at + n >= 0 ? at + n + 1 : 1;
  if (at == 0) at = 1;
  return at > n + 1 ? NULL : m->src + at - 1;
}

/* memmem, in pieces. */
static const char *find_plain(Match *m, const char *s, const char *p, size_t n) {
  enum { PIECE = 1 << 20 };
  for (;; s += PIECE) {
    size_t left = (size_t)(m->end - s);
    const char *at = memmem(s, left < n + PIECE ? left : n + PIECE, p, n);
    if (at || left <= PIECE) return at;
    interrupt_check(m->L);
  }
}

static int search(lua_State *L, bool finds) {
  Match m;
  const char *p = begin(L, &m), *s = begin_at(L, &m);
  if (s && finds && (lua_toboolean(L, 4) || is_plain(p, m.pattern_end))) {
    size_t n = (size_t)(m.pattern_end - p);
    s = find_plain(&m, s, p, n);
    if (!s) return luaL_pushfail(L), 1;
    lua_pushinteger(L, s - m.src + 1);
    lua_pushinteger(L, s - m.src + (lua_Integer)n);
    return 2;
  }
  bool anchor = *p == '^';
  for (; s && s <= m.end; s++) {
    const char *e = match_at(&m, s, p + anchor);
    if (e && finds) {
      lua_pushinteger(L, s - m.src + 1);
      lua_pushinteger(L, e - m.src);
      return 2 + push_captures(&m, NULL, NULL);
    }
    if (e) return push_captures(&m, s, e);
    if (anchor) break;
  }
  luaL_pushfail(L);
  return 1;
}

static int find(lua_State *L) { return search(L, true); }
static int first_match(lua_State *L) { return search(L, false); }

/* The iterator of gmatch. Upvalues: string, pattern, where to go on, where the last match ended (from 0; -1: none). */
static int next_match(lua_State *L) {
  size_t n, size;
  const char *src = lua_tolstring(L, lua_upvalueindex(1), &n), *p = lua_tolstring(L, lua_upvalueindex(2), &size);
  Match m = {.L = L, .src = src, .end = src + n, .pattern_end = p + size};
  lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
  for (lua_Integer at = lua_tointeger(L, lua_upvalueindex(3)); at <= (lua_Integer)n; at++) {
    const char *e = match_at(&m, src + at, p);
    if (!e || e - src == last) continue;
    lua_pushinteger(L, e - src);
    lua_copy(L, -1, lua_upvalueindex(3));
    lua_replace(L, lua_upvalueindex(4));
    return push_captures(&m, src + at, e);
  }
  return 0;
}

static int all_matches(lua_State *L) {
  Match m;
  begin(L, &m);
  const char *s = begin_at(L, &m);
  lua_settop(L, 2);
  lua_pushinteger(L, s ? s - m.src : m.end - m.src + 1);
  lua_pushinteger(L, -1);
  lua_pushcclosure(L, next_match, 4);
  return 1;
}

/* Adds the replacement text (argument 3) for a match. */
static void add_text(Match *m, luaL_Buffer *b, const char *s, const char *e) {
  size_t n;
  const char *text = lua_tolstring(m->L, 3, &n);
  for (size_t i = 0; i < n; i++) {
    if (text[i] != '%') luaL_addchar(b, text[i]);
    else if (text[++i] == '%') luaL_addchar(b, '%');
    else if (text[i] == '0') luaL_addlstring(b, s, (size_t)(e - s));
    else if (isdigit((unsigned char)text[i])) {
      push_capture(m, text[i] - '1', s, e);
      luaL_tolstring(m->L, -1, NULL);
      lua_remove(m->L, -2);
      luaL_addvalue(b);
    } else luaL_error(m->L, "invalid use of '%%' in replacement string");
  }
}

/* Adds what the table or function (argument 3) says of a match. → whether it is another text */
static bool add_value(Match *m, luaL_Buffer *b, const char *s, const char *e) {
  lua_State *L = m->L;
  if (lua_isfunction(L, 3)) {
    lua_pushvalue(L, 3);
    lua_call(L, push_captures(m, s, e), 1);
  } else {
    push_capture(m, 0, s, e);
    lua_gettable(L, 3);
  }
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    luaL_addlstring(b, s, (size_t)(e - s));
    return false;
  }
  if (!lua_isstring(L, -1)) luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
  luaL_addvalue(b);
  return true;
}

static int replace_all(lua_State *L) {
  Match m;
  const char *p = begin(L, &m), *s = m.src, *last = NULL;
  int type = lua_type(L, 3);
  bool text = type == LUA_TSTRING || type == LUA_TNUMBER;
  if (!text && type != LUA_TTABLE && type != LUA_TFUNCTION) return luaL_typeerror(L, 3, "string/function/table");
  lua_Integer most = luaL_optinteger(L, 4, m.end - m.src + 1), n = 0;
  bool anchor = *p == '^', changed = false;
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  while (n < most) {
    const char *e = match_at(&m, s, p + anchor);
    if (e && e != last) {
      n++;
      if (text) add_text(&m, &b, s, e);
      changed = (text || add_value(&m, &b, s, e)) || changed;
      s = last = e;
    } else if (s < m.end) luaL_addchar(&b, *s++);
    else break;
    if (anchor) break;
  }
  if (changed) {
    luaL_addlstring(&b, s, (size_t)(m.end - s));
    luaL_pushresult(&b);
  } else lua_pushvalue(L, 1);
  lua_pushinteger(L, n);
  return 2;
}

void pattern_bind(lua_State *L) {
  static const luaL_Reg fns[] = {{"find", find}, {"match", first_match}, {"gmatch", all_matches}, {"gsub", replace_all}, {0, 0}};
  lua_getglobal(L, "string");
  luaL_setfuncs(L, fns, 0);
  lua_pop(L, 1);
}
