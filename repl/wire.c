/* The messages of Jupyter's protocol 5.3 (jupyter-client.readthedocs.io/en/stable/messaging.html): signed, over ZeroMQ. What a
 * request asks for is done in Lua (lua/shell/jupyter/kernel.lua); here it comes and goes as JSON text.
 *
 * A message is: where it comes from, "<IDS|MSG>", a signature (HMAC of the four that follow, by the key of the connection
 * file), header, parent header, metadata, content. What is no such message is told in the log, and nothing comes of it. */
#include "repl/face.h"
#include "repl/wire.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST = 64 << 20, IDS = 16, BEHIND = 6 }; /* bytes of a frame, frames of an address, frames from the delimiter on */

static const char delimiter[] = "<IDS|MSG>";
static const Bytes none = {"{}", 2};

Wire wire = {.lock = PTHREAD_MUTEX_INITIALIZER, .bell = -1, .log = STDERR_FILENO};

static struct {
  EVP_MAC *mac;       /* NULL: nothing is signed */
  char key[512], digest[32], session[40];
  size_t key_size;
} seal;

Bytes wire_text(const char *s) { return (Bytes){s, strlen(s)}; }

void wire_log(const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  dprintf(wire.log, "suture: ");
  vdprintf(wire.log, fmt, ap);
  dprintf(wire.log, "\n");
  va_end(ap);
}

/* ---- signatures ---- */

/* The signature of the four parts as hexadecimal digits, "" where nothing is signed. */
static bool sign(const Bytes part[4], char hex[2 * EVP_MAX_MD_SIZE + 1]) {
  unsigned char sum[EVP_MAX_MD_SIZE];
  size_t n = 0;
  hex[0] = '\0';
  if (!seal.mac) return true;
  OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", seal.digest, 0), OSSL_PARAM_construct_end()};
  EVP_MAC_CTX *c = EVP_MAC_CTX_new(seal.mac);
  bool ok = c && EVP_MAC_init(c, (const unsigned char *)seal.key, seal.key_size, params);
  for (int i = 0; i < 4; i++) ok = ok && EVP_MAC_update(c, part[i].data, part[i].size);
  ok = ok && EVP_MAC_final(c, sum, &n, sizeof sum);
  EVP_MAC_CTX_free(c);
  for (size_t i = 0; i < n; i++) snprintf(hex + 2 * i, 3, "%02x", sum[i]);
  return ok;
}

bool wire_check(Letter *l, Seen *seen, int *at) {
  char hex[2 * EVP_MAX_MD_SIZE + 1];
  Bytes part[4];
  int i = 0;
  for (; i < l->n && i <= IDS; i++) {
    Bytes b = zmq_bytes(l, i);
    if (b.size == sizeof delimiter - 1 && memcmp(b.data, delimiter, b.size) == 0) break;
  }
  if (i > IDS || i + BEHIND > l->n) return wire_log("a message that is none of Jupyter's is passed over"), false;
  for (int k = 0; k < 4; k++) part[k] = zmq_bytes(l, i + 2 + k);
  *at = i + 2;
  if (!sign(part, hex)) return wire_log("a message is passed over: there is no memory for its signature"), false;
  if (!seal.mac) return true;
  Bytes given = zmq_bytes(l, i + 1);
  if (given.size != strlen(hex) || CRYPTO_memcmp(given.data, hex, given.size) != 0)
    return wire_log("a message with a wrong signature is passed over"), false;
  char digits[DIGITS] = {0};
  memcpy(digits, hex, strlen(hex) < DIGITS ? strlen(hex) : DIGITS);
  for (int k = 0; k < SEEN; k++)
    if (memcmp(seen->last[k], digits, DIGITS) == 0) return wire_log("a message that came before is passed over"), false;
  memcpy(seen->last[seen->at++ % SEEN], digits, DIGITS);
  return true;
}

/* ---- sending ---- */

static void unique(char text[33]) {
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof bytes) != 1) memset(bytes, 0, sizeof bytes);
  for (size_t i = 0; i < sizeof bytes; i++) snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

