/* suture.core.mpi: the ranks of a job that mpirun or srun has launched, and what they do together. It is MPI's where the
 * program was built with it (make MPI=1); elsewhere there is one rank, and `launched` says how many processes were begun.
 * Fields: built, rank, size, local_size (ranks on this machine), launched.
 *
 * Every function here is called by all ranks in the same order. Who waits for one that has left is told by an error; a
 * rank that ends with an error ends the job. */
#include <stdlib.h>
#include <string.h>
#include "lua/bind/tensor.h"
#include "kernels/kernels.h"
#include "node.h"
#include "ranks.h"

static int number_of(const char *name) {
  const char *v = getenv(name);
  return v ? atoi(v) : 0;
}

/* How many processes were launched together, and which this one is, by what launchers leave in the environment: Open MPI, MPICH
 * and srun with PMI-2, srun with PMIx; 1 otherwise. */
static int launched(int *rank) {
  static const char *const marks[][2] = {
    {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"}, {"PMI_SIZE", "PMI_RANK"}, {"SLURM_STEP_NUM_TASKS", "PMIX_RANK"}};
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
    if (getenv(marks[i][1]) && number_of(marks[i][0]) > 1) {
      *rank = number_of(marks[i][1]);
      return number_of(marks[i][0]);
    }
  *rank = 0;
  return 1;
}

static int world_rank, world_size = 1, local_size = 1, began = 1;

#ifdef SUTURE_MPI
#include <errno.h>
#include <mpi.h>
#include <stdio.h>
#include <time.h>

/* Floats in a bucket; buckets on their way at once; the tag of a rank that ends. */
enum { BUCKET = 1 << 20, FLIGHT = 4, LEFT = 1 };

static MPI_Comm work; /* of what is done together; MPI_COMM_WORLD has the words of those that leave */

static long long begun;    /* how many common operations this rank has begun: all begin the same ones in the same order */
static long long *over;    /* of each rank that has left: how many it had begun, and done; -1: it is there */

static void hear(int from) { MPI_Recv(&over[from], 1, MPI_LONG_LONG, from, LEFT, MPI_COMM_WORLD, MPI_STATUS_IGNORE); }

/* Waits for the request of the operation of this number. → -1, or a rank that has left before it, so that it will never be done. */
static int wait_for(MPI_Request *r, long long number) {
  for (long tries = 1;; tries++) {
    int done = 0, words = 0;
    MPI_Status who;
    MPI_Test(r, &done, MPI_STATUS_IGNORE);
    if (done) return -1;
    if (tries % 64) continue;
    MPI_Iprobe(MPI_ANY_SOURCE, LEFT, MPI_COMM_WORLD, &words, &who);
    if (words) hear(who.MPI_SOURCE);
    for (int i = 0; i < world_size; i++)
      if (over[i] >= 0 && over[i] < number) return i;
    struct timespec nap = {0, 20000}; /* ranks may be more than cores */
    nanosleep(&nap, NULL);
  }
}

static int lost = -1;    /* a rank that left while the engine waited for it */
static double share = 1; /* 0: this rank's numbers do not count among the engine's sums */

static int has_left(lua_State *L, int rank) {
  return bind_fail(L, "rank %d of %d has ended, and the others wait for it: all ranks must train the same for as many steps", rank, world_size);
}

/* Sums for the engine, which cannot fail. */
static void engine_counted(double *v, int n) {
  MPI_Request r;
  if (lost >= 0) return;
  MPI_Iallreduce(MPI_IN_PLACE, v, n, MPI_DOUBLE, MPI_SUM, work, &r);
  lost = wait_for(&r, ++begun);
}

/* ranks_sum of the engine. */
static double engine_sum(double *v, int n) {
  for (int i = 0; i < n && lost < 0; i++) v[i] *= share;
  engine_counted(v, n);
  return share;
}

/* ---- gradients that are summed while backward runs ----
 * All gradients of a model lie one behind the other in the order in which backward finds them, about: the last parameter first.
 * Buckets are cut from that row, and begun in its order as soon as all of a bucket is whole, so that every rank begins the same. */

static MPI_Comm apart; /* of these buckets alone: when one is begun is no matter of the other operations' order */

static struct {
  int n, cap, next;        /* tensors; those before `next` are in the row */
  Node **leaf;             /* whose gradients they are; not held: the model's, during a pass */
  const Node **grad;
  const Tensor **value;    /* that are whole */
  int64_t filled, total;   /* numbers in the row */
  float *row;
  int64_t room;
  MPI_Request *on_way;
  int started, buckets, room_for;
  bool armed, agreed;      /* for the next pass; all ranks have as many numbers */
} early;

/* Begins all buckets that are full. */
static void begin_full(void) {
  while (early.started < early.buckets) {
    int64_t from = (int64_t)early.started * BUCKET, to = from + BUCKET < early.total ? from + BUCKET : early.total;
    if (early.filled < to) return;
    MPI_Iallreduce(MPI_IN_PLACE, early.row + from, (int)(to - from), MPI_FLOAT, MPI_SUM, apart, &early.on_way[early.started++]);
  }
}

/* Adds what is whole to the row, in its order. */
static void advance(void) {
  while (early.next < early.n && early.value[early.next]) {
    const Tensor *t = early.value[early.next++];
    memcpy(early.row + early.filled, t->data, (size_t)t->count * sizeof(float));
    early.filled += t->count;
  }
  begin_full();
}

/* ranks_begin of the engine: which gradients will come, if all ranks expect as many. */
static void engine_begin(Node *const *leaf, Node *const *grad, int n) {
  if (!early.armed) return;
  early.armed = false;
  early.total = 0;
  int found = 0;
  for (int k = 0; k < early.n; k++)
    for (int i = 0; i < n; i++)
      if (leaf[i] == early.leaf[k] && grad[i]) {
        early.leaf[found] = leaf[i], early.grad[found] = grad[i], early.value[found++] = NULL;
        early.total += shape_count(&grad[i]->shape);
        break;
      }
  early.n = found;
  early.buckets = (int)((early.total + BUCKET - 1) / BUCKET);
  bool room = early.total <= early.room && early.buckets <= early.room_for;
  if (!room) {
    float *row = realloc(early.row, (size_t)(early.total + 1) * sizeof *row);
    if (row) early.row = row, early.room = early.total;
    MPI_Request *on_way = realloc(early.on_way, ((size_t)early.buckets + 1) * sizeof *on_way);
    if (on_way) early.on_way = on_way, early.room_for = early.buckets;
    room = row && on_way;
  }
  double v[2] = {(double)early.total, room};
  engine_counted(v, 2);
  early.agreed = lost < 0 && v[0] == (double)early.total * world_size && v[1] == world_size;
}

/* ranks_whole of the engine. */
static void engine_whole(const Node *of, const Tensor *value) {
  if (!early.agreed || early.next == early.n) return;
  for (int k = early.next; k < early.n; k++)
    if (early.grad[k] == of) early.value[k] = value;
  advance();
  int done;
  if (early.started) MPI_Test(&early.on_way[early.started - 1], &done, MPI_STATUS_IGNORE); /* MPI's own work gets on */
}

/* The end of the process. Those that end well wait for each other; an error of one ends all. */
static void leave(int status, void *unused) {
  (void)unused;
  int ended = 0;
  MPI_Finalized(&ended);
  if (ended) return;
  if (status != 0 && status <= 128) { /* above: a signal, which all ranks get */
    char host[MPI_MAX_PROCESSOR_NAME] = "";
    int n;
    MPI_Get_processor_name(host, &n);
    fflush(stdout);
    fprintf(stderr, "suture: rank %d of %d (%s) ended with status %d, and the job with it; files that were saved are whole, and "
            "resume goes on with a run\n", world_rank, world_size, host, status);
    fflush(stderr);
    MPI_Abort(MPI_COMM_WORLD, status);
  }
  MPI_Request *sent = malloc((size_t)world_size * sizeof *sent);
  if (!sent) MPI_Abort(MPI_COMM_WORLD, 1);
  for (int i = 0; i < world_size; i++) {
    sent[i] = MPI_REQUEST_NULL;
    if (i != world_rank) MPI_Isend(&begun, 1, MPI_LONG_LONG, i, LEFT, MPI_COMM_WORLD, &sent[i]);
  }
  for (int i = 0; i < world_size; i++)
    if (i != world_rank && over[i] < 0) hear(i);
  for (int i = 0; i < world_size; i++) MPI_Wait(&sent[i], MPI_STATUS_IGNORE);
  free(sent);
  MPI_Finalize();
}

/* Joins the others. What tells this process that it is a rank is no matter of the processes that it begins itself. */
static void join(void) {
  static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMI_SIZE", "PMI_RANK", "PMI_FD", "PMIX_RANK"};
  int given;
  MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &given);
  MPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
  MPI_Comm_size(MPI_COMM_WORLD, &world_size);
  MPI_Comm_dup(MPI_COMM_WORLD, &work);
  MPI_Comm_dup(MPI_COMM_WORLD, &apart);
  over = malloc((size_t)world_size * sizeof *over);
  if (!over) MPI_Abort(MPI_COMM_WORLD, 1);
  for (int i = 0; i < world_size; i++) over[i] = -1;
  MPI_Comm here;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &here);
  MPI_Comm_size(here, &local_size);
  MPI_Comm_free(&here);
  int threads = kernels_threads(0) / local_size; /* the ranks of a machine share its cores */
  kernels_threads(threads > 0 ? threads : 1);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) unsetenv(names[i]);
  ranks_sum = engine_sum;
  ranks_begin = engine_begin;
  ranks_whole = engine_whole;
  on_exit(leave, NULL);
  if (world_rank > 0 && !freopen("/dev/null", "w", stdout)) fclose(stdout); /* what is printed, rank 0 prints */
}

