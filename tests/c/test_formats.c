/* The file formats: what is written is read back, what is broken is refused with words. */
#include "formats_samples.h"
#include <fcntl.h>
#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include "formats/pickle.h"

static Err e;

static Archive *opened(Bytes b) {
  Archive *a = NULL;
  if (!archive_open_memory(b.p, b.n, "sample", &a, &e)) fail_msg("%s", e.text);
  return a;
}

static void expect(Archive *a, const char *name, NumType type, int count, const float *want) {
  const ArchiveEntry *t = archive_find(a, name);
  float got[64];
  assert_non_null(t);
  assert_int_equal(t->type, type);
  assert_int_equal(shape_count(&t->shape), count);
  if (!archive_read(a, t, ROW_MAJOR, got, &e)) fail_msg("%s", e.text);
  for (int i = 0; i < count; i++)
    if (!(got[i] == want[i] || (isnan(got[i]) && isnan(want[i])))) fail_msg("%s[%d] is %g, not %g", name, i, got[i], want[i]);
}

/* Opening these bytes must fail and say `words`. */
static void refuses(Bytes b, const char *words) {
  Archive *a = NULL;
  unsigned char *exact = malloc(b.n + !b.n); /* so that the sanitizer sees a read past the end */
  if (b.n) memcpy(exact, b.p, b.n);
  if (archive_open_memory(exact, b.n, "sample", &a, &e)) fail_msg("opened, but should say '%s'", words);
  if (!strstr(e.text, words) || strncmp(e.text, "sample: ", 8)) fail_msg("says '%s', not '%s'", e.text, words);
  free(exact);
}

static const float iota[24] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23};

static void expect_sample(Bytes b, const char *container) {
  Archive *a = opened(b);
  assert_string_equal(a->container, container);
  assert_int_equal(a->count, SAMPLE_COUNT);
  assert_string_equal(a->entry[0].name, "conv.weight");
  expect(a, "conv.weight", NUM_F32, 24, iota);
  expect(a, "bn.bias", NUM_F32, 3, sample_bias);
  expect(a, "bn.num_batches_tracked", NUM_I64, 1, sample_tracked);
  assert_string_equal(archive_meta(a, "arch"), "tiny");
  assert_string_equal(archive_meta(a, "note"), sample_meta[1].value);
  float last[24];
  assert_true(archive_read(a, archive_find(a, "conv.weight"), CHANNELS_LAST, last, &e));
  assert_memory_equal(last, sample_tensors()[0].data, sizeof last);
  archive_close(a);
  free(b.p);
}

static void test_safetensors_round_trip(void **state) {
  (void)state;
  Bytes b = sample_safetensors();
  uint64_t n;
  memcpy(&n, b.p, 8);
  assert_int_equal(n % 8, 0);
  expect_sample(b, "safetensors");
}

static void test_zip_round_trip(void **state) {
  (void)state;
  Bytes b = sample_zip(), again = sample_zip();
  assert_int_equal(b.n, again.n);
  assert_memory_equal(b.p, again.p, b.n); /* no clock in it */
  free(again.p);
  for (size_t i = 0; i + 30 < b.n; i++) /* members begin at multiples of 64 */
    if (!memcmp(b.p + i, "PK\3\4", 4)) assert_int_equal((i + 30 + b.p[i + 26] + b.p[i + 28]) % 64, 0);
  expect_sample(b, "torch zip");
}

static void test_npy_round_trip(void **state) {
  (void)state;
  Bytes b = sample_npy();
  Archive *a = opened(b);
  assert_string_equal(a->container, "npy");
  assert_int_equal(b.n, 128 + 96);
  expect(a, "tensor", NUM_F32, 24, iota);
  archive_close(a);
  free(b.p);
}

static void test_stream(void **state) {
  (void)state;
  Bytes b = sample_stream();
  Archive *a = opened(b);
  assert_string_equal(a->container, "torch stream");
  assert_string_equal(a->wrapper, "state_dict");
  assert_string_equal(a->prefix, "module.");
  assert_string_equal(archive_meta(a, "epoch"), "3");
  expect(a, "conv.weight", NUM_F32, 24, iota);
  expect(a, "bn.bias", NUM_F32, 3, (float[]){1, 3, 5});
  expect(a, "fc.weight", NUM_F32, 6, (float[]){6, 9, 7, 10, 8, 11});
  expect(a, "bn.num_batches_tracked", NUM_I64, 1, sample_tracked);
  archive_close(a);
  PUT(&b, "x");
  refuses(b, "1 bytes are left over");
  free(b.p);
}

