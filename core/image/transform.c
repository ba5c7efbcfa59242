#include "transform.h"
#include <math.h>

bool transform_random(const Transform *t) {
  return t->flip > 0 || t->random_crop || t->random_resized || t->brightness > 0 || t->contrast > 0 || t->saturation > 0 ||
         t->hue > 0 || t->rotate > 0 || t->policy.kind != POLICY_NONE || t->steps > 0 || t->erase > 0;
}

bool transform_fixed(const Transform *t) { return t->crop_h > 0 || (t->resize_h > 0 && t->resize_w > 0); }

void transform_size(const Transform *t, int h, int w, int *out_h, int *out_w) {
  *out_h = h;
  *out_w = w;
  if (t->resize_h > 0 && t->resize_w > 0) *out_h = t->resize_h, *out_w = t->resize_w;
  else if (t->resize_h > 0) resize_shorter(h, w, t->resize_h, out_h, out_w);
  if (t->crop_h > 0) *out_h = t->crop_h, *out_w = t->crop_w;
}

Reading transform_reading(const Transform *t, bool random) {
  enum { MARGIN = 2 };
  Reading r = {.as_stored = t->as_stored};
  if (!t->draft || t->filter < FILTER_BILINEAR || (random && t->random_resized)) return r;
  r.least_h = MARGIN * t->resize_h;
  r.least_w = MARGIN * (t->resize_w ? t->resize_w : t->resize_h);
  return r;
}

/* `im` is replaced by the result of a step that made `next`. */
static void take(Image *im, Image *next) {
  image_free(im);
  *im = *next;
}

/* torchvision's RandomResizedCrop.get_params: ten tries at an area and an aspect, then the centre. */
static bool random_resized(Image *im, const Transform *t, Random *r, Err *e) {
  int out_h, out_w, top = 0, left = 0, h = im->h, w = im->w;
  transform_size(t, h, w, &out_h, &out_w);
  bool found = false;
  for (int i = 0; i < 10 && !found; i++) {
    double area = (double)im->h * im->w * random_between(r, t->scale[0], t->scale[1]);
    double aspect = exp(random_between(r, log(t->ratio[0]), log(t->ratio[1])));
    double dw = nearbyint(sqrt(area * aspect)), dh = nearbyint(sqrt(area / aspect));
    if (dw < 1 || dh < 1 || dw > im->w || dh > im->h) continue;
    w = (int)dw;
    h = (int)dh;
    top = random_below(r, im->h - h + 1);
    left = random_below(r, im->w - w + 1);
    found = true;
  }
  if (!found) {
    double aspect = (double)im->w / im->h;
    if (aspect < t->ratio[0]) h = (int)fmin(im->h, nearbyint(w / t->ratio[0]));
    else if (aspect > t->ratio[1]) w = (int)fmin(im->w, nearbyint(h * t->ratio[1]));
    if (h < 1) h = 1;
    if (w < 1) w = 1;
    top = (im->h - h) / 2;
    left = (im->w - w) / 2;
  }
  Image next;
  if (!image_crop(&next, im, top, left, h, w, e)) return false;
  take(im, &next);
  if (!image_resize(&next, im, out_h, out_w, t->filter, e)) return false;
  take(im, &next);
  return true;
}

static bool size_steps(Image *im, const Transform *t, Err *e) {
  Image next;
  if (t->resize_h > 0) {
    int h = t->resize_h, w = t->resize_w;
    if (!w) resize_shorter(im->shrink ? im->full_h : im->h, im->shrink ? im->full_w : im->w, t->resize_h, &h, &w);
    if (h != im->h || w != im->w || im->shrink) {
      if (!image_resize(&next, im, h, w, t->filter, e)) return err_within(e, "resize");
      take(im, &next);
    }
  }
  return true;
}

static bool crop_steps(Image *im, const Transform *t, Random *r, Err *e) {
  Image next;
  int h = t->crop_h > 0 ? t->crop_h : im->h, w = t->crop_w > 0 ? t->crop_w : im->w;
  if (r && t->random_crop && !t->random_resized) { /* within the padded image, a window of h by w anywhere */
    int room_h = im->h + 2 * t->pad - h, room_w = im->w + 2 * t->pad - w;
    int top = room_h >= 0 ? random_below(r, room_h + 1) - t->pad : crop_centre(im->h, h);
    int left = room_w >= 0 ? random_below(r, room_w + 1) - t->pad : crop_centre(im->w, w);
    if (!image_crop(&next, im, top, left, h, w, e)) return err_within(e, "crop");
    take(im, &next);
  } else if (h != im->h || w != im->w) {
    if (!image_crop(&next, im, crop_centre(im->h, h), crop_centre(im->w, w), h, w, e)) return err_within(e, "crop");
    take(im, &next);
  }
  return true;
}