/* A place in the numbers of all tensors of a list, one behind the other. */
typedef struct Cursor {
  int tensor;
  int64_t at;
} Cursor;

/* Copies n numbers at p to the bucket, or back, and moves p behind them. */
static void carry(Tensor *const *list, Cursor *p, float *bucket, int64_t n, int back) {
  while (n > 0) {
    Tensor *t = list[p->tensor];
    int64_t k = t->count - p->at < n ? t->count - p->at : n;
    if (back) memcpy(t->data + p->at, bucket, (size_t)k * sizeof(float));
    else memcpy(bucket, t->data + p->at, (size_t)k * sizeof(float));
    bucket += k, n -= k, p->at += k;
    if (p->at == t->count) p->tensor++, p->at = 0;
  }
}

/* The values of the tensors in the table at 1, which may be written to, in a new userdata on the stack. */
static Tensor **values_of(lua_State *L, int *n, int64_t *total) {
  luaL_checktype(L, 1, LUA_TTABLE);
  *n = (int)lua_rawlen(L, 1);
  Tensor **list = lua_newuserdatauv(L, ((size_t)*n + 1) * sizeof *list, 0);
  *total = 0;
  for (int k = 0; k < *n; k++) {
    Err e;
    lua_geti(L, 1, k + 1);
    list[k] = bind_check_value(L, -1);
    if (!node_write(bind_check_tensor(L, -1), false, &e)) bind_raise(L, &e);
    lua_pop(L, 1);
    *total += list[k]->count;
  }
  return list;
}

