/* suture.core.process: copies of this process (fork) that work side by side, each with what it writes in files of its
 * own. None outlives this one: the kernel ends them with it, and with one that has ended goes all of its group.
 *
 * Invariant: a handle is of a process that is not waited for yet (pid > 0), or of one that is, whose numbers stand. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "lua/bind/bind.h"

#define HANDLE "suture.process"

enum { OUT, ERRORS, REPORT, FILES };

typedef struct Process {
  pid_t pid;      /* 0: waited for */
  int pidfd;      /* -1: none */
  int file[FILES]; /* what it writes: standard output, errors, reports */
  off_t read[FILES];
  int status;
  struct rusage used;
} Process;

static int report = -1; /* in a copy: where its reports go */
static int depth;

static Process *check(lua_State *L) { return luaL_checkudata(L, 1, HANDLE); }

static double seconds_of(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec * 1e-6; }

/* Waits for one that has ended (or, wait: until it does); what is left of its group ends too, while its number is its own. */
static bool reap(Process *p, bool wait) {
  siginfo_t info = {0};
  if (!p->pid) return true;
  while (waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOWAIT | (wait ? 0 : WNOHANG)) < 0)
    if (errno != EINTR) break;
  if (info.si_pid != p->pid) return false;
  kill(-p->pid, SIGKILL);
  while (wait4(p->pid, &p->status, 0, &p->used) < 0 && errno == EINTR) {}
  p->pid = 0;
  if (p->pidfd >= 0) close(p->pidfd);
  p->pidfd = -1;
  return true;
}

/* h:close(): ends it, if it has not */
static int p_gc(lua_State *L) {
  Process *p = check(L);
  if (p->pid) {
    kill(-p->pid, SIGKILL);
    kill(p->pid, SIGKILL);
    reap(p, true);
  }
  for (int i = 0; i < FILES; i++) {
    if (p->file[i] >= 0) close(p->file[i]);
    p->file[i] = -1;
  }
  return 0;
}

/* The copy: its own group, no input, its output in the files. */
static bool begin(const Process *p, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) return false;
  int null = open("/dev/null", O_RDONLY);
  if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(p->file[OUT], STDOUT_FILENO) < 0 ||
      dup2(p->file[ERRORS], STDERR_FILENO) < 0)
    return false;
  if (null > STDERR_FILENO) close(null);
  report = p->file[REPORT];
  depth++;
  return true;
}