static void test_tar(void **state) {
  (void)state;
  Bytes b = sample_tar();
  Archive *a = opened(b);
  assert_string_equal(a->container, "torch tar");
  expect(a, "conv.weight", NUM_F32, 24, iota);
  expect(a, "bn.bias", NUM_F32, 3, (float[]){1, 3, 5});
  archive_close(a);
  refuses((Bytes){b.p, b.n - 1024 - 512 + 50}, "member 'storages' says");
  free(b.p);
}

/* ---- safetensors made by hand ---- */

static Bytes tensors(const char *header, size_t numbers) {
  Bytes b = {0};
  put_number(&b, strlen(header), 8);
  put(&b, header, strlen(header));
  for (size_t i = 0; i < numbers; i++) put(&b, "", 1);
  return b;
}

static void test_number_types(void **state) {
  (void)state;
  static const struct { const char *name; NumType type; const char *bytes; int size; float want[2]; } cases[] = {
      {"F64", NUM_F64, "\0\0\0\0\0\0\xf8\x3f\0\0\0\0\0\0\xf0\xff", 8, {1.5f, -INFINITY}},
      {"F32", NUM_F32, "\0\0\xc0\x3f\0\0\xc0\x7f", 4, {1.5f, NAN}},
      {"F16", NUM_F16, "\x00\x3e\x01\x80", 2, {1.5f, -0x1p-24f}},
      {"F16", NUM_F16, "\xff\x7b\x00\xfc", 2, {65504, -INFINITY}},
      {"BF16", NUM_BF16, "\xc0\x3f\x80\xff", 2, {1.5f, -INFINITY}},
      {"I64", NUM_I64, "\xfe\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\x01\0\0\0", 8, {-2, 4294967296.f}},
      {"I32", NUM_I32, "\xfe\xff\xff\xff\0\0\0\x40", 4, {-2, 1073741824.f}},
      {"I16", NUM_I16, "\xfe\xff\0\x40", 2, {-2, 16384}},
      {"I8", NUM_I8, "\xfe\x7f", 1, {-2, 127}},
      {"U64", NUM_U64, "\0\0\0\0\0\0\0\x80\1\0\0\0\0\0\0\0", 8, {0x1p63f, 1}},
      {"U32", NUM_U32, "\0\0\0\x80\1\0\0\0", 4, {0x1p31f, 1}},
      {"U16", NUM_U16, "\0\x80\1\0", 2, {32768, 1}},
      {"U8", NUM_U8, "\xff\1", 1, {255, 1}},
      {"BOOL", NUM_BOOL, "\1\0", 1, {1, 0}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char header[200];
    snprintf(header, sizeof header, "{\"x\":{\"dtype\":\"%s\",\"shape\":[2],\"data_offsets\":[0,%d]}}", cases[i].name,
             2 * cases[i].size);
    Bytes b = tensors(header, 0);
    put(&b, cases[i].bytes, (size_t)cases[i].size * 2);
    Archive *a = opened(b);
    expect(a, "x", cases[i].type, 2, cases[i].want);
    archive_close(a);
    free(b.p);
  }
}

static void test_safetensors_rules(void **state) {
  (void)state;
#define X(dtype, shape, offsets) "\"x\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}"
  static const struct { const char *header; size_t numbers; const char *says; } cases[] = {
      {"{" X("\"F32\"", "[2]", "[0,8]") "}", 7, "cut off"},
      {"{" X("\"F32\"", "[2]", "[0,8]") "}", 9, "1 bytes after its last tensor"},
      {"{" X("\"F32\"", "[2]", "[0,7]") "}", 7, "need 8 bytes"},
      {"{" X("\"F32\"", "[2]", "[8,0]") "}", 8, "need 8 bytes"},
      {"{" X("\"F32\"", "[2]", "[-8,0]") "}", 8, "0 or more"},
      {"{" X("\"F32\"", "[2]", "[4,12]") "}", 12, "a hole"},
      {"{" X("\"F32\"", "[2]", "[0,8]") ",\"y\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, "overlap"},
      {"{" X("\"F32\"", "[2]", "[0,8]") "," X("\"F32\"", "[2]", "[8,16]") "}", 16, "duplicate"},
      {"{" X("\"F32\"", "[1152921504606846976]", "[0,8]") "}", 8, "need 4611686018427387904 bytes"},
      {"{" X("\"F32\"", "[1099511627776,1099511627776]", "[0,8]") "}", 8, "larger than any memory"},
      {"{" X("\"F32\"", "[1.5]", "[0,8]") "}", 8, "whole number"},
      {"{" X("\"F32\"", "[-2]", "[0,8]") "}", 8, "whole number"},
      {"{" X("\"F32\"", "[1,1,1,1,1,1,1,1,2]", "[0,8]") "}", 8, "9 dimensions"},
      {"{" X("\"F8_E4M3\"", "[8]", "[0,8]") "}", 8, "F8_E4M3, which is not supported"},
      {"{" X("3", "[8]", "[0,8]") "}", 8, "must have exactly"},
      {"{\"x\":[1]}", 0, "must have exactly"},
      {"{\"__metadata__\":{\"a\":1}}", 0, "must be a string"},
      {"{\"__metadata__\":3}", 0, "must be an object"},
      {"{\"x\":", 0, "not valid JSON"},
      {"{\"\xff\":1}", 0, "not valid JSON"},
      {"{} x", 0, "not valid JSON"},
      {"{[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 0,
       "too many brackets"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Bytes b = tensors(cases[i].header, cases[i].numbers);
    refuses(b, cases[i].says);
    free(b.p);
  }
  Bytes b = tensors("{}", 0);
  b.p[0] = 200;
  refuses(b, "its header says 200 bytes");
  b.p[6] = 1;
  refuses(b, "at most 100000000");
  free(b.p);
  b = tensors("{}    ", 0); /* padding is allowed, and an empty file of tensors too */
  archive_close(opened(b));
  free(b.p);
  for (int n = 0x280; n <= 0x580; n += 0x100) { /* sizes that look like the beginning of a pickle */
    char header[0x581];
    snprintf(header, sizeof header, "%-*s", n, "{" X("\"F32\"", "[]", "[0,4]") "}");
    b = tensors(header, 4);
    Archive *a = opened(b);
    assert_string_equal(a->container, "safetensors");
    archive_close(a);
    free(b.p);
  }
}

static void test_other_files(void **state) {
  (void)state;
#define SAY(bytes, words) refuses((Bytes){(unsigned char *)(bytes), sizeof(bytes) - 1}, words)
  SAY("", "empty");
  SAY("<!DOCTYPE html><html>", "web page");
  SAY("version https://git-lfs.github.com/spec/v1\n", "git lfs pull");
  SAY("\x1f\x8b\x08\0\0\0\0\0", "gzip");
  SAY("hello, world", "begins with bytes 68 65 6c 6c");
  SAY("PK\3\4 and so on, cut off here", "cut off");
  SAY("\x80\x02}.", "no magic number");
  SAY("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", "protocol version at byte 15");
  SAY("\x80\x02\x8a\x0a\x6c\xfc\x9c", "cut off");
  SAY("\x93NUMPY\1\0", "cut off");
  SAY("\x93NUMPY\1\0\x40\0{}", "cut off");
  SAY("\x93NUMPY\1\0\x02\0{}", "lacks 'descr'");
  SAY("\x93NUMPY\7\0\x02\0{}", "version 7.0");
  static const struct { const char *dict, *says; } npy[] = {
      {"{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", "'<c8' are not supported"},
      {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "records"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "need 12 bytes of numbers, the file has 8"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "left over"},
      {"{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,)}", "True or False"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "a dimension"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999,9999999999)}", "larger than any memory"},
      {"{'descr': '<f4', 'descr': '<f4', 'shape': (2,)}", "once"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} junk", "nothing more"},
  };
  for (size_t i = 0; i < sizeof npy / sizeof *npy; i++) {
    Bytes b = {0};
    PUT(&b, "\x93NUMPY\1\0");
    put_number(&b, strlen(npy[i].dict), 2);
    put(&b, npy[i].dict, strlen(npy[i].dict));
    put_number(&b, 0, 8);
    refuses(b, npy[i].says);
    free(b.p);
  }
}

static void test_npy_orders(void **state) {
  (void)state;
  Bytes b = {0};
  const char *dict = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }";
  PUT(&b, "\x93NUMPY\2\0");
  put_number(&b, strlen(dict), 4);
  put(&b, dict, strlen(dict));
  PUT(&b, "\0\1\0\2\0\3\0\4\0\5\xff\xff");
  Archive *a = opened(b);
  expect(a, "tensor", NUM_I16, 6, (float[]){1, 3, 5, 2, 4, -1});
  archive_close(a);
  free(b.p);
}

/* ---- the pickle machine ---- */

static void pickle_fails(const char *p, size_t n, const char *says) {
  Pickle out;
  if (pickle_read((const unsigned char *)p, n, "pickle", 0, &out, &e)) fail_msg("read, but should say '%s'", says);
  if (!strstr(e.text, says)) fail_msg("says '%s', not '%s'", e.text, says);
}
#define PICKLE_FAILS(p, says) pickle_fails((p), sizeof(p) - 1, (says))

static void test_pickle(void **state) {
  (void)state;
  PICKLE_FAILS("", "cut off");
  PICKLE_FAILS("\x80\x02", "cut off");
  PICKLE_FAILS(".", "ends without a value");
  PICKLE_FAILS("X\xff\xff\xff\xff" "abc.", "cut off");
  PICKLE_FAILS("\x8d\xff\xff\xff\xff\xff\xff\xff\xff" "abc.", "cut off");
  PICKLE_FAILS("Nr\xff\xff\xff\xff.", "memo");
  PICKLE_FAILS("h\x05.", "memo entry that does not exist");
  PICKLE_FAILS("t.", "mark is missing");
  PICKLE_FAILS("(NR.", "operand");
  PICKLE_FAILS("NNe.", "mark is missing");
  PICKLE_FAILS("}(Nu.", "key without value");
  PICKLE_FAILS("NNa.", "no list");
  PICKLE_FAILS("\x82\x01.", "opcode 0x82");
  PICKLE_FAILS("\x80\x09N.", "protocol newer");
  PICKLE_FAILS("I12x\n.", "strange character");
  Pickle p;
  /* a list that contains itself, and os.system("id"), which stays an inert record */
  static const char self[] = "]q\0h\0a(cos\nsystem\nX\2\0\0\0id\x85Rt.";
  assert_true(pickle_read((const unsigned char *)self, sizeof self - 1, "pickle", 0, &p, &e));
  const PickleValue *call = pickle_item(p.root, 0);
  assert_int_equal(call->kind, PK_OBJECT);
  assert_true(pickle_is_global(call->object.callable, "os", "system"));
  assert_true(pickle_is_str(pickle_item(call->object.args, 0), "id"));
  pickle_free(&p);
  static const char numbers[] = "(I-12\nI01\nL123456789012345678901234567890L\nF2.5\nS'a\\x41\\n'\nV\\u00e9\n\x8a\x01\xff\x8a\0Jabcdt.";
  assert_true(pickle_read((const unsigned char *)numbers, sizeof numbers - 1, "pickle", 0, &p, &e));
  assert_int_equal(pickle_item(p.root, 0)->i, -12);
  assert_int_equal(pickle_item(p.root, 1)->kind, PK_BOOL);
  assert_int_equal(pickle_item(p.root, 2)->kind, PK_BIG);
  assert_true(pickle_item(p.root, 3)->f == 2.5);
  assert_true(pickle_is_str(pickle_item(p.root, 4), "aA\n"));
  assert_true(pickle_is_str(pickle_item(p.root, 5), "\xc3\xa9"));
  assert_int_equal(pickle_item(p.root, 6)->i, -1);
  assert_int_equal(pickle_item(p.root, 7)->i, 0);
  assert_int_equal(pickle_item(p.root, 8)->i, 0x64636261);
  pickle_free(&p);
}

/* Dicts that hold the next twice, 60 deep: 2^60 paths must not be walked. */
static void test_shared_values_end(void **state) {
  (void)state;
  Bytes b = sample_stream(), bomb = {0};
  size_t head = 0;
  for (size_t i = 0, stops = 0; i < b.n && stops < 3; i++)
    if (b.p[i] == '.') {
      stops++;
      head = i + 1;
    }
  put(&bomb, b.p, head);
  PUT(&bomb, "\x80\x02}q\0");
  for (int i = 1; i < 60; i++) {
    PUT(&bomb, "}(");
    for (int k = 0; k < 2; k++) {
      put_str(&bomb, k ? "a" : "b");
      PUT(&bomb, "h");
      put_number(&bomb, (uint64_t)i - 1, 1);
    }
    PUT(&bomb, "uq");
    put_number(&bomb, (uint64_t)i, 1);
  }
  PUT(&bomb, ".\x80\x02].");
  refuses(bomb, "shares or nests values without end");
  free(b.p);
  free(bomb.p);
}

/* ---- saving ---- */

static int files_here(void) {
  int n = 0;
  DIR *d = opendir(".");
  for (struct dirent *f; (f = readdir(d));) n += f->d_name[0] != '.' || strlen(f->d_name) > 2;
  closedir(d);
  return n;
}

static void save_fails(const char *path, const SaveTensor *t, int count, const char *says) {
  int before = files_here();
  for (int k = 0; k < 3; k++) {
    bool ok = k == 0 ? safetensors_save(path, t, count, NULL, 0, &e) : k == 1 ? torch_save(path, t, count, NULL, 0, &e)
                                                                              : npy_save(path, t, &e);
    if (k == 2 && count == 2) continue; /* names do not matter to .npy */
    assert_false(ok);
    if (!strstr(e.text, says)) fail_msg("says '%s', not '%s'", e.text, says);
    assert_int_equal(files_here(), before);
  }
}

static void test_save_fails_clean(void **state) {
  (void)state;
  save_fails("nowhere/x.bin", sample_tensors(), 1, "there is no folder nowhere");
  save_fails(".", sample_tensors(), 1, "is a folder");
  save_fails("/dev/full", sample_tensors(), 1, "not a regular file");
  save_fails("", sample_tensors(), 1, "");
  SaveTensor twice[] = {sample_tensors()[0], sample_tensors()[0]};
  save_fails("twice.bin", twice, 2, "two tensors named 'conv.weight'");

  /* no room: the file may not grow beyond 64 kB; the old one stays as it was */
  float *big = calloc(100000, sizeof *big);
  SaveTensor t = {"x", NUM_F32, {1, {100000}}, ROW_MAJOR, big, NULL};
  assert_true(npy_save("old.npy", sample_tensors(), &e));
  struct stat was, is;
  stat("old.npy", &was);
  struct rlimit limit, small;
  getrlimit(RLIMIT_FSIZE, &limit);
  small = limit;
  small.rlim_cur = 65536;
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  save_fails("old.npy", &t, 1, "File too large");
  setrlimit(RLIMIT_FSIZE, &limit);
  stat("old.npy", &is);
  assert_int_equal(was.st_ino, is.st_ino);
  assert_int_equal(was.st_size, is.st_size);
  free(big);
}

/* jansson's memory, of which the `fail_at`th piece is not there. */
static int fail_at;
static void *scarce(size_t n) { return fail_at-- == 0 ? NULL : malloc(n); }

static void test_save_without_memory_says_so(void **state) {
  (void)state;
  ArchiveMeta meta[] = {{"kind", "a test"}, {"more", "\xc3\xa9"}};
  json_malloc_t get;
  json_free_t put_back;
  assert_true(safetensors_save("scarce.safetensors", sample_tensors(), 3, meta, 2, &e));
  struct stat was, is;
  stat("scarce.safetensors", &was);
  json_get_alloc_funcs(&get, &put_back);
  int before = files_here(), failed = 0;
  for (bool done = false; !done; failed++) {
    json_set_alloc_funcs(scarce, free);
    fail_at = failed;
    bool ok = safetensors_save("scarce.safetensors", sample_tensors(), 3, meta, 2, &e);
    done = fail_at >= 0;
    json_set_alloc_funcs(get, put_back);
    stat("scarce.safetensors", &is);
    if (ok != done) fail_msg("without piece %d of memory saving %s", failed, ok ? "succeeds" : e.text);
    bool clear = e.kind == ERR_MEMORY || strstr(e.text, "not read back"); /* jansson does not tell of every piece */
    if (!ok && (!clear || was.st_ino != is.st_ino)) fail_msg("without piece %d: %s", failed, e.text);
    assert_int_equal(files_here(), before);
  }
  assert_true(failed > 20);
  ArchiveMeta bad[] = {{"kind", "\xff"}};
  assert_false(safetensors_save("scarce.safetensors", sample_tensors(), 3, bad, 1, &e));
  assert_non_null(strstr(e.text, "must be UTF-8"));
}

static void test_save_keeps_links_and_modes(void **state) {
  (void)state;
  Err why;
  assert_true(npy_save("real.npy", sample_tensors(), &why));
  chmod("real.npy", 0640);
  assert_int_equal(symlink("real.npy", "link.npy"), 0);
  assert_true(safetensors_save("link.npy", sample_tensors(), 3, NULL, 0, &why));
  assert_true(torch_save("link.npy", sample_tensors(), 3, NULL, 0, &why));
  struct stat st;
  assert_int_equal(lstat("link.npy", &st), 0);
  assert_true(S_ISLNK(st.st_mode));
  assert_int_equal(stat("real.npy", &st), 0);
  assert_int_equal(st.st_mode & 0777, 0640);
}

static void test_open_fails(void **state) {
  (void)state;
  Archive *a;
  static const char *const cases[][2] = {{"missing.pth", "No such file"}, {".", "is a folder"}, {"pipe", "not a regular file"}};
  mkfifo("pipe", 0600);
  for (size_t i = 0; i < 3; i++) {
    assert_false(archive_open(cases[i][0], &a, &e));
    assert_null(a);
    assert_true(strstr(e.text, cases[i][1]) && !strncmp(e.text, cases[i][0], strlen(cases[i][0])));
  }
}

/* ---- the real files ---- */

static Archive *real_file(const char *name, bool must_open) {
  char path[1000];
  snprintf(path, sizeof path, "%s/data/weights/%s", getenv("SUTURE_SHARED") ? getenv("SUTURE_SHARED") : "../shared", name);
  Archive *a = NULL;
  if (access(path, R_OK)) {
    print_message("skipped: %s is not here (set SUTURE_SHARED)\n", path);
    skip();
  }
  assert_int_equal(archive_open(path, &a, &e), must_open);
  return a;
}

static void test_real_stream(void **state) {
  (void)state;
  Archive *a = real_file("resnet20-12fca82f.th", true);
  assert_string_equal(a->container, "torch stream");
  assert_string_equal(a->wrapper, "state_dict");
  assert_string_equal(a->prefix, "module.");
  assert_string_equal(archive_meta(a, "best_prec1"), "91.78000183105469");
  assert_string_equal(a->entry[0].name, "conv1.weight");
  const ArchiveEntry *t = archive_find(a, "linear.weight");
  assert_non_null(t);
  assert_string_equal(SHAPE_STR(&t->shape), "(10, 64)");
  float w[640];
  assert_true(archive_read(a, t, ROW_MAJOR, w, &e));
  archive_close(a);
}

static void test_real_truncated_tar(void **state) {
  (void)state;
  real_file("resnet18-5c106cde.truncated-1MiB.pth", false);
  assert_non_null(strstr(e.text, "cut off: member 'storages' says 46801661 bytes"));
}

/* A ResNet-18's worth of numbers: opening costs milliseconds, since only the header is read. */
static void test_open_is_quick(void **state) {
  (void)state;
  int64_t n = 11700000;
  float *big = calloc((size_t)n, sizeof *big);
  SaveTensor t = {"x", NUM_F32, {1, {n}}, ROW_MAJOR, big, NULL};
  assert_true(safetensors_save("big.safetensors", &t, 1, NULL, 0, &e) && torch_save("big.pth", &t, 1, NULL, 0, &e));
  for (int k = 0; k < 2; k++) {
    struct timespec t0, t1;
    Archive *a;
    clock_gettime(CLOCK_MONOTONIC, &t0);
    assert_true(archive_open(k ? "big.pth" : "big.safetensors", &a, &e));
    clock_gettime(CLOCK_MONOTONIC, &t1);
    double ms = (double)(t1.tv_sec - t0.tv_sec) * 1e3 + (double)(t1.tv_nsec - t0.tv_nsec) / 1e6;
    assert_true(archive_read(a, a->entry, ROW_MAJOR, big, &e));
    clock_gettime(CLOCK_MONOTONIC, &t0);
    print_message("%s: opened in %.2f ms, 46.8 MB read in %.1f ms\n", a->container, ms,
                  (double)(t0.tv_sec - t1.tv_sec) * 1e3 + (double)(t0.tv_nsec - t1.tv_nsec) / 1e6);
    assert_true(ms < 50);
    archive_close(a);
  }
  free(big);
}

/* Numbers larger than the piece in which files are read: each in its place in both layouts, and one changed byte in the middle of a
 * zip's member is found, as is a file that becomes shorter while it is open. */
static void test_pieces(void **state) {
  (void)state;
  const Shape conv = {4, {37, 301, 3, 5}}, wide = {4, {2, 70000, 1, 2}}, row = {1, {300007}};
  const Shape *shapes[] = {&conv, &wide, &row};
  for (int k = 0; k < 3; k++) {
    int64_t n = shape_count(shapes[k]);
    float *x = malloc((size_t)n * sizeof *x), *y = malloc((size_t)n * sizeof *y), *want = malloc((size_t)n * sizeof *want);
    for (int64_t i = 0; i < n; i++) x[i] = (float)i;
    SaveTensor t = {"x", NUM_F32, *shapes[k], ROW_MAJOR, x, NULL};
    assert_true(safetensors_save("pieces.safetensors", &t, 1, NULL, 0, &e) && torch_save("pieces.pth", &t, 1, NULL, 0, &e));
    for (int zip = 0; zip < 2; zip++)
      for (int last = 0; last < 2; last++) {
        Layout to = last && shapes[k]->rank == 4 ? CHANNELS_LAST : ROW_MAJOR;
        Archive *a;
        assert_true(archive_open(zip ? "pieces.pth" : "pieces.safetensors", &a, &e));
        memset(y, 0, (size_t)n * sizeof *y);
        assert_true(archive_read(a, a->entry, to, y, &e));
        layout_copy(want, to, x, ROW_MAJOR, shapes[k]);
        assert_memory_equal(y, want, (size_t)n * sizeof *y);
        archive_close(a);
      }
    int fd = open("pieces.pth", O_RDWR);
    off_t size = lseek(fd, 0, SEEK_END);
    assert_int_equal(pwrite(fd, "?", 1, size / 2), 1);
    Archive *a;
    assert_true(archive_open("pieces.pth", &a, &e));
    assert_false(archive_read(a, a->entry, ROW_MAJOR, y, &e));
    assert_non_null(strstr(e.text, "CRC error"));
    archive_close(a);
    assert_true(archive_open("pieces.safetensors", &a, &e));
    assert_int_equal(truncate("pieces.safetensors", 1000), 0);
    if (k != 1) { /* whose rows are larger than a piece: read where they lie */
      assert_false(archive_read(a, a->entry, ROW_MAJOR, y, &e));
      assert_non_null(strstr(e.text, "become shorter"));
    }
    archive_close(a);
    close(fd);
    free(x);
    free(y);
    free(want);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_real_stream), /* before the folder is changed: SUTURE_SHARED may be relative */
      cmocka_unit_test(test_real_truncated_tar),
  };
  const struct CMUnitTest more[] = {
      cmocka_unit_test(test_safetensors_round_trip), cmocka_unit_test(test_zip_round_trip),
      cmocka_unit_test(test_npy_round_trip), cmocka_unit_test(test_stream), cmocka_unit_test(test_tar),
      cmocka_unit_test(test_number_types), cmocka_unit_test(test_safetensors_rules), cmocka_unit_test(test_other_files),
      cmocka_unit_test(test_npy_orders), cmocka_unit_test(test_pickle), cmocka_unit_test(test_shared_values_end),
      cmocka_unit_test(test_save_fails_clean), cmocka_unit_test(test_save_without_memory_says_so), cmocka_unit_test(test_save_keeps_links_and_modes),
      cmocka_unit_test(test_open_fails), cmocka_unit_test(test_open_is_quick), cmocka_unit_test(test_pieces),
  };
  int failed = cmocka_run_group_tests_name("formats: published files", tests, NULL, NULL);
  return failed + cmocka_run_group_tests_name("formats", more, enter_temp_folder, leave_temp_folder);
}