void wire_send(void *socket, const Bytes *ids, int n, const char *type, Bytes parent, Bytes metadata, Bytes content) {
  char header[512], id[33], date[32], hex[2 * EVP_MAX_MD_SIZE + 1];
  struct timespec now;
  struct tm utc;
  clock_gettime(CLOCK_REALTIME, &now);
  strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", gmtime_r(&now.tv_sec, &utc));
  unique(id);
  snprintf(header, sizeof header, "{\"msg_id\":\"%s\",\"session\":\"%s\",\"username\":\"suture\",\"date\":\"%s.%06ldZ\","
           "\"msg_type\":\"%s\",\"version\":\"5.3\"}", id, seal.session, date, now.tv_nsec / 1000, type);
  const Bytes part[4] = {wire_text(header), parent, metadata, content};
  if (!sign(part, hex)) {
    wire_log("a message (%s) is not sent: there is no memory for its signature", type);
    return;
  }
  for (int i = 0; i < n; i++) zmq_put(socket, ids[i], true);
  zmq_put(socket, wire_text(delimiter), true);
  zmq_put(socket, wire_text(hex), true);
  for (int i = 0; i < 4; i++) zmq_put(socket, part[i], i < 3);
}

static Bytes outputs_of(void) { return wire.parent ? wire_text(wire.parent) : none; }

void wire_publish(const char *type, const Bytes *parent, Bytes content) {
  Bytes topic = wire_text(type);
  wire_send(wire.iopub, &topic, 1, type, parent ? *parent : outputs_of(), none, content);
}

void wire_status(const char *state, const Bytes *parent) {
  char content[64];
  snprintf(content, sizeof content, "{\"execution_state\":\"%s\"}", state);
  wire_publish("status", parent, wire_text(content));
}

/* ---- standard input: what reads it asks the front end ---- */

static struct {
  Bytes ids[IDS]; /* whom to ask; their bytes are in `room` */
  int n;
  bool allowed;
  char *room;
  char *line; /* what was answered and is not read yet, from `at` on */
  size_t at, size;
} asked;

/* Takes the answer from a message. → whether it was one */
static bool answered(Letter *l, int at) {
  json_error_t error;
  Bytes b = zmq_bytes(l, at + 3);
  json_t *content = json_loadb(b.data, b.size, JSON_ALLOW_NUL, &error), *value = json_object_get(content, "value");
  size_t n = json_string_length(value);
  char *line = json_is_string(value) ? malloc(n + 1) : NULL;
  if (line) {
    memcpy(line, json_string_value(value), n);
    line[n] = '\n';
    free(asked.line);
    asked.line = line;
    asked.size = n + 1;
    asked.at = 0;
  }
  json_decref(content);
  return line != NULL;
}

static Seen seen_input, seen_shell;

/* One message from the front end's answers, if there is any. → whether it was one that was waited for */
static bool take_answer(bool wanted) {
  Letter l;
  int at;
  bool got = false;
  while (!got) {
    int there = zmq_take(wire.input, &l);
    if (there == 0) return false;
    if (there < 0) continue;
    got = wire_check(&l, &seen_input, &at) && wanted && answered(&l, at);
    zmq_free(&l);
  }
  return true;
}

/* read(2) of standard input. */
static ssize_t read_answer(void *cookie, char *to, size_t n) {
  (void)cookie;
  if (asked.at == asked.size) {
    static const char refused[] = "no input comes here: the front end runs this cell unattended (allow_stdin is false)";
    if (!asked.allowed) {
      input_refused = refused;
      errno = ENOTSUP;
      return -1;
    }
    fflush(stdout);
    take_answer(false); /* what was asked for by a line that was stopped */
    pthread_mutex_lock(&wire.lock);
    post_drain();
    wire_send(wire.input, asked.ids, asked.n, "input_request", outputs_of(), none,
              wire_text("{\"prompt\":\"\",\"password\":false}"));
    pthread_mutex_unlock(&wire.lock);
    while (!take_answer(true)) {
      Poll p = {wire.input, 0, READABLE, 0};
      if (interrupt_pending() || wire.ended) {
        errno = EINTR;
        return -1;
      }
      zmq_wait(&p, 1, 50);
    }
  }
  size_t left = asked.size - asked.at;
  if (n > left) n = left;
  memcpy(to, asked.line + asked.at, n);
  asked.at += n;
  return (ssize_t)n;
}

/* From now on C's and Lua's standard input is the front end's; a command that is run has none. */
static void replace_input(lua_State *L) {
  FILE *f = fopencookie(NULL, "r", (cookie_io_functions_t){.read = read_answer});
  int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing >= 0) {
    dup2(nothing, STDIN_FILENO);
    close(nothing);
  }
  if (!f) return;
  setvbuf(f, NULL, _IOLBF, 1 << 12);
  stdin = f;
  lua_getfield(L, LUA_REGISTRYINDEX, "_IO_input"); /* as liolib.c keeps it */
  luaL_Stream *s = luaL_testudata(L, -1, LUA_FILEHANDLE);
  if (s) s->f = f;
  lua_pop(L, 1);
}

