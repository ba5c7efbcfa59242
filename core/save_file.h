/* A file that is written whole or not at all: whoever looks, or kills the process, finds the old file or the new one, never
 * half of one.
 *
 * Bytes go to a file without a name (open(2), O_TMPFILE): one that is not finished is gone with its process. save_end flushes
 * it to the disk (fsync) and gives it its name. Where the file system has no such files it has a name of its own in the same
 * folder meanwhile. On any failure the old file is untouched. */
#ifndef SAVE_FILE_H
#define SAVE_FILE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "err.h"

typedef struct SaveFile {
  FILE *out;        /* open for reading too */
  const char *name; /* as the caller has it, for messages */
  char *path;       /* the same, symbolic links followed */
  char *temp;       /* a name under which it can be opened until then */
  bool named;       /* which stands in a folder */
} SaveFile;

/* On false nothing needs to be undone. */
bool save_begin(SaveFile *s, const char *path, Err *e);
bool save_write(SaveFile *s, const void *bytes, size_t n, Err *e);
/* False, with e saying what could not be done to the file, why (an errno) and what to try. */
bool save_failed(const SaveFile *s, const char *doing, int error, Err *e);
/* With ok: flush, fsync, and the name. Else (e already filled) throws the new file away. Returns whether it is in place. */
bool save_end(SaveFile *s, bool ok, Err *e);
#endif
