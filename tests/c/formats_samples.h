/* Small files of every format, for test_formats.c and test_fuzz_formats.c: safetensors, zip and .npy by our own writers,
 * the two formats we only read put together byte by byte. */
#ifndef FORMATS_SAMPLES_H
#define FORMATS_SAMPLES_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <malloc.h>
#include "formats/npy.h"
#include "formats/save.h"

typedef struct Bytes { unsigned char *p; size_t n; } Bytes;

static void put(Bytes *b, const void *p, size_t n) {
  if (b->n + n + 1 > malloc_usable_size(b->p)) b->p = realloc(b->p, 2 * (b->n + n + 1));
  if (n) memcpy(b->p + b->n, p, n);
  b->n += n;
}
#define PUT(b, literal) put((b), (literal), sizeof(literal) - 1)

static void put_number(Bytes *b, uint64_t v, int size) {
  for (int i = 0; i < size; i++) put(b, &(unsigned char){(unsigned char)(v >> 8 * i)}, 1);
}

static void put_str(Bytes *b, const char *s) {
  PUT(b, "X");
  put_number(b, strlen(s), 4);
  put(b, s, strlen(s));
}

static inline Bytes file_bytes(const char *path) {
  Bytes b = {0};
  FILE *f = fopen(path, "rb");
  assert_non_null(f);
  char buf[65536];
  for (size_t n; (n = fread(buf, 1, sizeof buf, f)) > 0;) put(&b, buf, n);
  fclose(f);
  return b;
}

/* A folder of our own, made once and the working directory from then on. */
static inline int enter_temp_folder(void **state) {
  static char folder[] = "/tmp/suture-formats-XXXXXX";
  *state = mkdtemp(folder);
  return !*state || chdir(folder);
}

static inline int leave_temp_folder(void **state) {
  char command[100];
  snprintf(command, sizeof command, "rm -rf %s", (char *)*state);
  return system(command);
}

/* conv.weight (2, 3, 2, 2) = 0, 1, 2 … in row-major order; bn.bias (3) = -1, 0.5, 2; bn.num_batches_tracked () = 7 */
enum { SAMPLE_COUNT = 3 };
static const float sample_bias[3] = {-1, .5f, 2}, sample_tracked[1] = {7};

static inline const SaveTensor *sample_tensors(void) {
  static float conv[24]; /* channels-last, as tensors have it */
  static SaveTensor t[SAMPLE_COUNT] = {
      {"conv.weight", NUM_F32, {4, {2, 3, 2, 2}}, CHANNELS_LAST, conv, NULL},
      {"bn.bias", NUM_F32, {1, {3}}, ROW_MAJOR, sample_bias, NULL},
      {"bn.num_batches_tracked", NUM_I64, {0, {0}}, ROW_MAJOR, sample_tracked, NULL},
  };
  for (int k = 0; k < 2; k++)
    for (int c = 0; c < 3; c++)
      for (int i = 0; i < 4; i++) conv[(k * 4 + i) * 3 + c] = (float)((k * 3 + c) * 4 + i);
  return t;
}

static const ArchiveMeta sample_meta[] = {{"arch", "tiny"}, {"note", "\"quoted\" \xc3\xa9"}};

static inline Bytes sample_safetensors(void) {
  Err e;
  assert_true(safetensors_save("sample.safetensors", sample_tensors(), SAMPLE_COUNT, sample_meta, 2, &e));
  return file_bytes("sample.safetensors");
}

static inline Bytes sample_zip(void) {
  Err e;
  assert_true(torch_save("sample.pth", sample_tensors(), SAMPLE_COUNT, sample_meta, 2, &e));
  return file_bytes("sample.pth");
}

static inline Bytes sample_npy(void) {
  Err e;
  assert_true(npy_save("sample.npy", sample_tensors(), &e));
  return file_bytes("sample.npy");
}

static inline void put_dims(Bytes *b, const int64_t *v, int n) {
  PUT(b, "(");
  for (int i = 0; i < n; i++) {
    PUT(b, "J");
    put_number(b, (uint64_t)v[i], 4);
  }
  PUT(b, "t");
}

/* _rebuild_tensor(storage key of `count` numbers, offset, size, stride) as a 2016 pickle has it */
static inline void put_rebuild(Bytes *b, const char *name, const char *class_, const char *key, int count, int offset, int rank,
                        const int64_t *size, const int64_t *stride) {
  put_str(b, name);
  PUT(b, "ctorch._utils\n_rebuild_tensor\n((");
  put_str(b, "storage");
  PUT(b, "ctorch\n");
  put(b, class_, strlen(class_));
  PUT(b, "\n");
  put_str(b, key);
  put_str(b, "cuda:0");
  PUT(b, "J");
  put_number(b, (uint64_t)count, 4);
  PUT(b, "NtQJ");
  put_number(b, (uint64_t)offset, 4);
  put_dims(b, size, rank);
  put_dims(b, stride, rank);
  PUT(b, "tR");
}

