#include "shapes.h"
#include "host.h"
#include <math.h>
#include <string.h>

/* ---- shapes: is the point inside? Each fills about the circle of radius 1; y points up. ---- */

typedef struct Polygon {
  int n;
  float at[12][2];
} Polygon;

/* Even-odd rule: crossings of the ray to the right. */
static bool in_polygon(const Polygon *g, float x, float y) {
  bool in = false;
  for (int i = 0, j = g->n - 1; i < g->n; j = i++) {
    const float *a = g->at[i], *b = g->at[j];
    if ((a[1] > y) != (b[1] > y) && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0]) in = !in;
  }
  return in;
}

static const Polygon cross = {12, {{-.33f, 1}, {.33f, 1}, {.33f, .33f}, {1, .33f}, {1, -.33f}, {.33f, -.33f}, {.33f, -1},
  {-.33f, -1}, {-.33f, -.33f}, {-1, -.33f}, {-1, .33f}, {-.33f, .33f}}};
static const Polygon pentagon = {5, {{0, 1}, {.951f, .309f}, {.588f, -.809f}, {-.588f, -.809f}, {-.951f, .309f}}};
static const Polygon square = {4, {{-.8f, -.8f}, {.8f, -.8f}, {.8f, .8f}, {-.8f, .8f}}};
static const Polygon star = {10, {{0, 1.05f}, {.247f, .34f}, {.999f, .324f}, {.4f, -.13f}, {.617f, -.849f}, {0, -.42f},
  {-.617f, -.849f}, {-.4f, -.13f}, {-.999f, .324f}, {-.247f, .34f}}};
static const Polygon triangle = {3, {{0, 1.05f}, {.95f, -.7f}, {-.95f, -.7f}}};
static const Polygon arrow = {7, {{1.05f, 0}, {.2f, .8f}, {.2f, .28f}, {-1, .28f}, {-1, -.28f}, {.2f, -.28f}, {.2f, -.8f}}};
static const Polygon bolt = {6, {{.1f, 1.1f}, {-.75f, -.15f}, {-.1f, -.15f}, {-.3f, -1.1f}, {.75f, .2f}, {.1f, .2f}}};
static const Polygon ell = {6, {{-.8f, 1}, {-.2f, 1}, {-.2f, -.4f}, {.8f, -.4f}, {.8f, -1}, {-.8f, -1}}};
static const Polygon hourglass = {6, {{-.85f, 1}, {.85f, 1}, {.15f, 0}, {.85f, -1}, {-.85f, -1}, {-.15f, 0}}};
static const Polygon tee = {8, {{-.95f, .9f}, {.95f, .9f}, {.95f, .35f}, {.3f, .35f}, {.3f, -1}, {-.3f, -1}, {-.3f, .35f},
  {-.95f, .35f}}};

static bool circle(float x, float y) { return x * x + y * y < .81f; }
static bool ring(float x, float y) {
  float d = x * x + y * y;
  return d < .95f && d > .3f;
}
/* (x² + y² - 1)³ < x² y³ */
static bool heart(float x, float y) {
  x *= 1.15f;
  y = 1.15f * y + .1f;
  float q = x * x + y * y - 1;
  return q * q * q < x * x * y * y * y;
}
static bool crescent(float x, float y) { return x * x + y * y < .95f && (x - .5f) * (x - .5f) + y * y > .55f; }
static bool drop(float x, float y) {
  if (x * x + (y + .35f) * (y + .35f) < .4f) return true;
  return y > -.1f && y < 1.1f && fabsf(x) < .58f * (1.1f - y) / 1.2f;
}
static bool half(float x, float y) { return y > -.4f && x * x + (y + .4f) * (y + .4f) < 1.1f; }

typedef struct ShapeKind {
  const char *name;
  const Polygon *polygon;
  bool (*inside)(float x, float y);
} ShapeKind;

static const ShapeKind source_kinds[SHAPES_PER_DOMAIN] = {{"circle", NULL, circle}, {"cross", &cross, NULL},
  {"heart", NULL, heart}, {"pentagon", &pentagon, NULL}, {"ring", NULL, ring}, {"square", &square, NULL},
  {"star", &star, NULL}, {"triangle", &triangle, NULL}};
static const ShapeKind other_kinds[SHAPES_PER_DOMAIN] = {{"arrow", &arrow, NULL}, {"bolt", &bolt, NULL},
  {"crescent", NULL, crescent}, {"drop", NULL, drop}, {"ell", &ell, NULL}, {"half", NULL, half},
  {"hourglass", &hourglass, NULL}, {"tee", &tee, NULL}};

static const ShapeKind *kind_of(ShapesDomain d, int k) { return d == SHAPES_CLASSES ? &other_kinds[k] : &source_kinds[k]; }
const char *shapes_class(ShapesDomain d, int k) { return kind_of(d, k)->name; }

static const char *const domain_names[SHAPES_DOMAINS] = {"source", "classes", "outline", "textured", "noisy"};
const char *shapes_domain_name(int d) { return domain_names[d]; }
int shapes_domain_named(const char *name) {
  for (int i = 0; i < SHAPES_DOMAINS; i++)
    if (!strcmp(name, domain_names[i])) return i;
  return -1;
}

