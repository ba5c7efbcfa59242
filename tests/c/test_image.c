/* Pictures: decoding, geometry and colour against values that Pillow 9.4 and torchvision 0.14 gave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "image/image.h"
#include "image/random.h"
#include "image/transform.h"
#include "kernels/kernels.h"

static Err e;

static Image picture(int h, int w, int c) {
  Image im;
  assert_true(image_new(&im, h, w, c, &e));
  Random r = random_keyed(7, 0, 0);
  for (int i = 0; i < h * w * c; i++) im.px[i] = (uint8_t)random_bits(&r);
  return im;
}

static void png_there_and_back(void **s) {
  (void)s;
  for (int c = 1; c <= 3; c += 2) {
    Image im = picture(13, 31, c), back;
    uint8_t *bytes;
    size_t size;
    assert_true(png_encode(&im, &bytes, &size, &e));
    assert_true(image_decode(&back, bytes, size, NULL, &e));
    assert_int_equal(back.h, 13);
    assert_int_equal(back.w, 31);
    assert_int_equal(back.c, 3);
    for (int i = 0; i < 13 * 31; i++)
      for (int k = 0; k < 3; k++) assert_int_equal(back.px[3 * i + k], c == 1 ? im.px[i] : im.px[3 * i + k]);
    assert_int_equal(back.remarks, 0);
    for (size_t cut = 0; cut < size; cut++) { /* what lacks only its end is whole, and said to be cut; else it fails */
      Image some;
      bool ok = image_decode(&some, bytes, cut, NULL, &e);
      if (cut + 12 >= size) assert_true(ok); /* without IEND */
      if (cut < size / 2) assert_false(ok);
      if (!ok) continue;
      assert_int_equal(some.remarks, IMAGE_CUT);
      assert_memory_equal(some.px, back.px, 13 * 31 * 3);
      image_free(&some);
    }
    free(bytes);
    image_free(&im);
    image_free(&back);
  }
}

static void jpeg_there_and_back(void **s) {
  (void)s;
  Image im, back;
  assert_true(image_new(&im, 24, 40, 3, &e));
  for (int i = 0; i < 24 * 40; i++) im.px[3 * i] = (uint8_t)(i % 40 * 6), im.px[3 * i + 1] = 128, im.px[3 * i + 2] = (uint8_t)(i / 40 * 10);
  uint8_t *bytes;
  size_t size;
  assert_true(jpeg_encode(&im, 95, &bytes, &size, &e));
  assert_true(image_decode(&back, bytes, size, NULL, &e));
  for (int i = 0; i < 24 * 40 * 3; i++) assert_in_range(back.px[i] + 20 - im.px[i], 0, 40);
  image_free(&back);
  for (size_t cut = 2; cut < size; cut = cut * 3 / 2) { /* Pillow refuses even a missing end marker */
    assert_false(image_decode(&back, bytes, size - cut, NULL, &e));
    assert_true(strstr(e.text, "cut off") || size - cut < 3);
  }
  free(bytes);
  image_free(&im);
}

static void files(void **s) {
  (void)s;
  char dir[] = "/tmp/suture-image-XXXXXX", path[80], name[80];
  assert_non_null(mkdtemp(dir));
  Image im = picture(5, 6, 3), back;
  snprintf(path, sizeof path, "%s/a.PNG", dir);
  assert_true(image_write(&im, path, 0, &e));
  assert_true(image_read(&back, path, NULL, &e));
  assert_memory_equal(im.px, back.px, 5 * 6 * 3);
  image_free(&back);
  snprintf(name, sizeof name, "%s/a.jpg", dir); /* content decides, not the name */
  assert_int_equal(rename(path, name), 0);
  assert_true(image_read(&back, name, NULL, &e));
  image_free(&back);
  assert_false(image_write(&im, "picture.tiff", 0, &e));
  assert_non_null(strstr(e.text, ".png"));
  unlink(name);
  assert_false(image_read(&back, name, NULL, &e));
  assert_non_null(strstr(e.text, name));
  assert_false(image_read(&back, dir, NULL, &e));
  assert_non_null(strstr(e.text, "folder"));
  FILE *f = fopen(name, "wb");
  fputs("GIF89a and so on", f);
  fclose(f);
  assert_false(image_read(&back, name, NULL, &e));
  assert_non_null(strstr(e.text, "GIF"));
  f = fopen(name, "wb");
  fclose(f);
  assert_false(image_read(&back, name, NULL, &e));
  assert_non_null(strstr(e.text, "empty"));
  unlink(name);
  rmdir(dir);
  image_free(&im);
}

