/* What this machine can do at most, for profiles: the two roofs of the roofline model (Williams, Waterman, Patterson,
 * "Roofline", CACM 52(4), 2009). */
#ifndef CORE_PEAK_H
#define CORE_PEAK_H
#include "err.h"

typedef struct Peak {
  double flops;     /* multiply-adds in registers, each two operations, per second: the rates of all threads at once, added */
  double bandwidth; /* bytes per second of y = a + b over arrays that no cache holds, each element read or written once */
} Peak;

/* The best seen in this process with the instruction set and the number of threads in force, since other programs only
 * ever slow one down; each call tries a few times more. Takes a tenth of a second, and 200 MB, given back. */
bool peak_measure(Peak *out, Err *e);
#endif
