/* What the terminal is: enough for progress bars, tables and colour to know how to behave. */
#include "lua/bind/bind.h"
#include <curses.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <term.h>
#include <time.h>
#include <unistd.h>

/* isatty(fd) → boolean: 0 input, 1 output, 2 errors */
static int b_isatty(lua_State *L) {
  lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
  return 1;
}

/* size(fd) → columns, rows of the terminal; nil when it is none */
static int b_size(lua_State *L) {
  struct winsize w;
  if (ioctl((int)luaL_checkinteger(L, 1), TIOCGWINSZ, &w) != 0 || w.ws_col == 0) return 0;
  lua_pushinteger(L, w.ws_col);
  lua_pushinteger(L, w.ws_row);
  return 2;
}

/* colours() → how many colours the terminal that $TERM names has, as terminfo says; -1: it has none; nil: terminfo does
 * not know such a terminal */
static int b_colours(lua_State *L) {
  int error, n = -1;
  TERMINAL *before = set_curterm(NULL); /* Readline's own */
  bool known = setupterm(NULL, STDOUT_FILENO, &error) == OK;
  if (known) {
    n = tigetnum("colors");
    del_curterm(cur_term);
  }
  set_curterm(before);
  if (!known) return 0;
  lua_pushinteger(L, n);
  return 1;
}

/* clock() → seconds of a clock that only goes forward */
static int b_clock(lua_State *L) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  lua_pushnumber(L, (double)t.tv_sec + (double)t.tv_nsec * 1e-9);
  return 1;
}

int bind_term(lua_State *L);
int bind_term(lua_State *L) {
  static const luaL_Reg fns[] = {{"isatty", b_isatty}, {"size", b_size}, {"colours", b_colours}, {"clock", b_clock}, {0, 0}};
  luaL_newlib(L, fns);
  return 1;
}
