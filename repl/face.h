/* What the files of the face share. */
#ifndef REPL_FACE_H
#define REPL_FACE_H
#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>

/* interrupt.c: Ctrl-C. */

/* Takes over SIGINT. In a script a second Ctrl-C ends the process at once. */
void interrupt_init(bool script);
/* lua_pcall, with Ctrl-C turned into the error "interrupted!" while it runs. */
int interrupt_call(lua_State *L, int nargs, int nresults, int handler);
/* True when a SIGINT has come since the last interrupt_clear. */
bool interrupt_pending(void);
void interrupt_clear(void);
/* Adds call, enter, leave, defer, soft, pending, take … to the table on top of the stack. */
void interrupt_bind(lua_State *L);

/* readline.c: line editing. Adds readline, completer, history … to the table on top of the stack. */
void readline_bind(lua_State *L);
#endif
