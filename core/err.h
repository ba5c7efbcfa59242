/* Errors of the core: a message filled where the fault is seen, carried up by `false`.
 * The core never prints, exits or aborts; the host shows `text`. */
#ifndef CORE_ERR_H
#define CORE_ERR_H
#include <stdbool.h>

typedef enum ErrKind {
  ERR_USER,   /* bad input: file, shape, name, number */
  ERR_STOP,   /* the host asked to stop (Ctrl-C) */
  ERR_MEMORY, /* an allocation failed */
} ErrKind;

typedef struct Err {
  ErrKind kind;
  char text[1000];
} Err;

/* Writes the message (printf format) and returns false, so that callers can `return err_set(e, ...)`. */
bool err_set(Err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts "prefix: " in front of the message already there; returns false. */
bool err_within(Err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "out of memory: <bytes> for <what>"; returns false. */
bool err_memory(Err *e, double bytes, const char *what);
/* "stopped"; returns false. */
bool err_stop(Err *e);
#endif
