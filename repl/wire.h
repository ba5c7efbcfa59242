/* What the files of the Jupyter kernel share: zmq.c, wire.c, post.c. */
#ifndef REPL_WIRE_H
#define REPL_WIRE_H
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* The program exports its names to modules that it loads, and its own functions are not to be taken for libzmq's. */
#pragma GCC visibility push(hidden)

/* ---- zmq.c: libzmq, loaded when a kernel begins ---- */

/* A message of libzmq's, whose size and alignment are part of its ABI. */
typedef struct Frame {
  _Alignas(void *) unsigned char opaque[64];
} Frame;

/* What zmq_poll waits for: a socket, or a file descriptor where that is NULL. */
typedef struct Poll {
  void *socket;
  int fd;
  short events, happened;
} Poll;

enum { READABLE = 1, PUB = 1, ROUTER = 6 };

/* An array of frames, which the sender owns, or the receiver closes. */
enum { PARTS = 64 };
typedef struct Letter {
  int n;
  Frame part[PARTS];
} Letter;

typedef struct Bytes {
  const void *data;
  size_t size;
} Bytes;

/* Loads libzmq. NULL, or why it cannot be, with what to install. */
const char *zmq_load(void);
/* A new context; NULL: there is no memory. zmq_end waits up to a second for what is to be sent. */
void *zmq_begin(void);
void zmq_end(void *context);
/* A bound socket, which refuses larger frames than `most`; NULL, and zmq_why tells why. */
void *zmq_open(void *context, int kind, const char *address, long long most);
const char *zmq_why(void);
void zmq_shut(void *socket);
/* As poll(2). */
int zmq_wait(Poll *polls, int n, long ms);
/* Takes a message that is there, all its frames. 1: it is in *l; 0: there is none; -1: one came that has too many. */
int zmq_take(void *socket, Letter *l);
void zmq_free(Letter *l);
Bytes zmq_bytes(Letter *l, int i);
/* Sends one frame. */
void zmq_put(void *socket, Bytes b, bool more);

/* ---- wire.c: messages of Jupyter's ---- */

/* shell and input are of the thread that runs Lua, control and heartbeat of the post's; iopub is both's under `lock`, and so is
 * what `parent` is: the header of the request that outputs belong to. */
typedef struct Wire {
  void *context, *shell, *input, *control, *heartbeat, *iopub;
  pthread_mutex_t lock;
  char *parent;       /* NULL: {} */
  bool silent;        /* outputs are not published */
  char *info;         /* the content of kernel_info_reply */
  volatile int ended; /* the front end asks for the end */
  int bell;           /* an eventfd: what waits for shell is to look at `ended` */
  int log;            /* standard error as it was */
} Wire;
extern Wire wire;

/* The last signatures that came by one socket: none is taken twice. */
enum { SEEN = 1024, DIGITS = 64 };
typedef struct Seen {
  unsigned at;
  char last[SEEN][DIGITS];
} Seen;

/* Is the message one of Jupyter's, with a good signature that was not seen? *at: its first frame behind the delimiter and the
 * signature: header, parent header, metadata, content. Else it is told in the log. */
bool wire_check(Letter *l, Seen *seen, int *at);
/* Sends a message; ids: where to (or, for iopub, what about). parent, metadata and content are JSON. For iopub: under the lock. */
void wire_send(void *socket, const Bytes *ids, int n, const char *type, Bytes parent, Bytes metadata, Bytes content);
/* Publishes under the lock, behind what was printed. parent NULL: that of outputs. */
void wire_publish(const char *type, const Bytes *parent, Bytes content);
void wire_status(const char *state, const Bytes *parent);
void wire_log(const char *fmt, ...);
Bytes wire_text(const char *s);

/* ---- post.c: the thread that answers while Lua runs ---- */

/* Begins to catch what is printed, and to answer. NULL, or what failed. */
const char *post_begin(void);
/* Ends the thread, and gives standard output and errors back. */
void post_end(void);
/* Publishes what was printed until now. Under the lock. */
void post_drain(void);

#pragma GCC visibility pop
#endif
