#include "camera.h"
#include <errno.h>
#include <linux/videodev2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BUFFERS = 4, WIDTH = 640, HEIGHT = 480, MOST = 1 << 24 };

/* The driver fills the buffers in turn; `held` is the one whose picture the caller has, which the driver does not. */
struct Camera {
  int fd, n, held;
  struct {
    uint8_t *at;
    size_t size;
  } buffer[BUFFERS];
  uint8_t *whole; /* where a device is read instead: a picture */
  size_t room;
};

/* An ioctl that a signal does not cut short. */
static int ask(int fd, unsigned long what, void *with) {
  int r;
  do r = ioctl(fd, what, with);
  while (r < 0 && errno == EINTR);
  return r;
}

static struct v4l2_buffer numbered(int i) {
  return (struct v4l2_buffer){.index = (uint32_t)i, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP};
}

static uint32_t abilities(int fd) {
  struct v4l2_capability cap = {0};
  if (ask(fd, VIDIOC_QUERYCAP, &cap)) return 0;
  return cap.capabilities & V4L2_CAP_DEVICE_CAPS ? cap.device_caps : cap.capabilities;
}

bool camera_is(int fd) {
  struct v4l2_capability cap = {0};
  return ask(fd, VIDIOC_QUERYCAP, &cap) == 0;
}

static bool motion_jpeg(uint32_t format) { return format == V4L2_PIX_FMT_MJPEG || format == V4L2_PIX_FMT_JPEG; }

/* Sets Motion-JPEG, of about WIDTH × HEIGHT; *size: the most that a picture takes. */
static bool set_format(int fd, size_t *size, Err *e) {
  struct v4l2_format f = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE};
  f.fmt.pix.width = WIDTH;
  f.fmt.pix.height = HEIGHT;
  f.fmt.pix.pixelformat = V4L2_PIX_FMT_MJPEG;
  f.fmt.pix.field = V4L2_FIELD_ANY;
  if (ask(fd, VIDIOC_S_FMT, &f)) {
    return err_set(e, errno == EBUSY ? "the camera is in use by another program" : "the camera takes no format: %s",
                   strerror(errno));
  }
  uint32_t got = f.fmt.pix.pixelformat;
  if (!motion_jpeg(got)) {
    char name[5] = {0};
    for (int i = 0; i < 4; i++) {
      char c = (char)(got >> 8 * i & 0x7f);
      name[i] = c > ' ' ? c : '?';
    }
    return err_set(e, "the camera gives no Motion-JPEG but %s: io.popen \"ffmpeg -f v4l2 -i DEVICE -f mjpeg -\" makes it so",
                   name);
  }
  *size = f.fmt.pix.sizeimage;
  return true;
}

static bool map_buffers(Camera *c, Err *e) {
  struct v4l2_requestbuffers r = {.count = BUFFERS, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP};
  if (ask(c->fd, VIDIOC_REQBUFS, &r)) {
    return err_set(e, errno == EBUSY ? "the camera is in use by another program" : "the camera gives no buffers: %s",
                   strerror(errno));
  }
  int n = r.count < BUFFERS ? (int)r.count : BUFFERS;
  if (n < 2) return err_set(e, "the camera gives %d buffers, 2 are needed", n);
  for (int i = 0; i < n; i++) {
    struct v4l2_buffer b = numbered(i);
    if (ask(c->fd, VIDIOC_QUERYBUF, &b)) return err_set(e, "the camera's buffer %d: %s", i, strerror(errno));
    void *at = mmap(NULL, b.length, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, (off_t)b.m.offset);
    if (at == MAP_FAILED) return err_set(e, "the camera's buffer %d: %s", i, strerror(errno));
    c->buffer[i].at = at;
    c->buffer[i].size = b.length;
    c->n = i + 1;
    if (ask(c->fd, VIDIOC_QBUF, &b)) return err_set(e, "the camera's buffer %d: %s", i, strerror(errno));
  }
  int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  if (ask(c->fd, VIDIOC_STREAMON, &type)) return err_set(e, "the camera does not start: %s", strerror(errno));
  return true;
}

Camera *camera_start(int fd, Err *e) {
  uint32_t can = abilities(fd);
  size_t size = 0;
  if (!(can & V4L2_CAP_VIDEO_CAPTURE)) {
    err_set(e, "the device takes no pictures (a camera has often a second device, which does not: try the other)");
    return NULL;
  }
  if (!(can & (V4L2_CAP_STREAMING | V4L2_CAP_READWRITE))) {
    err_set(e, "the camera can neither be mapped nor read");
    return NULL;
  }
  if (!set_format(fd, &size, e)) return NULL;
  Camera *c = calloc(1, sizeof *c);
  bool good = c != NULL;
  if (!good) err_memory(e, sizeof *c, "a camera");
  if (good) *c = (Camera){.fd = fd, .held = -1};
  if (good && can & V4L2_CAP_STREAMING) good = map_buffers(c, e);
  else if (good) {
    c->room = size > 0 && size < MOST ? size : MOST;
    c->whole = malloc(c->room);
    good = c->whole != NULL || err_memory(e, (double)c->room, "a camera's picture");
  }
  if (good) return c;
  camera_stop(c);
  return NULL;
}

/* Of a mapped camera: what has come is taken from the driver, all but the newest given back at once. */
static bool take_mapped(Camera *c, const uint8_t **picture, size_t *size) {
  for (int i = 0; i < BUFFERS; i++) {
    struct v4l2_buffer b = numbered(0);
    if (ask(c->fd, VIDIOC_DQBUF, &b)) return errno == EAGAIN || errno == EIO; /* EIO: this picture was lost */
    if (b.index >= (uint32_t)c->n) return false;
    bool whole = !(b.flags & V4L2_BUF_FLAG_ERROR) && b.bytesused > 0 && b.bytesused <= c->buffer[b.index].size;
    int back = whole ? c->held : (int)b.index;
    if (whole) {
      c->held = (int)b.index;
      *picture = c->buffer[b.index].at;
      *size = b.bytesused;
    }
    struct v4l2_buffer again = numbered(back);
    if (back >= 0 && ask(c->fd, VIDIOC_QBUF, &again)) return false;
  }
  return true;
}

bool camera_take(Camera *c, const uint8_t **picture, size_t *size) {
  *size = 0;
  if (!c->whole) return take_mapped(c, picture, size);
  ssize_t n = read(c->fd, c->whole, c->room);
  if (n > 0) {
    *picture = c->whole;
    *size = (size_t)n;
  }
  return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR || errno == EIO));
}

void camera_stop(Camera *c) {
  if (!c) return;
  int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  if (c->n > 0) ask(c->fd, VIDIOC_STREAMOFF, &type);
  for (int i = 0; i < c->n; i++) munmap(c->buffer[i].at, c->buffer[i].size);
  free(c->whole);
  free(c);
}