/* ---- what Lua calls ---- */

static Bytes bytes_at(lua_State *L, int i) {
  Bytes b;
  b.data = luaL_optlstring(L, i, "{}", &b.size);
  return b;
}

/* The frames of the list at place i in the stack; they are the list's. */
static int ids_at(lua_State *L, int i, Bytes ids[IDS]) {
  int n = 0;
  luaL_checktype(L, i, LUA_TTABLE);
  for (; n < IDS && lua_rawgeti(L, i, n + 1) == LUA_TSTRING; n++, lua_pop(L, 1))
    ids[n].data = lua_tolstring(L, -1, &ids[n].size);
  lua_pop(L, n < IDS);
  return n;
}

/* The field of the connection file, which is the table at place 1; it stays on the stack. */
static const char *field(lua_State *L, const char *name) {
  luaL_checkstack(L, 2, NULL);
  lua_getfield(L, 1, name);
  const char *s = lua_tostring(L, -1);
  return s ? s : "";
}

static int failed(lua_State *L, const char *fmt, const char *a, const char *b) {
  lua_pushnil(L);
  lua_pushfstring(L, fmt, a, b);
  return 2;
}

/* What signs, by the connection file's scheme and key. NULL, or what is wrong. */
static const char *take_key(lua_State *L) {
  const char *scheme = field(L, "signature_scheme"), *key = field(L, "key");
  unique(seal.session);
  seal.key_size = strlen(key);
  if (seal.key_size == 0) return NULL;
  if (strncmp(scheme, "hmac-", 5) != 0 || strlen(scheme + 5) >= sizeof seal.digest) return "signature_scheme";
  if (seal.key_size >= sizeof seal.key) return "key";
  strcpy(seal.digest, scheme + 5);
  memcpy(seal.key, key, seal.key_size);
  seal.mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
  char hex[2 * EVP_MAX_MD_SIZE + 1];
  const Bytes empty[4] = {none, none, none, none};
  return seal.mac && sign(empty, hex) ? NULL : "signature_scheme";
}

/* The program ends: what was printed is sent. */
static void finish(void) {
  void *const sockets[] = {wire.shell, wire.input, wire.control, wire.heartbeat, wire.iopub};
  fflush(stdout);
  post_end();
  for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++) zmq_shut(sockets[i]);
  zmq_end(wire.context);
  EVP_MAC_free(seal.mac);
  free(wire.parent), free(wire.info), free(asked.room), free(asked.line);
}

/* open(connection, info) → true, or nil and why: binds the sockets that the connection file names, catches what is printed, and
 * answers for kernel_info_request on the control channel with info. */
static int b_open(lua_State *L) {
  static const struct {
    const char *port;
    int kind;
    void **socket;
  } sockets[] = {{"shell_port", ROUTER, &wire.shell}, {"stdin_port", ROUTER, &wire.input}, {"control_port", ROUTER, &wire.control},
                 {"hb_port", ROUTER, &wire.heartbeat}, {"iopub_port", PUB, &wire.iopub}};
  luaL_checktype(L, 1, LUA_TTABLE);
  const char *info = luaL_checkstring(L, 2), *why = zmq_load();
  lua_settop(L, 2);
  if (why) return failed(L, "%s", why, NULL);
  const char *wrong = take_key(L);
  if (wrong) return failed(L, "%s '%s' is none that is known here", wrong, strcmp(wrong, "key") ? field(L, wrong) : "(too long)");
  wire.context = zmq_begin();
  wire.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  wire.info = strdup(info);
  atexit(finish);
  if (!wire.context || wire.bell < 0 || !wire.info) return failed(L, "%s", strerror(errno), NULL);
  for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++) {
    bool tcp = strcmp(field(L, "transport"), "tcp") == 0;
    const char *address = lua_pushfstring(L, "%s://%s%s%s", field(L, "transport"), field(L, "ip"), tcp ? ":" : "-",
                                          field(L, sockets[i].port));
    *sockets[i].socket = zmq_open(wire.context, sockets[i].kind, address, LARGEST);
    if (!*sockets[i].socket) return failed(L, "%s: %s", address, zmq_why());
  }
  setenv("COLUMNS", "100", 0); /* about what a cell shows in a line */
  if ((why = post_begin())) return failed(L, "%s", why, NULL);
  replace_input(L);
  lua_pushboolean(L, 1);
  return 1;
}

/* next([at_once]) → the frames of where a request comes from, header, metadata, content; nil: the front end asks for the end, or
 * at_once, and none is there. A Ctrl-C that comes while this waits means nothing. */
