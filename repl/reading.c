/* Functions of io, and print, that Ctrl-C stops. Lua's own read as long as a file goes on (/dev/zero has no end), and write
 * a text as long as a terminal takes for it; a listener hears what the terminal is shown. They are the upvalues;
 * tests/repl/standard.lua compares both. */
#include "repl/face.h"
#include <ctype.h>
#include <errno.h>
#include <string.h>

enum { PIECE = 1 << 16 };

const char *input_refused;
void (*stream_changes)(void);

/* ---- files ---- */

/* A line, with its end where that is wanted. → whether there was any */
static bool read_line(lua_State *L, FILE *f, bool keep_end) {
  luaL_Buffer b;
  int c = '\0';
  luaL_buffinit(L, &b);
  do {
    char *p = luaL_prepbuffsize(&b, PIECE);
    size_t n = 0;
    interrupt_check(L);
    while (n < PIECE && (c = getc_unlocked(f)) != EOF && c != '\n') p[n++] = (char)c;
    luaL_addsize(&b, n);
  } while (c != EOF && c != '\n');
  if (keep_end && c == '\n') luaL_addchar(&b, '\n');
  luaL_pushresult(&b);
  return c == '\n' || lua_rawlen(L, -1) > 0;
}

/* Up to n bytes. → whether there were any */
static bool read_bytes(lua_State *L, FILE *f, size_t n) {
  luaL_Buffer b;
  size_t got = 1;
  luaL_buffinit(L, &b);
  while (n > 0 && got > 0) {
    size_t wanted = n < PIECE ? n : PIECE;
    interrupt_check(L);
    n -= got = fread(luaL_prepbuffsize(&b, wanted), 1, wanted, f);
    luaL_addsize(&b, got);
    if (got < wanted) break;
  }
  luaL_pushresult(&b);
  return lua_rawlen(L, -1) > 0;
}

static lua_CFunction file_read; /* Lua's own */

/* A number from the file at place `file` in the stack: Lua's own function reads it, behind white space that may have no end. */
static bool read_number(lua_State *L, FILE *f, int file) {
  int c;
  for (size_t n = 0; isspace(c = getc_unlocked(f));)
    if (++n % PIECE == 0) interrupt_check(L);
  ungetc(c, f);
  lua_pushcfunction(L, file_read);
  lua_pushvalue(L, file);
  lua_pushliteral(L, "n");
  lua_call(L, 2, 1);
  return !lua_isnil(L, -1);
}

/* Reads what `formats` arguments from `first` on say, from the file at place `file`. */
static int read_as(lua_State *L, int file, int first, int formats) {
  FILE *f = ((luaL_Stream *)lua_touserdata(L, file))->f;
  int i = first;
  bool good = true;
  clearerr(f);
  if (formats == 0) {
    good = read_line(L, f, false);
    i++;
  }
  luaL_checkstack(L, formats + LUA_MINSTACK, "too many arguments");
  for (; i < first + formats && good; i++) {
    if (lua_type(L, i) == LUA_TNUMBER) {
      size_t n = (size_t)luaL_checkinteger(L, i);
      if (n > 0) {
        good = read_bytes(L, f, n);
        continue;
      }
      int c = getc(f);
      ungetc(c, f);
      lua_pushliteral(L, "");
      good = c != EOF;
      continue;
    }
    const char *p = luaL_checkstring(L, i);
    switch (*p == '*' ? p[1] : *p) {
    case 'n': good = read_number(L, f, file); break;
    case 'l': good = read_line(L, f, false); break;
    case 'L': good = read_line(L, f, true); break;
    case 'a': read_bytes(L, f, (size_t)-1); break;
    default: return luaL_argerror(L, i, "invalid format");
    }
  }
  if (ferror(f) && f == stdin && input_refused) return luaL_error(L, "%s", input_refused);
  if (ferror(f)) return luaL_fileresult(L, 0, NULL);
  if (!good) {
    lua_pop(L, 1);
    luaL_pushfail(L);
  }
  return i - first;
}

/* The open file at place i in the stack, else NULL. */
static luaL_Stream *open_file(lua_State *L, int i) {
  luaL_Stream *s = luaL_testudata(L, i, LUA_FILEHANDLE);
  return s && s->closef ? s : NULL;
}

/* file:read(...) */
static int read_file(lua_State *L) { return open_file(L, 1) ? read_as(L, 1, 2, lua_gettop(L) - 1) : interrupt_own(L); }

/* io.read(...) */
static int read_input(lua_State *L) {
  int n = lua_gettop(L);
  lua_getfield(L, LUA_REGISTRYINDEX, "_IO_input"); /* as liolib.c keeps it */
  if (open_file(L, -1)) return read_as(L, n + 1, 1, n);
  lua_pop(L, 1);
  return interrupt_own(L);
}

/* What lines() gives. The upvalue is what Lua's own gives, of which these upvalues are known (liolib.c): the file, how
 * many formats there are, whether to close it at its end, and the formats. */
