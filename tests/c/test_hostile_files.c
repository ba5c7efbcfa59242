/* Files made to take long: their reading is linear in their length, and hears the host's stop. */
#include "formats_samples.h"
#include "host.h"

static Err e;

/* The beginning of a stream of torch.save: magic number, protocol and system info. */
static Bytes stream_head(void) {
  Bytes b = sample_stream(), out = {0};
  size_t head = 0;
  for (size_t i = 0, stops = 0; i < b.n && stops < 3; i++)
    if (b.p[i] == '.') stops++, head = i + 1;
  put(&out, b.p, head);
  free(b.p);
  return out;
}

/* {k: module, …}, `modules` of them, that share one dict of `keys` attributes. */
static Bytes shared_state(int modules, int keys) {
  Bytes b = stream_head();
  PUT(&b, "\x80\x02}q\0(");
  for (int i = 0; i < keys; i++) PUT(&b, "K\x01N"); /* 1: None */
  PUT(&b, "u0c__torch__\nM\nq\1");
  PUT(&b, "0}(");
  for (int i = 0; i < modules; i++) {
    PUT(&b, "M");
    put_number(&b, (uint64_t)i & 0xffff, 2);
    PUT(&b, "h\1)Rh\0b"); /* M() with that state */
  }
  PUT(&b, "u.\x80\x02].");
  return b;
}

static void test_shared_state(void **state) {
  (void)state;
  Bytes b = shared_state(60000, 120000); /* searched for every module, it would be 14,400,000,000 looks */
  Archive *a = NULL;
  assert_false(archive_open_memory(b.p, b.n, "sample", &a, &e));
  assert_int_equal(e.kind, ERR_USER);
  free(b.p);
}

static int polls, last_poll;
static bool stop_late(void) { return ++polls >= last_poll; }

/* Stopped at one of its questions after the other, an opening ends as stopped and leaves nothing; then it comes to its end. */
static void stops_everywhere(Bytes b, int at_least) {
  for (last_poll = 1;; last_poll += 1 + last_poll / 16) { /* each of the first ones, then in growing strides */
    Archive *a = NULL;
    polls = 0;
    host.should_stop = stop_late;
    bool ok = archive_open_memory(b.p, b.n, "sample", &a, &e);
    host.should_stop = NULL;
    if (ok) archive_close(a);
    if (polls < last_poll) break;
    assert_false(ok);
    assert_int_equal(e.kind, ERR_STOP);
  }
  assert_true(last_poll > at_least);
  free(b.p);
}

static void test_stops(void **state) {
  (void)state;
  stops_everywhere(shared_state(3000, 3000), 10);
  Bytes b = {0};
  const int n = 3000;
  put_number(&b, 0, 8);
  PUT(&b, "{");
  for (int i = 0; i < n; i++) {
    char text[100];
    put(&b, text, (size_t)snprintf(text, sizeof text, "%s\"t%d\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}", i ? "," : "", i));
  }
  PUT(&b, "}");
  for (int i = 0; i < 8; i++) b.p[i] = (unsigned char)((b.n - 8) >> 8 * i);
  stops_everywhere(b, 100);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_shared_state), cmocka_unit_test(test_stops)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
