/* Convolutions and matrix products against the sums in their definitions, in double, for every instruction set this CPU
 * has and every algorithm that a shape admits; and the same bits from one thread and from two. Errors are relative to the
 * largest value. */
#include <math.h>
#include "kernel_test.h"

static uint64_t state = 20261;
static float draw(void) { /* about normal, from xorshift */
  float sum = 0;
  for (int i = 0; i < 4; i++) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    sum += (float)(state >> 40) / (float)(1 << 24) - 0.5f;
  }
  return sum * 1.7f;
}

static float *buffer(int64_t n, bool fill) {
  float *p = guarded(n);
  for (int64_t i = 0; i < n && fill; i++) p[i] = draw();
  return p;
}
static void drop(float *p, int64_t n) { assert_true(guards_held(p, n)); }

/* Algorithms to ask for with SUTURE_CONV, by the names conv2d_algorithm has for them: first the one the rule chooses. Where
 * one is unknown or does not fit the shape the rule stands. */
static const char *const algorithms[] = {"", "implicit gemm", "direct", "grouped", "winograd 4x4", "winograd 2x2"};
enum { ALGORITHMS = sizeof algorithms / sizeof *algorithms };
static bool use_algorithm(int i, ConvPass pass, const ConvShape *s) {
  setenv("SUTURE_CONV", algorithms[i], 1);
  kernels_init();
  return i == 0 || !strcmp(kern->conv2d_algorithm(pass, s), algorithms[i]);
}

/* Terms are about 1 in size: a sum that cancels has their error. */
static double worst(const float *got, const double *want, int64_t n) {
  double top = 1, error = 0;
  for (int64_t i = 0; i < n; i++) {
    if (fabs(want[i]) > top) top = fabs(want[i]);
    double d = fabs(got[i] - want[i]);
    if (!(d <= error)) error = d;
  }
  return error / top;
}

