/* Ctrl-C. The handler sets a flag, which host.should_stop reports to the engine, and plants a hook that raises
 * "interrupted!" in Lua code at the next instruction (as lua.c does). Library code that has something to finish
 * holds the hook off: see lua/base/interrupt.lua.
 *
 * Invariants: `running` is the Lua thread whose code runs now, or NULL outside interrupt_call. Only the thread that
 * called interrupt_init takes SIGINT and touches it. A hook never outlives the interrupt_call it was planted in. */
#include "repl/face.h"
#include "host.h"
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static lua_State *volatile running;
static volatile sig_atomic_t came;     /* SIGINTs since interrupt_clear */
static volatile sig_atomic_t echoed;   /* the terminal shows a ^C in the middle of a line */
static volatile sig_atomic_t deferred; /* > 0: neither engine nor Lua code is stopped */
static volatile sig_atomic_t soft;     /* > 0: the engine is stopped; Lua code asks pending() (the second one stops it) */
static volatile sig_atomic_t script;   /* no prompt to come back to */

static const int every = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT;

static void stop(lua_State *L, lua_Debug *ar) {
  (void)ar;
  if (deferred) return;
  /* The second Ctrl-C stays planted, so that code which catches errors and goes on is stopped too. */
  if (came < 2) lua_sethook(L, NULL, 0, 0);
  lua_pushliteral(L, "interrupted!");
  lua_error(L);
}

static void on_sigint(int sig) {
  (void)sig;
  if (came < 100) came++;
  echoed = 1;
  if (script && came > 1) _exit(130);
  if (running && !deferred && (!soft || came > 1)) lua_sethook(running, stop, every, 1);
}

static bool should_stop(void) { return came && !deferred; }

bool interrupt_pending(void) { return came > 0; }
void interrupt_clear(void) { came = echoed = 0; }

void interrupt_init(bool is_script) {
  struct sigaction sa = {.sa_handler = on_sigint};
  sigemptyset(&sa.sa_mask);
  sigaction(SIGINT, &sa, NULL);
  script = is_script;
  host.should_stop = should_stop;
}

/* Every thread of the program comes through here, a library's too (OpenBLAS makes its own before main begins): it is
 * born with SIGINT held up, so that Ctrl-C always meets the thread that runs Lua. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg) {
  static int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  sigset_t sigint, before;
  if (!create) *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
  sigemptyset(&sigint);
  sigaddset(&sigint, SIGINT);
  pthread_sigmask(SIG_BLOCK, &sigint, &before);
  int status = create(thread, attr, start, arg);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return status;
}

static void unplant(lua_State *L) {
  if (lua_gethook(L) == stop) lua_sethook(L, NULL, 0, 0);
}

int interrupt_call(lua_State *L, int nargs, int nresults, int handler) {
  lua_State *outer = running;
  deferred = soft = 0;
  running = L;
  if (came && !outer && !script) lua_sethook(L, stop, every, 1); /* it came between the line's end and here */
  int status = lua_pcall(L, nargs, nresults, handler);
  running = outer;
  if (!outer) unplant(L);
  return status;
}

/* call(handler, f, ...) → true, results… | false, what the handler returned */
static int b_call(lua_State *L) {
  int status = interrupt_call(L, lua_gettop(L) - 2, LUA_MULTRET, 1);
  lua_pushboolean(L, status == LUA_OK);
  lua_replace(L, 1);
  return lua_gettop(L);
}

/* enter(co) → the thread that ran before (light userdata): Ctrl-C now stops `co`. */
static int b_enter(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  lua_pushlightuserdata(L, (void *)running);
  if (running && co) running = co;
  return 1;
}

/* leave(co, before): undoes enter. */
static int b_leave(lua_State *L) {
  lua_State *co = lua_tothread(L, 1), *before = lua_touserdata(L, 2);
  if (co) unplant(co);
  if (running) running = before;
  if (running && came > 1 && !deferred) lua_sethook(running, stop, every, 1);
  return 0;
}

static int b_defer(lua_State *L) {
  deferred = deferred + (int)luaL_checkinteger(L, 1);
  if (deferred == 0 && came && !soft && running) { /* one came meanwhile: now it counts */
    lua_pushliteral(L, "interrupted!");
    return lua_error(L);
  }
  return 0;
}

static int b_soft(lua_State *L) {
  soft = soft + (int)luaL_checkinteger(L, 1);
  return 0;
}

static int b_pending(lua_State *L) {
  lua_pushboolean(L, came > 0);
  return 1;
}

/* take() → true when Ctrl-C came. At the prompt it is then dealt with; a script stays stopped. */
static int b_take(lua_State *L) {
  bool yes = came > 0;
  if (yes && !script) came = 0; /* never where none was seen: one that comes right now would be lost */
  lua_pushboolean(L, yes);
  return 1;
}

/* echoed() → true when a ^C has been shown since it was last asked */
static int b_echoed(lua_State *L) {
  lua_pushboolean(L, echoed);
  echoed = 0;
  return 1;
}

static int b_clear(lua_State *L) {
  (void)L;
  came = echoed = 0;
  return 0;
}

static int b_interactive(lua_State *L) {
  (void)L;
  script = 0;
  return 0;
}

void interrupt_bind(lua_State *L) {
  static const luaL_Reg fns[] = {
    {"call", b_call}, {"enter", b_enter}, {"leave", b_leave}, {"defer", b_defer}, {"soft", b_soft},
    {"pending", b_pending}, {"take", b_take}, {"echoed", b_echoed}, {"clear", b_clear},
    {"interactive", b_interactive}, {0, 0}};
  luaL_setfuncs(L, fns, 0);
}
