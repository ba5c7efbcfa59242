/* RandAugment, TrivialAugment and AutoAugment: which change, how strong, and the changes by adjust.h. */
#include "policy.h"
#include <math.h>
#include <string.h>
#include "adjust.h"

/* In torchvision's order; RandAugment and TrivialAugment draw among the first PLAIN. */
static const char *const changes[] = {"Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness",
  "Color", "Contrast", "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize", "Invert"};
enum { PLAIN = 14, PAIRS = 25 };

typedef struct Part {
  const char *name;
  double p;
  int level;
} Part;

/* AutoAugment's pairs of changes, each with its probability and level of 10. */
static const Part learned[3][PAIRS][2] = {
  { /* imagenet */
    {{"Posterize", 0.4, 8}, {"Rotate", 0.6, 9}}, {{"Solarize", 0.6, 5}, {"AutoContrast", 0.6, 0}},
    {{"Equalize", 0.8, 0}, {"Equalize", 0.6, 0}}, {{"Posterize", 0.6, 7}, {"Posterize", 0.6, 6}},
    {{"Equalize", 0.4, 0}, {"Solarize", 0.2, 4}}, {{"Equalize", 0.4, 0}, {"Rotate", 0.8, 8}},
    {{"Solarize", 0.6, 3}, {"Equalize", 0.6, 0}}, {{"Posterize", 0.8, 5}, {"Equalize", 1.0, 0}},
    {{"Rotate", 0.2, 3}, {"Solarize", 0.6, 8}}, {{"Equalize", 0.6, 0}, {"Posterize", 0.4, 6}},
    {{"Rotate", 0.8, 8}, {"Color", 0.4, 0}}, {{"Rotate", 0.4, 9}, {"Equalize", 0.6, 0}},
    {{"Equalize", 0.0, 0}, {"Equalize", 0.8, 0}}, {{"Invert", 0.6, 0}, {"Equalize", 1.0, 0}},
    {{"Color", 0.6, 4}, {"Contrast", 1.0, 8}}, {{"Rotate", 0.8, 8}, {"Color", 1.0, 2}},
    {{"Color", 0.8, 8}, {"Solarize", 0.8, 7}}, {{"Sharpness", 0.4, 7}, {"Invert", 0.6, 0}},
    {{"ShearX", 0.6, 5}, {"Equalize", 1.0, 0}}, {{"Color", 0.4, 0}, {"Equalize", 0.6, 0}},
    {{"Equalize", 0.4, 0}, {"Solarize", 0.2, 4}}, {{"Solarize", 0.6, 5}, {"AutoContrast", 0.6, 0}},
    {{"Invert", 0.6, 0}, {"Equalize", 1.0, 0}}, {{"Color", 0.6, 4}, {"Contrast", 1.0, 8}},
    {{"Equalize", 0.8, 0}, {"Equalize", 0.6, 0}},
  },
  { /* cifar10 */
    {{"Invert", 0.1, 0}, {"Contrast", 0.2, 6}}, {{"Rotate", 0.7, 2}, {"TranslateX", 0.3, 9}},
    {{"Sharpness", 0.8, 1}, {"Sharpness", 0.9, 3}}, {{"ShearY", 0.5, 8}, {"TranslateY", 0.7, 9}},
    {{"AutoContrast", 0.5, 0}, {"Equalize", 0.9, 0}}, {{"ShearY", 0.2, 7}, {"Posterize", 0.3, 7}},
    {{"Color", 0.4, 3}, {"Brightness", 0.6, 7}}, {{"Sharpness", 0.3, 9}, {"Brightness", 0.7, 9}},
    {{"Equalize", 0.6, 0}, {"Equalize", 0.5, 0}}, {{"Contrast", 0.6, 7}, {"Sharpness", 0.6, 5}},
    {{"Color", 0.7, 7}, {"TranslateX", 0.5, 8}}, {{"Equalize", 0.3, 0}, {"AutoContrast", 0.4, 0}},
    {{"TranslateY", 0.4, 3}, {"Sharpness", 0.2, 6}}, {{"Brightness", 0.9, 6}, {"Color", 0.2, 8}},
    {{"Solarize", 0.5, 2}, {"Invert", 0.0, 0}}, {{"Equalize", 0.2, 0}, {"AutoContrast", 0.6, 0}},
    {{"Equalize", 0.2, 0}, {"Equalize", 0.6, 0}}, {{"Color", 0.9, 9}, {"Equalize", 0.6, 0}},
    {{"AutoContrast", 0.8, 0}, {"Solarize", 0.2, 8}}, {{"Brightness", 0.1, 3}, {"Color", 0.7, 0}},
    {{"Solarize", 0.4, 5}, {"AutoContrast", 0.9, 0}}, {{"TranslateY", 0.9, 9}, {"TranslateY", 0.7, 9}},
    {{"AutoContrast", 0.9, 0}, {"Solarize", 0.8, 3}}, {{"Equalize", 0.8, 0}, {"Invert", 0.1, 0}},
    {{"TranslateY", 0.7, 9}, {"AutoContrast", 0.9, 0}},
  },
  { /* svhn */
    {{"ShearX", 0.9, 4}, {"Invert", 0.2, 0}}, {{"ShearY", 0.9, 8}, {"Invert", 0.7, 0}},
    {{"Equalize", 0.6, 0}, {"Solarize", 0.6, 6}}, {{"Invert", 0.9, 0}, {"Equalize", 0.6, 0}},
    {{"Equalize", 0.6, 0}, {"Rotate", 0.9, 3}}, {{"ShearX", 0.9, 4}, {"AutoContrast", 0.8, 0}},
    {{"ShearY", 0.9, 8}, {"Invert", 0.4, 0}}, {{"ShearY", 0.9, 5}, {"Solarize", 0.2, 6}},
    {{"Invert", 0.9, 0}, {"AutoContrast", 0.8, 0}}, {{"Equalize", 0.6, 0}, {"Rotate", 0.9, 3}},
    {{"ShearX", 0.9, 4}, {"Solarize", 0.3, 3}}, {{"ShearY", 0.8, 8}, {"Invert", 0.7, 0}},
    {{"Equalize", 0.9, 0}, {"TranslateY", 0.6, 6}}, {{"Invert", 0.9, 0}, {"Equalize", 0.6, 0}},
    {{"Contrast", 0.3, 3}, {"Rotate", 0.8, 4}}, {{"Invert", 0.8, 0}, {"TranslateY", 0.0, 2}},
    {{"ShearY", 0.7, 6}, {"Solarize", 0.4, 8}}, {{"Invert", 0.6, 0}, {"Rotate", 0.8, 4}},
    {{"ShearY", 0.3, 7}, {"TranslateX", 0.9, 3}}, {{"ShearX", 0.1, 6}, {"Invert", 0.6, 0}},
    {{"Solarize", 0.7, 2}, {"TranslateY", 0.6, 7}}, {{"ShearY", 0.8, 4}, {"Invert", 0.8, 0}},
    {{"ShearX", 0.7, 9}, {"TranslateY", 0.8, 3}}, {{"ShearY", 0.8, 5}, {"AutoContrast", 0.7, 0}},
    {{"ShearX", 0.7, 2}, {"Invert", 0.1, 0}},
  },
};

