/* The gradient of 3x3 weights with tiles of 2x2 outputs. */
#define TILE 2
#include "winograd_dw.c"
