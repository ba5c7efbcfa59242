/* os.execute and io.popen. In C's system() and pclose() a process that waits for another hears no signal, and one that
 * ends leaves the other behind. Here a signal to a script goes to its children and theirs, and waiting ends. At the
 * prompt Ctrl-C is for the child alone, as in system(); in a notebook, where one stops a cell, for both. */
#include "repl/face.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 256, DEPTH = 8 };

bool children_share;

/* Those that are waited for. A slot with pid 0 is free; pid is set last, since a handler looks at it. */
static struct { volatile pid_t pid; volatile sig_atomic_t told; FILE *pipe; } child[MOST]; /* told: a signal was sent to it */

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
  pthread_sigmask(SIG_BLOCK, &held, before);
}

/* ---- starting and waiting ---- */

/* Runs a command line with `theirs` (none: -1) as its file descriptor `as`. → a place in `child`; -1 and errno */
static int start(const char *command, int theirs, int as, FILE *pipe) {
  int slot = 0;
  while (slot < MOST && child[slot].pid) slot++;
  if (slot == MOST) {
    errno = EAGAIN;
    return -1;
  }
  sigset_t before;
  fflush(NULL);
  hold(&before);
  pid_t parent = getpid(), pid = -1;
  if ((interrupt_in_script() || children_share) && interrupt_pending()) errno = EINTR; /* nothing is begun any more */
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
  if (pid > 0) child[slot].pipe = pipe, child[slot].told = 0, child[slot].pid = pid;
  int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = error;
  return pid > 0 ? slot : -1;
}

/* Waits until the child ends → its status; in a script, until a signal comes or `ms` (none: -1) have passed → -2. */
static int wait_for(int slot, int ms) {
  sigset_t before;
  pid_t pid = child[slot].pid;
  int status = -1, fd = (int)syscall(SYS_pidfd_open, pid, 0), turn = fd >= 0 ? 1000 : 20;
  hold(&before);
  for (;;) {
    pid_t ended = waitpid(pid, &status, WNOHANG);
    if (ended < 0 && errno == EINTR) continue;
    if (ended) {
      child[slot].pid = 0;
      if (ended < 0) status = -1;
      break;
    }
    if (children_share && interrupt_pending() && !child[slot].told) children_signal(SIGINT);
    if (interrupt_in_script() && (interrupt_pending() || ms == 0)) {
      status = -2;
      break;
    }
    int now = ms >= 0 && ms < turn ? ms : turn;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct timespec t = {now / 1000, now % 1000 * 1000000L};
    ppoll(&p, fd >= 0, &t, &before);
    if (ms >= 0) ms -= now;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (fd >= 0) close(fd);
  return status;
}

void children_end(void) {
  for (int i = 0; i < MOST; i++)
    if (child[i].pid) wait_for(i, 5000);
}

/* ---- what Lua calls ---- */

/* os.execute([command]) */
static int execute(lua_State *L) {
  const char *command = luaL_optstring(L, 1, NULL);
  if (!command) {
    lua_pushboolean(L, access("/bin/sh", X_OK) == 0);
    return 1;
  }
  struct sigaction ignore = {.sa_handler = SIG_IGN}, sigint, sigquit;
  bool theirs = !interrupt_in_script() && !children_share;
  errno = 0;
  int slot = start(command, -1, -1, NULL);
  if (slot < 0) return luaL_execresult(L, -1);
  if (theirs) sigaction(SIGINT, &ignore, &sigint), sigaction(SIGQUIT, &ignore, &sigquit);
  int status = wait_for(slot, -1);
  if (theirs) sigaction(SIGINT, &sigint, NULL), sigaction(SIGQUIT, &sigquit, NULL);
  if (status == -2) status = interrupt_status() - 128; /* as one that the signal ended */
  return luaL_execresult(L, status);
}

static int close_pipe(lua_State *L) {
  luaL_Stream *s = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  int slot = 0;
  while (slot < MOST && !(child[slot].pid && child[slot].pipe == s->f)) slot++;
  errno = 0;
  fclose(s->f);
  if (slot == MOST) return luaL_execresult(L, -1);
  int status = wait_for(slot, child[slot].told ? 5000 : -1);
  if (status == -2) status = interrupt_status() - 128;
  return luaL_execresult(L, status);
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
  int slot = (s->f = fdopen(ours, mode)) ? start(command, theirs, reads ? STDOUT_FILENO : STDIN_FILENO, s->f) : -1;
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

void children_bind(lua_State *L) {
  lua_getglobal(L, "os");
  lua_pushcfunction(L, execute);
  lua_setfield(L, -2, "execute");
  lua_getglobal(L, "io");
  lua_pushcfunction(L, open_pipe);
  lua_setfield(L, -2, "popen");
  lua_pop(L, 2);
}
