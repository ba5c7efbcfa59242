/* Random numbers for data: a small generator whose stream depends on its key alone (splitmix64: Steele, Lea, Flood,
 * Fast splittable pseudorandom number generators, 2014). A sample's stream is keyed by (seed, epoch, sample), so that
 * it is the same whichever thread draws and whatever else is drawn. */
#ifndef IMAGE_RANDOM_H
#define IMAGE_RANDOM_H
#include <stdint.h>

typedef struct Random {
  uint64_t state;
} Random;

static inline uint64_t random_mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}
static inline uint64_t random_bits(Random *r) { return random_mix(r->state += 0x9e3779b97f4a7c15u); }
static inline Random random_keyed(uint64_t seed, uint64_t epoch, uint64_t sample) {
  uint64_t k = random_mix(seed + 0x9e3779b97f4a7c15u);
  k = random_mix(k ^ (epoch + 0x632be59bd9b4e019u));
  return (Random){random_mix(k ^ (sample + 0xd1342543de82ef95u))};
}
/* In [0, 1). */
static inline double random_unit(Random *r) { return (double)(random_bits(r) >> 11) * 0x1p-53; }
static inline double random_between(Random *r, double lo, double hi) { return lo + (hi - lo) * random_unit(r); }
/* 0 … n-1. */
static inline int random_below(Random *r, int n) { return (int)(((random_bits(r) >> 32) * (uint64_t)n) >> 32); }
/* Fisher and Yates: order[0 … n-1] mixed. */
static inline void random_shuffle(Random *r, int64_t *order, int64_t n) {
  for (int64_t i = n - 1; i > 0; i--) {
    int64_t j = (int64_t)(random_bits(r) % (uint64_t)(i + 1)), t = order[i];
    order[i] = order[j];
    order[j] = t;
  }
}
#endif
