/* Files from the network, by libcurl: a file comes under its name only when it is whole and its hash is right.
 *
 * Until then what came is kept in "<path>.part" beside it, so that a later try goes on from there (HTTP ranges; from the
 * beginning where the server has none). A part that no hash can prove to be of the same file is not gone on with. One
 * process at a time writes a part: it is locked.
 *
 * libcurl is loaded at the first fetch, because it and what it loads take longer to start than the rest of the program. */
#ifndef CORE_FETCH_H
#define CORE_FETCH_H
#include <stdint.h>
#include "err.h"

typedef struct Fetch Fetch;

/* Begins to fetch `url` (http, https) as the file `path`, whose folders are made. `sha256`: the first hex digits of the
 * file's SHA-256, any number; "" for none known. The caller owns *out and gives it to fetch_close. */
bool fetch_open(const char *url, const char *path, const char *sha256, Fetch **out, Err *e);

/* Goes on for at most a tenth of a second. *done: the file is at `path`, whole, checked, and on the disk. False: it will not
 * come; the message says why and what is kept. ERR_STOP when the host wants to stop: what came is kept. */
bool fetch_step(Fetch *f, bool *done, Err *e);

/* Bytes that are there, and of the whole file, -1 while that is not known. */
void fetch_progress(const Fetch *f, int64_t *have, int64_t *total);

/* Frees f, done or not; NULL is allowed. */
void fetch_close(Fetch *f);
#endif