/* fork() → a handle; in the copy false; nil and why */
static int process_fork(lua_State *L) {
  Process *p = lua_newuserdatauv(L, sizeof *p, 0);
  *p = (Process){.pidfd = -1, .file = {-1, -1, -1}};
  luaL_setmetatable(L, HANDLE);
  for (int i = 0; i < FILES; i++) {
    p->file[i] = memfd_create("suture", MFD_CLOEXEC);
    if (p->file[i] < 0 || fcntl(p->file[i], F_SETFL, O_APPEND) < 0) return luaL_fileresult(L, 0, NULL);
  }
  sigset_t held, before;
  sigemptyset(&held);
  sigaddset(&held, SIGINT);
  sigaddset(&held, SIGTERM);
  sigaddset(&held, SIGHUP);
  fflush(NULL);
  pthread_sigmask(SIG_BLOCK, &held, &before);
  pid_t parent = getpid(), pid = fork();
  int error = errno;
  if (pid == 0) {
    if (!begin(p, parent)) _exit(127);
    p->file[OUT] = p->file[ERRORS] = p->file[REPORT] = -1;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    lua_pushboolean(L, 0);
    return 1;
  }
  if (pid > 0) {
    setpgid(pid, pid);
    p->pid = pid;
    p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (pid > 0) return 1;
  errno = error;
  return luaL_fileresult(L, 0, "fork");
}

/* report(text): from a copy to whom it is a copy of */
static int process_report(lua_State *L) {
  size_t n, done = 0;
  const char *text = luaL_checklstring(L, 1, &n);
  while (report >= 0 && done < n) {
    ssize_t put = write(report, text + done, n - done);
    if (put < 0 && errno != EINTR) return luaL_fileresult(L, 0, "report");
    if (put > 0) done += (size_t)put;
  }
  lua_pushboolean(L, report >= 0);
  return 1;
}

/* leave(status): ends a copy, which has nothing to tidy up */
static int process_leave(lua_State *L) {
  fflush(NULL);
  _exit((int)luaL_checkinteger(L, 1));
}

/* depth() → 0: no copy; 1: a copy; 2: a copy of one … */
static int process_depth(lua_State *L) {
  lua_pushinteger(L, depth);
  return 1;
}

/* h:read(which) → what was written since: "output", "errors", "report" */
static int p_read(lua_State *L) {
  static const char *const names[] = {"output", "errors", "report", NULL};
  Process *p = check(L);
  int k = luaL_checkoption(L, 2, NULL, names);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (ssize_t got = 1; got > 0 && p->file[k] >= 0;) {
    char *room = luaL_prepbuffer(&b);
    got = pread(p->file[k], room, LUAL_BUFFERSIZE, p->read[k]);
    if (got > 0) {
      luaL_addsize(&b, (size_t)got);
      p->read[k] += got;
    }
  }
  luaL_pushresult(&b);
  return 1;
}

/* h:signal(name): "SIGINT", "SIGTERM" to the process, "SIGKILL" to all of its group */
static int p_signal(lua_State *L) {
  static const char *const names[] = {"SIGINT", "SIGTERM", "SIGKILL", NULL};
  static const int signals[] = {SIGINT, SIGTERM, SIGKILL};
  Process *p = check(L);
  int sig = signals[luaL_checkoption(L, 2, NULL, names)];
  if (p->pid && sig == SIGKILL) kill(-p->pid, sig);
  if (p->pid) kill(p->pid, sig);
  return 0;
}

/* h:ended() → nil: not yet; {status =, or signal =, cpu = seconds, memory = most bytes} */
static int p_ended(lua_State *L) {
  Process *p = check(L);
  if (!reap(p, false)) return 0;
  lua_createtable(L, 0, 4);
  lua_pushinteger(L, WIFEXITED(p->status) ? WEXITSTATUS(p->status) : WTERMSIG(p->status));
  lua_setfield(L, -2, WIFEXITED(p->status) ? "status" : "signal");
  lua_pushnumber(L, seconds_of(p->used.ru_utime) + seconds_of(p->used.ru_stime));
  lua_setfield(L, -2, "cpu");
  lua_pushinteger(L, (lua_Integer)p->used.ru_maxrss * 1024);
  lua_setfield(L, -2, "memory");
  return 1;
}

/* wait({h …}, ms): until one ends, ms have passed, or a signal came */
static int process_wait(lua_State *L) {
  enum { MOST = 256 };
  struct pollfd fd[MOST];
  nfds_t n = 0;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_Integer ms = luaL_checkinteger(L, 2), count = luaL_len(L, 1);
  for (lua_Integer i = 1; i <= count && n < MOST; i++) {
    lua_rawgeti(L, 1, i);
    Process *p = luaL_checkudata(L, -1, HANDLE);
    if (p->pidfd >= 0) fd[n++] = (struct pollfd){.fd = p->pidfd, .events = POLLIN};
    lua_pop(L, 1);
  }
  poll(fd, n, (int)ms);
  return 0;
}

int bind_process(lua_State *L);
int bind_process(lua_State *L) {
  static const luaL_Reg methods[] = {{"read", p_read}, {"signal", p_signal}, {"ended", p_ended}, {"close", p_gc},
    {0, 0}};
  static const luaL_Reg fn[] = {{"fork", process_fork}, {"report", process_report}, {"leave", process_leave},
    {"depth", process_depth}, {"wait", process_wait}, {0, 0}};
  luaL_newmetatable(L, HANDLE);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, p_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_newlib(L, fn);
  return 1;
}
