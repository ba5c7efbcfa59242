/* What a run asks of the libraries beneath its kernels. */
#ifndef CORE_DISPATCH_H
#define CORE_DISPATCH_H
#include <stdbool.h>
#include "err.h"

/* Gets what the threads in force need for products, before any is computed; false for want of memory. */
bool kernels_room(Err *e);
#endif
