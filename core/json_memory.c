#include "json_memory.h"
#include <jansson.h>
#include <stdlib.h>

static _Thread_local bool failed __attribute__((tls_model("initial-exec"))); /* as in threads.c: no call to find it */

static void *get(size_t n) {
  void *p = malloc(n);
  if (!p) failed = true;
  return p;
}

void json_memory_watch(void) {
  failed = false;
  json_set_alloc_funcs(get, free);
}

bool json_memory_failed(void) { return failed; }
