/* Whether it was for want of memory that jansson failed: it does not say, or blames the text. */
#ifndef CORE_JSON_MEMORY_H
#define CORE_JSON_MEMORY_H
#include <stdbool.h>

/* Before calls whose failure is to be told. */
void json_memory_watch(void);
/* An allocation has failed in this thread since. */
bool json_memory_failed(void);
#endif