/* The sample within {"epoch": 3, "state_dict": OrderedDict}, names with module.; bn.bias is a view of conv.weight's
 * storage with stride 2 from number 1 on: 1, 3, 5; and fc.weight the transpose of a (2, 3) matrix in it. */
static inline Bytes sample_stream(void) {
  Bytes b = {0};
  PUT(&b, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}q\x00(");
  put_str(&b, "little_endian");
  PUT(&b, "\x88u.\x80\x02}q\x00(");
  put_str(&b, "epoch");
  PUT(&b, "K\x03");
  put_str(&b, "state_dict");
  PUT(&b, "ccollections\nOrderedDict\nq\x01)R(");
  put_rebuild(&b, "module.conv.weight", "FloatStorage", "11", 24, 0, 4, (int64_t[]){2, 3, 2, 2}, (int64_t[]){12, 4, 2, 1});
  put_rebuild(&b, "module.bn.bias", "FloatStorage", "11", 24, 1, 1, (int64_t[]){3}, (int64_t[]){2});
  put_rebuild(&b, "module.fc.weight", "FloatStorage", "11", 24, 6, 2, (int64_t[]){3, 2}, (int64_t[]){1, 3});
  put_rebuild(&b, "module.bn.num_batches_tracked", "LongStorage", "7", 1, 0, 0, NULL, NULL);
  PUT(&b, "uu.\x80\x02](");
  put_str(&b, "11");
  put_str(&b, "7");
  PUT(&b, "e.");
  put_number(&b, 24, 8);
  for (int i = 0; i < 24; i++) put(&b, &(float){(float)i}, 4);
  put_number(&b, 1, 8);
  put_number(&b, 7, 8);
  return b;
}

static inline void put_member(Bytes *tar, const char *name, Bytes *m) {
  char h[512] = {0};
  unsigned sum = 0;
  strcpy(h, name);
  strcpy(h + 100, "0000600");
  strcpy(h + 108, "0000000");
  strcpy(h + 116, "0000000");
  snprintf(h + 124, 12, "%011zo", m->n);
  strcpy(h + 136, "00000000000");
  h[156] = '0';
  memcpy(h + 257, "ustar\0" "00", 8);
  memset(h + 148, ' ', 8);
  for (int i = 0; i < 512; i++) sum += (unsigned char)h[i];
  snprintf(h + 148, 8, "%06o", sum);
  put(tar, h, 512);
  put(tar, m->p, m->n);
  put(tar, (char[512]){0}, (512 - m->n % 512) % 512);
  free(m->p);
}

/* The tar of torch 0.1 with what the stream has: storage 100 of 24 numbers, tensors 200 and 201 of it (the second through a
 * view, storage 101, of its numbers from 1 on); bn.bias is a Parameter, as in the published resnet18-5c106cde.pth. */
static inline Bytes sample_tar(void) {
  Bytes tar = {0}, info = {0}, object = {0}, tensors = {0}, storages = {0};
  PUT(&info, "\x80\x02}q\x00(");
  put_str(&info, "little_endian");
  PUT(&info, "\x88u.");
  PUT(&object, "\x80\x02" "ccollections\nOrderedDict\nq\x00)R(");
  put_str(&object, "conv.weight");
  put_str(&object, "200");
  PUT(&object, "Q");
  put_str(&object, "bn.bias");
  PUT(&object, "ctorch.nn.parameter\nParameter\n)\x81(");
  put_str(&object, "201");
  PUT(&object, "QNN\x88\x89tbu.");
  PUT(&tensors, "\x80\x02K\x02.\x80\x02K\xc8K\x64" "ctorch\nFloatTensor\n\x87.");
  put_number(&tensors, 4, 8);
  for (int i = 0; i < 4; i++) put_number(&tensors, (uint64_t[]){2, 3, 2, 2}[i], 8);
  for (int i = 0; i < 4; i++) put_number(&tensors, (uint64_t[]){12, 4, 2, 1}[i], 8);
  put_number(&tensors, 0, 8);
  PUT(&tensors, "\x80\x02K\xc9K\x65" "ctorch\nFloatTensor\n\x87.");
  put_number(&tensors, 1, 8);
  put_number(&tensors, 3, 8);
  put_number(&tensors, 2, 8);
  put_number(&tensors, 0, 8);
  PUT(&storages, "\x80\x02K\x01.\x80\x02K\x64");
  put_str(&storages, "cpu");
  PUT(&storages, "ctorch\nFloatStorage\n\x87.");
  put_number(&storages, 24, 8);
  for (int i = 0; i < 24; i++) put(&storages, &(float){(float)i}, 4);
  PUT(&storages, "\x80\x02]((K\x65K\x64K\x01K\x08te.");
  put_member(&tar, "sys_info", &info);
  put_member(&tar, "pickle", &object);
  put_member(&tar, "tensors", &tensors);
  put_member(&tar, "storages", &storages);
  put(&tar, (char[1024]){0}, 1024);
  return tar;
}
#endif