/* Passes all numbers of the list through buckets: summed over the ranks, or those of rank 0. The next buckets are filled and sent
 * while the ones before are on their way. */
static int through(lua_State *L, int sum) {
  static float *buckets; /* kept: where a rank has left, one may still be on its way */
  static MPI_Request on_way[FLIGHT];
  long long first = begun + 1;
  int n, gone = -1;
  int64_t total;
  Tensor **list = values_of(L, &n, &total);
  if (!buckets) buckets = malloc((size_t)FLIGHT * BUCKET * sizeof *buckets);
  if (!buckets) return bind_fail(L, "out of memory for the buckets of gradients");
  Cursor from = {0, 0}, to = {0, 0};
  int64_t count = (total + BUCKET - 1) / BUCKET;
  for (int64_t b = 0; b < count + FLIGHT && gone < 0; b++) {
    int64_t old = b - FLIGHT;
    if (old >= 0 && old < count) {
      gone = wait_for(&on_way[old % FLIGHT], first + old);
      if (gone < 0) carry(list, &to, buckets + (old % FLIGHT) * BUCKET, old < count - 1 ? BUCKET : total - old * BUCKET, 1);
    }
    if (b >= count || gone >= 0) continue;
    float *at = buckets + (b % FLIGHT) * BUCKET;
    int size = (int)(b < count - 1 ? BUCKET : total - b * BUCKET);
    carry(list, &from, at, size, 0);
    begun++;
    if (sum) MPI_Iallreduce(MPI_IN_PLACE, at, size, MPI_FLOAT, MPI_SUM, work, &on_way[b % FLIGHT]);
    else MPI_Ibcast(at, size, MPI_FLOAT, 0, work, &on_way[b % FLIGHT]);
  }
  if (gone >= 0) return has_left(L, gone);
  for (int k = 0; k < n; k++) tensor_touch(list[k]);
  return 0;
}

/* Begins the buckets that backward has not, of these gradients (the row's last first) or NULL, which comes to nothing, and waits
 * for all. → -1, or a rank that has left. */
static int wait_early(Tensor *const *list) {
  int gone = -1;
  for (int k = early.next; list && k < early.n; k++) early.value[k] = list[early.n - 1 - k];
  if (list) advance();
  early.filled = early.total;
  begin_full();
  long long number = ++begun; /* a rank that left within the pass has not begun this */
  for (int b = 0; b < early.started && gone < 0; b++) gone = wait_for(&early.on_way[b], number);
  return gone;
}