static int b_next(lua_State *L) {
  bool at_once = lua_toboolean(L, 1);
  static Letter l; /* its frames are closed by the next call where Lua's memory ends */
  int at;
  zmq_free(&l);
  lines_read++;
  for (;;) {
    if (wire.ended) return 0;
    int there = zmq_take(wire.shell, &l);
    if (there > 0 && wire_check(&l, &seen_shell, &at)) break;
    if (there < 0) wire_log("a message of too many frames is passed over");
    zmq_free(&l);
    if (there) continue;
    if (at_once) return 0;
    Poll p[] = {{wire.shell, 0, READABLE, 0}, {NULL, wire.bell, READABLE, 0}};
    zmq_wait(p, 2, -1);
    interrupt_clear();
  }
  lua_createtable(L, at, 0);
  for (int i = 0; i < at - 2; i++) {
    Bytes b = zmq_bytes(&l, i);
    lua_pushlstring(L, b.data, b.size);
    lua_rawseti(L, -2, i + 1);
  }
  static const int wanted[] = {0, 2, 3};
  for (int i = 0; i < 3; i++) {
    Bytes b = zmq_bytes(&l, at + wanted[i]);
    lua_pushlstring(L, b.data, b.size);
  }
  zmq_free(&l);
  return 4;
}

/* reply(ids, type, parent, content) */
static int b_reply(lua_State *L) {
  Bytes ids[IDS];
  int n = ids_at(L, 1, ids);
  wire_send(wire.shell, ids, n, luaL_checkstring(L, 2), bytes_at(L, 3), none, bytes_at(L, 4));
  return 0;
}

/* publish(type, content): behind what was printed, for the request that outputs belong to */
static int b_publish(lua_State *L) {
  const char *type = luaL_checkstring(L, 1);
  Bytes content = bytes_at(L, 2);
  fflush(stdout);
  pthread_mutex_lock(&wire.lock);
  post_drain();
  wire_publish(type, NULL, content);
  pthread_mutex_unlock(&wire.lock);
  return 0;
}

/* begin(header, ids, silent, input): outputs belong to this request from now on, and who asks for input asks there, if that is
 * allowed. It is published that the kernel is busy. */
static int b_begin(lua_State *L) {
  Bytes header = bytes_at(L, 1), ids[IDS];
  int n = ids_at(L, 2, ids);
  size_t size = 0;
  for (int i = 0; i < n; i++) size += ids[i].size;
  char *parent = malloc(header.size + 1), *room = malloc(size + 1);
  if (!parent || !room) {
    free(parent), free(room);
    return luaL_error(L, "not enough memory");
  }
  memcpy(parent, header.data, header.size);
  parent[header.size] = '\0';
  free(asked.room);
  asked.room = room;
  asked.n = n;
  for (int i = 0; i < n; room += ids[i++].size) {
    memcpy(room, ids[i].data, ids[i].size);
    asked.ids[i] = (Bytes){room, ids[i].size};
  }
  asked.allowed = lua_toboolean(L, 4);
  asked.at = asked.size = 0;
  __fpurge(stdin); /* what the line before left there */
  input_refused = NULL;
  fflush(stdout);
  pthread_mutex_lock(&wire.lock);
  post_drain();
  free(wire.parent);
  wire.parent = parent;
  wire.silent = lua_toboolean(L, 3);
  wire_status("busy", NULL);
  pthread_mutex_unlock(&wire.lock);
  return 0;
}

/* done(): it is published that the kernel is idle again */
static int b_done(lua_State *L) {
  (void)L;
  fflush(stdout);
  pthread_mutex_lock(&wire.lock);
  post_drain();
  wire.silent = false;
  wire_status("idle", NULL);
  pthread_mutex_unlock(&wire.lock);
  return 0;
}

/* missing() → why there can be no kernel, or nil */
static int b_missing(lua_State *L) {
  const char *why = zmq_load();
  lua_pushstring(L, why);
  return 1;
}

/* log(text): to standard error as it was when the kernel began */
static int b_log(lua_State *L) {
  wire_log("%s", luaL_checkstring(L, 1));
  return 0;
}

void wire_bind(lua_State *L) {
  static const luaL_Reg fns[] = {{"open", b_open}, {"next", b_next}, {"reply", b_reply}, {"publish", b_publish},
    {"begin", b_begin}, {"done", b_done}, {"log", b_log}, {"missing", b_missing}, {0, 0}};
  lua_newtable(L);
  luaL_setfuncs(L, fns, 0);
  lua_setfield(L, -2, "wire");
}
