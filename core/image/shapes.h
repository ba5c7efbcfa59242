/* Pictures drawn by the program, so that transfer between domains can be shown without a file: one shape in any
 * colour, size, place and rotation on a coloured ground with clutter. */
#ifndef IMAGE_SHAPES_H
#define IMAGE_SHAPES_H
#include "random.h"
#include "samples.h"

typedef enum ShapesDomain {
  SHAPES_SOURCE,   /* filled: circle cross heart pentagon ring square star triangle */
  SHAPES_CLASSES,  /* filled, other shapes: arrow bolt crescent drop ell half hourglass tee; upright within 20
                    * degrees, so that a few pictures teach something even to a network that knows nothing */
  SHAPES_OUTLINE,  /* the source's shapes, only their outline */
  SHAPES_TEXTURED, /* the source's shapes, stripes and checks inside and out */
  SHAPES_NOISY,    /* the source's shapes under grain, specks and bars */
  SHAPES_DOMAINS,
} ShapesDomain;
enum { SHAPES_PER_DOMAIN = 8 };

/* "source", "classes", "outline", "textured", "noisy"; -1 for any other name. */
int shapes_domain_named(const char *name);
const char *shapes_domain_name(int domain);
/* Name of class k, 0 … 7, in alphabetical order. */
const char *shapes_class(ShapesDomain domain, int k);
/* Draws one picture into an RGB image made by the caller. */
void shapes_draw(Image *im, ShapesDomain domain, int k, Random *r);
/* Adds n pictures of each class, class by class, to samples in memory with c = 3. The same (seed, split, class, number)
 * is the same picture whatever n; different splits share none. Polls host_should_stop. */
bool shapes_add(Samples *s, ShapesDomain domain, int64_t n, uint64_t seed, int split, Err *e);
/* How much of each pixel of such a picture, the i-th of class k, the shape covers, 0 to 1; bars above it are not taken off. */
void shapes_mask(float *to, int size, ShapesDomain domain, int k, int64_t i, uint64_t seed, int split);
#endif
