/* Winograd convolution with tiles of 2x2 outputs, F(2x2,3x3). */
#define TILE 2
#include "winograd.c"
