/* Ctrl-C, SIGTERM, and at the prompt SIGHUP. The handler sets a flag, which host.should_stop reports to the engine, and plants a
 * hook that raises "interrupted!" in Lua code at the next instruction (as lua.c does). Library code that has something
 * to finish holds the hook off: see lua/base/interrupt.lua.
 *
 * At the prompt a Ctrl-C lasts until the line has ended. A script is asked: once somebody was told (by the error, or
 * because library code took it) everything works again, so that what is there can be saved; a second signal within a
 * second ends it at once. SIGTERM and SIGHUP at the prompt stop the line as Ctrl-C does, and then end the shell, which
 * asks `ending`; where no line runs, or at the second one, at once.
 *
 * Invariants: `running` is the Lua thread whose code runs now, or NULL outside interrupt_call. Only the thread that
 * called interrupt_init takes signals and touches it. A hook never outlives the interrupt_call it was planted in. */
#include "repl/face.h"
#include "host.h"
#include "lua/bind/bind.h"
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static lua_State *volatile running;
static volatile sig_atomic_t came;     /* signals that nobody was told of (at the prompt: since interrupt_clear) */
static volatile sig_atomic_t last;     /* the signal that came last, 0: none */
static volatile sig_atomic_t echoed;   /* the terminal shows a ^C in the middle of a line */
static volatile sig_atomic_t deferred; /* > 0: neither engine nor Lua code is stopped */
static volatile sig_atomic_t soft;     /* > 0: the engine is stopped; Lua code asks pending() (the second one stops it) */
static volatile sig_atomic_t ending;   /* at the prompt: the signal that asked for the end */
static volatile sig_atomic_t script;   /* no prompt to come back to */
static bool refused;                   /* memory, because a signal came: since interrupt_call */
static long raised;                    /* how often "interrupted!" was */
static bool begun;                     /* main has */

static const int every = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT;

static void unplant(lua_State *L);

static int raise_it(lua_State *L) {
  raised++;
  lua_pushliteral(L, "interrupted!");
  return lua_error(L);
}

/* At the prompt the second Ctrl-C stays planted, and what asks for the end, so that code which catches errors and goes on is
 * stopped too. */
static bool stays(void) { return !script && (came > 1 || ending); }

static void stop(lua_State *L, lua_Debug *ar) {
  (void)ar;
  if (deferred) return;
  if (!stays()) unplant(L);
  if (script) came = 0;
  raise_it(L);
}

/* Does what came stop Lua code now? */
static bool stops(void) { return running && came && !deferred && (!soft || came > 1); }

/* Milliseconds since this was called last; many at first. */
static long since_last(void) {
  static struct timespec before;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  long ms = (now.tv_sec - before.tv_sec) * 1000 + (now.tv_nsec - before.tv_nsec) / 1000000;
  before = now;
  return ms;
}

static void on_signal(int sig, siginfo_t *from, void *context) {
  enum { SAME = 50, AT_ONCE = 1000, MANY = 3 };
  static const char goes_on[] = "\nstill not stopped; Ctrl-\\ ends Suture at once, and what is not saved is lost\n";
  (void)context;
  if (script) {
    long ms = last ? since_last() : (since_last(), AT_ONCE);
    if (ms < SAME) return; /* timeout(1) tells the process and its group: one signal, told twice */
    if (from->si_code != SI_KERNEL) children_signal(sig); /* what the terminal sends they have got */
    if (ms < AT_ONCE) _exit(128 + sig);
  }
  if (!script && sig != SIGINT) {
    if (!running || ending) {
      signal(sig, SIG_DFL);
      raise(sig); /* held up until this returns */
      return;
    }
    ending = sig;
  }
  last = sig;
  if (came < 100) came++;
  if (!script && running && came == MANY) (void)!write(STDERR_FILENO, goes_on, sizeof goes_on - 1); /* a finalizer, say */
  echoed = 1;
  if (stops()) lua_sethook(running, stop, every, 1);
}

static bool should_stop(void) { return came && !deferred; }

bool interrupt_pending(void) { return came > 0; }
bool interrupt_waits(lua_State *L) { return lua_gethook(L) == stop; }
void interrupt_clear(void) { came = echoed = 0; }
int interrupt_count(void) { return came; }
bool interrupt_ending(void) { return ending != 0; }
int interrupt_status(void) { return ending ? 128 + ending : script && last ? 128 + last : 0; }
bool interrupt_in_script(void) { return script; }
void interrupt_end(void) { deferred++; }

/* The engine's "interrupted!" is about to be raised: a script has been told. */
static void told(lua_State *L) {
  raised++;
  if (!script) return;
  came = 0;
  unplant(L);
}

void interrupt_check(lua_State *L) {
  if (!should_stop()) return;
  if (!stays()) unplant(L);
  told(L);
  raise_it(L);
}

long interrupt_raised(void) { return raised; }

void interrupt_again(lua_State *L, long before) {
  if (raised != before) raise_it(L);
}

bool interrupt_refuses(void) {
  if (!stops()) return false;
  return refused = true;
}

int interrupt_own(lua_State *L) { return lua_tocfunction(L, lua_upvalueindex(1))(L); }

void interrupt_stand_for(lua_State *L, const luaL_Reg *fns) {
  for (; fns->name; fns++) {
    lua_getfield(L, -1, fns->name);
    lua_pushcclosure(L, fns->func, 1);
    lua_setfield(L, -2, fns->name);
  }
}

/* A copy of this process (fork) has no prompt, and no signal has come to it yet. */
static void in_copy(void) {
  script = 1;
  came = last = ending = echoed = 0;
}

