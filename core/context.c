/* The context of tracing: what nodes made now are given, names that never go away, seeds, marks of walks. */
#include <stdlib.h>
#include <string.h>
#include "node.h"

bool graph_grad_mode = true;
const char *graph_path = "";
bool graph_keeps;

static uint64_t next_mark = 1;
static uint64_t seed_state = 0x9E3779B97F4A7C15u;

const char *graph_intern(const char *text) {
  typedef struct Name { struct Name *next; char text[]; } Name;
  static Name *table[1024];
  uint32_t h = 2166136261u;
  for (const char *p = text; *p; p++) h = (h ^ (unsigned char)*p) * 16777619u;
  Name **slot = &table[h % 1024];
  for (Name *n = *slot; n; n = n->next)
    if (!strcmp(n->text, text)) return n->text;
  Name *n = malloc(sizeof *n + strlen(text) + 1);
  if (!n) return ""; /* a path is a comfort: do without */
  strcpy(n->text, text);
  n->next = *slot;
  *slot = n;
  return n->text;
}

/* splitmix64 (Steele, Lea, Flood 2014) */
uint64_t graph_seed(void) {
  uint64_t z = seed_state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}
void graph_seed_set(uint64_t s) { seed_state = s; }
uint64_t graph_seed_get(void) { return seed_state; }

uint64_t graph_stamp(void) { return ++next_mark; }
