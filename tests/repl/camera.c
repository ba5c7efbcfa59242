/* A camera for tests, by LD_PRELOAD: /dev/null answers as Video4Linux's devices do, and gives the pictures of $FILM, one every
 * 20 ms. $CAMERA: "read" (no buffers), "yuyv" (no Motion-JPEG), "busy". */
#include <errno.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 1 << 18, OFFSET = 1 << 20, MOST = 8 };

static unsigned char *buffer[MOST], film[SIZE];
static size_t length, at;
static int queue[MOST], queued, on, known;

static int is_camera(int fd) {
  struct stat st;
  return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}
static int how(const char *what) { return getenv("CAMERA") && !strcmp(getenv("CAMERA"), what); }

/* Whether it is time for another picture. */
static int due(void) {
  static double last;
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  double now = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
  if (now < last + .02) return errno = EAGAIN, 0;
  last = now;
  return 1;
}

/* The film's next picture, over and over. */
static size_t picture(unsigned char *to) {
  if (length == 0) {
    FILE *f = fopen(getenv("FILM"), "rb");
    length = fread(film, 1, SIZE, f);
    fclose(f);
  }
  size_t from = at;
  for (size_t i = at + 2; i <= length; i++)
    if (i == length || (film[i] == 0xff && film[i + 1] == 0xd8 && film[i + 2] == 0xff)) {
      memcpy(to, film + from, i - from);
      at = i == length ? 0 : i;
      return i - from;
    }
  return 0;
}

int ioctl(int fd, unsigned long what, ...) {
  va_list list;
  va_start(list, what);
  void *with = va_arg(list, void *);
  va_end(list);
  if (!is_camera(fd) || (what >> 8 & 0xff) != 'V') return (int)syscall(SYS_ioctl, fd, what, with);
  struct v4l2_capability *cap = with;
  struct v4l2_format *format = with;
  struct v4l2_requestbuffers *request = with;
  struct v4l2_buffer *b = with;
  switch (what) {
  case VIDIOC_QUERYCAP:
    cap->capabilities = V4L2_CAP_VIDEO_CAPTURE | (how("read") ? V4L2_CAP_READWRITE : V4L2_CAP_STREAMING);
    return 0;
  case VIDIOC_S_FMT:
    known = 1;
    if (how("busy")) return errno = EBUSY, -1;
    if (how("yuyv")) format->fmt.pix.pixelformat = V4L2_PIX_FMT_YUYV;
    format->fmt.pix.sizeimage = SIZE;
    return 0;
  case VIDIOC_REQBUFS: request->count = request->count < MOST ? request->count : MOST; return 0;
  case VIDIOC_QUERYBUF:
    b->length = SIZE;
    b->m.offset = OFFSET * (b->index + 1);
    return 0;
  case VIDIOC_QBUF: queue[queued++] = (int)b->index; return 0;
  case VIDIOC_STREAMON: on = 1; return 0;
  case VIDIOC_STREAMOFF: on = 0; return 0;
  case VIDIOC_DQBUF:
    if (!on || queued < 2 || !due()) return errno = EAGAIN, -1; /* a driver keeps one to fill */
    b->index = (unsigned)queue[0];
    memmove(queue, queue + 1, sizeof *queue * (size_t)--queued);
    b->bytesused = (unsigned)picture(buffer[b->index]);
    b->flags = 0;
    return 0;
  }
  return errno = ENOTTY, -1;
}

void *mmap(void *addr, size_t n, int prot, int flags, int fd, off_t offset) {
  if (fd < 0 || offset < OFFSET || !is_camera(fd)) return (void *)syscall(SYS_mmap, addr, n, prot, flags, fd, offset);
  return buffer[offset / OFFSET - 1] = (void *)syscall(SYS_mmap, NULL, n, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

ssize_t read(int fd, void *to, size_t n) {
  static unsigned char one[SIZE];
  if (!known || !how("read") || !is_camera(fd)) return syscall(SYS_read, fd, to, n);
  if (!due()) return -1;
  size_t size = picture(one);
  memcpy(to, one, size < n ? size : n);
  return (ssize_t)size;
}
