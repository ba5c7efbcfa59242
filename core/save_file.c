#include "save_file.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder of a path, with its slash: its length. */
static int folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? (int)(slash + 1 - path) : 0;
}

bool save_failed(const SaveFile *s, const char *doing, int error, Err *e) {
  int folder = folder_of(s->name);
  if (error == ENOENT && folder)
    return err_set(e, "%s: cannot %s: %s (there is no folder %.*s)", s->name, doing, strerror(error), folder > 1 ? folder - 1 : 1,
                   s->name);
  const char *hint = error == ENOSPC || error == EDQUOT ? " (free some space, or save elsewhere; nothing was changed)"
                     : error == EACCES || error == EROFS ? " (save to a folder you may write to)" : "";
  return err_set(e, "%s: cannot %s: %s%s", s->name, doing, strerror(error), hint);
}

static void forget(SaveFile *s) {
  free(s->path);
  free(s->temp);
  *s = (SaveFile){0};
}

/* Writes a name that nothing has, beside the file, to s->temp. */
static void name_beside(SaveFile *s) { sprintf(s->temp, "%.*s.suture-XXXXXX", folder_of(s->path), s->path); }

/* Opens the folder that the file is in. */
static int open_folder(SaveFile *s, int flags) {
  int folder = folder_of(s->path);
  sprintf(s->temp, "%.*s", folder ? folder : 1, folder ? s->path : ".");
  return open(s->temp, flags | O_CLOEXEC, 0600);
}

/* The new file's descriptor, or -1. */
static int open_new(SaveFile *s) {
  int fd = open_folder(s, O_TMPFILE | O_RDWR);
  if (fd >= 0) {
    sprintf(s->temp, "/proc/self/fd/%d", fd);
    if (!access(s->temp, F_OK)) return fd;
    close(fd); /* no /proc, and so no way to name it */
  }
  name_beside(s);
  fd = mkostemp(s->temp, O_CLOEXEC);
  s->named = fd >= 0;
  return fd;
}

bool save_begin(SaveFile *s, const char *path, Err *e) {
  *s = (SaveFile){.name = path};
  /* a symbolic link stays one: what it points to is replaced */
  s->path = realpath(path, NULL);
  if (!s->path) s->path = strdup(path);
  if (!s->path || !(s->temp = malloc(strlen(s->path) + 40))) {
    forget(s);
    return err_memory(e, PATH_MAX, "a file name");
  }
  struct stat old;
  bool exists = !stat(s->path, &old);
  int fd = -1;
  if (!*path) err_set(e, "cannot save: the file name is empty");
  else if (exists && S_ISDIR(old.st_mode)) err_set(e, "%s: cannot save: this is a folder", path);
  else if (exists && !S_ISREG(old.st_mode)) err_set(e, "%s: cannot save: this is not a regular file", path);
  else if ((fd = open_new(s)) < 0) save_failed(s, "save", errno, e);
  if (fd < 0) {
    forget(s);
    return false;
  }
  mode_t mask = umask(0);
  umask(mask);
  if (fchmod(fd, exists ? old.st_mode & 07777 : 0666 & ~mask) || !(s->out = fdopen(fd, "w+b"))) {
    save_failed(s, "save", errno, e);
    if (s->named) unlink(s->temp);
    close(fd);
    forget(s);
    return false;
  }
  return true;
}

bool save_write(SaveFile *s, const void *bytes, size_t n, Err *e) {
  return fwrite(bytes, 1, n, s->out) == n || save_failed(s, "write", errno, e);
}

/* Gives a file without a name one beside its place: only a file that has one can take another's. */
static bool name_it(SaveFile *s) {
  char from[40];
  strcpy(from, s->temp);
  for (int tries = 0; tries < 100; tries++) {
    name_beside(s);
    int fd = mkostemp(s->temp, O_CLOEXEC); /* a name nobody has; between here and linkat somebody else may take it */
    if (fd < 0) return false;
    close(fd);
    unlink(s->temp);
    if (!linkat(AT_FDCWD, from, AT_FDCWD, s->temp, AT_SYMLINK_FOLLOW)) return s->named = true;
    if (errno != EEXIST) return false;
  }
  return false;
}

static bool put_in_place(SaveFile *s) {
  if (!s->named && !linkat(AT_FDCWD, s->temp, AT_FDCWD, s->path, AT_SYMLINK_FOLLOW)) return true;
  if (!s->named && (errno != EEXIST || !name_it(s))) return false;
  return !rename(s->temp, s->path);
}

bool save_end(SaveFile *s, bool ok, Err *e) {
  if (ok && (fflush(s->out) || fsync(fileno(s->out)))) ok = save_failed(s, "write", errno, e);
  if (ok && !put_in_place(s)) ok = save_failed(s, "put the new file in place", errno, e);
  if (!ok && s->named) unlink(s->temp);
  if (s->out) fclose(s->out); /* all of it is on the disk */
  if (ok) { /* the name must reach the disk too; where a folder cannot be synced the file is in place all the same */
    int fd = open_folder(s, O_RDONLY | O_DIRECTORY);
    if (fd >= 0) {
      (void)!fsync(fd);
      close(fd);
    }
  }
  forget(s);
  return ok;
}
