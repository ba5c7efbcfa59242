/* The thread that answers while Lua runs: heartbeats, interrupt_request and shutdown_request on the control channel; and what is
 * printed, by Lua, C or a command that is run, as messages of the stream it was printed to. */
#include "repl/face.h"
#include "repl/wire.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <utf8proc.h>

enum { ROOM = 1 << 20, PIECE = 1 << 16 };      /* bytes of a pipe, and of a message */
/* ms: between two messages of what is printed; see end_soon; between two looks for who began the kernel */
enum { PAUSE = 20, AGAIN = 500, PATIENCE = 8000, LOOK = 1000 };

static char rooms[2][PIECE + 4];
static struct Stream {
  const char *name;
  int fd, pipe, before; /* 1 or 2; where what is printed comes out; what fd was */
  char *bytes;
  size_t kept; /* of these: of a character that is not whole */
} stream[] = {{"stdout", STDOUT_FILENO, -1, -1, rooms[0], 0}, {"stderr", STDERR_FILENO, -1, -1, rooms[1], 0}};

static pthread_t thread;
static bool begun;
static int stop = -1;   /* an eventfd: the thread is to end */
static pid_t began_by;  /* the kernel ends when this process has; 0: it does not matter */

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- what is printed ---- */

/* How many bytes at the end of these n begin a character that is not whole. */
static size_t unfinished(const char *s, size_t n) {
  for (size_t k = 1; k <= 3 && k <= n; k++) {
    unsigned char c = (unsigned char)s[n - k];
    if ((c & 0xC0) == 0x80) continue;
    return c >= 0xF0 ? (k < 4) * k : c >= 0xE0 ? (k < 3) * k : c >= 0xC0 ? (k < 2) * k : 0;
  }
  return 0;
}

/* The bytes as a text of JSON's: what is no UTF-8, and a zero, are written as \xNN. */
static json_t *text_of(const char *s, size_t n) {
  static char clean[4 * (PIECE + 4)];
  size_t size = 0;
  for (size_t i = 0; i < n;) {
    utf8proc_int32_t c;
    utf8proc_ssize_t k = utf8proc_iterate((const utf8proc_uint8_t *)s + i, (utf8proc_ssize_t)(n - i), &c);
    if (k > 0 && c != 0) {
      memcpy(clean + size, s + i, (size_t)k);
      size += (size_t)k;
      i += (size_t)k;
    } else {
      snprintf(clean + size, 5, "\\x%02x", (unsigned char)s[i++]);
      size += 4;
    }
  }
  return json_stringn(clean, size);
}

static void publish(struct Stream *s, size_t n) {
  if (n == 0 || wire.silent) return;
  json_t *content = json_pack("{s:s, s:o}", "name", s->name, "text", text_of(s->bytes, n));
  char *text = content ? json_dumps(content, JSON_COMPACT) : NULL;
  if (text) wire_publish("stream", NULL, wire_text(text));
  else wire_log("%zu bytes of %s are lost: there is no memory", n, s->name);
  free(text);
  json_decref(content);
}

/* whole: what is not a whole character is published too: nothing more comes. */
static void drain(struct Stream *s, bool whole) {
  for (size_t all = 0; all < ROOM;) {
    ssize_t got = read(s->pipe, s->bytes + s->kept, PIECE);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    size_t n = s->kept + (size_t)got, rest = unfinished(s->bytes, n);
    all += (size_t)got;
    publish(s, n - rest);
    memmove(s->bytes, s->bytes + n - rest, rest);
    s->kept = rest;
  }
  if (whole) publish(s, s->kept), s->kept = 0;
}

void post_drain(void) {
  for (int i = 0; i < 2; i++)
    if (stream[i].pipe >= 0) drain(&stream[i], true);
}

/* Lua writes to the other of both: what stands in the first comes first. */
static void in_order(void) {
  fflush(stdout);
  pthread_mutex_lock(&wire.lock);
  post_drain();
  pthread_mutex_unlock(&wire.lock);
}

static bool catch(struct Stream *s) {
  int end[2];
  if (pipe2(end, O_CLOEXEC)) return false;
  s->pipe = end[0];
  s->before = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
  fcntl(s->pipe, F_SETFL, O_NONBLOCK);
  fcntl(s->pipe, F_SETPIPE_SZ, ROOM);
  bool ok = s->before >= 0 && dup2(end[1], s->fd) >= 0;
  close(end[1]);
  return ok;
}

static void let_go(struct Stream *s) {
  if (s->before >= 0) {
    dup2(s->before, s->fd);
    close(s->before);
  }
  if (s->pipe >= 0) close(s->pipe);
  s->before = s->pipe = -1;
}

/* ---- the control channel ---- */

/* What runs is stopped, and the commands that it has begun. */
static void interrupt(void) {
  if (getpgrp() == getpid()) {
    kill(0, SIGINT);
    return;
  }
  children_signal(SIGINT);
  kill(getpid(), SIGINT);
}

