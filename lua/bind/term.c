/* What the terminal is: enough for progress bars, tables and colour to know how to behave. */
#include "lua/bind/bind.h"
#include <curses.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
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

#define RAW "suture.raw" /* the terminal's modes as they were, put back when it is closed */

typedef struct Raw {
  struct termios before;
  bool open;
} Raw;

static int raw_close(lua_State *L) {
  Raw *r = luaL_checkudata(L, 1, RAW);
  if (r->open) tcsetattr(STDIN_FILENO, TCSAFLUSH, &r->before);
  r->open = false;
  return 0;
}

/* raw() → a value to be closed: until then each key of standard input comes at once and unseen, Ctrl-Z, Ctrl-S, Ctrl-Q and Ctrl-\
 * too; Ctrl-C stays a signal. nil: standard input is no terminal */
static int b_raw(lua_State *L) {
  Raw *r = lua_newuserdatauv(L, sizeof *r, 0);
  r->open = false;
  luaL_setmetatable(L, RAW);
  if (tcgetattr(STDIN_FILENO, &r->before)) return 0;
  struct termios t = r->before;
  t.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
  t.c_iflag &= ~(tcflag_t)(IXON | ICRNL | INLCR | IGNCR);
  t.c_cc[VSUSP] = t.c_cc[VQUIT] = _POSIX_VDISABLE;
  t.c_cc[VMIN] = 1;
  t.c_cc[VTIME] = 0;
  if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &t)) return 0;
  r->open = true;
  return 1;
}

/* key(seconds) → the bytes that are there by then, "": none, nil: the terminal is gone */
static int b_key(lua_State *L) {
  double seconds = luaL_checknumber(L, 1);
  struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
  int n = poll(&p, 1, seconds > 0 ? (int)ceil(fmin(seconds, 3600) * 1000) : 0);
  char bytes[64];
  ssize_t got = 0;
  if (n > 0) {
    got = read(STDIN_FILENO, bytes, sizeof bytes);
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) return 0;
  } else if (n < 0 && errno != EINTR) return 0;
  lua_pushlstring(L, bytes, got > 0 ? (size_t)got : 0);
  return 1;
}

/* stop(): the program stops, as by Ctrl-Z; it returns when somebody lets it go on */
static int b_stop(lua_State *L) {
  (void)L;
  kill(0, SIGTSTP);
  return 0;
}

int bind_term(lua_State *L);
int bind_term(lua_State *L) {
  static const luaL_Reg fns[] = {{"isatty", b_isatty}, {"size", b_size}, {"colours", b_colours}, {"clock", b_clock},
    {"raw", b_raw}, {"key", b_key}, {"stop", b_stop}, {0, 0}};
  static const luaL_Reg raw[] = {{"__close", raw_close}, {"__gc", raw_close}, {0, 0}};
  luaL_newmetatable(L, RAW);
  luaL_setfuncs(L, raw, 0);
  lua_pop(L, 1);
  luaL_newlib(L, fns);
  return 1;
}
