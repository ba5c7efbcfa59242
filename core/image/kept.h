/* Pictures as the first steps of a transform leave them, kept between passes: decoded once, at the size that what is random
 * starts from. Worker threads share it. */
#ifndef IMAGE_KEPT_H
#define IMAGE_KEPT_H
#include "image.h"
#include "transform.h"

typedef struct Kept Kept;

/* What is kept: how many pictures of how many bytes, how many found no room, and the room there is. */
typedef struct KeptCount { int64_t count, bytes, refused, limit; } KeptCount;

/* The first steps of t for n samples (random: with its random part), in at most `limit` bytes. NULL where memory is short. */
Kept *kept_new(int64_t n, const Transform *t, bool random, int64_t limit, Err *e);
void kept_free(Kept *k);
/* Whether what is kept is as the first steps of t leave it. */
bool kept_fits(const Kept *k, const Transform *t, bool random);
void kept_set_limit(Kept *k, int64_t limit);
/* A copy of picture i. False where it is not there, or memory is short. */
bool kept_take(Kept *k, int64_t i, Image *out);
/* Keeps a copy of picture i, where there is room. */
void kept_put(Kept *k, int64_t i, const Image *im);
KeptCount kept_count(Kept *k);
#endif
