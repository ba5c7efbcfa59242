/* suture.core.stream: bytes that come while something else goes on, from a file, a pipe, a camera or another device; nobody
 * waits. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/image/camera.h"
#include "lua/bind/bind.h"

#define STREAM "suture.stream"

typedef struct Stream {
  int fd, flags; /* flags: what a handle of the user's had */
  bool own, file;
  Camera *camera;
} Stream;

static int stream_close(lua_State *L) {
  Stream *s = luaL_checkudata(L, 1, STREAM);
  camera_stop(s->camera);
  s->camera = NULL;
  if (s->fd >= 0 && s->own) close(s->fd);
  else if (s->fd >= 0) fcntl(s->fd, F_SETFL, s->flags);
  s->fd = -1;
  return 0;
}

/* open(path or a file handle) → a stream, or nil and why. A handle stays open, and its own reading begins behind. */
static int stream_open(lua_State *L) {
  luaL_Stream *handle = luaL_testudata(L, 1, LUA_FILEHANDLE);
  Stream *s = lua_newuserdatauv(L, sizeof *s, 1);
  *s = (Stream){.fd = -1};
  luaL_setmetatable(L, STREAM);
  if (handle) {
    luaL_argcheck(L, handle->closef, 1, "an open file expected");
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1); /* it lives as long */
    s->fd = fileno(handle->f);
    s->own = false;
    s->flags = fcntl(s->fd, F_GETFL);
    fcntl(s->fd, F_SETFL, s->flags | O_NONBLOCK);
  } else {
    const char *path = luaL_checkstring(L, 1);
    struct stat before;
    bool device = stat(path, &before) == 0 && S_ISCHR(before.st_mode);
    s->fd = device ? open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC) : -1; /* a camera is told what to do */
    if (s->fd >= 0 && !camera_is(s->fd)) {
      close(s->fd);
      s->fd = -1;
    }
    if (s->fd < 0) s->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    s->own = true;
  }
  struct stat st;
  if (s->fd < 0 || fstat(s->fd, &st) || S_ISDIR(st.st_mode)) {
    lua_pushnil(L);
    lua_pushstring(L, strerror(s->fd < 0 ? errno : EISDIR));
    return 2;
  }
  s->file = S_ISREG(st.st_mode);
  if (s->own && S_ISCHR(st.st_mode) && camera_is(s->fd)) {
    Err e;
    s->camera = camera_start(s->fd, &e);
    if (!s->camera) {
      lua_pushnil(L);
      lua_pushstring(L, e.text);
      return 2;
    }
  }
  return 1;
}

/* s:read(most) → bytes, of a camera its newest picture; "": none have come yet; nil: there will be none */
static int stream_read(lua_State *L) {
  Stream *s = luaL_checkudata(L, 1, STREAM);
  lua_Integer most = luaL_checkinteger(L, 2);
  luaL_argcheck(L, most > 0 && most <= 1 << 24, 2, "1 to 16 MiB");
  if (s->fd < 0) return 0;
  if (s->camera) {
    const uint8_t *picture;
    size_t size;
    if (!camera_take(s->camera, &picture, &size)) return 0;
    lua_pushlstring(L, size > 0 ? (const char *)picture : "", size);
    return 1;
  }
  luaL_Buffer b;
  char *to = luaL_buffinitsize(L, &b, (size_t)most);
  ssize_t n = read(s->fd, to, (size_t)most);
  bool later = n < 0 && (errno == EAGAIN || errno == EINTR);
  luaL_pushresultsize(&b, n > 0 ? (size_t)n : 0);
  return n > 0 || later;
}

/* s:rewind() → whether it is a file and stands at its beginning again */
static int stream_rewind(lua_State *L) {
  Stream *s = luaL_checkudata(L, 1, STREAM);
  lua_pushboolean(L, s->fd >= 0 && s->file && lseek(s->fd, 0, SEEK_SET) == 0);
  return 1;
}

/* waits(path) → whether it is a pipe or a device, of which nobody knows how much will come */
static int stream_waits(lua_State *L) {
  struct stat st;
  lua_pushboolean(L, stat(luaL_checkstring(L, 1), &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)));
  return 1;
}

int bind_stream(lua_State *L);
int bind_stream(lua_State *L) {
  static const luaL_Reg meta[] = {{"__close", stream_close}, {"__gc", stream_close}, {0, 0}};
  static const luaL_Reg methods[] = {{"read", stream_read}, {"rewind", stream_rewind}, {"close", stream_close}, {0, 0}};
  static const luaL_Reg fns[] = {{"open", stream_open}, {"waits", stream_waits}, {0, 0}};
  luaL_newmetatable(L, STREAM);
  luaL_setfuncs(L, meta, 0);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_newlib(L, fns);
  return 1;
}