PolicyKind policy_named(const char *name) {
  static const char *const names[] = {"", "rand", "trivial", "imagenet", "cifar10", "svhn"};
  for (int i = 1; i < 6; i++)
    if (!strcmp(name, names[i])) return (PolicyKind)i;
  return POLICY_NONE;
}

/* torch.linspace(from, to, n)[i]: float, from the nearer end. */
static double spaced(double from, double to, int i, int n) {
  if (n < 2) return from;
  float lo = (float)from, hi = (float)to, step = (hi - lo) / (float)(n - 1);
  return i < n / 2 ? lo + step * (float)i : hi - step * (float)(n - 1 - i);
}

double policy_strength(const char *name, int level, int bins, bool wide, int h, int w, bool *is_signed) {
  *is_signed = true;
  if (!strncmp(name, "Shear", 5)) return spaced(0, wide ? 0.99 : 0.3, level, bins);
  if (!strncmp(name, "Translate", 9)) return spaced(0, wide ? 32 : 150.0 / 331.0 * (name[9] == 'X' ? w : h), level, bins);
  if (!strcmp(name, "Rotate")) return spaced(0, wide ? 135 : 30, level, bins);
  if (!strcmp(name, "Brightness") || !strcmp(name, "Color") || !strcmp(name, "Contrast") || !strcmp(name, "Sharpness"))
    return spaced(0, wide ? 0.99 : 0.9, level, bins);
  *is_signed = false;
  if (!strcmp(name, "Posterize")) return 8 - nearbyintf((float)level / ((float)(bins - 1) / (wide ? 6 : 4)));
  if (!strcmp(name, "Solarize")) return spaced(255, 0, level, bins);
  return 0;
}