/* torchvision's ColorJitter: the adjustments in random order. */
static void jitter(Image *im, const Transform *t, Random *r) {
  int64_t order[4] = {0, 1, 2, 3};
  random_shuffle(r, order, 4);
  for (int i = 0; i < 4; i++) {
    const double amount[4] = {t->brightness, t->contrast, t->saturation, t->hue};
    double a = amount[order[i]];
    if (a <= 0) continue;
    if (order[i] == 3) {
      image_hue(im, random_between(r, -a, a));
      continue;
    }
    float factor = (float)random_between(r, a > 1 ? 0 : 1 - a, 1 + a);
    if (order[i] == 0) image_brightness(im, factor);
    if (order[i] == 1) image_contrast(im, factor);
    if (order[i] == 2) image_saturation(im, factor);
  }
}

static bool random_step(Image *im, const Step *s, Random *r, Err *e) {
  if (s->p < 1 && random_unit(r) >= s->p) return true;
  double args[ADJUST_ARGS];
  for (int i = 0; i < s->adjust->args; i++)
    args[i] = s->lo[i] == s->hi[i] ? s->lo[i] : random_between(r, s->lo[i], s->hi[i]);
  if (s->adjust->apply == adjust_gaussian_blur) args[3] = args[2];
  if (s->adjust->apply == adjust_affine) args[1] = nearbyint(args[1] * im->w), args[2] = nearbyint(args[2] * im->h);
  return s->adjust->apply(im, args, e) || err_within(e, "%s", s->adjust->name);
}

/* torchvision's RandomErasing.get_params: ten tries; where none fits nothing is erased. */
static void choose_erased(Image *im, const Transform *t, Random *r) {
  for (int i = 0; i < 10; i++) {
    double area = (double)im->h * im->w * random_between(r, t->erase_scale[0], t->erase_scale[1]);
    double aspect = exp(random_between(r, log(t->erase_ratio[0]), log(t->erase_ratio[1])));
    int h = (int)nearbyint(sqrt(area * aspect)), w = (int)nearbyint(sqrt(area / aspect));
    if (h < 1 || w < 1 || h >= im->h || w >= im->w) continue;
    im->erased.h = h, im->erased.w = w;
    im->erased.top = random_below(r, im->h - h + 1);
    im->erased.left = random_below(r, im->w - w + 1);
    return;
  }
}

bool transform_start(Image *im, const Transform *t, bool random, Err *e) {
  Image next;
  if (t->channels && t->channels != im->c) {
    if (!image_channels(&next, im, t->channels, e)) return false;
    take(im, &next);
  }
  return (random && t->random_resized) || size_steps(im, t, e);
}

bool transform_image(Image *im, const Transform *t, Random *r, Err *e) {
  return transform_start(im, t, r != NULL, e) && transform_rest(im, t, r, e);
}

bool transform_rest(Image *im, const Transform *t, Random *r, Err *e) {
  if (r && t->random_resized && !random_resized(im, t, r, e)) return false;
  if (r && t->rotate > 0) {
    if (!adjust_rotate(im, (double[]){random_between(r, -t->rotate, t->rotate), 0, 0}, e)) return false;
  }
  if (!crop_steps(im, t, r, e)) return false;
  if (r && t->flip > 0 && random_unit(r) < t->flip) image_flip(im);
  if (!r) return true;
  if (!policy_apply(im, &t->policy, r, e)) return false;
  jitter(im, t, r);
  for (int i = 0; i < t->steps; i++)
    if (!random_step(im, &t->step[i], r, e)) return false;
  if (t->erase > 0 && random_unit(r) < t->erase) choose_erased(im, t, r);
  return true;
}

bool transform_values(float *out, const Image *im, const Transform *t, Err *e) {
  float mean[3] = {0, 0, 0}, std[3] = {1, 1, 1};
  if (t->n_mean == 3 && im->c == 1)
    return err_set(e, "mean and std have 3 values but the images have 1 channel; channels = 3 repeats the grey");
  for (int i = 0; i < 3 && t->n_mean; i++) {
    mean[i] = t->mean[t->n_mean == 1 ? 0 : i];
    std[i] = t->std[t->n_mean == 1 ? 0 : i];
  }
  image_normalise(out, im, mean, std);
  size_t c = (size_t)im->c;
  for (int y = 0; y < im->erased.h; y++) {
    float *row = out + ((size_t)(im->erased.top + y) * (size_t)im->w + (size_t)im->erased.left) * c;
    for (size_t i = 0; i < (size_t)im->erased.w * c; i++) row[i] = (float)t->erase_value;
  }
  return true;
}
