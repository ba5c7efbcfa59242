/* The batch loader: the same batches at any number of threads, clear errors, clean stops. Drawn shapes, published formats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include "host.h"
#include "image/loader.h"
#include "image/shapes.h"

static Err e;

static Samples *shapes(ShapesDomain d, int64_t n, uint64_t seed, int split) {
  Samples *s = samples_new(32, 32, 3, &e);
  assert_true(shapes_add(s, d, n, seed, split, &e));
  return s;
}

/* A hash of all that a pass gives. */
static uint64_t pass(Samples *s, const Transform *t, LoaderSettings set, int64_t *count) {
  int64_t order[200];
  for (int64_t i = 0; i < s->n; i++) order[i] = i * 7 % s->n;
  Loader *l = loader_new(s, order, s->n, t, &set, &e);
  assert_non_null(l);
  uint64_t h = 1;
  *count = 0;
  for (Batch b; assert_true(loader_next(l, &b, &e)), b.n;) {
    int each = b.h * b.w * b.c;
    uint32_t *bits = malloc((size_t)b.n * (size_t)each * sizeof *bits);
    assert_true(loader_values(l, &b, (float *)bits, &e));
    for (int j = 0; j < b.n * each; j++) h = random_mix(h ^ bits[j]);
    free(bits);
    for (int i = 0; i < b.n; i++, ++*count) {
      assert_int_equal(b.sample[i], order[*count]);
      assert_int_equal(b.label[i], s->label[order[*count]]);
    }
  }
  loader_free(l);
  return h;
}

static const Transform hard = {.crop_h = 24, .crop_w = 24, .filter = FILTER_BILINEAR, .flip = .5, .random_resized = true, .scale = {.3, 1},
  .ratio = {.75, 1.33}, .brightness = .4, .contrast = .4, .saturation = .4, .hue = .1, .rotate = 15};

static void same_at_any_threads(void **st) {
  (void)st;
  Samples *s = shapes(SHAPES_SOURCE, 9, 1, 0);
  int64_t n;
  LoaderSettings set = {.batch = 10, .augment = true, .seed = 5, .epoch = 2};
  uint64_t want = pass(s, &hard, set, &n);
  assert_int_equal(n, 72);
  for (set.threads = 1; set.threads <= 4; set.threads++) assert_true(pass(s, &hard, set, &n) == want);
  set.batch = 7; /* nor does the batch size matter to a sample */
  assert_true(pass(s, &hard, set, &n) == want);
  set.epoch = 3;
  assert_false(pass(s, &hard, set, &n) == want);
  set.epoch = 2, set.seed = 6;
  assert_false(pass(s, &hard, set, &n) == want);
  set.augment = false, set.batch = 10;
  uint64_t plain = pass(s, &hard, set, &n);
  set.epoch = 9, set.threads = 2;
  assert_true(pass(s, &hard, set, &n) == plain);
  set.drop_last = true;
  pass(s, &hard, set, &n);
  assert_int_equal(n, 70);
  set.batch = 100;
  pass(s, &hard, set, &n);
  assert_int_equal(n, 0);
  samples_unref(s);
}

static void files_and_errors(void **st) {
  (void)st;
  char dir[] = "/tmp/suture-loader-XXXXXX", path[8][80];
  assert_non_null(mkdtemp(dir));
  Samples *s = samples_new(0, 0, 0, &e);
  for (int i = 0; i < 8; i++) {
    Image im;
    assert_true(image_new(&im, i == 6 ? 9 : 8, 8, 3, &e));
    memset(im.px, 0, (size_t)im.h * 8 * 3);
    snprintf(path[i], sizeof path[i], "%s/%d.png", dir, i);
    assert_true(image_write(&im, path[i], 0, &e));
    assert_true(samples_add_file(s, path[i], i, &e));
    image_free(&im);
  }
  assert_int_equal(truncate(path[5], 48), 0);
  int64_t order[] = {0, 1, 2, 3, 4, 5, 6, 7};
  Transform t = {0};
  for (int threads = 0; threads <= 2; threads++) {
    LoaderSettings set = {.batch = 3, .threads = threads};
    Loader *l = loader_new(s, order, 8, &t, &set, &e);
    Batch b;
    assert_true(loader_next(l, &b, &e));
    assert_false(loader_next(l, &b, &e));
    assert_non_null(strstr(e.text, path[5]));
    assert_false(loader_next(l, &b, &e));
    loader_free(l);
    l = loader_new(s, (int64_t[]){4, 6}, 2, &t, &set, &e); /* sizes differ */
    assert_false(loader_next(l, &b, &e));
    assert_non_null(strstr(e.text, path[6]));
    assert_non_null(strstr(e.text, "resize"));
    loader_free(l);
    l = loader_new(s, order, 8, &t, &set, &e); /* given up at once */
    loader_free(l);
  }
  LoaderSettings set = {.batch = 3};
  assert_null(loader_new(s, (int64_t[]){8}, 1, &t, &set, &e));
  samples_unref(s);
  for (int i = 0; i < 8; i++) unlink(path[i]);
  rmdir(dir);
}

