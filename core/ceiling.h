/* A bound on tensors, for what a file claims. */
#ifndef CORE_CEILING_H
#define CORE_CEILING_H
#include <stdint.h>

/* From now on tensors may take so many bytes more; what wants more fails. 0: as many as there are. */
void memory_ceiling(int64_t more);
#endif