static void bomb(void **s) {
  (void)s;
  Image im = picture(2, 2, 3), none;
  uint8_t *bytes;
  size_t size;
  assert_true(png_encode(&im, &bytes, &size, &e));
  bytes[16] = bytes[20] = 0; /* width and height: 65536 each; the header's CRC is made to fit */
  bytes[17] = bytes[21] = 1;
  bytes[18] = bytes[19] = bytes[22] = bytes[23] = 0;
  uint32_t crc = 0xffffffff;
  for (int i = 12; i < 29; i++) {
    crc ^= bytes[i];
    for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  for (int i = 0; i < 4; i++) bytes[29 + i] = (uint8_t)(~crc >> (24 - 8 * i));
  assert_false(image_decode(&none, bytes, size, NULL, &e));
  assert_non_null(strstr(e.text, "65536×65536"));
  free(bytes);
  image_free(&im);
}

/* PIL: Image.fromarray(a).resize((w, h), filter) of the ramp (7 x + 13 y + 50 (x y mod 3)) mod 256, grey. */
static void resize_as_pillow(void **s) {
  (void)s;
  Image im, out;
  assert_true(image_new(&im, 8, 9, 1, &e));
  for (int y = 0; y < 8; y++)
    for (int x = 0; x < 9; x++) im.px[y * 9 + x] = (uint8_t)((7 * x + 13 * y + 50 * (x * y % 3)) % 256);
  static const struct { Filter f; int h, w; uint8_t want[12]; } cases[] = {
    {FILTER_NEAREST, 3, 4, {70, 34, 148, 112, 109, 73, 187, 151, 85, 99, 113, 127}},
    {FILTER_NEAREST, 2, 6, {26, 90, 47, 111, 68, 132, 78, 92, 99, 113, 120, 134}},
    {FILTER_NEAREST, 12, 1, {28, 91, 91, 154, 154, 67, 130, 193, 193, 106, 169, 169}},
    {FILTER_NEAREST, 1, 12, {52, 109, 109, 166, 73, 130, 130, 187, 94, 151, 151, 208}},
    {FILTER_BOX, 3, 4, {42, 67, 77, 116, 62, 92, 110, 136, 107, 132, 142, 181}},
    {FILTER_BOX, 2, 6, {42, 71, 63, 92, 84, 113, 101, 148, 122, 169, 143, 190}},
    {FILTER_BOX, 12, 1, {28, 91, 91, 104, 67, 67, 130, 143, 143, 106, 169, 169}},
    {FILTER_BOX, 1, 12, {46, 96, 96, 110, 67, 117, 117, 131, 88, 138, 138, 152}},
    {FILTER_BILINEAR, 3, 4, {49, 62, 84, 102, 83, 95, 117, 136, 110, 123, 145, 163}},
    {FILTER_BILINEAR, 2, 6, {45, 80, 68, 101, 89, 127, 86, 122, 110, 143, 131, 168}},
    {FILTER_BILINEAR, 12, 1, {28, 60, 93, 103, 86, 78, 119, 137, 138, 112, 138, 169}},
    {FILTER_BILINEAR, 1, 12, {46, 78, 102, 104, 72, 99, 123, 125, 93, 120, 144, 152}},
    {FILTER_BICUBIC, 3, 4, {44, 61, 79, 100, 81, 97, 116, 137, 112, 129, 147, 168}},
    {FILTER_BICUBIC, 2, 6, {40, 79, 62, 100, 83, 125, 88, 129, 110, 150, 131, 175}},
    {FILTER_BICUBIC, 12, 1, {24, 57, 97, 105, 82, 72, 121, 143, 139, 107, 137, 173}},
    {FILTER_BICUBIC, 1, 12, {43, 78, 108, 106, 67, 98, 129, 127, 88, 119, 148, 152}},
    {FILTER_LANCZOS, 3, 4, {41, 61, 75, 97, 81, 101, 115, 138, 112, 133, 147, 170}},
    {FILTER_LANCZOS, 2, 6, {39, 78, 61, 99, 81, 125, 90, 131, 111, 152, 131, 179}},
    {FILTER_LANCZOS, 12, 1, {23, 54, 101, 110, 79, 71, 118, 150, 135, 104, 137, 176}},
    {FILTER_LANCZOS, 1, 12, {42, 74, 115, 104, 68, 94, 135, 125, 89, 115, 151, 151}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_true(image_resize(&out, &im, cases[i].h, cases[i].w, cases[i].f, &e));
    assert_memory_equal(out.px, cases[i].want, 12);
    image_free(&out);
  }
  image_free(&im);
}

static Image turned(const Image *im) { /* rows become columns */
  Image out;
  assert_true(image_orient(&out, im, 5, &e));
  return out;
}

static void same(const Image *a, const Image *b) {
  assert_int_equal(a->h, b->h);
  assert_int_equal(a->w, b->w);
  assert_memory_equal(a->px, b->px, (size_t)a->h * (size_t)a->w * (size_t)a->c);
}

/* Along the rows and along the columns the arithmetic is the same, on every instruction set, for rows that fill the vectors
 * and rows that do not; colours do not mix. */
static void resize_either_way(void **s) {
  (void)s;
  static const int from[][2] = {{1, 1}, {15, 7}, {16, 16}, {17, 33}, {40, 31}, {3, 200}, {64, 48}}, to[] = {1, 5, 16, 21, 64};
  for (size_t i = 0; i < sizeof from / sizeof *from; i++)
    for (size_t k = 0; k < sizeof to / sizeof *to; k++)
      for (int f = FILTER_BOX; f <= FILTER_LANCZOS; f++) {
        Image im = picture(from[i][0], from[i][1], 3), side = turned(&im), first = {0};
        for (int set = 0; kernels_isa(set); set++) {
          setenv("SUTURE_ISA", kernels_isa(set), 1);
          kernels_init();
          Image across, down, grey, one;
          assert_true(image_resize(&across, &im, im.h, to[k], (Filter)f, &e));
          assert_true(image_resize(&down, &side, to[k], side.w, (Filter)f, &e));
          Image back = turned(&down);
          same(&across, &back);
          assert_true(image_new(&grey, im.h, im.w, 1, &e));
          for (int p = 0; p < im.h * im.w; p++) grey.px[p] = im.px[3 * p + 1];
          assert_true(image_resize(&one, &grey, im.h, to[k], (Filter)f, &e));
          for (int p = 0; p < one.h * one.w; p++) assert_int_equal(one.px[p], across.px[3 * p + 1]);
          image_free(&grey);
          image_free(&one);
          image_free(&down);
          image_free(&back);
          if (!set) first = across;
          else {
            same(&first, &across);
            image_free(&across);
          }
        }
        image_free(&im);
        image_free(&side);
        image_free(&first);
      }
  unsetenv("SUTURE_ISA");
  kernels_init();
}

static void sizes(void **s) {
  (void)s;
  int h, w;
  resize_shorter(375, 500, 256, &h, &w);
  assert_int_equal(h, 256);
  assert_int_equal(w, 341);
  resize_shorter(500, 333, 72, &h, &w);
  assert_int_equal(h, 108);
  assert_int_equal(w, 72);
  /* Python: int(round((size - crop) / 2.0)), halves to even; padding before when the crop is larger */
  static const int corner[][3] = {{256, 224, 16}, {341, 224, 58}, {229, 224, 2}, {227, 224, 2}, {231, 224, 4}, {225, 224, 0},
                                  {224, 224, 0}, {100, 103, -1}, {100, 104, -2}};
  for (size_t i = 0; i < sizeof corner / sizeof *corner; i++)
    assert_int_equal(crop_centre(corner[i][0], corner[i][1]), corner[i][2]);
}

static void crop_and_flip(void **s) {
  (void)s;
  Image im = picture(4, 5, 3), out;
  assert_true(image_crop(&out, &im, -1, 2, 6, 6, &e));
  for (int y = 0; y < 6; y++)
    for (int x = 0; x < 6; x++)
      for (int c = 0; c < 3; c++) {
        int sy = y - 1, sx = x + 2, in = sy >= 0 && sy < 4 && sx < 5;
        assert_int_equal(out.px[(y * 6 + x) * 3 + c], in ? im.px[(sy * 5 + sx) * 3 + c] : 0);
      }
  image_free(&out);
  assert_true(image_crop(&out, &im, 10, -20, 3, 3, &e)); /* nothing of the image: black */
  for (int i = 0; i < 27; i++) assert_int_equal(out.px[i], 0);
  image_free(&out);
  assert_true(image_copy(&out, &im, &e));
  image_flip(&out);
  for (int x = 0; x < 5; x++) assert_memory_equal(out.px + (5 + x) * 3, im.px + (5 + 4 - x) * 3, 3);
  image_free(&out);
  image_free(&im);
}

/* EXIF: where the stored first row and column belong. */
static void orientations(void **s) {
  (void)s;
  Image im, out;
  assert_true(image_new(&im, 2, 3, 1, &e));
  memcpy(im.px, "abcdef", 6);
  static const char *const want[] = {"abcdef", "cbafed", "fedcba", "defabc", "adbecf", "daebfc", "fcebda", "cfbead"};
  for (int o = 1; o <= 8; o++) {
    assert_true(image_orient(&out, &im, o, &e));
    assert_int_equal(out.h, o >= 5 ? 3 : 2);
    assert_memory_equal(out.px, want[o - 1], 6);
    image_free(&out);
  }
  assert_false(image_orient(&out, &im, 9, &e));
  image_free(&im);
  const uint8_t little[] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0};
  const uint8_t big[] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 8, 0, 0};
  assert_int_equal(exif_orientation(little, sizeof little), 6);
  assert_int_equal(exif_orientation(big, sizeof big), 8);
  for (size_t n = 0; n < sizeof little; n++) assert_int_equal(exif_orientation(little, n), 1);
}

