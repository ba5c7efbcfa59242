/* Augmentation by learned or drawn policies, as torchvision.transforms has them for PIL images. */
#ifndef IMAGE_POLICY_H
#define IMAGE_POLICY_H
#include "image.h"
#include "random.h"

typedef enum PolicyKind {
  POLICY_NONE,
  POLICY_RAND,     /* RandAugment: Cubuk et al. 2020, arXiv:1909.13719 */
  POLICY_TRIVIAL,  /* TrivialAugmentWide: Müller & Hutter 2021, arXiv:2103.10158 */
  POLICY_IMAGENET, /* AutoAugment's three: Cubuk et al. 2019, arXiv:1805.09501 */
  POLICY_CIFAR10,
  POLICY_SVHN,
} PolicyKind;

typedef struct Policy {
  PolicyKind kind;
  int ops;       /* RAND: how many changes, one after the other */
  int magnitude; /* RAND: how strong, 0 to bins - 1 */
  int bins;      /* RAND, TRIVIAL: how many strengths there are */
} Policy;

/* "rand", "trivial", "imagenet", "cifar10", "svhn"; POLICY_NONE for any other. */
PolicyKind policy_named(const char *name);
/* One draw of the policy. After an error im is some picture on the way. */
bool policy_apply(Image *im, const Policy *p, Random *r, Err *e);
/* One change by its name in the papers ("ShearX" … "Invert") and strength, as torchvision's _apply_op; false and an error
 * for another name. */
bool policy_change(Image *im, const char *name, double strength, Err *e);
/* The strength of a change at `level` of `bins` for a picture of h by w; *is_signed: it goes both ways. */
double policy_strength(const char *name, int level, int bins, bool wide, int h, int w, bool *is_signed);
#endif