/* ---- paint ---- */

typedef struct Colour {
  float v[3];
} Colour;

static Colour any_colour(Random *r) {
  Colour c;
  for (int i = 0; i < 3; i++) c.v[i] = (float)random_between(r, 0, 255);
  return c;
}
/* A colour that can be told from these: its nearest is `apart` away or more. */
static Colour other_colour(Random *r, const Colour *from, int n, float apart) {
  for (;; apart *= .97f) {
    Colour c = any_colour(r);
    float nearest = 1e9f;
    for (int i = 0; i < n; i++) {
      float d = 0;
      for (int j = 0; j < 3; j++) d += (c.v[j] - from[i].v[j]) * (c.v[j] - from[i].v[j]);
      nearest = fminf(nearest, sqrtf(d));
    }
    if (nearest >= apart) return c;
  }
}

/* A third of the way to any other. */
static Colour near_colour(Random *r, Colour c) {
  Colour to = any_colour(r);
  for (int i = 0; i < 3; i++) c.v[i] += (to.v[i] - c.v[i]) / 3;
  return c;
}

/* Two colours laid out by a pattern: a slow gradient, stripes, or checks. */
typedef struct Paint {
  Colour a, b;
  enum { GRADIENT, STRIPES, CHECKS } pattern;
  float dx, dy, phase; /* radians a pixel */
} Paint;

static Paint any_paint(Random *r, Colour a, Colour b, bool textured, int size) {
  Paint p = {.a = a, .b = b};
  double angle = random_between(r, 0, 2 * M_PI);
  double wave = textured ? random_between(r, .09, .25) * size : size * 2.2;
  p.pattern = !textured ? GRADIENT : random_unit(r) < .5 ? STRIPES : CHECKS;
  p.dx = (float)(cos(angle) * 2 * M_PI / wave);
  p.dy = (float)(sin(angle) * 2 * M_PI / wave);
  p.phase = (float)random_between(r, 0, 2 * M_PI);
  return p;
}

static Colour paint_at(const Paint *p, float x, float y) {
  float s = sinf(p->dx * x + p->dy * y + p->phase), t;
  if (p->pattern == GRADIENT) t = .5f + .5f * s;
  else if (p->pattern == STRIPES) t = s > 0;
  else t = (s > 0) != (sinf(p->dx * y - p->dy * x + p->phase) > 0);
  Colour c;
  for (int i = 0; i < 3; i++) c.v[i] = p->a.v[i] + t * (p->b.v[i] - p->a.v[i]);
  return c;
}

/* Normal with deviation 1: Box and Muller. */
static float normal(Random *r) {
  double u = 1 - random_unit(r);
  return (float)(sqrt(-2 * log(u)) * cos(2 * M_PI * random_unit(r)));
}

/* A bar of clutter. */
typedef struct Bar {
  float x, y, dx, dy, length, width;
  Colour colour;
} Bar;

static Bar any_bar(Random *r, int size, double longest, double widest) {
  double angle = random_between(r, 0, 2 * M_PI);
  return (Bar){.x = (float)random_between(r, 0, size), .y = (float)random_between(r, 0, size), .dx = (float)cos(angle),
               .dy = (float)sin(angle), .length = (float)(random_between(r, .1, longest) * size),
               .width = (float)(random_between(r, .02, widest) * size), .colour = any_colour(r)};
}
static bool on_bar(const Bar *b, float x, float y) {
  float along = (x - b->x) * b->dx + (y - b->y) * b->dy, off = (y - b->y) * b->dx - (x - b->x) * b->dy;
  return fabsf(along) < b->length / 2 && fabsf(off) < b->width;
}

/* ---- the picture ---- */

enum { FINE = 4, MAX_BARS = 8 }; /* FINE × FINE points are looked at in a pixel */

typedef struct Scene {
  const ShapeKind *kind;
  float cx, cy, cs, sn, sx, sy; /* place; rotation; 1 / radius along the shape's axes */
  bool outline;
  float pen;                    /* width of an outline, in units of the shape */
  Paint ground, fill;
  int n_below, n_above;
  Bar bar[MAX_BARS];            /* below the shape, then above */
} Scene;

static bool inside(const ShapeKind *k, float u, float v) { return k->polygon ? in_polygon(k->polygon, u, v) : k->inside(u, v); }

static bool on_shape(const Scene *s, float x, float y) {
  x -= s->cx;
  y -= s->cy;
  float u = (x * s->cs + y * s->sn) * s->sx, v = (y * s->cs - x * s->sn) * s->sy;
  if (u * u + v * v > 1.7f || !inside(s->kind, u, v)) return false;
  if (!s->outline) return true;
  for (int i = 0; i < 16; i++) { /* within a pen's width of the border */
    float a = (float)i * (float)(M_PI / 8);
    if (!inside(s->kind, u + s->pen * cosf(a), v + s->pen * sinf(a))) return true;
  }
  return false;
}

