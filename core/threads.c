/* The threads under `#pragma omp parallel for`: the entry points that gcc's code calls (the libgomp manual, chapter "The
 * libgomp ABI"), over a pool that is good at what the kernels do: hundreds of short loops, one after the other.
 *
 * Why not libgomp itself: its threads wait for each other by spinning for milliseconds. Where another program keeps a core
 * busy, the thread that has the work is not running then, and each join costs a time slice; a training step with three
 * hundred of them took twenty times as long. How it waits can be set in the environment only, before the program starts.
 * Here a thread spins for a few microseconds and then sleeps, and who is done does the parts that nobody has begun: a
 * worker whose core another program has is waited for only while it is in the middle of a part.
 *
 * A parallel region inside another, or while another thread's region runs, is run by its caller alone. A region has one
 * loop. Kernels do not depend on how many threads they get (kernels.h). */
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "host.h"

#define HIDDEN __attribute__((visibility("hidden")))
#define OWN static _Thread_local __attribute__((tls_model("initial-exec"))) /* no call to find it, in suture.so either */
enum { THREADS_MAX = 255, SPINS = 4000 };

typedef struct Loop { long start, step, count, chunk; } Loop;

typedef struct Region {
  void (*work)(void *);
  void *data;
  int size;         /* threads that run it */
  Loop loop;        /* its dynamic loop, where the compiler says it beforehand */
  atomic_long next; /* iterations of its dynamic loop given out so far */
} Region;

OWN Region *mine; /* the region this thread runs a part of, NULL outside any */
OWN int my_number;
OWN Loop loop; /* the dynamic loop it is in */

static pthread_mutex_t pool = PTHREAD_MUTEX_INITIALIZER; /* held by the thread whose region runs */
static Region shared;
static pthread_t thread[THREADS_MAX];
static int workers; /* alive, numbered from 1 */
static atomic_bool over; /* the process ends */
static atomic_int wanted;  /* threads asked for; 0: not yet known */
/* Counts regions in its upper bits; the lowest 8 hold the size of the last one. */
static atomic_uint turn;
/* part[k]: the turn whose part k nobody has begun, 0 where it is taken. Whoever takes one is waited for, and reads `shared`
 * while it stands still; who comes late, with a turn that is over, finds none. */
static atomic_uint part[THREADS_MAX];
static atomic_uint asleep; /* workers that sleep on `turn` */
static atomic_uint left;   /* parts that are not done, but for the owner's */
static atomic_bool joining; /* the owner sleeps on `left` */

static void sleep_while(atomic_uint *word, unsigned value) { syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0); }
static void wake_all(atomic_uint *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1 << 30, NULL, NULL, 0); }