/* early({parameter …}): the gradients that the next backward pass gives these are summed while it runs; sum then waits for them. */
static int mpi_early(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  int n = (int)lua_rawlen(L, 1);
  if (lost >= 0) return has_left(L, lost);
  if (early.agreed) { /* of a step that came to nothing on all ranks */
    early.agreed = false;
    int gone = wait_early(NULL);
    if (gone >= 0) return has_left(L, gone);
  }
  if (n > early.cap) {
    Node **leaf = realloc(early.leaf, (size_t)n * sizeof *leaf);
    if (leaf) early.leaf = leaf;
    const Node **grad = realloc(early.grad, (size_t)n * sizeof *grad);
    if (grad) early.grad = grad;
    const Tensor **value = realloc(early.value, (size_t)n * sizeof *value);
    if (value) early.value = value;
    if (!leaf || !grad || !value) return bind_fail(L, "out of memory for the gradients of all ranks");
    early.cap = n;
  }
  for (int k = 0; k < n; k++) {
    lua_geti(L, 1, n - k);
    early.leaf[k] = node_origin(bind_check_tensor(L, -1));
    lua_pop(L, 1);
  }
  early.n = n, early.next = 0, early.filled = 0, early.started = 0, early.armed = true;
  return 0;
}

/* sum({t …}): each tensor becomes the sum of it over all ranks; the same bits on all. → how many buckets backward had begun; nil
 * where it was not asked to, or is not of these. */
static int mpi_sum(lua_State *L) {
  early.armed = false;
  if (!early.agreed) return through(L, 1);
  early.agreed = false;
  int n, begun_there = early.started;
  int64_t total, at = 0;
  Tensor **list = values_of(L, &n, &total);
  bool same = total == early.total && n == early.n;
  int gone = wait_early(same ? list : NULL);
  if (gone >= 0) return has_left(L, gone);
  if (!same) return through(L, 1);
  for (int k = n - 1; k >= 0; at += list[k--]->count) {
    memcpy(list[k]->data, early.row + at, (size_t)list[k]->count * sizeof(float));
    tensor_touch(list[k]);
  }
  lua_pushinteger(L, begun_there);
  return 1;
}

/* spread({t …}): each tensor has the numbers of rank 0. */
static int mpi_spread(lua_State *L) { return through(L, 0); }

/* counts(k): 1, or 0: the batch that is computed next counts nothing (it stands in for one that this rank has not). */
static int mpi_counts(lua_State *L) {
  share = luaL_checknumber(L, 1);
  return 0;
}

/* sums(a, b, …) → the sums of these numbers over all ranks. */
static int mpi_sums(lua_State *L) {
  enum { MOST = 16 };
  double v[MOST];
  int n = lua_gettop(L);
  if (lost >= 0) return has_left(L, lost);
  luaL_argcheck(L, n <= MOST, 1, "too many numbers");
  for (int i = 0; i < n; i++) v[i] = luaL_checknumber(L, i + 1);
  MPI_Request r;
  MPI_Iallreduce(MPI_IN_PLACE, v, n, MPI_DOUBLE, MPI_SUM, work, &r);
  int gone = wait_for(&r, ++begun);
  if (gone >= 0) return has_left(L, gone);
  for (int i = 0; i < n; i++) lua_pushnumber(L, v[i]);
  return n;
}

/* word(k) → the whole number k of rank 0. */
static int mpi_word(lua_State *L) {
  long long k = luaL_checkinteger(L, 1);
  MPI_Request r;
  MPI_Ibcast(&k, 1, MPI_LONG_LONG, 0, work, &r);
  int gone = wait_for(&r, ++begun);
  if (gone >= 0) return has_left(L, gone);
  lua_pushinteger(L, k);
  return 1;
}

static const luaL_Reg functions[] = {{"sum", mpi_sum}, {"early", mpi_early}, {"spread", mpi_spread}, {"sums", mpi_sums}, {"word", mpi_word}, {"counts", mpi_counts}, {0, 0}};
#else
static const luaL_Reg functions[] = {{0, 0}};
#endif

int bind_mpi(lua_State *L);
int bind_mpi(lua_State *L) {
  if (began == 1) { /* once a process, however many states open the library */
    began = launched(&world_rank);
#ifdef SUTURE_MPI
    if (began > 1) join();
#endif
  }
  luaL_newlib(L, functions);
#ifdef SUTURE_MPI
  lua_pushboolean(L, 1);
#else
  lua_pushboolean(L, 0);
#endif
  lua_setfield(L, -2, "built");
  lua_pushinteger(L, world_rank);
  lua_setfield(L, -2, "rank");
  lua_pushinteger(L, world_size);
  lua_setfield(L, -2, "size");
  lua_pushinteger(L, local_size);
  lua_setfield(L, -2, "local_size");
  lua_pushinteger(L, began);
  lua_setfield(L, -2, "launched");
  return 1;
}