static bool adjust(Image *im, const char *name, const double *args, Err *e) {
  return adjust_named(name)->apply(im, args, e);
}

bool policy_change(Image *im, const char *name, double s, Err *e) {
  static const struct { const char *name, *adjust; } factors[] = {
    {"Brightness", "brightness"}, {"Color", "saturation"}, {"Contrast", "contrast"}, {"Sharpness", "sharpness"}};
  for (int i = 0; i < 4; i++)
    if (!strcmp(name, factors[i].name)) return adjust(im, factors[i].adjust, (double[]){1 + s}, e);
  if (!strcmp(name, "Identity")) return true;
  if (!strcmp(name, "ShearX")) return adjust(im, "shear", (double[]){s, 0}, e);
  if (!strcmp(name, "ShearY")) return adjust(im, "shear", (double[]){0, s}, e);
  if (!strcmp(name, "TranslateX")) return adjust(im, "affine", (double[]){0, trunc(s), 0, 1, 0, 0, 0, 0}, e);
  if (!strcmp(name, "TranslateY")) return adjust(im, "affine", (double[]){0, 0, trunc(s), 1, 0, 0, 0, 0}, e);
  if (!strcmp(name, "Rotate")) return adjust(im, "rotate", (double[]){s, 0, 0}, e);
  if (!strcmp(name, "Posterize")) return adjust(im, "posterize", (double[]){trunc(s)}, e);
  if (!strcmp(name, "Solarize")) return adjust(im, "solarize", (double[]){s}, e);
  if (!strcmp(name, "AutoContrast")) return adjust(im, "autocontrast", NULL, e);
  if (!strcmp(name, "Equalize")) return adjust(im, "equalize", NULL, e);
  if (!strcmp(name, "Invert")) return adjust(im, "invert", NULL, e);
  return err_set(e, "no change of a picture is called %s", name);
}

static bool drawn(Image *im, const char *name, int level, int bins, bool wide, Random *r, Err *e) {
  bool is_signed;
  double s = policy_strength(name, level, bins, wide, im->h, im->w, &is_signed);
  if (is_signed && random_below(r, 2)) s = -s;
  return policy_change(im, name, s, e);
}

bool policy_apply(Image *im, const Policy *p, Random *r, Err *e) {
  switch (p->kind) {
  case POLICY_NONE: return true;
  case POLICY_RAND:
    for (int i = 0; i < p->ops; i++)
      if (!drawn(im, changes[random_below(r, PLAIN)], p->magnitude, p->bins, false, r, e)) return false;
    return true;
  case POLICY_TRIVIAL: {
    const char *name = changes[random_below(r, PLAIN)];
    return drawn(im, name, random_below(r, p->bins), p->bins, true, r, e);
  }
  default:;
  }
  const Part *pair = learned[p->kind - POLICY_IMAGENET][random_below(r, PAIRS)];
  for (int i = 0; i < 2; i++)
    if (random_unit(r) <= pair[i].p && !drawn(im, pair[i].name, pair[i].level, 10, false, r, e)) return false;
  return true;
}