/* Epilogues: bit 0 scale, 1 shift, 2 residual; from 8 on with an activation. */
enum { EPILOGUES = 18 };
static const double bounds[] = {-1, INFINITY}; /* errors count by the largest value: it must not be cut */
static Epilogue epilogue(int e, const float *scale, const float *shift, const float *residual) {
  Activation act = e < 8 ? ACT_NONE : e < 16 ? ACT_RELU : e == 16 ? ACT_GELU : ACT_CLAMP;
  if (e >= 16) e = 7;
  return (Epilogue){e & 1 ? scale : NULL, e & 2 ? shift : NULL, e & 4 ? residual : NULL, NULL, act, bounds};
}
static double ended(const Epilogue *e, double v, int64_t channel, int64_t at) {
  if (e->scale) v *= e->scale[channel];
  if (e->shift) v += e->shift[channel];
  if (e->residual) v += e->residual[at];
  if (e->gate && e->gate[at] <= 0) v = 0;
  switch (e->act) {
    case ACT_RELU: return fmax(v, 0);
    case ACT_CLAMP: return fmin(fmax(v, bounds[0]), bounds[1]);
    case ACT_GELU: return 0.5 * v * (1 + tanh(sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
    default: return v;
  }
}

typedef struct Sizes { int64_t x, w, y; } Sizes;
static Sizes sizes(const ConvShape *s) {
  return (Sizes){(int64_t)s->n * s->h * s->w * s->c, (int64_t)s->k * s->r * s->s * (s->c / s->groups), (int64_t)s->n * s->oh * s->ow * s->k};
}

/* Adds every product of the definition: y += x w, dx += dy w, dw += dy x, whichever target is not NULL. */
static void naive(const ConvShape *s, const float *x, const float *w, const float *dy, double *y, double *dx, double *dw) {
  int cg = s->c / s->groups, kg = s->k / s->groups;
  for (int n = 0; n < s->n; n++)
    for (int i = 0; i < s->oh; i++)
      for (int j = 0; j < s->ow; j++)
        for (int r = 0; r < s->r; r++)
          for (int q = 0; q < s->s; q++) {
            int h = i * s->stride_h - s->pad_h + r * s->dilation_h, v = j * s->stride_w - s->pad_w + q * s->dilation_w;
            if (h < 0 || h >= s->h || v < 0 || v >= s->w) continue;
            for (int k = 0; k < s->k; k++) {
              int64_t yi = (((int64_t)n * s->oh + i) * s->ow + j) * s->k + k;
              int64_t xi = (((int64_t)n * s->h + h) * s->w + v) * s->c + k / kg * cg;
              int64_t wi = (((int64_t)k * s->r + r) * s->s + q) * cg;
              for (int c = 0; c < cg; c++) {
                if (y) y[yi] += (double)x[xi + c] * w[wi + c];
                if (dx) dx[xi + c] += (double)dy[yi] * w[wi + c];
                if (dw) dw[wi + c] += (double)dy[yi] * x[xi + c];
              }
            }
          }
}

static const char *name_of(const ConvShape *s) {
  static char text[200];
  snprintf(text, sizeof text, "n%d %dx%dx%d -> %d, %dx%d stride %d,%d pad %d,%d dilation %d,%d groups %d", s->n, s->h, s->w, s->c, s->k,
           s->r, s->s, s->stride_h, s->stride_w, s->pad_h, s->pad_w, s->dilation_h, s->dilation_w, s->groups);
  return text;
}

typedef struct Run {
  ConvPass pass;
  const ConvShape *s;
  const float *a, *b;
  const Epilogue *e;
} Run;

/* keep: with the weights' own form made beforehand, where the pass has one. */
static void run_once(const Run *r, float *out, bool keep) {
  int64_t kept = keep ? (int64_t)(kern->conv2d_prepared(r->pass, r->s) / sizeof(float)) : 0;
  float *prepared = kept ? buffer(kept, false) : NULL;
  if (kept) kern->conv2d_prepare(prepared, r->b, r->pass, r->s);
  size_t bytes = kern->conv2d_scratch(r->pass, r->s);
  int64_t floats = (int64_t)(bytes / sizeof(float)) + 1;
  float *scratch = buffer(floats, false);
  if (r->pass == CONV_FORWARD) kern->conv2d(out, r->a, r->b, prepared, r->e, r->s, scratch);
  else if (r->pass == CONV_DX) kern->conv2d_dx(out, r->a, r->b, prepared, r->e, r->s, scratch);
  else kern->conv2d_dw(out, r->a, r->b, r->s, scratch);
  drop(scratch, floats);
  if (kept) drop(prepared, kept);
}

static void check_algorithm(const Run *r, const double *want, int64_t n, const char *what) {
  float *one = buffer(n, false), *two = buffer(n, false);
  kernels_threads(1);
  run_once(r, one, false);
  kernels_threads(2);
  run_once(r, two, true);
  double error = worst(one, want, n);
  bool same = !memcmp(one, two, sizeof(float) * (size_t)n);
  if (!(error < 1e-5) || !same)
    fail_msg("%s %s (%s) %s: error %.2e%s", kern->isa, what, kern->conv2d_algorithm(r->pass, r->s), name_of(r->s), error,
             same ? "" : ", other bits with two threads and prepared weights");
  if (r->e && r->e->residual && kern->conv2d_over_residual(r->pass, r->s)) { /* which is then the output's own memory */
    Epilogue e = *r->e;
    memcpy(two, e.residual, sizeof(float) * (size_t)n);
    e.residual = two;
    run_once(&(Run){r->pass, r->s, r->a, r->b, &e}, two, false);
    if (memcmp(one, two, sizeof(float) * (size_t)n))
      fail_msg("%s %s (%s) %s: another result over its residual", kern->isa, what, kern->conv2d_algorithm(r->pass, r->s), name_of(r->s));
  }
  drop(one, n), drop(two, n);
}

static void check(const Run *r, const double *want, int64_t n, const char *what) {
  use_algorithm(0, r->pass, r->s);
  const char *first = kern->conv2d_algorithm(r->pass, r->s);
  for (int i = 0; i < ALGORITHMS; i++)
    if (strcmp(algorithms[i], first) && use_algorithm(i, r->pass, r->s)) check_algorithm(r, want, n, what);
}

static void check_shape(ConvShape s) {
  static int turn;
  int pick = (int)((uint32_t)++turn * 2654435761u >> 16); /* shapes come in fours: not every fourth is to have the same */
  int room_h = s.h + 2 * s.pad_h - s.dilation_h * (s.r - 1) - 1, room_w = s.w + 2 * s.pad_w - s.dilation_w * (s.s - 1) - 1;
  if (room_h < 0 || room_w < 0) return; /* the kernel is larger than the map */
  s.oh = room_h / s.stride_h + 1;
  s.ow = room_w / s.stride_w + 1;
  Sizes z = sizes(&s);
  float *x = buffer(z.x, true), *w = buffer(z.w, true), *dy = buffer(z.y, true), *residual = buffer(z.y, true);
  float *scale = buffer(s.k, true), *shift = buffer(s.k, true);
  double *y = calloc((size_t)z.y, sizeof *y), *dx = calloc((size_t)z.x, sizeof *dx), *dw = calloc((size_t)z.w, sizeof *dw);
  double *ye = calloc((size_t)z.y, sizeof *ye), *dxe = calloc((size_t)z.x, sizeof *dxe);
  float *more = buffer(z.x, true);
  naive(&s, x, w, dy, y, dx, dw);
  for (int i = 0; i < ISAS; i++) {
    if (!use_isa(i)) continue;
    for (int e = 0; e < EPILOGUES; e++) {
      /* The others take turns from shape to shape; so do all where memory is watched: that is a matter of shapes. */
      if ((SANITIZED || (e && e != 15)) && e != pick % EPILOGUES) continue;
      Epilogue ep = epilogue(e, scale, shift, residual);
      for (int64_t j = 0; j < z.y; j++) ye[j] = ended(&ep, y[j], j % s.k, j);
      check(&(Run){CONV_FORWARD, &s, x, w, &ep}, ye, z.y, "forward");
    }
    for (int e = 0; e < 4; e++) { /* x has both signs: it will do as a gate */
      if ((SANITIZED || e) && e != pick % 4) continue;
      Epilogue ep = {.residual = e & 1 ? more : NULL, .gate = e & 2 ? x : NULL, .act = e == 1 ? ACT_RELU : ACT_NONE};
      for (int64_t j = 0; j < z.x; j++) dxe[j] = ended(&ep, dx[j], 0, j);
      check(&(Run){CONV_DX, &s, dy, w, &ep}, dxe, z.x, "dx");
    }
    check(&(Run){CONV_DW, &s, dy, x, NULL}, dw, z.w, "dw");
  }
  free(y), free(dx), free(dw), free(ye), free(dxe);
  drop(more, z.x);
  drop(x, z.x), drop(w, z.w), drop(dy, z.y), drop(residual, z.y), drop(scale, s.k), drop(shift, s.k);
}

#define SHAPE(n_, h_, w_, c_, k_, r_, s_, stride, pad, dil, g) (ConvShape){.n = n_, .h = h_, .w = w_, .c = c_, .k = k_, .r = r_, .s = s_, \
  .stride_h = stride, .stride_w = stride, .pad_h = pad, .pad_w = pad, .dilation_h = dil, .dilation_w = dil, .groups = g}

/* Channels that fill no vector, maps of one pixel, every kernel size, padding and stride; dense, depthwise and in groups
 * between. */
static void channels_and_maps(void **unused) {
  (void)unused;
  static const int channels[] = {1, 3, 17, 33, 32}, maps[][2] = {{1, 1}, {7, 7}, {13, 9}}, kernel[] = {1, 2, 3, 5, 7};
  for (int c = 0; c < 5; c++)
    for (int m = 0; m < 3; m++)
      for (int r = 0; r < 5; r++)
        for (int other = (c + m + r) % 2; other < 12; other += 2) { /* stride and padding; batch, dilation and groups go along */
          int n = other % 2 ? 3 : 1, stride = 1 + other / 2 % 2, pad = (int[]){kernel[r] / 2, 0, kernel[r]}[other / 4];
          int in = channels[c], out = channels[(c + m + r + other) % 5], dil = (c + m + r + other / 2) % 3 == 2 ? 2 : 1;
          check_shape(SHAPE(n, maps[m][0], maps[m][1], in, out, kernel[r], kernel[r], stride, pad, dil, 1));
          check_shape(SHAPE(n, maps[m][0], maps[m][1], in, in, kernel[r], kernel[r], stride, pad, dil, in));
          int groups = in % 8 == 0 ? 8 >> other % 3 : in % 3 == 0 ? 3 : 1;
          if (groups == 1) continue;
          check_shape(SHAPE(n, maps[m][0], maps[m][1], in, groups * (1 + other), kernel[r], kernel[r], stride, pad, dil, groups));
          check_shape(SHAPE(n, maps[m][0], maps[m][1], in, in, kernel[r], kernel[r], stride, pad, dil, groups));
        }
}

static void strides_and_dilation(void **unused) {
  (void)unused;
  static const int kernel[] = {1, 2, 3, 5, 7};
  for (int r = 0; r < 5; r++)
    for (int stride = 1; stride <= 3; stride++)
      for (int dil = 1; dil <= 3; dil++)
        for (int pad = 0; pad <= kernel[r]; pad += 2)
          if (13 + 2 * pad > dil * (kernel[r] - 1)) check_shape(SHAPE(1, 13, 15, 5, 18, kernel[r], kernel[r], stride, pad, dil, 1));
  check_shape((ConvShape){.n = 2, .h = 11, .w = 14, .c = 6, .k = 10, .r = 3, .s = 5, .stride_h = 2, .stride_w = 1, .pad_h = 0, .pad_w = 3,
                          .dilation_h = 1, .dilation_w = 2, .groups = 2});
  check_shape((ConvShape){.n = 2, .h = 11, .w = 14, .c = 48, .k = 20, .r = 1, .s = 7, .stride_h = 1, .stride_w = 2, .pad_h = 0, .pad_w = 3,
                          .dilation_h = 1, .dilation_w = 1, .groups = 1});
  check_shape(SHAPE(1, 4, 4, 3, 5, 1, 1, 4, 0, 1, 1)); /* pixels of x that no output sees */
  check_shape(SHAPE(1, 3, 3, 16, 16, 3, 3, 1, 5, 1, 1)); /* padding beyond the kernel */
}

/* A sum in several ranges is stored before it is whole, and not over the residual. */
static void over_the_residual(void **unused) {
  (void)unused;
  const ConvShape at_once = SHAPE(1, 7, 7, 1024, 32, 1, 1, 1, 0, 1, 1), ranges = SHAPE(1, 7, 7, 1040, 32, 1, 1, 1, 0, 1, 1);
  for (int i = 0; i < ISAS; i++) {
    if (!use_isa(i)) continue;
    use_algorithm(0, CONV_FORWARD, &at_once);
    assert_true(kern->conv2d_over_residual(CONV_FORWARD, &at_once) && kern->conv2d_over_residual(CONV_DX, &ranges));
    assert_false(kern->conv2d_over_residual(CONV_FORWARD, &ranges) || kern->conv2d_over_residual(CONV_DW, &at_once));
  }
  check_shape(at_once);
  check_shape(ranges);
}

static void grouped(void **unused) {
  (void)unused;
  static const int g[][3] = {{2, 4, 6}, {32, 128, 128}, {8, 64, 128}, {4, 128, 64}, {3, 9, 3}, {5, 5, 10}, {3, 51, 57}, {16, 16, 48}, {8, 64, 64}, {3, 48, 48}, {9, 36, 36}};
  for (int i = 0; i < 11; i++)
    for (int stride = 1; stride <= 2; stride++) {
      check_shape(SHAPE(2, 9, 7, g[i][1], g[i][2], 3, 3, stride, 1, 1, g[i][0]));
      check_shape(SHAPE(2, 7, 13, g[i][1], g[i][2], 5, 5, stride, 4, 2, g[i][0]));
      check_shape(SHAPE(1, 6, 6, g[i][1], g[i][2], 1, 1, stride, 0, 1, g[i][0]));
    }
}

static void one_filter_per_channel(void **unused) {
  (void)unused;
  static const int channels[] = {2, 17, 32, 33, 96}, kernel[] = {1, 2, 3, 5, 7};
  for (int c = 0; c < 5; c++)
    for (int r = 0; r < 5; r++)
      for (int stride = 1; stride <= 2; stride++)
        for (int dil = 1; dil <= 2; dil++)
          check_shape(SHAPE(3, 12, 21, channels[c], channels[c], kernel[r], kernel[r], stride, kernel[r] / 2 * dil, dil, channels[c]));
  check_shape(SHAPE(40, 3, 2, 20, 20, 3, 3, 1, 1, 1, 20));
  check_shape(SHAPE(2, 112, 112, 48, 48, 3, 3, 1, 1, 1, 48)); /* more than caches hold */
  check_shape(SHAPE(2, 150, 112, 60, 60, 3, 3, 2, 1, 1, 60));
  check_shape(SHAPE(1, 5, 5, 4, 4, 2, 2, 3, 3, 1, 4));
}

static void sizes_of_real_networks(void **unused) {
  (void)unused;
  check_shape(SHAPE(2, 56, 56, 3, 64, 7, 7, 2, 3, 1, 1));
  check_shape(SHAPE(1, 28, 28, 64, 64, 3, 3, 1, 1, 1, 1));
  check_shape(SHAPE(2, 14, 14, 128, 128, 3, 3, 1, 1, 1, 1));
  check_shape(SHAPE(3, 14, 14, 128, 160, 3, 3, 2, 1, 1, 1));
  check_shape(SHAPE(1, 7, 7, 256, 512, 3, 3, 1, 1, 1, 1));
  check_shape(SHAPE(5, 7, 7, 256, 256, 3, 3, 1, 1, 1, 1));
  check_shape(SHAPE(1, 14, 14, 1040, 64, 1, 1, 1, 0, 1, 1));
  check_shape(SHAPE(4, 32, 32, 16, 16, 3, 3, 1, 1, 1, 1));
  check_shape(SHAPE(2, 10, 11, 192, 100, 3, 3, 1, 1, 1, 1));
  static const int linear[][3] = {{1, 512, 1000}, {16, 33, 10}, {130, 64, 257}, {2, 5, 3}}; /* rows, in, out */
  for (int i = 0; i < 4; i++) check_shape(SHAPE(1, 1, linear[i][0], linear[i][1], linear[i][2], 1, 1, 1, 0, 1, 1));
}

/* Gradients of pictures in several blocks of rows: strides that divide a block and that do not, rows that no output sees, patches. */
static void pictures(void **unused) {
  (void)unused;
  check_shape(SHAPE(2, 41, 37, 3, 24, 7, 7, 2, 3, 1, 1));
  check_shape(SHAPE(1, 40, 21, 4, 17, 5, 5, 3, 1, 1, 1));
  check_shape(SHAPE(1, 35, 34, 3, 33, 16, 16, 16, 0, 1, 1));
  check_shape((ConvShape){.n = 1, .h = 38, .w = 19, .c = 1, .k = 5, .r = 3, .s = 11, .stride_h = 1, .stride_w = 4, .pad_h = 5, .pad_w = 2,
                          .dilation_h = 3, .dilation_w = 1, .groups = 1});
}

/* A dw of many tiles, bands of two heights and half a panel, from two stretches of pixels; one of few rows. */
static void many_weights(void **unused) {
  (void)unused;
  check_shape(SHAPE(3, 27, 26, 48, 305, 3, 3, 2, 1, 1, 1));
  check_shape(SHAPE(1, 1, 515, 4112, 33, 1, 1, 1, 0, 1, 1));
  check_shape(SHAPE(1, 1, 40, 18736, 7, 1, 1, 1, 0, 1, 1));
}

/* Results that no cache holds are stored around them, rows in groups or not, some columns of a panel or all. */
static void more_than_caches_hold(void **unused) {
  (void)unused;
  check_shape(SHAPE(1, 1, 131072, 4, 64, 1, 1, 1, 0, 1, 1));
  check_shape(SHAPE(1, 1, 90001, 96, 3, 1, 1, 1, 0, 1, 1));
  check_shape(SHAPE(3, 256, 244, 8, 48, 1, 1, 1, 0, 1, 2));
}

/* A convolution into scratch that is as long as it says, and not the algorithm the rule would choose. */
static void convolve(const char *algorithm, float *y, const float *x, const ConvMap *m) {
  setenv("SUTURE_CONV", algorithm, 1);
  kernels_init();
  assert_string_equal(kern->conv2d_algorithm(CONV_FORWARD, m->shape), algorithm);
  run_once(&(Run){CONV_FORWARD, m->shape, x, m->w, &m->epilogue}, y, false);
}

/* Two in one pass give the bits of one after the other, from one thread and from three; weights prepared or not. */
static void check_pair(ConvShape first, ConvShape second) {
  static int turn;
  first.oh = first.h, first.ow = first.w;
  second.n = first.n, second.h = first.h, second.w = first.w, second.c = second.k = first.k;
  second.oh = (second.h + 2 * second.pad_h - second.dilation_h * (second.r - 1) - 1) / second.stride_h + 1;
  second.ow = (second.w + 2 * second.pad_w - second.dilation_w * (second.s - 1) - 1) / second.stride_w + 1;
  const Sizes a = sizes(&first), b = sizes(&second);
  float *x = buffer(a.x, true), *w = buffer(a.w, true), *v = buffer(b.w, true), *residual = buffer(b.y, true);
  float *scale = buffer(first.k, true), *shift = buffer(first.k, true), *between = buffer(a.y, false), *want = buffer(b.y, false);
  for (int i = 0; i < ISAS; i++) {
    if (!use_isa(i)) continue;
    turn++;
    const int ends[] = {0, 3, 10, 16, 17}; /* the first has no residual */
    ConvMap one = {w, NULL, epilogue(ends[turn % 5], scale, shift, NULL), &first};
    ConvMap two = {v, NULL, epilogue(turn % EPILOGUES, shift, scale, residual), &second};
    one.epilogue.residual = NULL;
    convolve("implicit gemm", between, x, &one);
    convolve("grouped", want, between, &two);
    for (int threads = 1; threads <= 3; threads += 2) {
      kernels_threads(threads);
      const int64_t floats = (int64_t)(kern->conv2d_pair_scratch(&first, &second) / sizeof(float)) + 1;
      const int64_t kept = (int64_t)(kern->conv2d_prepared(CONV_FORWARD, &second) / sizeof(float)); /* "grouped" is still in force */
      float *scratch = buffer(floats, false), *got = buffer(b.y, false), *prepared = kept && threads > 1 ? buffer(kept, false) : NULL;
      if (prepared) kern->conv2d_prepare(prepared, v, CONV_FORWARD, &second);
      two.prepared = prepared;
      kern->conv2d_pair(got, x, &one, &two, scratch);
      if (memcmp(got, want, sizeof *got * (size_t)b.y))
        fail_msg("%s, %d threads: %d channels of one tap, then %s: other bits than apart", kern->isa, threads, first.c, name_of(&second));
      drop(scratch, floats), drop(got, b.y);
      if (prepared) drop(prepared, kept);
    }
    kernels_threads(2);
  }
  drop(x, a.x), drop(w, a.w), drop(v, b.w), drop(residual, b.y), drop(scale, first.k), drop(shift, first.k), drop(between, a.y), drop(want, b.y);
}

static void pairs(void **unused) {
  (void)unused;
#define PAIR(n, h, w, c, k, r, stride, pad, dil, g) check_pair(SHAPE(n, h, w, c, k, 1, 1, 1, 0, 1, 1), SHAPE(n, h, w, k, k, r, r, stride, pad, dil, g))
  PAIR(2, 9, 7, 5, 17, 3, 1, 1, 1, 17);
  PAIR(1, 13, 9, 16, 32, 5, 2, 2, 1, 32);
  PAIR(3, 12, 21, 33, 24, 3, 2, 1, 1, 24);
  PAIR(2, 10, 11, 8, 16, 3, 1, 2, 2, 16);
  PAIR(1, 6, 6, 16, 8, 2, 3, 3, 1, 8);  /* outputs that see nothing */
  PAIR(2, 11, 7, 8, 16, 1, 2, 0, 1, 16); /* rows of the first map that nobody sees */
  PAIR(2, 5, 9, 8, 32, 3, 1, 1, 1, 8);
  PAIR(40, 3, 2, 20, 20, 3, 1, 1, 1, 20);
  PAIR(1, 41, 56, 24, 144, 5, 1, 2, 1, 144); /* few rows are held */
  PAIR(9, 30, 112, 16, 64, 3, 2, 1, 1, 64);  /* whole images, then strips */
#undef PAIR
  const ConvShape widening = SHAPE(16, 112, 112, 16, 64, 1, 1, 1, 0, 1, 1);
  for (int i = 0; i < ISAS; i++) {
    if (!use_isa(i)) continue;
    ConvShape first = widening, second = SHAPE(16, 112, 112, 64, 64, 3, 3, 2, 1, 1, 64);
    first.oh = first.ow = 112, second.oh = second.ow = 56;
    use_algorithm(0, CONV_FORWARD, &first);
    assert_true(kern->conv2d_pairs(&first, &second));
    first.stride_h = 2;
    assert_false(kern->conv2d_pairs(&first, &second));
    first.stride_h = 1, second.groups = 1;
    assert_false(kern->conv2d_pairs(&first, &second));
    second.groups = 64, first.n = second.n = 1, first.h = first.oh = second.h = 14, second.oh = 7; /* caches hold what lies between */
    assert_false(kern->conv2d_pairs(&first, &second));
  }
}

/* Samples scaled channel by channel on the way into the product give the bits of samples scaled before. */
static void check_scaled(ConvShape s) {
  s.oh = s.h, s.ow = s.w;
  const Sizes z = sizes(&s);
  float *x = buffer(z.x, true), *w = buffer(z.w, true), *gate = buffer((int64_t)s.n * s.c, true), *residual = buffer(z.y, true);
  float *scale = buffer(s.k, true), *shift = buffer(s.k, true), *gated = buffer(z.x, false), *want = buffer(z.y, false);
  for (int64_t i = 0; i < z.x; i++) gated[i] = x[i] * gate[i / s.c / (s.h * s.w) * s.c + i % s.c];
  for (int i = 0; i < ISAS; i++) {
    if (!use_isa(i)) continue;
    ConvMap map = {w, NULL, epilogue(15, scale, shift, residual), &s};
    convolve("implicit gemm", want, gated, &map);
    assert_true(kern->conv2d_scales(&s));
    for (int threads = 1; threads <= 2; threads++) {
      kernels_threads(threads);
      const int64_t floats = (int64_t)(kern->conv2d_scratch(CONV_FORWARD, &s) / sizeof(float)) + 1;
      float *scratch = buffer(floats, false), *got = buffer(z.y, false);
      kern->conv2d_scaled(got, x, gate, &map, scratch);
      if (memcmp(got, want, sizeof *got * (size_t)z.y)) fail_msg("%s, %d threads: scaled on the way, %s: other bits", kern->isa, threads, name_of(&s));
      drop(scratch, floats), drop(got, z.y);
    }
  }
  drop(x, z.x), drop(w, z.w), drop(gate, (int64_t)s.n * s.c), drop(residual, z.y), drop(scale, s.k), drop(shift, s.k), drop(gated, z.x), drop(want, z.y);
}

static void scaled(void **unused) {
  (void)unused;
  static const int channels[] = {3, 16, 17, 40, 1040}; /* 16: rows lie as the product wants them; 1040: two ranges of the sum */
  for (int c = 0; c < 5; c++) {
    check_scaled(SHAPE(3, 5, 7, channels[c], 24, 1, 1, 1, 0, 1, 1));
    check_scaled(SHAPE(2, 14, 14, channels[c], 112, 1, 1, 1, 0, 1, 1));
  }
  const ConvShape strided = SHAPE(2, 8, 8, 16, 16, 1, 1, 2, 0, 1, 1), wide = SHAPE(2, 8, 8, 16, 16, 3, 3, 1, 1, 1, 1), grouped_ = SHAPE(2, 8, 8, 32, 32, 1, 1, 1, 0, 1, 2);
  for (int i = 0; i < ISAS; i++)
    if (use_isa(i)) assert_false(kern->conv2d_scales(&strided) || kern->conv2d_scales(&wide) || kern->conv2d_scales(&grouped_));
}

/* The sum of dy that comes along with dw, whose bits stay the same, against double. */
static void check_sums(ConvShape s) {
  s.oh = s.h / s.stride_h, s.ow = s.w / s.stride_w;
  Sizes z = sizes(&s);
  for (int i = 0; i < ISAS; i++) {
    if (!use_isa(i)) continue;
    float *x = buffer(z.x, true), *dy = buffer(z.y, true), *dw = buffer(z.w, false), *sum[2] = {buffer(s.k, false), buffer(s.k, false)};
    float *alone = buffer(z.w, false);
    double *want = calloc((size_t)s.k + 1, sizeof *want);
    for (int64_t q = 0; q < z.y; q++) want[q % s.k] += dy[q];
    if (!kern->conv2d_dw_sums(&s)) fail_msg("%s: no sums with %s", kern->isa, name_of(&s));
    for (int threads = 1; threads <= 2; threads++) {
      kernels_threads(threads);
      int64_t floats = (int64_t)(kern->conv2d_scratch(CONV_DW, &s) / sizeof(float)) + 1;
      float *scratch = buffer(floats, false);
      kern->conv2d_dw(alone, dy, x, &s, scratch);
      kern->conv2d_dw_sum(dw, sum[threads - 1], dy, x, &s, scratch);
      if (memcmp(dw, alone, sizeof *dw * (size_t)z.w)) fail_msg("%s, %d threads: dw with sums, %s: other bits", kern->isa, threads, name_of(&s));
      drop(scratch, floats);
    }
    if (worst(sum[0], want, s.k) > 2e-6) fail_msg("%s: sums, %s: error %g", kern->isa, name_of(&s), worst(sum[0], want, s.k));
    if (memcmp(sum[0], sum[1], sizeof(float) * (size_t)s.k)) fail_msg("%s: sums, %s: other bits with two threads", kern->isa, name_of(&s));
    free(want);
    drop(x, z.x), drop(dy, z.y), drop(dw, z.w), drop(alone, z.w), drop(sum[0], s.k), drop(sum[1], s.k);
  }
}

static void sums(void **unused) {
  (void)unused;
  static const int size[][3] = {/* pixels, c, k: few; in parts; many rows; more columns than a block; the large product, of odd heights, in stretches */
    {1, 1, 1}, {7, 5, 3}, {130, 16, 17}, {3000, 24, 40}, {700, 33, 1029}, {300, 700, 12}, {90, 144, 1001}, {1300, 256, 521}, {1300, 3072, 48}, {0, 4, 5},
    {0, 256, 600},
  };
  unsetenv("SUTURE_CONV");
  for (size_t i = 0; i < sizeof size / sizeof *size; i++) check_sums(SHAPE(1, 1, size[i][0], size[i][1], size[i][2], 1, 1, 1, 0, 1, 1));
  check_sums(SHAPE(2, 9, 9, 16, 24, 2, 2, 2, 0, 1, 1));
  ConvShape none[] = {SHAPE(2, 8, 8, 32, 32, 1, 1, 1, 0, 1, 2) /* groups */, SHAPE(2, 16, 16, 32, 32, 3, 3, 1, 1, 1, 1) /* Winograd */, SHAPE(1, 1, 5, 0, 3, 1, 1, 1, 0, 1, 1)};
  for (int k = 0; k < 3; k++) {
    none[k].oh = none[k].h, none[k].ow = none[k].w;
    for (int i = 0; i < ISAS; i++)
      if (use_isa(i)) assert_false(kern->conv2d_dw_sums(&none[k]));
  }
}

static void products(void **unused) {
  (void)unused;
  static const int size[][3] = {{1, 1, 1}, {1, 1000, 512}, {17, 33, 65}, {128, 130, 70}, {300, 20, 5}, {3, 4, 0}, {64, 512, 300}};
  for (int z = 0; z < 7; z++)
    for (int t = 0; t < 4; t++)
      for (int i = 0; i < ISAS; i++) {
        if (!use_isa(i)) continue;
        bool ta = t & 1, tb = t & 2;
        int64_t m = size[z][0], n = size[z][1], k = size[z][2], batch = 3, pad = 2;
        int64_t lda = (ta ? m : k) + pad, ldb = (tb ? k : n) + pad, ldc = n + pad;
        int64_t sa = lda * (ta ? k : m), sb = ldb * (tb ? n : k), sc = ldc * m;
        float *a = buffer(sa * batch, true), *b = buffer(sb * batch, true), *c = buffer(sc * batch, true);
        float *one = buffer(sc * batch, false), *two = buffer(sc * batch, false);
        double *want = calloc((size_t)(sc * batch), sizeof *want);
        float alpha = t ? 0.5f : 1.0f, beta = z % 2 ? 1.5f : 0.0f;
        for (int64_t q = 0; q < batch * sc; q++) want[q] = c[q];
        for (int64_t q = 0; q < batch; q++)
          for (int64_t r = 0; r < m; r++)
            for (int64_t j = 0; j < n; j++) {
              double sum = 0;
              for (int64_t l = 0; l < k; l++)
                sum += (double)a[q * sa + (ta ? l * lda + r : r * lda + l)] * b[q * sb + (tb ? j * ldb + l : l * ldb + j)];
              double *w = want + q * sc + r * ldc + j;
              *w = alpha * sum + beta * *w;
            }
        memcpy(one, c, sizeof(float) * (size_t)(sc * batch)), memcpy(two, c, sizeof(float) * (size_t)(sc * batch));
        kernels_threads(1);
        kern->sgemm_batch(batch, ta, tb, m, n, k, alpha, a, lda, sa, b, ldb, sb, beta, one, ldc, sc);
        kernels_threads(2);
        kern->sgemm_batch(batch, ta, tb, m, n, k, alpha, a, lda, sa, b, ldb, sb, beta, two, ldc, sc);
        assert_true(worst(one, want, sc * batch) < 2e-6);
        assert_memory_equal(one, two, sizeof(float) * (size_t)(sc * batch));
        kern->sgemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, 0.0f, two, ldc);
        for (int64_t q = 0; beta == 0.0f && q < sc; q++) assert_true(fabs(two[q] - want[q]) < 1e-4 * (double)(k + 1));
        free(want);
        drop(a, sa * batch), drop(b, sb * batch), drop(c, sc * batch), drop(one, sc * batch), drop(two, sc * batch);
      }
}