/* An orientation put into a JPEG, after its start marker. */
static void with_orientation(uint8_t **bytes, size_t *size, uint8_t orientation) {
  const uint8_t exif[] = {0xff, 0xe1, 0, 30, 'E', 'x', 'i', 'f', 0, 0, 'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0,
                          0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0};
  uint8_t *with = malloc(*size + sizeof exif);
  memcpy(with, *bytes, 2);
  memcpy(with + 2, exif, sizeof exif);
  memcpy(with + 2 + sizeof exif, *bytes + 2, *size - 2);
  free(*bytes);
  *bytes = with;
  *size += sizeof exif;
}

/* A draft has the size of the exact result and nearly its numbers; it is as small as the resize allows. */
static void drafts(void **s) {
  (void)s;
  static const struct { int h, w, c, orientation, resize_h, resize_w, crop, shrink; } cases[] = {
    {1, 1, 3, 1, 1, 0, 0, 0}, {2, 2, 3, 1, 1, 0, 0, 0}, {7, 5, 3, 1, 1, 0, 0, 2}, {8, 8, 1, 1, 2, 0, 0, 2}, {40, 40, 3, 1, 20, 0, 0, 0},
    {41, 57, 3, 1, 10, 0, 0, 2}, {401, 299, 3, 1, 70, 0, 64, 2}, {401, 299, 3, 1, 37, 0, 32, 4}, {401, 299, 1, 1, 18, 0, 16, 8},
    {333, 501, 3, 1, 40, 60, 0, 4}, {333, 501, 3, 1, 40, 130, 0, 0}, {333, 501, 3, 1, 400, 0, 0, 0}, {320, 480, 3, 6, 36, 40, 0, 4},
    {320, 480, 3, 3, 20, 0, 0, 8}, {321, 480, 3, 6, 36, 40, 0, 0}, {324, 484, 3, 8, 20, 20, 0, 4}, {333, 501, 3, 1, 0, 0, 0, 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int h = cases[i].h, w = cases[i].w, c = cases[i].c;
    Image im, exact, draft;
    assert_true(image_new(&im, h, w, c, &e));
    for (int y = 0; y < h; y++) /* waves and an edge */
      for (int x = 0; x < w; x++)
        for (int k = 0; k < c; k++)
          im.px[(y * w + x) * c + k] = (uint8_t)(128 + 60 * sin(x / (9.0 + k)) + 40 * cos(y / 13.0) + (x + 2 * y > w ? 20 : -20));
    uint8_t *bytes;
    size_t size;
    assert_true(jpeg_encode(&im, 90, &bytes, &size, &e));
    if (cases[i].orientation != 1) with_orientation(&bytes, &size, (uint8_t)cases[i].orientation);
    Transform t = {.resize_h = cases[i].resize_h, .resize_w = cases[i].resize_w, .crop_h = cases[i].crop, .crop_w = cases[i].crop,
      .filter = FILTER_BILINEAR, .draft = true};
    Reading how = transform_reading(&t, false);
    assert_true(image_decode(&exact, bytes, size, NULL, &e));
    assert_int_equal(exact.shrink, 0);
    assert_true(image_decode(&draft, bytes, size, &how, &e));
    assert_int_equal(draft.shrink, cases[i].shrink);
    if (draft.shrink) {
      assert_int_equal(draft.h, (exact.h + draft.shrink - 1) / draft.shrink);
      assert_true(draft.full_h == exact.h && draft.full_w == exact.w);
    }
    assert_true(transform_image(&exact, &t, NULL, &e) && transform_image(&draft, &t, NULL, &e));
    assert_int_equal(draft.h, exact.h);
    assert_int_equal(draft.w, exact.w);
    assert_int_equal(draft.shrink, 0);
    int n = exact.h * exact.w * exact.c, sum = 0;
    for (int p = 0; p < n; p++) {
      int d = abs(draft.px[p] - exact.px[p]);
      assert_in_range(d, 0, cases[i].shrink ? 12 : 0);
      sum += d;
    }
    assert_true(sum <= 2 * n);
    image_free(&im);
    image_free(&exact);
    image_free(&draft);
    free(bytes);
  }
  Transform t = {.resize_h = 20, .filter = FILTER_BILINEAR, .draft = true, .random_resized = true, .as_stored = true};
  assert_int_equal(transform_reading(&t, false).least_w, 40);
  assert_int_equal(transform_reading(&t, true).least_w, 0);
  assert_true(transform_reading(&t, true).as_stored);
  t.filter = FILTER_NEAREST;
  assert_int_equal(transform_reading(&t, false).least_h, 0);
  t.filter = FILTER_BILINEAR, t.draft = false;
  assert_int_equal(transform_reading(&t, false).least_h, 0);
}

/* torchvision's adjust_* on a PIL image. */
static void hue_of(Image *im, float shift) { image_hue(im, (double)shift); }

static void colours_as_pillow(void **s) {
  (void)s;
  static const uint8_t from[30] = {80, 80, 80, 131, 184, 200, 0, 21, 253, 147, 202, 107, 249, 169, 138, 149, 119, 166, 224, 148, 172, 93, 167, 142, 248, 26, 81, 218, 150, 66};
  static const struct { void (*change)(Image *, float); float by; uint8_t want[30]; } cases[] = {
    {image_brightness, 1.7f, {136, 136, 136, 222, 255, 255, 0, 35, 255, 249, 255, 181, 255, 255, 234, 253, 202, 255, 255, 251, 255, 158, 255, 241, 255, 44, 137, 255, 255, 112}},
    {image_brightness, 0.35f, {28, 28, 28, 45, 64, 70, 0, 7, 88, 51, 70, 37, 87, 59, 48, 52, 41, 58, 78, 51, 60, 32, 58, 49, 86, 9, 28, 76, 52, 23}},
    {image_contrast, 1.9f, {29, 29, 29, 126, 227, 255, 0, 0, 255, 156, 255, 80, 255, 198, 139, 160, 103, 193, 255, 158, 204, 54, 194, 147, 255, 0, 31, 255, 162, 3}},
    {image_contrast, 0.4f, {113, 113, 113, 134, 155, 161, 81, 90, 182, 140, 162, 124, 181, 149, 136, 141, 129, 148, 171, 140, 150, 118, 148, 138, 180, 92, 114, 168, 141, 108}},
    {image_saturation, 1.8f, {80, 80, 80, 99, 195, 224, 0, 5, 255, 124, 223, 52, 255, 153, 97, 161, 107, 192, 255, 128, 171, 53, 187, 142, 255, 0, 66, 255, 141, 0}},
    {image_saturation, 0.2f, {80, 80, 80, 162, 172, 176, 32, 37, 83, 169, 180, 161, 201, 185, 178, 136, 130, 139, 183, 168, 172, 132, 147, 142, 128, 84, 95, 172, 158, 142}},
    {hue_of, 0.3f, {80, 80, 80, 200, 132, 199, 253, 0, 77, 108, 168, 202, 139, 249, 144, 166, 138, 119, 191, 224, 148, 126, 94, 167, 136, 248, 26, 67, 218, 117}},
    {hue_of, -0.21f, {80, 80, 80, 133, 200, 132, 0, 253, 167, 202, 139, 108, 249, 139, 245, 119, 148, 166, 180, 148, 224, 137, 167, 94, 136, 26, 248, 218, 67, 170}},
    {hue_of, 0, {80, 80, 80, 132, 185, 200, 0, 24, 253, 148, 202, 108, 249, 167, 139, 149, 119, 166, 224, 148, 173, 94, 167, 142, 248, 26, 84, 218, 149, 67}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Image im;
    assert_true(image_new(&im, 2, 5, 3, &e));
    memcpy(im.px, from, 30);
    cases[i].change(&im, cases[i].by);
    assert_memory_equal(im.px, cases[i].want, 30);
    image_free(&im);
  }
}

static void normalise(void **s) {
  (void)s;
  Image im = {.h = 1, .w = 1, .c = 3, .px = (uint8_t[]){0, 128, 255}};
  float out[3];
  image_normalise(out, &im, (float[]){.485f, .456f, .406f}, (float[]){.229f, .224f, .225f});
  assert_true(out[0] == (0.0f - .485f) / .229f);
  assert_true(out[1] == (128 / 255.0f - .456f) / .224f);
  assert_true(out[2] == (1.0f - .406f) / .225f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(png_there_and_back), cmocka_unit_test(jpeg_there_and_back), cmocka_unit_test(files), cmocka_unit_test(bomb),
    cmocka_unit_test(resize_as_pillow), cmocka_unit_test(resize_either_way), cmocka_unit_test(sizes), cmocka_unit_test(crop_and_flip), cmocka_unit_test(orientations),
    cmocka_unit_test(drafts), cmocka_unit_test(colours_as_pillow), cmocka_unit_test(normalise)};
  return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
