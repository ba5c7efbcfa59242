/* How well scores tell two classes apart: the area under the ROC curve, the mean precision. */
#ifndef CORE_MEASURE_H
#define CORE_MEASURE_H
#include <stdint.h>
#include "err.h"

/* Of n scores, step numbers apart, those of members (is[i] not 0) against the others: *auc, the chance that a member's
 * score is above another's (equal ones count half; Hanley and McNeil 1982), and *precision, the sum over recalls of
 * (gain in recall) × precision, as scikit-learn's average_precision_score. Both are NaN where one side is empty. False
 * where memory is short. */
bool measure_ranks(const float *score, int64_t n, int64_t step, const uint8_t *is, double *auc, double *precision, Err *e);
#endif
