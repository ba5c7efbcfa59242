#include "err.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool err_set(Err *e, const char *fmt, ...) {
  e->kind = ERR_USER;
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(e->text, sizeof e->text, fmt, ap);
  va_end(ap);
  return false;
}

bool err_within(Err *e, const char *fmt, ...) {
  char text[sizeof e->text];
  va_list ap;
  va_start(ap, fmt);
  int n = vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  /* What does not fit is cut off. */
  if (n < 0 || (n < (int)sizeof text && snprintf(text + n, sizeof text - (size_t)n, ": %s", e->text) < 0)) return false;
  memcpy(e->text, text, sizeof text);
  return false;
}

bool err_memory(Err *e, double bytes, const char *what) {
  err_set(e, "out of memory: %.1f MB for %s", bytes / 1e6, what);
  e->kind = ERR_MEMORY;
  return false;
}

bool err_stop(Err *e) {
  err_set(e, "stopped");
  e->kind = ERR_STOP;
  return false;
}
