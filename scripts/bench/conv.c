/* Every convolution algorithm at the shapes of well-known networks, beside what the rule in core/kernels/conv.c chooses.
 *   scripts/bench/run conv [--threads N] [PATTERN]      PATTERN: part of a network's name
 * The algorithms that apply take turns in one process; times are medians in ms. Operands stay where they are, so that those of
 * one picture lie in the caches as they would not inside a network. A choice that another beats by more than 10% is marked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "kernels/kernels.h"

typedef struct Layer {
  const char *network; /* the first that has it */
  int size, c, k, r, stride, groups; /* input of size x size, square kernels, padding r / 2 */
} Layer;

static const Layer layers[] = {
  {"resnet18", 224, 3, 64, 7, 2, 1},
  {"resnet18", 56, 64, 64, 3, 1, 1},
  {"resnet18", 56, 64, 128, 3, 2, 1},
  {"resnet18", 56, 64, 128, 1, 2, 1},
  {"resnet18", 28, 128, 128, 3, 1, 1},
  {"resnet18", 28, 128, 256, 3, 2, 1},
  {"resnet18", 28, 128, 256, 1, 2, 1},
  {"resnet18", 14, 256, 256, 3, 1, 1},
  {"resnet18", 14, 256, 512, 3, 2, 1},
  {"resnet18", 14, 256, 512, 1, 2, 1},
  {"resnet18", 7, 512, 512, 3, 1, 1},
  {"resnet50", 56, 64, 64, 1, 1, 1},
  {"resnet50", 56, 64, 256, 1, 1, 1},
  {"resnet50", 56, 256, 64, 1, 1, 1},
  {"resnet50", 56, 256, 128, 1, 1, 1},
  {"resnet50", 56, 128, 128, 3, 2, 1},
  {"resnet50", 28, 128, 512, 1, 1, 1},
  {"resnet50", 56, 256, 512, 1, 2, 1},
  {"resnet50", 28, 512, 128, 1, 1, 1},
  {"resnet50", 28, 512, 256, 1, 1, 1},
  {"resnet50", 28, 256, 256, 3, 2, 1},
  {"resnet50", 14, 256, 1024, 1, 1, 1},
  {"resnet50", 28, 512, 1024, 1, 2, 1},
  {"resnet50", 14, 1024, 256, 1, 1, 1},
  {"resnet50", 14, 1024, 512, 1, 1, 1},
  {"resnet50", 14, 512, 512, 3, 2, 1},
  {"resnet50", 7, 512, 2048, 1, 1, 1},
  {"resnet50", 14, 1024, 2048, 1, 2, 1},
  {"resnet50", 7, 2048, 512, 1, 1, 1},
  {"resnext50", 56, 128, 128, 3, 1, 32},
  {"resnext50", 28, 256, 256, 3, 1, 32},
  {"resnext50", 14, 512, 512, 3, 1, 32},
  {"resnext50", 7, 1024, 1024, 3, 1, 32},
  {"mobilenet_v2", 224, 3, 32, 3, 2, 1},
  {"mobilenet_v2", 112, 32, 32, 3, 1, 32},
  {"mobilenet_v2", 112, 32, 16, 1, 1, 1},
  {"mobilenet_v2", 112, 16, 96, 1, 1, 1},
  {"mobilenet_v2", 112, 96, 96, 3, 2, 96},
  {"mobilenet_v2", 56, 96, 24, 1, 1, 1},
  {"mobilenet_v2", 56, 24, 144, 1, 1, 1},
  {"mobilenet_v2", 56, 144, 144, 3, 1, 144},
  {"mobilenet_v2", 56, 144, 24, 1, 1, 1},
  {"mobilenet_v2", 56, 144, 144, 3, 2, 144},
  {"mobilenet_v2", 28, 144, 32, 1, 1, 1},
  {"mobilenet_v2", 28, 32, 192, 1, 1, 1},
  {"mobilenet_v2", 28, 192, 192, 3, 1, 192},
  {"mobilenet_v2", 28, 192, 32, 1, 1, 1},
  {"mobilenet_v2", 28, 192, 192, 3, 2, 192},
  {"mobilenet_v2", 14, 192, 64, 1, 1, 1},
  {"mobilenet_v2", 14, 64, 384, 1, 1, 1},
  {"mobilenet_v2", 14, 384, 384, 3, 1, 384},
  {"mobilenet_v2", 14, 384, 64, 1, 1, 1},
  {"mobilenet_v2", 14, 384, 96, 1, 1, 1},
  {"mobilenet_v2", 14, 96, 576, 1, 1, 1},
  {"mobilenet_v2", 14, 576, 576, 3, 1, 576},
  {"mobilenet_v2", 14, 576, 96, 1, 1, 1},
  {"mobilenet_v2", 14, 576, 576, 3, 2, 576},
  {"mobilenet_v2", 7, 576, 160, 1, 1, 1},
  {"mobilenet_v2", 7, 160, 960, 1, 1, 1},
  {"mobilenet_v2", 7, 960, 960, 3, 1, 960},
  {"mobilenet_v2", 7, 960, 160, 1, 1, 1},
  {"mobilenet_v2", 7, 960, 320, 1, 1, 1},
  {"mobilenet_v2", 7, 320, 1280, 1, 1, 1},
  {"mobilenet_v3_large", 112, 16, 16, 3, 1, 16},
  {"mobilenet_v3_large", 112, 64, 64, 3, 2, 64},
  {"mobilenet_v3_large", 56, 72, 72, 3, 1, 72},
  {"mobilenet_v3_large", 56, 72, 72, 5, 2, 72},
  {"mobilenet_v3_large", 28, 120, 120, 5, 1, 120},
  {"mobilenet_v3_large", 14, 672, 672, 5, 2, 672},
  {"mobilenet_v3_large", 7, 960, 960, 5, 1, 960},
  {"cifar_resnet20", 32, 3, 16, 3, 1, 1},
  {"cifar_resnet20", 32, 16, 16, 3, 1, 1},
  {"cifar_resnet20", 32, 16, 32, 3, 2, 1},
  {"cifar_resnet20", 16, 32, 32, 3, 1, 1},
  {"cifar_resnet20", 16, 32, 64, 3, 2, 1},
  {"cifar_resnet20", 8, 64, 64, 3, 1, 1},
};
static const char *const algorithms[] = {"implicit gemm", "direct", "grouped", "winograd 4x4", "winograd 2x2"};
enum { ALGORITHMS = sizeof algorithms / sizeof *algorithms, RUNS = 9 };
static const double SECONDS = 0.5; /* after which a slow case has runs enough, three at least */
static const double TURN = 1e-3;   /* in which a quick case is repeated */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *buffer(size_t bytes) {
  float *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
  if (!p) {
    fprintf(stderr, "conv: no memory for %zu bytes\n", bytes);
    exit(1);
  }
  for (size_t i = 0; i < bytes / sizeof *p; i++) p[i] = (float)(i * 2654435761u % 1024) / 1024 - 0.5f;
  return p;
}

