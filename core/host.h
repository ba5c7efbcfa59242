/* What the engine asks of its host. All hooks may be left NULL. */
#ifndef CORE_HOST_H
#define CORE_HOST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Host {
  bool (*should_stop)(void);              /* polled between the nodes of a run, and by long loops over files */
  void (*memory)(ptrdiff_t bytes);        /* tensor memory grew (+) or shrank (-): the host's collector may act later */
  void (*untapped)(uint64_t tap);         /* a node that the host had given this number is gone (graph.h) */
  bool computing; /* a run makes values that nobody has yet: its loops may leave the rest out where the host asks to stop */
} Host;
extern Host host;

static inline bool host_should_stop(void) { return host.should_stop && host.should_stop(); }
#endif
