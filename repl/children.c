/* os.execute and io.popen. In C's system() and pclose() a process that waits for another hears no signal, and one that
 * ends leaves the other behind. Here a signal to a script goes to its children and theirs, and waiting ends.
 *
 * At the prompt the terminal tells Ctrl-C to the child too, which may be about to end, to save, or to do something else:
 * the line is interrupted where the child ended by it, and goes on where it ended otherwise, as in a shell. A program that
 * has the terminal for itself (an editor, a pager) has its own keys. A second Ctrl-C tells the child to end, and whether
 * it does or not, waiting is over. */
#include "repl/face.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 256, DEPTH = 8, SOON = 250 }; /* SOON: milliseconds */

/* Those that are waited for, and those that were left (pipe NULL). A slot with pid 0 is free; pid is set last, since a
 * handler looks at it. told: a signal was sent to it; heard: how many had come to the prompt when it began. */
static struct { volatile pid_t pid; volatile sig_atomic_t told; int heard; FILE *pipe; } child[MOST];

/* ---- signals ---- */

/* pid and all below it, pid first: a shell is not to go on with its next command. Nothing here but what a signal handler may call. */
static void signal_tree(pid_t pid, int sig, int depth) {
  char path[64] = "/proc/", text[2048], digits[16];
  int n = 0, at = 6;
  for (pid_t p = pid; p; p /= 10) digits[n++] = (char)('0' + p % 10);
  for (int k = n; k > 0; k--) path[at++] = digits[k - 1];
  memcpy(path + at, "/task/", 6);
  at += 6;
  for (int k = n; k > 0; k--) path[at++] = digits[k - 1];
  memcpy(path + at, "/children", 10);
  int fd = depth < DEPTH ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  ssize_t got = fd >= 0 ? read(fd, text, sizeof text) : 0;
  if (fd >= 0) close(fd);
  kill(pid, sig);
  pid_t below = 0;
  for (ssize_t i = 0; i < got; i++) {
    if (text[i] >= '0' && text[i] <= '9') below = below * 10 + (text[i] - '0');
    else if (below) signal_tree(below, sig, depth + 1), below = 0;
  }
}

void children_signal(int sig) {
  int error = errno;
  for (int i = 0; i < MOST; i++)
    if (child[i].pid) {
      child[i].told = 1;
      signal_tree(child[i].pid, sig, 0);
    }
  errno = error;
}

static void hold(sigset_t *before) {
  sigset_t held;
  sigemptyset(&held);
  sigaddset(&held, SIGINT);
  sigaddset(&held, SIGTERM);
  sigaddset(&held, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &held, before);
}

/* ---- starting and waiting ---- */

/* Who was left and has ended is gone. */
static bool is_free(int slot) {
  pid_t pid = child[slot].pid;
  if (pid && !child[slot].pipe && waitpid(pid, NULL, WNOHANG) != 0) child[slot].pid = 0;
  return !child[slot].pid;
}

/* Runs a command line with `theirs` (none: -1) as its file descriptor `as`. → a place in `child`; -1 and errno */
static int start(lua_State *L, const char *command, int theirs, int as, FILE *pipe) {
  int slot = 0;
  while (slot < MOST && !is_free(slot)) slot++;
  if (slot == MOST) {
    errno = EAGAIN;
    return -1;
  }
  sigset_t before;
  fflush(NULL);
  hold(&before);
  pid_t parent = getpid(), pid = -1;
  if (interrupt_in_script() ? interrupt_pending() : interrupt_waits(L)) errno = EINTR; /* nothing is begun any more */
  else pid = fork();
  if (pid == 0) {
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(127);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (theirs >= 0 && dup2(theirs, as) < 0) _exit(127);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
  }
  if (pid > 0) child[slot].pipe = pipe, child[slot].told = 0, child[slot].heard = interrupt_count(), child[slot].pid = pid;
  int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = error;
  return pid > 0 ? slot : -1;
}

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Does a program read single keys from the terminal? */
static bool has_terminal(void) {
  struct termios t;
  return tcgetattr(STDIN_FILENO, &t) == 0 && !(t.c_lflag & ICANON);
}

/* What the prompt does about the signals that came while it waits for a child. */
typedef struct Asked {
  int seen;         /* how many are dealt with */
  long first, last; /* when the first one was, and when the child was told to end: 0: not yet */
  bool said;
} Asked;

/* → the milliseconds after which to look again; 0: waiting is over, -1: nothing came */
static int ask(lua_State *L, Asked *a, int slot) {
  int heard = child[slot].heard, n = interrupt_count();
  if (n < heard) n = child[slot].heard = heard = 0; /* it began in an earlier line */
  if (n - heard > a->seen && !interrupt_ending() && has_terminal()) interrupt_forget(L, n = heard + a->seen);
  a->seen = n - heard;
  if (a->seen == 0) return -1;
  long t = now();
  if (!a->first) a->first = t;
  if (!a->last && (a->seen > 1 || interrupt_ending())) {
    signal_tree(child[slot].pid, SIGTERM, 0);
    a->last = t;
  }
  long left = (a->last ? a->last : a->first) + SOON - t;
  if (left > 0) return (int)left;
  if (a->last) fprintf(stderr, "\nprocess %d has not ended, though it was told to (SIGTERM)\n", (int)child[slot].pid);
  else if (!a->said) {
    fprintf(stderr, "\nprocess %d has not ended yet; Ctrl-C once more tells it to (SIGTERM)\n", (int)child[slot].pid);
    a->said = true;
  }
  return a->last ? 0 : -1;
}