static bool yes(void) { return true; }
static void stops(void **st) {
  (void)st;
  Samples *s = shapes(SHAPES_SOURCE, 4, 1, 0);
  int64_t order[] = {0, 1, 2, 3};
  Transform t = {.resize_h = 600};
  for (int threads = 0; threads <= 2; threads++) {
    LoaderSettings set = {.batch = 4, .threads = threads};
    Loader *l = loader_new(s, order, 4, &t, &set, &e);
    Batch b;
    host.should_stop = yes;
    bool ok = loader_next(l, &b, &e);
    host.should_stop = NULL;
    if (!ok) assert_int_equal(e.kind, ERR_STOP);
    loader_free(l);
  }
  samples_unref(s);
}

static void shapes_by_seed(void **st) {
  (void)st;
  for (int d = 0; d < SHAPES_DOMAINS; d++) {
    Samples *a = shapes((ShapesDomain)d, 2, 3, 0), *b = shapes((ShapesDomain)d, 3, 3, 0), *c = shapes((ShapesDomain)d, 2, 3, 1);
    assert_int_equal(a->n, 16);
    assert_int_equal(b->label[23], 7);
    for (int k = 0; k < 8; k++) { /* more of them are more of the same; another split is another set */
      assert_memory_equal(a->px + 2 * k * 3072, b->px + 3 * k * 3072, 2 * 3072);
      assert_int_not_equal(memcmp(a->px + 2 * k * 3072, c->px + 2 * k * 3072, 3072), 0);
    }
    for (int k = 1; k < 8; k++) assert_true(strcmp(shapes_class((ShapesDomain)d, k - 1), shapes_class((ShapesDomain)d, k)) < 0);
    assert_int_equal(shapes_domain_named(shapes_domain_name(d)), d);
    samples_unref(a);
    samples_unref(b);
    samples_unref(c);
  }
  assert_int_equal(shapes_domain_named("cats"), -1);
}

static void spill(const char *path, const void *bytes, size_t n) {
  FILE *f = fopen(path, "wb");
  assert_int_equal(fwrite(bytes, 1, n, f), n);
  fclose(f);
}

static void published_formats(void **st) {
  (void)st;
  char dir[] = "/tmp/suture-formats-XXXXXX", a[80], b[80];
  assert_non_null(mkdtemp(dir));
  snprintf(a, sizeof a, "%s/a", dir);
  snprintf(b, sizeof b, "%s/b", dir);
  uint8_t record[2 * 3073];
  for (int i = 0; i < 2 * 3073; i++) record[i] = (uint8_t)(i % 251);
  record[0] = 3, record[3073] = 9;
  spill(a, record, sizeof record);
  Samples *s = samples_new(32, 32, 3, &e);
  assert_true(samples_add_cifar(s, a, &e));
  assert_int_equal(s->n, 2);
  assert_int_equal(s->label[1], 9);
  assert_int_equal(s->px[3072 + 3 * 5 + 2], record[3073 + 1 + 2048 + 5]);
  spill(a, record, 4000);
  assert_false(samples_add_cifar(s, a, &e));
  assert_non_null(strstr(e.text, "cut off"));
  record[0] = 10;
  spill(a, record, 3073);
  assert_false(samples_add_cifar(s, a, &e));
  samples_unref(s);

  uint8_t images[16 + 2 * 6] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  uint8_t labels[8 + 2] = {0, 0, 8, 1, 0, 0, 0, 2, 4, 7};
  spill(a, images, sizeof images);
  gzFile z = gzopen(b, "wb");
  gzwrite(z, labels, sizeof labels);
  gzclose(z);
  s = NULL;
  assert_true(samples_add_mnist(&s, a, b, &e));
  assert_int_equal(s->n, 2);
  assert_int_equal(s->h * 10 + s->w, 23);
  assert_int_equal(s->label[1], 7);
  assert_int_equal(s->px[6], 7);
  samples_unref(s);
  for (size_t cut = 0; cut < sizeof images; cut++) {
    spill(a, images, cut);
    s = NULL;
    assert_false(samples_add_mnist(&s, a, b, &e));
    samples_unref(s);
  }
  s = NULL;
  assert_false(samples_add_mnist(&s, b, b, &e));
  unlink(a);
  unlink(b);
  rmdir(dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(same_at_any_threads), cmocka_unit_test(files_and_errors), cmocka_unit_test(stops),
    cmocka_unit_test(shapes_by_seed), cmocka_unit_test(published_formats)};
  return cmocka_run_group_tests_name("image_loader", tests, NULL, NULL);
}