static Scene any_scene(ShapesDomain d, int k, int size, Random *r) {
  Scene s = {.kind = kind_of(d, k), .outline = d == SHAPES_OUTLINE};
  double radius = random_between(r, .27, .44) * size, room = size / 2.0 - radius;
  double angle = random_between(r, 0, 2 * M_PI), stretch = exp(random_between(r, -.15, .15));
  if (d == SHAPES_CLASSES) angle = (angle - M_PI) / 9; /* within 20 degrees */
  s.cx = (float)(size / 2.0 + random_between(r, -room, room));
  s.cy = (float)(size / 2.0 + random_between(r, -room, room));
  s.cs = (float)cos(angle);
  s.sn = (float)sin(angle);
  s.sx = (float)(stretch / radius);
  s.sy = (float)(1 / (stretch * radius));
  s.pen = (float)(1.1 * size / 32 / radius) + .1f;
  bool textured = d == SHAPES_TEXTURED;
  Colour c[4];
  c[0] = any_colour(r);
  c[1] = textured ? other_colour(r, c, 1, 60) : near_colour(r, c[0]);
  c[2] = other_colour(r, c, 2, 120);
  c[3] = textured ? other_colour(r, c, 2, 90) : near_colour(r, c[2]);
  s.ground = any_paint(r, c[0], c[1], textured, size);
  s.fill = any_paint(r, c[2], c[3], textured, size);
  s.n_below = random_below(r, 3);
  s.n_above = d == SHAPES_NOISY ? 1 + random_below(r, 3) : random_below(r, 2);
  for (int i = 0; i < s.n_below; i++) s.bar[i] = any_bar(r, size, .8, .05);
  for (int i = 0; i < s.n_above; i++) s.bar[s.n_below + i] = any_bar(r, size, .5, .03);
  return s;
}

static Colour colour_at(const Scene *s, float x, float y) {
  for (int i = s->n_below + s->n_above - 1; i >= s->n_below; i--)
    if (on_bar(&s->bar[i], x, y)) return s->bar[i].colour;
  if (on_shape(s, x, y)) return paint_at(&s->fill, x, y);
  for (int i = s->n_below - 1; i >= 0; i--)
    if (on_bar(&s->bar[i], x, y)) return s->bar[i].colour;
  return paint_at(&s->ground, x, y);
}

void shapes_draw(Image *im, ShapesDomain d, int k, Random *r) {
  int size = im->w < im->h ? im->w : im->h;
  Scene s = any_scene(d, k, size, r);
  float grain = d == SHAPES_NOISY ? 32 : 5, specks = d == SHAPES_NOISY ? .06f : 0;
  uint8_t *to = im->px;
  for (int y = 0; y < im->h; y++)
    for (int x = 0; x < im->w; x++, to += 3) {
      Colour sum = {{0, 0, 0}};
      for (int i = 0; i < FINE * FINE; i++) {
        Colour c = colour_at(&s, (float)x + ((float)(i % FINE) + .5f) / FINE, (float)y + ((float)(i / FINE) + .5f) / FINE);
        for (int j = 0; j < 3; j++) sum.v[j] += c.v[j];
      }
      bool speck = specks > 0 && random_unit(r) < specks;
      float white = speck ? (random_unit(r) < .5 ? 0.f : 255.f) : 0;
      for (int j = 0; j < 3; j++) {
        float v = (speck ? white : sum.v[j] / (FINE * FINE)) + grain * normal(r);
        to[j] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v + .5f);
      }
    }
}

/* The random numbers of picture i of class k. */
static Random drawn_by(ShapesDomain d, int k, int64_t i, uint64_t seed, int split) {
  return random_keyed(seed, (uint64_t)(split * 64 + (int)d), ((uint64_t)k << 40) + (uint64_t)i);
}

void shapes_mask(float *to, int size, ShapesDomain d, int k, int64_t i, uint64_t seed, int split) {
  Random r = drawn_by(d, k, i, seed, split);
  Scene s = any_scene(d, k, size, &r);
  for (int y = 0; y < size; y++)
    for (int x = 0; x < size; x++) {
      int n = 0;
      for (int p = 0; p < FINE * FINE; p++)
        if (on_shape(&s, (float)x + ((float)(p % FINE) + .5f) / FINE, (float)y + ((float)(p / FINE) + .5f) / FINE)) n++;
      *to++ = (float)n / (FINE * FINE);
    }
}

bool shapes_add(Samples *s, ShapesDomain d, int64_t n, uint64_t seed, int split, Err *e) {
  size_t each = (size_t)s->h * (size_t)s->w * 3;
  for (int k = 0; k < SHAPES_PER_DOMAIN; k++) {
    int64_t from = s->n;
    uint8_t *px;
    if (!samples_grow(s, n, &px, e)) return false;
    for (int64_t i = 0; i < n; i++) {
      if (i % 32 == 0 && host_should_stop()) return err_stop(e);
      Random r = drawn_by(d, k, i, seed, split);
      Image im = {.h = s->h, .w = s->w, .c = 3, .px = px + (size_t)i * each};
      shapes_draw(&im, d, k, &r);
      s->label[from + i] = k;
    }
  }
  return true;
}
