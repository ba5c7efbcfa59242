/* libzmq, by dlopen when a kernel begins: who has no notebooks needs it neither to build nor to run the program, and pays
 * nothing for it at the start. What is declared here is its ABI, the same since libzmq.so.5; where its header is installed, the
 * compiler compares. */
#include "repl/wire.h"
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

enum { LINGER = 17, MAXMSGSIZE = 22, SNDHWM = 23, ROUTER_HANDOVER = 56, DONTWAIT = 1, SNDMORE = 2 };

#if defined(__has_include)
#if __has_include(<zmq.h>)
#include <zmq.h>
_Static_assert(sizeof(zmq_msg_t) == sizeof(Frame) && _Alignof(zmq_msg_t) == _Alignof(Frame), "zmq_msg_t");
_Static_assert(sizeof(zmq_pollitem_t) == sizeof(Poll) && offsetof(zmq_pollitem_t, revents) == offsetof(Poll, happened), "poll");
_Static_assert(ZMQ_POLLIN == READABLE && ZMQ_PUB == PUB && ZMQ_ROUTER == ROUTER, "sockets");
_Static_assert(ZMQ_LINGER == LINGER && ZMQ_MAXMSGSIZE == MAXMSGSIZE && ZMQ_SNDHWM == SNDHWM, "options");
_Static_assert(ZMQ_ROUTER_HANDOVER == ROUTER_HANDOVER && ZMQ_DONTWAIT == DONTWAIT && ZMQ_SNDMORE == SNDMORE, "options");
#endif
#endif

static struct {
  void *(*ctx_new)(void);
  int (*ctx_term)(void *);
  void *(*socket)(void *, int);
  int (*close)(void *);
  int (*bind)(void *, const char *);
  int (*setsockopt)(void *, int, const void *, size_t);
  int (*poll)(Poll *, int, long);
  int (*msg_init)(Frame *);
  int (*msg_recv)(Frame *, void *, int);
  int (*msg_close)(Frame *);
  void *(*msg_data)(Frame *);
  size_t (*msg_size)(const Frame *);
  int (*msg_more)(const Frame *);
  int (*send)(void *, const void *, size_t, int);
  const char *(*strerror)(int);
} zmq;

const char *zmq_load(void) {
  static char why[512];
  void *library = dlopen("libzmq.so.5", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    snprintf(why, sizeof why, "libzmq, by which Jupyter talks to kernels, cannot be loaded (Debian: apt install libzmq5): %s",
             dlerror());
    return why;
  }
#define FIND(name) \
  if (!(*(void **)&zmq.name = dlsym(library, "zmq_" #name))) { \
    snprintf(why, sizeof why, "this libzmq is none that is known: %s", dlerror()); \
    return why; \
  }
  FIND(ctx_new) FIND(ctx_term) FIND(socket) FIND(close) FIND(bind) FIND(setsockopt) FIND(poll) FIND(msg_init)
  FIND(msg_recv) FIND(msg_close) FIND(msg_data) FIND(msg_size) FIND(msg_more) FIND(send) FIND(strerror)
#undef FIND
  return NULL;
}

void *zmq_begin(void) { return zmq.ctx_new(); }
void zmq_end(void *context) {
  while (context && zmq.ctx_term(context) != 0 && errno == EINTR) continue;
}

const char *zmq_why(void) { return zmq.strerror(errno); }

void *zmq_open(void *context, int kind, const char *address, long long most) {
  enum { BEHIND = 100000 }; /* outputs that may wait for somebody who stands still */
  int linger = 1000, handover = 1, behind = BEHIND;
  void *s = zmq.socket(context, kind);
  if (!s) return NULL;
  zmq.setsockopt(s, LINGER, &linger, sizeof linger);
  zmq.setsockopt(s, MAXMSGSIZE, &most, sizeof most);
  if (kind == ROUTER) zmq.setsockopt(s, ROUTER_HANDOVER, &handover, sizeof handover);
  if (kind == PUB) zmq.setsockopt(s, SNDHWM, &behind, sizeof behind);
  if (zmq.bind(s, address) == 0) return s;
  int error = errno;
  zmq.close(s);
  errno = error;
  return NULL;
}

void zmq_shut(void *socket) {
  if (socket) zmq.close(socket);
}

int zmq_wait(Poll *polls, int n, long ms) { return zmq.poll(polls, n, ms); }

int zmq_take(void *socket, Letter *l) {
  Frame rest; /* of what has too many */
  bool many = false;
  l->n = 0;
  for (int more = 1; more;) {
    Frame *f = l->n < PARTS ? &l->part[l->n] : &rest;
    zmq.msg_init(f);
    while (zmq.msg_recv(f, socket, DONTWAIT) < 0) { /* all frames of a message are there when the first is */
      if (errno == EINTR) continue;
      zmq.msg_close(f);
      zmq_free(l);
      return 0;
    }
    more = zmq.msg_more(f);
    if (f != &rest) l->n++;
    else {
      zmq.msg_close(f);
      many = true;
    }
  }
  if (many) zmq_free(l);
  return many ? -1 : 1;
}

void zmq_free(Letter *l) {
  while (l->n > 0) zmq.msg_close(&l->part[--l->n]);
}

Bytes zmq_bytes(Letter *l, int i) { return (Bytes){zmq.msg_data(&l->part[i]), zmq.msg_size(&l->part[i])}; }

void zmq_put(void *socket, Bytes b, bool more) {
  while (zmq.send(socket, b.data, b.size, more ? SNDMORE : 0) < 0 && errno == EINTR) continue;
}