/* The form of weights that a kernel keeps is one for pictures of all sizes and numbers (ops/conv.h). */
static void test_forms_of_weights_serve_all_sizes(void **unused) {
  (void)unused;
  for (int i = 0; i < ALGORITHMS; i++)
    for (int pass = CONV_FORWARD; pass <= CONV_DX; pass++)
      for (int stride = 1; stride <= 2; stride++) {
        ConvShape one = {.n = 1, .c = 32, .h = 8, .w = 8, .k = 32, .r = 3, .s = 3, .stride_h = stride, .stride_w = stride, .pad_h = 1, .pad_w = 1,
                         .dilation_h = 1, .dilation_w = 1, .groups = i == 3 ? 32 : 1};
        one.oh = one.ow = (8 + 2 - 3) / stride + 1;
        ConvShape two = one;
        two.n = 2, two.h = 13, two.w = 9, two.oh = (13 + 2 - 3) / stride + 1, two.ow = (9 + 2 - 3) / stride + 1;
        if (!use_algorithm(i, (ConvPass)pass, &one) || !use_algorithm(i, (ConvPass)pass, &two)) continue;
        if (strcmp(kern->conv2d_algorithm((ConvPass)pass, &one), kern->conv2d_algorithm((ConvPass)pass, &two))) continue;
        size_t bytes = kern->conv2d_prepared((ConvPass)pass, &one);
        if (!bytes) continue;
        assert_int_equal(bytes, kern->conv2d_prepared((ConvPass)pass, &two));
        int64_t n = 32 * 9 * 32, floats = (int64_t)(bytes / sizeof(float));
        float *w = buffer(n, true), *a = aligned_alloc(64, bytes), *b = aligned_alloc(64, bytes);
        memset(a, 0, bytes), memset(b, 0, bytes); /* gaps are not set */
        kern->conv2d_prepare(a, w, (ConvPass)pass, &one);
        kern->conv2d_prepare(b, w, (ConvPass)pass, &two);
        assert_memory_equal(a, b, (size_t)floats * sizeof(float));
        free(a);
        free(b);
        drop(w, n);
      }
  use_algorithm(0, CONV_FORWARD, &(ConvShape){.n = 1, .c = 1, .h = 1, .w = 1, .k = 1, .r = 1, .s = 1, .oh = 1, .ow = 1, .stride_h = 1, .stride_w = 1,
                                              .dilation_h = 1, .dilation_w = 1, .groups = 1});
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_forms_of_weights_serve_all_sizes),
    cmocka_unit_test(channels_and_maps),      cmocka_unit_test(strides_and_dilation), cmocka_unit_test(grouped), cmocka_unit_test(over_the_residual),
    cmocka_unit_test(one_filter_per_channel), cmocka_unit_test(pictures), cmocka_unit_test(sizes_of_real_networks), cmocka_unit_test(products),
    cmocka_unit_test(many_weights),           cmocka_unit_test(more_than_caches_hold),
    cmocka_unit_test(pairs),                  cmocka_unit_test(scaled),                 cmocka_unit_test(sums),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