static void pause_a_little(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void take_part(Region *r, int number) {
  mine = r, my_number = number, loop = r->loop;
  r->work(r->data);
  mine = NULL, my_number = 0;
}

/* Does part k of the region of `now`, unless somebody has it. */
static void take(unsigned k, unsigned now) {
  unsigned open = now;
  if (!atomic_compare_exchange_strong(&part[k], &open, 0)) return;
  take_part(&shared, (int)k);
  if (atomic_fetch_sub(&left, 1) == 1 && atomic_load(&joining)) wake_all(&left);
}

static void *worker(void *number) {
  const unsigned me = (unsigned)(uintptr_t)number;
  unsigned seen = 0;
  for (;;) {
    unsigned now = atomic_load(&turn);
    for (int i = 0; now == seen && i < SPINS; i++) {
      pause_a_little();
      now = atomic_load(&turn);
    }
    while (now == seen) {
      atomic_fetch_add(&asleep, 1);
      sleep_while(&turn, seen);
      atomic_fetch_sub(&asleep, 1);
      now = atomic_load(&turn);
    }
    seen = now;
    if (atomic_load(&over)) return NULL;
    if (me < (now & THREADS_MAX)) take(me, now);
  }
}

static void forget_workers(void) { /* in the child of a fork, which has none */
  workers = 0;
  atomic_store(&asleep, 0);
  atomic_store(&turn, 0);
  pthread_mutex_init(&pool, NULL);
}

/* Opens the parts 1 to size - 1 of the next region; returns its turn. */
static unsigned next_turn(unsigned size) {
  unsigned now = ((atomic_load(&turn) & ~(unsigned)THREADS_MAX) + THREADS_MAX + 1) | size;
  for (unsigned k = 1; k < size; k++) atomic_store(&part[k], now);
  atomic_store(&turn, now);
  if (atomic_load(&asleep)) wake_all(&turn);
  return now;
}

/* At exit: whoever looks for leaks then meets no thread of ours. */
static void end_workers(void) {
  if (pthread_mutex_trylock(&pool)) return;
  atomic_store(&over, true);
  next_turn(0);
  for (; workers; workers--) pthread_join(thread[workers], NULL);
}

/* Has at least n - 1 workers; returns how many threads there are with the caller. Signals are for the threads of the host. */
static int raise_workers(int n) {
  if (workers >= n - 1) return n;
  static bool told;
  if (!told) told = !pthread_atfork(NULL, NULL, forget_workers) && !atexit(end_workers);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (workers < n - 1 && !pthread_create(&thread[workers + 1], NULL, worker, (void *)(uintptr_t)(workers + 1))) workers++;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return workers + 1 < n ? workers + 1 : n;
}

HIDDEN void omp_set_num_threads(int n) { atomic_store(&wanted, n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : n); }

HIDDEN int omp_get_max_threads(void) {
  int n = atomic_load(&wanted);
  if (n) return n;
  const char *text = getenv("OMP_NUM_THREADS");
  cpu_set_t cpus;
  omp_set_num_threads(text ? atoi(text) : !sched_getaffinity(0, sizeof cpus, &cpus) ? CPU_COUNT(&cpus) : 1);
  return atomic_load(&wanted);
}
HIDDEN int omp_get_thread_num(void) { return my_number; }
HIDDEN int omp_get_num_threads(void) { return mine ? mine->size : 1; }

/* Runs work(data) in `threads` threads (0: as many as there are), the caller among them, and waits for all. */
static void run(void (*work)(void *), void *data, unsigned threads, Loop l) {
  int size = threads ? (int)threads : omp_get_max_threads();
  if (size > THREADS_MAX) size = THREADS_MAX;
  if (size == 1 || mine || pthread_mutex_trylock(&pool)) {
    Region *outer = mine, alone = {.work = work, .data = data, .size = 1, .loop = l};
    int number = my_number;
    Loop before = loop;
    take_part(&alone, 0);
    mine = outer, my_number = number, loop = before;
    return;
  }
  size = raise_workers(size);
  shared.work = work, shared.data = data, shared.size = size, shared.loop = l;
  atomic_store(&shared.next, 0);
  atomic_store(&left, (unsigned)size - 1);
  unsigned now = next_turn((unsigned)size);
  take_part(&shared, 0);
  for (unsigned k = 1; k < (unsigned)size; k++) take(k, now);
  for (int i = 0; atomic_load(&left) && i < SPINS; i++) pause_a_little();
  atomic_store(&joining, true);
  for (unsigned n; (n = atomic_load(&left)) != 0;) sleep_while(&left, n);
  atomic_store(&joining, false);
  pthread_mutex_unlock(&pool);
}

static Loop make_loop(long start, long end, long step, long chunk) {
  long span = step > 0 ? end - start + step - 1 : end - start + step + 1;
  return (Loop){start, step, span / step, chunk};
}

HIDDEN void GOMP_parallel(void (*work)(void *), void *data, unsigned threads, unsigned flags) {
  (void)flags;
  run(work, data, threads, (Loop){0});
}

HIDDEN void GOMP_parallel_loop_nonmonotonic_dynamic(void (*work)(void *), void *data, unsigned threads, long start, long end,
                                                    long step, long chunk, unsigned flags) {
  (void)flags;
  run(work, data, threads, make_loop(start, end, step, chunk));
}

/* The next chunk of the region's dynamic loop: [*from, *to). None where the host asks to stop and nobody will look at what the
 * loop makes. */
HIDDEN bool GOMP_loop_nonmonotonic_dynamic_next(long *from, long *to) {
  if (host.computing && host_should_stop()) return false;
  long at = atomic_fetch_add(&mine->next, loop.chunk);
  if (at >= loop.count) return false;
  long end = at + loop.chunk < loop.count ? at + loop.chunk : loop.count;
  *from = loop.start + at * loop.step;
  *to = loop.start + end * loop.step;
  return true;
}

HIDDEN bool GOMP_loop_nonmonotonic_dynamic_start(long start, long end, long step, long chunk, long *from, long *to) {
  loop = make_loop(start, end, step, chunk);
  return GOMP_loop_nonmonotonic_dynamic_next(from, to);
}

HIDDEN void GOMP_loop_end_nowait(void) {}
