#include "measure.h"
#include <math.h>
#include <stdlib.h>

typedef struct Scored { float score; uint8_t is; } Scored;

static int falling(const void *a, const void *b) {
  float x = ((const Scored *)a)->score, y = ((const Scored *)b)->score;
  return x < y ? 1 : x > y ? -1 : 0;
}

bool measure_ranks(const float *score, int64_t n, int64_t step, const uint8_t *is, double *auc, double *precision, Err *e) {
  *auc = *precision = NAN;
  Scored *s = malloc((size_t)(n > 0 ? n : 1) * sizeof *s);
  if (!s) return err_memory(e, (double)n * sizeof *s, "scores in order");
  double members = 0;
  for (int64_t i = 0; i < n; i++) {
    if (isnan(score[i * step])) { /* stands nowhere among the others */
      free(s);
      return true;
    }
    s[i] = (Scored){score[i * step], is[i] != 0};
    members += s[i].is;
  }
  double others = (double)n - members, hits = 0, misses = 0, pairs = 0, sum = 0;
  if (members > 0 && others > 0) {
    qsort(s, (size_t)n, sizeof *s, falling);
    for (int64_t from = 0, to; from < n; from = to) { /* from the highest down, equal scores together */
      double gained = 0;
      for (to = from; to < n && s[to].score == s[from].score; to++) gained += s[to].is;
      double lost = (double)(to - from) - gained;
      pairs += gained * (others - misses - lost) + gained * lost / 2;
      hits += gained;
      misses += lost;
      sum += gained / members * (hits / (hits + misses));
    }
    *auc = pairs / (members * others);
    *precision = sum;
  }
  free(s);
  return true;
}