static void want(const char *name) { /* NULL: the rule */
  if (name) setenv("SUTURE_CONV", name, 1);
  else unsetenv("SUTURE_CONV");
  kernels_init();
}

static int rising(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

typedef struct Operands { float *x, *w, *y; } Operands;
typedef struct Extra { float *scratch, *prepared; } Extra; /* what an algorithm wants besides */

/* Seconds of one of `times` runs. */
static double run(int times, ConvPass pass, const ConvShape *s, Operands o, Extra e) {
  static const Epilogue plain = {.act = ACT_NONE};
  double start = now();
  for (int i = 0; i < times; i++) {
    if (pass == CONV_FORWARD) kern->conv2d(o.y, o.x, o.w, e.prepared, &plain, s, e.scratch);
    else if (pass == CONV_DX) kern->conv2d_dx(o.x, o.y, o.w, e.prepared, &plain, s, e.scratch);
    else kern->conv2d_dw(o.w, o.y, o.x, s, e.scratch);
  }
  return (now() - start) / times;
}

/* One line of the table; stand: the weights were prepared, as those are that do not change. Returns how many times slower the
 * rule's choice is than the best, or 0 where no weights are prepared. */
static double measure(ConvPass pass, bool stand, const ConvShape *s, Operands o) {
  static const char *const names[][2] = {{"forward", "forward, weights stand"}, {"dx", "dx, weights stand"}, {"dw", ""}};
  double times[ALGORITHMS][RUNS], median[ALGORITHMS], start = now();
  Extra extra[ALGORITHMS] = {{0}};
  int runs = 0, repeat[ALGORITHMS], chosen = 0, best = 0;
  want(NULL);
  const char *rule = kern->conv2d_algorithm(pass, s);
  if (stand && !kern->conv2d_prepared(pass, s)) return 0;
  for (int a = 0; a < ALGORITHMS; a++) {
    want(algorithms[a]);
    if (strcmp(kern->conv2d_algorithm(pass, s), algorithms[a])) continue; /* does not apply */
    extra[a].scratch = buffer(kern->conv2d_scratch(pass, s));
    if (stand && kern->conv2d_prepared(pass, s)) {
      extra[a].prepared = buffer(kern->conv2d_prepared(pass, s));
      kern->conv2d_prepare(extra[a].prepared, o.w, pass, s);
    }
    run(1, pass, s, o, extra[a]);
    repeat[a] = 1 + (int)(TURN / run(3, pass, s, o, extra[a]));
    if (!strcmp(rule, algorithms[a])) chosen = best = a;
  }
  while (runs < RUNS && (runs < 3 || now() - start < SECONDS)) {
    for (int a = 0; a < ALGORITHMS; a++) {
      want(algorithms[a]);
      if (extra[a].scratch) times[a][runs] = run(repeat[a], pass, s, o, extra[a]);
    }
    runs++;
  }
  printf("  %-24s", names[pass][stand]);
  for (int a = 0; a < ALGORITHMS; a++) {
    if (!extra[a].scratch) {
      printf("%14s", "");
      continue;
    }
    qsort(times[a], (size_t)runs, sizeof(double), rising);
    median[a] = times[a][runs / 2];
    if (median[a] < median[best]) best = a;
    printf("%14.3f", 1e3 * median[a]);
    free(extra[a].scratch), free(extra[a].prepared);
  }
  double flops = 2.0 * s->n * s->oh * s->ow * s->k * s->r * s->s * (s->c / s->groups), gain = median[chosen] / median[best];
  printf("%10.0f  %-14s", 1e-9 * flops / median[chosen], rule);
  if (gain > 1.1) printf("OFF by %.0f%%: %s", 100 * (gain - 1), algorithms[best]);
  printf("\n");
  return gain;
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 1, choices = 0, off = 0;
  const char *pattern = argc > 2 ? argv[2] : "";
  kernels_init();
  kernels_threads(threads);
  printf("%s, %d threads, ms; GFLOP/s as a direct product would count\n  %-24s", kern->isa, threads, "pass");
  for (int a = 0; a < ALGORITHMS; a++) printf("%14s", algorithms[a]);
  printf("%10s  rule\n", "GFLOP/s");
  for (const Layer *l = layers; l < layers + sizeof layers / sizeof *layers; l++) {
    if (!strstr(l->network, pattern)) continue;
    for (int n = 1; n <= 16; n += 15) {
      int out = (l->size + 2 * (l->r / 2) - l->r) / l->stride + 1;
      ConvShape s = {n, l->size, l->size, l->c, l->k, l->r, l->r, out, out, l->stride, l->stride, l->r / 2, l->r / 2, 1, 1, l->groups};
      size_t each = (size_t)n * sizeof(float); /* bytes of one number of every picture */
      Operands o = {buffer(each * (size_t)(l->size * l->size * l->c)),
                    buffer(sizeof(float) * (size_t)(l->k * l->r * l->r * (l->c / l->groups))), buffer(each * (size_t)(out * out * l->k))};
      printf("%s: %d x %dx%dx%d -> %d, %dx%d stride %d%s\n", l->network, n, l->size, l->size, l->c, l->k, l->r, l->r, l->stride,
             l->groups == 1 ? "" : l->groups == l->c ? " depthwise" : " in groups");
      for (int i = 0; i < 5; i++) {
        double slower = measure((ConvPass)(i / 2), i % 2, &s, o);
        choices += slower > 0, off += slower > 1.1;
      }
      fflush(stdout);
      free(o.x), free(o.w), free(o.y);
    }
  }
  if (!choices) {
    fprintf(stderr, "conv: no network here has %s in its name\n", pattern);
    return 2;
  }
  printf("%d of %d choices off by more than 10%%\n", off, choices);
  return 0;
}
