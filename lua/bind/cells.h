/* Text that is safe to show: see cells.c. */
#ifndef LUA_BIND_CELLS_H
#define LUA_BIND_CELLS_H
#include "lua/bind/bind.h"
#include <stdbool.h>

/* Pushes the n bytes at s with what a terminal would obey written out; line: ends of lines and tabs too. */
void cells_push_safe(lua_State *L, const char *s, size_t n, bool line);
#endif
