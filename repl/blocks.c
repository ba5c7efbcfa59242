/* Lua's memory. Small blocks are the C library's. A large one is mapped, and where it will be used whole its pages are made
 * here, a part at a time: that is most of what a string of a gigabyte costs, and Lua's own writing of it cannot be stopped.
 * Where Ctrl-C stops Lua code the block is refused, which interrupt_call tells apart from memory that is not there. */
#include "repl/face.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { LARGE = 32 << 20, PART = 8 << 20, PAGE = 4096 };

static size_t pages(size_t n) { return (n + PAGE - 1) & ~(size_t)(PAGE - 1); }

/* Makes the pages of p[from..n). → false where it was stopped */
static bool populate(char *p, size_t from, size_t n) {
  for (size_t end; from < n; from = end) {
    end = n - from < PART ? n : from + PART;
    if (interrupt_refuses()) return false;
    madvise(p + from, end - from, MADV_POPULATE_WRITE); /* Linux 5.14; where it fails they are made when they are written */
  }
  return true;
}

/* A mapping of n bytes, whose pages from `from` on are there. NULL: there is no memory, or it was stopped */
static char *map(size_t from, size_t n) {
  char *p = interrupt_refuses() ? MAP_FAILED : mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return NULL;
  if (populate(p, from, n)) return p;
  munmap(p, n);
  return NULL;
}

/* As lua_Alloc. What is new is used whole; what grows is a table's array, of 2^k elements of 16 bytes and used whole, or the
 * buffer of a string that is being made, which may end anywhere. */
static void *resize(void *old, size_t before, size_t n) {
  bool whole = !old || (n & (n - 1)) == 0;
  size_t had = old ? pages(before) : 0, has = pages(n);
  if (old && before >= LARGE && n < before) {
    char *less = had == has ? old : mremap(old, had, has, 0);
    return less == MAP_FAILED ? old : less;
  }
  char *p = map(whole ? had : has, has);
  if (!p || !old) return p;
  if (before >= LARGE) {
    if (mremap(old, had, had, MREMAP_MAYMOVE | MREMAP_FIXED, p) == p) return p;
    munmap(p, has);
    return NULL;
  }
  memcpy(p, old, before);
  free(old);
  return p;
}

static void *allocate(void *user, void *old, size_t before, size_t n) {
  (void)user;
  bool mapped = old && before >= LARGE;
  if (n >= LARGE) return resize(old, before, n);
  if (!mapped && n > 0) return realloc(old, n);
  void *p = n > 0 ? malloc(n) : NULL;
  if (p) memcpy(p, old, n);
  else if (n > 0) return NULL;
  if (mapped) munmap(old, pages(before));
  else free(old);
  return p;
}

/* Before the state has a large block: what it has is realloc's, as the small ones here are. */
void blocks_take_over(lua_State *L) { lua_setallocf(L, allocate, NULL); }