/* A shell whose program Ctrl-C ended says so too. */
static bool ended_by_ctrl_c(int status) {
  return WIFSIGNALED(status) ? WTERMSIG(status) == SIGINT : WEXITSTATUS(status) == 128 + SIGINT;
}

/* Waits until the child ends → its status; until `ms` (none: -1) have passed, or a signal came that ends waiting → -2. */
static int wait_for(lua_State *L, int slot, int ms) {
  sigset_t before;
  Asked asked = {0};
  pid_t pid = child[slot].pid;
  int status = -1, fd = (int)syscall(SYS_pidfd_open, pid, 0), turn = fd >= 0 ? 1000 : 20;
  hold(&before);
  for (long end = now() + ms;;) {
    pid_t ended = waitpid(pid, &status, WNOHANG);
    if (ended < 0 && errno == EINTR) continue;
    if (ended) {
      child[slot].pid = 0;
      if (ended < 0) status = -1;
      break;
    }
    long left = ms < 0 ? turn : end - now();
    int look = interrupt_in_script() ? interrupt_pending() ? 0 : -1 : ask(L, &asked, slot);
    if (look == 0 || left <= 0) {
      status = -2;
      break;
    }
    if (look > 0 && look < left) left = look;
    if (left > turn) left = turn;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct timespec t = {left / 1000, left % 1000 * 1000000L};
    ppoll(&p, fd >= 0, &t, &before);
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL); /* what came just before it ended is heard now */
  bool prompt = !interrupt_in_script() && !interrupt_ending();
  if (prompt && status >= 0 && !child[slot].pipe && !asked.last && !ended_by_ctrl_c(status))
    interrupt_forget(L, child[slot].heard); /* it was the program's to answer */
  if (fd >= 0) close(fd);
  return status;
}

void children_end(void) {
  for (int i = 0; i < MOST; i++)
    if (child[i].pid) wait_for(NULL, i, 5000);
}

/* ---- what Lua calls ---- */

/* What Lua is told: of one that was not waited for, what the signal would have ended. */
static int result(lua_State *L, int status) {
  if (status != -1) errno = 0;
  if (status == -2) status = interrupt_status() ? interrupt_status() - 128 : SIGINT;
  return luaL_execresult(L, status);
}

/* os.execute([command]) */
static int execute(lua_State *L) {
  const char *command = luaL_optstring(L, 1, NULL);
  if (!command) {
    lua_pushboolean(L, access("/bin/sh", X_OK) == 0);
    return 1;
  }
  struct sigaction ignore = {.sa_handler = SIG_IGN}, sigquit;
  bool prompt = !interrupt_in_script();
  errno = 0;
  int slot = start(L, command, -1, -1, NULL);
  if (slot < 0) return luaL_execresult(L, -1);
  if (prompt) sigaction(SIGQUIT, &ignore, &sigquit);
  int status = wait_for(L, slot, -1);
  if (prompt) sigaction(SIGQUIT, &sigquit, NULL);
  return result(L, status);
}

static bool collecting; /* nobody waits for what a finalizer does */

static int close_pipe(lua_State *L) {
  luaL_Stream *s = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  int slot = 0;
  while (slot < MOST && !(child[slot].pid && child[slot].pipe == s->f)) slot++;
  errno = 0;
  fclose(s->f);
  if (slot == MOST) return luaL_execresult(L, -1);
  int status = wait_for(L, slot, child[slot].told ? 5000 : collecting && !interrupt_in_script() ? SOON : -1);
  child[slot].pipe = NULL;
  return result(L, status);
}

/* A file's finalizer */
static int collect_file(lua_State *L) {
  collecting = true;
  interrupt_own(L); /* raises nothing */
  collecting = false;
  return 0;
}

/* io.popen(command[, mode]) */
static int open_pipe(lua_State *L) {
  const char *command = luaL_checkstring(L, 1), *mode = luaL_optstring(L, 2, "r");
  luaL_argcheck(L, (mode[0] == 'r' || mode[0] == 'w') && !mode[1], 2, "invalid mode");
  bool reads = mode[0] == 'r';
  luaL_Stream *s = lua_newuserdatauv(L, sizeof *s, 0);
  s->closef = NULL; /* closed, until there is something to close */
  luaL_setmetatable(L, LUA_FILEHANDLE);
  int end[2];
  if (pipe2(end, O_CLOEXEC)) return luaL_fileresult(L, 0, command);
  int ours = end[reads ? 0 : 1], theirs = end[reads ? 1 : 0];
  int slot = (s->f = fdopen(ours, mode)) ? start(L, command, theirs, reads ? STDOUT_FILENO : STDIN_FILENO, s->f) : -1;
  int error = errno;
  close(theirs);
  if (slot < 0) {
    if (s->f) fclose(s->f);
    else close(ours);
    errno = error;
    return luaL_fileresult(L, 0, command);
  }
  s->closef = close_pipe;
  return 1;
}

/* In a copy of this process (fork): none of them is its own. */
static void forget(void) { memset(child, 0, sizeof child); }

void children_bind(lua_State *L) {
  pthread_atfork(NULL, NULL, forget);
  lua_getglobal(L, "os");
  lua_pushcfunction(L, execute);
  lua_setfield(L, -2, "execute");
  lua_getglobal(L, "io");
  lua_pushcfunction(L, open_pipe);
  lua_setfield(L, -2, "popen");
  static const luaL_Reg methods[] = {{"__gc", collect_file}, {0, 0}};
  luaL_getmetatable(L, LUA_FILEHANDLE);
  interrupt_stand_for(L, methods);
  lua_pop(L, 3);
}
