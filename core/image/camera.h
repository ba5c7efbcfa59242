/* A camera's pictures through V4L2, as Motion-JPEG. Format: the kernel's userspace-api/media/v4l. */
#ifndef CORE_IMAGE_CAMERA_H
#define CORE_IMAGE_CAMERA_H
#include "err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Camera Camera;

/* Whether an open device is a camera, or another thing that Video4Linux takes pictures from. */
bool camera_is(int fd);
/* Starts the camera behind fd, which stays the caller's and is open without waiting. NULL and why where it gives no
 * Motion-JPEG, is in use, or can be read in no way known here. */
Camera *camera_start(int fd, Err *e);
/* The newest picture, in memory that stands until the next call; *size 0: none has come yet. false: there will be none. */
bool camera_take(Camera *c, const uint8_t **picture, size_t *size);
void camera_stop(Camera *c);
#endif