static int next_line(lua_State *L) {
  enum { OWN = lua_upvalueindex(1) };
  lua_settop(L, 1);
  lua_getupvalue(L, OWN, 2);
  lua_getupvalue(L, OWN, 3);
  int formats = (int)lua_tointeger(L, 2);
  bool closes = lua_toboolean(L, 3);
  lua_settop(L, 1);
  luaL_checkstack(L, formats + 1, "too many arguments");
  for (int i = 1; i <= formats; i++) lua_getupvalue(L, OWN, 3 + i);
  lua_getupvalue(L, OWN, 1);
  luaL_Stream *s = open_file(L, -1);
  if (!s) return luaL_error(L, "file is already closed");
  int n = read_as(L, formats + 2, 2, formats);
  if (lua_toboolean(L, -n)) return n;
  if (n > 1) return luaL_error(L, "%s", lua_tostring(L, -n + 1));
  if (!closes) return 0;
  lua_settop(L, 0);
  lua_getupvalue(L, OWN, 1);
  lua_CFunction end = s->closef;
  s->closef = NULL;
  end(L);
  return 0;
}

/* file:lines(...), io.lines([name, ...]): the first result is the iterator */
static int lines(lua_State *L) {
  int n = interrupt_own(L);
  lua_pushvalue(L, -n);
  lua_pushcclosure(L, next_line, 1);
  lua_replace(L, -n - 1);
  return n;
}

static const char LISTENER[] = "suture.listener";
static bool listening;

/* Tells the listener what the terminal is shown. Its own errors are nobody's here. */
static void tell(lua_State *L, const char *s, size_t n) {
  lua_getfield(L, LUA_REGISTRYINDEX, LISTENER);
  lua_pushlstring(L, s, n);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return;
  if (lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "interrupted!") == 0) lua_error(L);
  lua_pop(L, 1);
}

/* tap(f): from now on f(text) hears what Lua writes to the terminal. */
static int tap(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, LISTENER);
  listening = true;
  return 0;
}

/* Writes a text to a file in pieces: a terminal takes its time for each. → whether it was written */
static bool write_text(lua_State *L, FILE *f, const char *s, size_t n) {
  static FILE *last;
  if (stream_changes && f != last && (f == stdout || f == stderr)) {
    last = f;
    stream_changes();
  }
  if (listening && n > 0 && (f == stdout || f == stderr)) tell(L, s, n);
  while (n > 0) {
    size_t size = n < PIECE ? n : PIECE;
    if (n > PIECE) interrupt_check(L);
    if (fwrite(s, 1, size, f) != size) {
      if (errno == EINTR && interrupt_pending()) clearerr(f); /* that is no fault of the file's */
      interrupt_check(L);
      return false;
    }
    s += size;
    n -= size;
  }
  return true;
}

/* Writes the arguments from `first` on. → the results: argument 0, the file, which is on top, or fail and why */
static int write_to(lua_State *L, FILE *f, int first, int n) {
  bool good = true;
  for (int i = first; i < first + n; i++) {
    size_t size;
    char number[64];
    const char *s = number;
    if (lua_type(L, i) != LUA_TNUMBER) s = luaL_checklstring(L, i, &size);
    else if (lua_isinteger(L, i))
      size = (size_t)snprintf(number, sizeof number, LUA_INTEGER_FMT, (LUAI_UACINT)lua_tointeger(L, i));
    else size = (size_t)snprintf(number, sizeof number, LUA_NUMBER_FMT, (LUAI_UACNUMBER)lua_tonumber(L, i));
    good = good && write_text(L, f, s, size);
  }
  return good ? 1 : luaL_fileresult(L, 0, NULL);
}

/* file:write(...) */
static int write_file(lua_State *L) {
  luaL_Stream *s = open_file(L, 1);
  if (!s) return interrupt_own(L);
  int n = lua_gettop(L) - 1;
  lua_pushvalue(L, 1);
  return write_to(L, s->f, 2, n);
}

/* io.write(...) */
static int write_output(lua_State *L) {
  int n = lua_gettop(L);
  lua_getfield(L, LUA_REGISTRYINDEX, "_IO_output");
  luaL_Stream *s = open_file(L, -1);
  if (s) return write_to(L, s->f, 1, n);
  lua_pop(L, 1);
  return interrupt_own(L);
}

static int print(lua_State *L) {
  int n = lua_gettop(L);
  for (int i = 1; i <= n; i++) {
    size_t size;
    const char *s = luaL_tolstring(L, i, &size);
    if (i > 1) write_text(L, stdout, "\t", 1);
    write_text(L, stdout, s, size);
    lua_pop(L, 1);
  }
  write_text(L, stdout, "\n", 1);
  fflush(stdout);
  return 0;
}

void reading_bind(lua_State *L) {
  static const luaL_Reg functions[] = {{"read", read_input}, {"lines", lines}, {"write", write_output}, {0, 0}};
  static const luaL_Reg methods[] = {{"read", read_file}, {"lines", lines}, {"write", write_file}, {0, 0}};
  static const luaL_Reg globals[] = {{"print", print}, {0, 0}};
  lua_getglobal(L, "io");
  interrupt_stand_for(L, functions);
  luaL_getmetatable(L, LUA_FILEHANDLE);
  lua_getfield(L, -1, "__index");
  lua_getfield(L, -1, "read");
  file_read = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  interrupt_stand_for(L, methods);
  lua_pushglobaltable(L);
  interrupt_stand_for(L, globals);
  lua_pop(L, 4);
  lua_pushcfunction(L, tap);
  lua_setfield(L, -2, "tap");
}