void interrupt_init(void) {
  pthread_atfork(NULL, NULL, in_copy);
  struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
  sigemptyset(&sa.sa_mask);
  sigaddset(&sa.sa_mask, SIGINT);
  sigaddset(&sa.sa_mask, SIGTERM);
  script = 1;
  begun = true;
  host.should_stop = should_stop;
  bind_stopped = told;
  sigaction(SIGINT, &sa, NULL);
  sigaction(SIGTERM, &sa, NULL);
}

static void *nothing(void *arg) {
  (void)arg;
  return NULL;
}

static bool is_of_openblas(void *(*start)(void *)) {
  Dl_info info;
  return dladdr(*(void **)&start, &info) && info.dli_fname && strstr(info.dli_fname, "openblas");
}

/* Every thread of the program comes through here, a library's too: it is born with these signals held up, so that they
 * always meet the thread that runs Lua.
 * Those that OpenBLAS makes before main begins have nothing to do, as its products run on one thread (core/dispatch.c), but
 * each asks for 128 MB of addresses until it gets them, and at the program's end is waited for: they end at once. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg) {
  static int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  sigset_t held, before;
  if (!create) *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
  sigemptyset(&held);
  sigaddset(&held, SIGINT);
  sigaddset(&held, SIGTERM);
  sigaddset(&held, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &held, &before);
  bool idle = !begun && is_of_openblas(start);
  pthread_attr_t small;
  if (idle) {
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 1 << 19);
  }
  int status = create(thread, idle ? &small : attr, idle ? nothing : start, arg);
  if (idle) pthread_attr_destroy(&small);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return status;
}

static void unplant(lua_State *L) {
  if (lua_gethook(L) == stop) lua_sethook(L, NULL, 0, 0);
}

int interrupt_call(lua_State *L, int nargs, int nresults, int handler) {
  lua_State *outer = running;
  deferred = soft = 0;
  refused = false;
  running = L;
  if (came && !outer) lua_sethook(L, stop, every, 1); /* it came between the line's end and here */
  int status = lua_pcall(L, nargs, nresults, handler);
  if (status == LUA_ERRMEM && refused) { /* Lua asks no handler about memory */
    told(L);
    unplant(L);
    lua_pop(L, 1);
    if (handler) lua_pushvalue(L, handler);
    lua_pushliteral(L, "interrupted!");
    status = handler ? lua_pcall(L, 1, 1, 0) : LUA_ERRRUN;
    if (status == LUA_OK) status = LUA_ERRRUN;
  }
  running = outer;
  if (!outer) unplant(L);
  return status;
}

void interrupt_forget(lua_State *L, int n) {
  if (came > n) came = n;
  if (!came) unplant(L);
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
  bool waits = co && lua_gethook(co) == stop; /* one came behind its last instruction */
  if (running) running = before;
  if (co) unplant(co);
  if ((waits || came > 1) && stops()) lua_sethook(running, stop, every, 1);
  return 0;
}

static int b_defer(lua_State *L) {
  deferred = deferred + (int)luaL_checkinteger(L, 1);
  if (deferred == 0 && came && !soft && running) { /* one came meanwhile: now it counts */
    told(L);
    return raise_it(L);
  }
  return 0;
}

static int b_soft(lua_State *L) {
  soft = soft + (int)luaL_checkinteger(L, 1);
  if (script && soft == 0 && came && !deferred && running) lua_sethook(running, stop, every, 1); /* nobody took it */
  return 0;
}

static int b_pending(lua_State *L) {
  lua_pushboolean(L, came > 0);
  return 1;
}

/* last() → the name of the signal that came last, or nil */
static int b_last(lua_State *L) {
  if (!last) return 0;
  lua_pushstring(L, last == SIGTERM ? "SIGTERM" : last == SIGHUP ? "SIGHUP" : "SIGINT");
  return 1;
}

/* over() → the name of the signal behind which nothing new is to begin, or nil: of a script the last that came, told or not */
static int b_over(lua_State *L) { return (script ? last : came) ? b_last(L) : 0; }

/* take() → the name of the signal that came, which is dealt with thereby, or nil */
static int b_take(lua_State *L) {
  if (!came) return 0;
  came = 0;
  if (running) unplant(running);
  return b_last(L);
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
  struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO}, before;
  sigemptyset(&sa.sa_mask);
  sigaddset(&sa.sa_mask, SIGINT);
  sigaddset(&sa.sa_mask, SIGTERM);
  sigaddset(&sa.sa_mask, SIGHUP);
  sigaction(SIGTERM, &sa, NULL);
  if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN) sigaction(SIGHUP, &sa, NULL); /* nohup(1) */
  script = last = 0;
  return 0;
}

/* ending() → the name of the signal that asks the shell to end, or nil */
static int b_ending(lua_State *L) {
  if (!ending) return 0;
  lua_pushstring(L, ending == SIGTERM ? "SIGTERM" : "SIGHUP");
  return 1;
}

void interrupt_bind(lua_State *L) {
  static const luaL_Reg fns[] = {
    {"call", b_call}, {"enter", b_enter}, {"leave", b_leave}, {"defer", b_defer}, {"soft", b_soft},
    {"pending", b_pending}, {"take", b_take}, {"last", b_last}, {"over", b_over}, {"echoed", b_echoed}, {"clear", b_clear},
    {"interactive", b_interactive}, {"ending", b_ending}, {0, 0}};
  luaL_setfuncs(L, fns, 0);
}
