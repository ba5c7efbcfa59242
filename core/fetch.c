#include "fetch.h"
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "host.h"

struct Fetch {
  char *url, *path, *part, *sha256;
  int fd;              /* of the part, locked; appends */
  int64_t have, total; /* bytes in the part; of the whole file, -1: not known */
  EVP_MD_CTX *hash;    /* of those bytes */
  CURLM *multi;
  CURL *easy;
  bool ranged;         /* only the rest was asked for */
  bool answered;       /* the file's bytes come */
  bool misfit;         /* the server's rest is not the part's rest */
  bool refused;        /* the disk takes no more: */
  Err refusal;
  char why[CURL_ERROR_SIZE];
};

/* ---- libcurl, when it is needed ---- */

#define CURL_FUNCTIONS(X) \
  X(easy_init) X(easy_setopt) X(easy_getinfo) X(easy_header) X(easy_strerror) X(easy_cleanup) X(multi_init) X(multi_add_handle) \
  X(multi_remove_handle) X(multi_perform) X(multi_poll) X(multi_info_read) X(multi_strerror) X(multi_cleanup)

static struct {
#define POINTER(name) __typeof__(&curl_##name) name;
  CURL_FUNCTIONS(POINTER)
#undef POINTER
} curl;

static bool load_curl(Err *e) {
  if (curl.multi_cleanup) return true; /* the last one that is found */
  void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (!library) library = dlopen("libcurl-gnutls.so.4", RTLD_NOW | RTLD_LOCAL);
  if (!library) return err_set(e, "libcurl, which fetches files, cannot be loaded (Debian: apt install libcurl4): %s", dlerror());
#define FIND(name) \
  if (!(*(void **)&curl.name = dlsym(library, "curl_" #name))) \
    return err_set(e, "this libcurl is too old (7.84 or later is needed): %s", dlerror());
  CURL_FUNCTIONS(FIND)
#undef FIND
  return true;
}

/* ---- the part ---- */

static bool disk_error(const Fetch *f, const char *doing, const char *path, int error, Err *e) {
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    if (f->total >= 0)
      return err_set(e, "%s: no space: %s (%.1f MB are there, %.1f MB are missing) · free some and try again", path,
                     strerror(error), (double)f->have / 1e6, (double)(f->total - f->have) / 1e6);
    return err_set(e, "%s: no space: %s · free some and try again", path, strerror(error));
  }
  return err_set(e, "%s: cannot %s: %s", path, doing, strerror(error));
}

static bool make_folders(Fetch *f, Err *e) {
  for (char *slash = strchr(f->part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    bool ok = !mkdir(f->part, 0777) || errno == EEXIST || disk_error(f, "make this folder", f->part, errno, e);
    *slash = '/';
    if (!ok) return false;
  }
  return true;
}

/* Opens and locks the part. Whoever had the lock before may have put its file in place: then there is another part. */
static bool open_part(Fetch *f, Err *e) {
  struct stat mine, there;
  do {
    if (f->fd >= 0) close(f->fd);
    f->fd = open(f->part, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (f->fd < 0) return disk_error(f, "write here", f->part, errno, e);
    if (flock(f->fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
      return err_set(e, "%s: another process fetches this file now · wait for it and try again", f->part);
    if (fstat(f->fd, &mine)) return disk_error(f, "look at it", f->part, errno, e);
  } while (stat(f->part, &there) || there.st_ino != mine.st_ino || there.st_dev != mine.st_dev);
  f->have = mine.st_size;
  return true;
}

/* Throws away what came so far. */
static bool empty_part(Fetch *f, Err *e) {
  f->have = 0;
  EVP_DigestInit_ex(f->hash, NULL, NULL);
  return !ftruncate(f->fd, 0) || disk_error(f, "begin anew", f->part, errno, e);
}

/* Takes the bytes that are there already into the hash. */
static bool hash_part(Fetch *f, Err *e) {
  size_t size = 1 << 20;
  unsigned char *bytes = malloc(size);
  if (!bytes) return err_memory(e, (double)size, "reading a file");
  bool ok = true;
  int64_t at = 0;
  while (ok && at < f->have) {
    ssize_t n = pread(f->fd, bytes, size, at);
    if (n <= 0) ok = disk_error(f, "read it", f->part, n ? errno : EIO, e);
    else if (host_should_stop()) ok = err_stop(e);
    else EVP_DigestUpdate(f->hash, bytes, (size_t)n);
    at += n;
  }
  free(bytes);
  return ok;
}

/* The first digits of the hash of what is there. */
static void hash_text(const Fetch *f, char text[2 * EVP_MAX_MD_SIZE + 1]) {
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned n = 0;
  EVP_MD_CTX *copy = EVP_MD_CTX_new();
  if (copy && EVP_MD_CTX_copy_ex(copy, f->hash)) EVP_DigestFinal_ex(copy, hash, &n);
  EVP_MD_CTX_free(copy);
  for (unsigned i = 0; i < n; i++) sprintf(text + 2 * i, "%02x", hash[i]);
  text[strlen(f->sha256) < 2 * n ? strlen(f->sha256) : 2 * n] = 0;
}

static bool hash_fits(const Fetch *f) {
  char text[2 * EVP_MAX_MD_SIZE + 1];
  hash_text(f, text);
  return strcmp(text, f->sha256) == 0;
}

/* ---- the transfer ---- */

/* The answer's head is in. Is what follows the file, or the rest of it? */
static bool answer(Fetch *f) {
  long status = 0;
  curl.easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
  if (status == 206 && f->ranged) {
    struct curl_header *range;
    int64_t from = -1;
    if (curl.easy_header(f->easy, "Content-Range", 0, CURLH_HEADER, -1, &range) == CURLHE_OK)
      sscanf(range->value, "bytes %" SCNd64 "-%*[0-9]/%" SCNd64, &from, &f->total);
    f->misfit = from != f->have;
    if (f->misfit) return false;
  } else if (status == 200) {
    curl_off_t length = -1;
    curl.easy_getinfo(f->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    f->total = length;
    f->refused = !empty_part(f, &f->refusal); /* a server that knows no ranges sends the whole */
  } else return false;
  struct statvfs disk;
  double missing = (double)(f->total - f->have);
  if (missing > 0 && !fstatvfs(f->fd, &disk) && (double)disk.f_bavail * (double)disk.f_frsize < missing)
    f->refused = !disk_error(f, "write", f->part, ENOSPC, &f->refusal);
  f->answered = !f->refused;
  return f->answered;
}

static size_t receive(char *bytes, size_t one, size_t n, void *fetch) {
  Fetch *f = fetch;
  if (!f->answered && !answer(f)) return CURL_WRITEFUNC_ERROR;
  for (size_t at = 0; at < n * one;) {
    ssize_t m = write(f->fd, bytes + at, n * one - at);
    if (m < 0) {
      if (errno == EINTR) continue;
      f->refused = !disk_error(f, "write", f->part, errno, &f->refusal);
      return CURL_WRITEFUNC_ERROR;
    }
    EVP_DigestUpdate(f->hash, bytes + at, (size_t)m);
    at += (size_t)m;
    f->have += m;
  }
  return n * one;
}

/* Asks for the file, or for what is missing of it. */
static bool ask(Fetch *f, Err *e) {
  char range[32];
  snprintf(range, sizeof range, "%" PRId64 "-", f->have);
  f->ranged = f->have > 0;
  f->answered = f->misfit = false;
  curl.easy_setopt(f->easy, CURLOPT_RANGE, f->ranged ? range : NULL);
  CURLMcode code = curl.multi_add_handle(f->multi, f->easy);
  return code == CURLM_OK || err_set(e, "%s: %s", f->url, curl.multi_strerror(code));
}

static void set_up(Fetch *f) {
  CURL *c = f->easy;
  curl.easy_setopt(c, CURLOPT_URL, f->url);
  curl.easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
  curl.easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl.easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
  curl.easy_setopt(c, CURLOPT_MAXREDIRS, 10L);
  curl.easy_setopt(c, CURLOPT_FAILONERROR, 1L);
  curl.easy_setopt(c, CURLOPT_USERAGENT, "suture");
  curl.easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl.easy_setopt(c, CURLOPT_QUICK_EXIT, 1L); /* a name that is still looked up does not hold Ctrl-C back */
  curl.easy_setopt(c, CURLOPT_CONNECTTIMEOUT, 20L);
  curl.easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L); /* nothing at all for so long: the connection is dead */
  curl.easy_setopt(c, CURLOPT_LOW_SPEED_TIME, 30L);
  curl.easy_setopt(c, CURLOPT_BUFFERSIZE, 1L << 18);
  curl.easy_setopt(c, CURLOPT_ERRORBUFFER, f->why);
  curl.easy_setopt(c, CURLOPT_WRITEFUNCTION, receive);
  curl.easy_setopt(c, CURLOPT_WRITEDATA, f);
}

bool fetch_open(const char *url, const char *path, const char *sha256, Fetch **out, Err *e) {
  *out = NULL;
  Fetch *f = calloc(1, sizeof *f);
  if (!f) return err_memory(e, sizeof *f, "a download");
  f->fd = -1;
  f->total = -1;
  f->url = strdup(url);
  f->path = strdup(path);
  f->sha256 = strdup(sha256);
  f->hash = EVP_MD_CTX_new();
  bool ok = f->url && f->path && f->sha256 && f->hash && asprintf(&f->part, "%s.part", path) > 0;
  if (!ok) err_memory(e, 4096, "a download");
  ok = ok && load_curl(e) && make_folders(f, e) && open_part(f, e);
  ok = ok && (EVP_DigestInit_ex(f->hash, EVP_sha256(), NULL) || err_set(e, "libcrypto has no SHA-256"));
  ok = ok && (*sha256 || empty_part(f, e)) && hash_part(f, e);
  if (ok && !((f->multi = curl.multi_init()) && (f->easy = curl.easy_init()))) ok = err_memory(e, 1 << 18, "a download");
  if (ok) {
    set_up(f);
    ok = ask(f, e);
  }
  if (!ok) {
    fetch_close(f);
    return false;
  }
  *out = f;
  return true;
}

/* Puts the whole file in its place. */
static bool finish(Fetch *f, Err *e) {
  if (!hash_fits(f)) {
    char text[2 * EVP_MAX_MD_SIZE + 1];
    hash_text(f, text);
    unlink(f->part);
    return err_set(e, "%s: this is not the published file: its SHA-256 begins with %s, not %s (%.1f MB came and were removed; "
                   "a network's login page may have answered, or the connection damaged it) · try again", f->url, text,
                   f->sha256, (double)f->have / 1e6);
  }
  if (fsync(f->fd)) return disk_error(f, "write it", f->part, errno, e);
  if (rename(f->part, f->path)) return disk_error(f, "put the file in place", f->path, errno, e);
  int folder = open(dirname(f->part), O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* the rename must reach the disk too; f->part is spent */
  if (folder >= 0) {
    (void)!fsync(folder);
    close(folder);
  }
  return true;
}

/* The transfer has ended, somehow. *done stays false where another was begun. */
static bool ended(Fetch *f, CURLcode code, bool *done, Err *e) {
  long status = 0;
  curl.easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
  curl.multi_remove_handle(f->multi, f->easy);
  if (f->refused) {
    *e = f->refusal;
    return false;
  }
  if (f->misfit || (f->ranged && status == 416)) {
    if (*f->sha256 && hash_fits(f)) return *done = finish(f, e); /* nothing was missing */
    return empty_part(f, e) && ask(f, e);
  }
  const char *why = *f->why ? f->why : curl.easy_strerror(code);
  if (status >= 400) {
    return err_set(e, "%s: the server answers %ld%s", f->url, status,
                   status == 404 || status == 410 ? ": there is no such file" : status == 401 || status == 403 ? ": not allowed"
                   : status >= 500 ? ": it is in trouble, try later" : "");
  }
  if (!status) return err_set(e, "%s: no connection: %s", f->url, why);
  if (!f->answered && (code == CURLE_OK || code == CURLE_WRITE_ERROR))
    return err_set(e, "%s: the server answers %ld and no file", f->url, status);
  if (code == CURLE_OK && (f->total < 0 || f->have == f->total)) return *done = finish(f, e);
  char of[40] = "";
  if (f->total >= 0) snprintf(of, sizeof of, " of %.1f MB", (double)f->total / 1e6);
  bool kept = *f->sha256 && f->have;
  return err_set(e, "%s: the connection was cut after %.1f MB%s: %s · %s%s%s", f->url, (double)f->have / 1e6, of, why,
                 kept ? "what came is kept in " : "", kept ? f->part : "", kept ? ", and the next try goes on from there" : "try again");
}

bool fetch_step(Fetch *f, bool *done, Err *e) {
  *done = false;
  if (host_should_stop()) return err_stop(e);
  int running = 0, left;
  CURLMcode code = curl.multi_perform(f->multi, &running);
  if (code == CURLM_OK && running) code = curl.multi_poll(f->multi, NULL, 0, 100, NULL);
  if (code != CURLM_OK) return err_set(e, "%s: %s", f->url, curl.multi_strerror(code));
  CURLMsg *message = running ? NULL : curl.multi_info_read(f->multi, &left);
  return !message || ended(f, message->data.result, done, e);
}

void fetch_progress(const Fetch *f, int64_t *have, int64_t *total) {
  *have = f->have;
  *total = f->total;
}

void fetch_close(Fetch *f) {
  if (!f) return;
  if (f->easy) {
    curl.multi_remove_handle(f->multi, f->easy);
    curl.easy_cleanup(f->easy);
  }
  if (f->multi) curl.multi_cleanup(f->multi);
  struct stat st;
  if (f->fd >= 0) {
    if (!fstat(f->fd, &st) && st.st_size == 0 && st.st_nlink && f->part) unlink(f->part); /* nothing came, nothing is kept */
    close(f->fd);
  }
  EVP_MD_CTX_free(f->hash);
  free(f->url);
  free(f->path);
  free(f->part);
  free(f->sha256);
  free(f);
}
