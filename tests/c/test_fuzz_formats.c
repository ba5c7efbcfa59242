/* Broken files of every format: 200 random truncations and 2,000 random changes each give an error or a correct parse,
 * never a crash, hang or unbounded memory. The seed is printed; SUTURE_SEED=n repeats a run. */
#include "formats_samples.h"
#include <time.h>

static uint64_t seed;

/* splitmix64 */
static uint64_t next(void) {
  uint64_t z = seed += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}
static size_t below(size_t n) { return n ? next() % n : 0; }

/* Whether it opened. All that is in it is read. */
static bool attempt(const unsigned char *p, size_t n) {
  Archive *a;
  Err e = {.text = ""};
  unsigned char *exact = malloc(n + !n); /* so that the sanitizer sees a read past the end */
  if (n) memcpy(exact, p, n);
  bool ok = archive_open_memory(exact, n, "broken", &a, &e);
  if (ok) {
    int64_t most = 0;
    for (int i = 0; i < a->count; i++) {
      int64_t count = shape_count(&a->entry[i].shape);
      if (count > most) most = count;
    }
    assert_true((uint64_t)most <= 16 * n + (16u << 20));
    float *out = malloc((size_t)most * 4 + 4);
    for (int i = 0; i < a->count; i++)
      if (!archive_read(a, &a->entry[i], shape_layout(&a->entry[i].shape), out, &e)) assert_true(*e.text);
    free(out);
    archive_close(a);
  } else assert_true(!a && !strncmp(e.text, "broken: ", 8) && strlen(e.text) > 12);
  free(exact);
  return ok;
}

/* Where the small numbers that steer a parser are: the ends of the file more often than its middle. */
static size_t place(size_t n) {
  switch (below(4)) {
  case 0: return below(n < 200 ? n : 200);
  case 1: return n - 1 - below(n < 600 ? n : 600);
  default: return below(n);
  }
}

static void torture(Bytes b, const char *what, int cuts, int changes) {
  int opened = 0;
  assert_true(attempt(b.p, b.n));
  for (int i = 0; i < cuts; i++) opened += attempt(b.p, i < 100 ? place(b.n) : below(b.n));
  assert_true(opened == 0 || !strcmp(what, "torch tar")); /* a tar may lose its padding */
  for (int i = 0; i < changes; i++) {
    size_t at[4], n = 1 + below(4);
    unsigned char old[4];
    for (size_t k = 0; k < n; k++) {
      static const unsigned char nasty[] = {0, 1, 0x7f, 0x80, 0xff, '(', '.', 'h', 'u', 't', 'R', '}'};
      at[k] = place(b.n);
      old[k] = b.p[at[k]];
      b.p[at[k]] = below(2) ? (unsigned char)next() : below(2) ? nasty[below(sizeof nasty)] : (unsigned char)(old[k] ^ 1u << below(8));
    }
    opened += attempt(b.p, b.n);
    for (size_t k = n; k--;) b.p[at[k]] = old[k];
  }
  print_message("%s: %d of %d broken files opened\n", what, opened, cuts + changes);
  free(b.p);
}

static void test_safetensors(void **state) { (void)state; torture(sample_safetensors(), "safetensors", 200, 2000); }
static void test_zip(void **state) { (void)state; torture(sample_zip(), "torch zip", 200, 2000); }
static void test_stream(void **state) { (void)state; torture(sample_stream(), "torch stream", 200, 2000); }
static void test_tar(void **state) { (void)state; torture(sample_tar(), "torch tar", 200, 2000); }
static void test_npy(void **state) { (void)state; torture(sample_npy(), "npy", 200, 2000); }

static void test_published(void **state) {
  (void)state;
  char path[1000];
  snprintf(path, sizeof path, "%s/data/weights/resnet20-12fca82f.th", getenv("SUTURE_SHARED") ? getenv("SUTURE_SHARED") : "../shared");
  if (access(path, R_OK)) {
    print_message("skipped: %s is not here (set SUTURE_SHARED)\n", path);
    skip();
  }
  torture(file_bytes(path), "the published resnet20", 200, 2000);
}

int main(void) {
  seed = getenv("SUTURE_SEED") ? strtoull(getenv("SUTURE_SEED"), NULL, 10) : (uint64_t)time(NULL);
  print_message("SUTURE_SEED=%llu\n", (unsigned long long)seed);
  const struct CMUnitTest first[] = {cmocka_unit_test(test_published)};
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_safetensors), cmocka_unit_test(test_zip), cmocka_unit_test(test_stream),
                                     cmocka_unit_test(test_tar), cmocka_unit_test(test_npy)};
  int failed = cmocka_run_group_tests_name("broken files: published", first, NULL, NULL);
  return failed + cmocka_run_group_tests_name("broken files", tests, enter_temp_folder, leave_temp_folder);
}
