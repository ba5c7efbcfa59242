/* Preloaded into a program: the allocations that FAULTS names fail, those of the thread that runs main only.
 *
 *   FAULTS=""             none; counts only
 *   FAULTS="17"           the 17th (from 0)
 *   FAULTS="17 20 22"     the 17th, the 20th and the 22nd
 *   FAULTS="17+"          the 17th and all after it
 *   FAULTS_LIST=path      at the end, who asked each time: 8 bytes a call, the address it returns to
 *   FAULTS_ARMED=0        counting begins at SIGUSR1
 *
 * The clock and addresses make the library's hash tables differ from run to run: time() stands still here, and the runner
 * turns off the kernel's choice of addresses. */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);

enum { AT_MAX = 8, LIST_MAX = 4000000 };
static volatile int armed;
static pid_t thread;
static long count, at[AT_MAX];
static int n_at, for_ever;
static uint64_t *list;

static void arm(int sig) { (void)sig; armed = 1; }

/* Whether a library asks that does not look at the answer. (Who draws looks for room before.) */
static int is_careless(void) {
  enum { DEPTH = 24 };
  void *frame[DEPTH];
  static int inside;
  if (inside) return 1;
  inside = 1;
  int n = backtrace(frame, DEPTH), found = 0;
  Dl_info info;
  for (int i = 0; i < n && !found; i++)
    found = dladdr(frame[i], &info) && info.dli_fname &&
            (strstr(info.dli_fname, "libfontconfig") || strstr(info.dli_fname, "libpixman") || strstr(info.dli_fname, "libcairo"));
  inside = 0;
  return found;
}

/* Whether this call fails. */
static int fails(void *from) {
  if (!armed || (pid_t)syscall(SYS_gettid) != thread) return 0;
  long i = count++;
  if (list && i < LIST_MAX) list[i] = (uint64_t)(uintptr_t)from;
  int fail = for_ever && i >= at[n_at - 1];
  for (int k = 0; k < n_at; k++) fail |= at[k] == i;
  return fail && !is_careless();
}

static void *failed(void) {
  errno = ENOMEM;
  return NULL;
}

#define FROM __builtin_return_address(0)
void *malloc(size_t n) { return fails(FROM) ? failed() : __libc_malloc(n); }
void *calloc(size_t k, size_t n) { return fails(FROM) ? failed() : __libc_calloc(k, n); }
void *realloc(void *p, size_t n) { return n && fails(FROM) ? failed() : __libc_realloc(p, n); }
void *aligned_alloc(size_t to, size_t n) { return fails(FROM) ? failed() : __libc_memalign(to, n); }
void *memalign(size_t to, size_t n) { return fails(FROM) ? failed() : __libc_memalign(to, n); }
int posix_memalign(void **p, size_t to, size_t n) {
  if (fails(FROM)) return ENOMEM;
  void *got = __libc_memalign(to, n);
  if (got) *p = got;
  return got ? 0 : ENOMEM;
}
void *mmap(void *p, size_t n, int prot, int flags, int fd, off_t off) {
  if (fails(FROM)) {
    errno = ENOMEM;
    return MAP_FAILED;
  }
  return (void *)syscall(SYS_mmap, p, n, prot, flags, fd, off);
}
void *mmap64(void *p, size_t n, int prot, int flags, int fd, off_t off) __attribute__((alias("mmap")));

time_t time(time_t *t) {
  if (t) *t = 1700000000;
  return 1700000000;
}

/* ---- beginning and end ---- */

static void tell(const char *name, const void *p, size_t n) {
  const char *path = getenv(name);
  int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
  if (fd < 0) return;
  (void)!syscall(SYS_write, fd, p, n);
  close(fd);
}

__attribute__((constructor)) static void begin(void) {
  const char *s = getenv("FAULTS"), *a = getenv("FAULTS_ARMED");
  void *frame[1];
  backtrace(frame, 1); /* it loads what it needs at its first call */
  thread = getpid();
  for (char *end; s && *s && n_at < AT_MAX; s = end) {
    long k = strtol(s, &end, 10);
    if (end == s) break;
    at[n_at++] = k;
    if (*end == '+') for_ever = 1;
  }
  if (getenv("FAULTS_LIST"))
    list = (void *)syscall(SYS_mmap, NULL, (size_t)LIST_MAX * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, (off_t)0);
  if (a && *a == '0') signal(SIGUSR1, arm);
  else armed = 1;
}

__attribute__((destructor)) static void end(void) {
  armed = 0;
  if (list) tell("FAULTS_LIST", list, (size_t)(count < LIST_MAX ? count : LIST_MAX) * 8);
}