/* The thread of Lua is told to end: now, and again while it does not. Who catches that for ever is ended all the same. */
static long asked_at, last_asked;
static void end_soon(void) {
  uint64_t one = 1;
  long t = now();
  if (!wire.ended) asked_at = t;
  else if (t - asked_at > PATIENCE) {
    wire_log("what runs does not stop, and is ended");
    _exit(0);
  } else if (t - last_asked < AGAIN) return;
  wire.ended = 1;
  last_asked = t;
  (void)!write(wire.bell, &one, sizeof one);
  interrupt();
}

static const char ok[] = "{\"status\":\"ok\"}";

static void answer(Letter *l, int at) {
  json_error_t error;
  Bytes header = zmq_bytes(l, at), content = zmq_bytes(l, at + 3), ids[PARTS], what;
  json_t *h = json_loadb(header.data, header.size, 0, &error), *c = json_loadb(content.data, content.size, 0, &error);
  const char *type = json_string_value(json_object_get(h, "msg_type"));
  bool again = json_is_true(json_object_get(c, "restart"));
  int n = at - 2;
  for (int i = 0; i < n; i++) ids[i] = zmq_bytes(l, i);
  if (!type) wire_log("a message without a type is passed over");
  pthread_mutex_lock(&wire.lock);
  if (type) wire_status("busy", &header);
  if (type && strcmp(type, "interrupt_request") == 0) {
    interrupt();
    wire_send(wire.control, ids, n, "interrupt_reply", header, wire_text("{}"), wire_text(ok));
  } else if (type && strcmp(type, "shutdown_request") == 0) {
    what = wire_text(again ? "{\"status\":\"ok\",\"restart\":true}" : "{\"status\":\"ok\",\"restart\":false}");
    wire_send(wire.control, ids, n, "shutdown_reply", header, wire_text("{}"), what);
    wire_publish("shutdown_reply", &header, what);
    end_soon();
  } else if (type && strcmp(type, "kernel_info_request") == 0)
    wire_send(wire.control, ids, n, "kernel_info_reply", header, wire_text("{}"), wire_text(wire.info));
  else if (type) wire_log("nothing is known here of a %.100s on the control channel", type);
  if (type) wire_status("idle", &header);
  pthread_mutex_unlock(&wire.lock);
  json_decref(h);
  json_decref(c);
}

static void on_control(void) {
  static Seen seen;
  Letter l;
  int at;
  for (int there; (there = zmq_take(wire.control, &l)); zmq_free(&l))
    if (there > 0 && wire_check(&l, &seen, &at)) answer(&l, at);
}

static void on_heartbeat(void) {
  Letter l;
  for (int there; (there = zmq_take(wire.heartbeat, &l)); zmq_free(&l))
    for (int i = 0; i < l.n; i++) zmq_put(wire.heartbeat, zmq_bytes(&l, i), i < l.n - 1);
}

/* ---- the thread ---- */

static void *run(void *unused) {
  long published = 0;
  for (;;) {
    Poll p[] = {{NULL, stop, READABLE, 0}, {wire.control, 0, READABLE, 0}, {wire.heartbeat, 0, READABLE, 0},
                {NULL, stream[0].pipe, READABLE, 0}, {NULL, stream[1].pipe, READABLE, 0}};
    long pause = published + PAUSE - now(), wait = pause > 0 ? pause : -1;
    if (wire.ended && (wait < 0 || wait > AGAIN)) wait = AGAIN;
    if (began_by && wait < 0) wait = LOOK;
    zmq_wait(p, pause > 0 ? 3 : 5, wait);
    if (p[0].happened) return unused;
    if (p[1].happened) on_control();
    if (p[2].happened) on_heartbeat();
    if (wire.ended || (began_by && getppid() != began_by)) end_soon();
    if (!p[3].happened && !p[4].happened) continue;
    pthread_mutex_lock(&wire.lock);
    for (int i = 0; i < 2; i++) drain(&stream[i], false);
    pthread_mutex_unlock(&wire.lock);
    published = now();
  }
}

const char *post_begin(void) {
  const char *parent = getenv("JPY_PARENT_PID"); /* as jupyter_client tells it */
  began_by = parent && atol(parent) == getppid() ? getppid() : 0;
  fflush(stdout);
  if ((stop = eventfd(0, EFD_CLOEXEC)) < 0 || !catch(&stream[0]) || !catch(&stream[1])) {
    int why = errno;
    let_go(&stream[0]);
    let_go(&stream[1]);
    return strerror(why);
  }
  wire.log = stream[1].before;
  setvbuf(stdout, NULL, _IOLBF, 1 << 16);
  pthread_mutex_lock(&wire.lock);
  wire_status("starting", NULL);
  pthread_mutex_unlock(&wire.lock);
  int error = pthread_create(&thread, NULL, run, NULL);
  begun = error == 0;
  stream_changes = in_order;
  return error ? strerror(error) : NULL;
}

void post_end(void) {
  uint64_t one = 1;
  stream_changes = NULL;
  if (!begun) return;
  (void)!write(stop, &one, sizeof one);
  pthread_join(thread, NULL);
  begun = false;
  post_drain();
  wire.log = STDERR_FILENO;
  for (int i = 0; i < 2; i++) let_go(&stream[i]);
}
