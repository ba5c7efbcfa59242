/* What the files of the face share. */
#ifndef REPL_FACE_H
#define REPL_FACE_H
#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>

/* interrupt.c: Ctrl-C and SIGTERM. */

/* Takes over SIGINT and SIGTERM, as a script has them. */
void interrupt_init(void);
/* lua_pcall, with Ctrl-C turned into the error "interrupted!" while it runs. */
int interrupt_call(lua_State *L, int nargs, int nresults, int handler);
/* True when a signal has come that nobody was told of (at the prompt: since the last interrupt_clear). */
bool interrupt_pending(void);
/* Is L about to be stopped at its next instruction? */
bool interrupt_waits(lua_State *L);
void interrupt_clear(void);
/* How many of them, and: all but the first n were somebody else's business. */
int interrupt_count(void);
void interrupt_forget(lua_State *L, int n);
/* The prompt was asked to end. */
bool interrupt_ending(void);
/* The exit code of a script that a signal came to, 0: none came. */
int interrupt_status(void);
bool interrupt_in_script(void);
/* Nothing is stopped any more: the program ends. */
void interrupt_end(void);
/* Adds call, enter, leave, defer, soft, pending, take … to the table on top of the stack. */
void interrupt_bind(lua_State *L);

/* Raises "interrupted!" where the engine would be stopped. For long loops of C functions that hold nothing. */
void interrupt_check(lua_State *L);

/* How often it was raised, and: raises it again where it was since. For those who call what catches errors. */
long interrupt_raised(void);
void interrupt_again(lua_State *L, long before);

/* True when Ctrl-C stops Lua code here. For the allocator, which then says that there is no memory: interrupt_call makes
 * "interrupted!" of that. */
bool interrupt_refuses(void);

/* blocks.c: the memory of a new state, of which Ctrl-C stops the large blocks. */
void blocks_take_over(lua_State *L);

/* The function that the running one stands for (interrupt_stand_for), called in its frame: errors name the latter. */
int interrupt_own(lua_State *L);
/* Puts these in place of what the table on top has under their names. */
void interrupt_stand_for(lua_State *L, const luaL_Reg *fns);

/* Functions of Lua's library that run long, and that a signal stops: strings.c, tables.c, reading.c, chunks.c. */
void strings_bind(lua_State *L);
void tables_bind(lua_State *L);
void reading_bind(lua_State *L);
void chunks_bind(lua_State *L);

/* What standard input says instead of giving something, NULL: it gives. */
extern const char *input_refused;
/* Called, where it is not NULL, before Lua writes to the other of standard output and errors than last. */
extern void (*stream_changes)(void);

/* pattern.c: string.find, match, gmatch and gsub that a signal stops. */
void pattern_bind(lua_State *L);

/* children.c: os.execute and io.popen, whose waiting a signal ends. */
void children_bind(lua_State *L);
/* Sends a signal to all children that are waited for, and theirs. For signal handlers. */
void children_signal(int sig);
/* Gives those that a signal was sent to the time to end. */
void children_end(void);

/* How many lines the prompt has asked for. */
extern long lines_read;

/* readline.c: line editing. Adds readline, completer, history … to the table on top of the stack. */
void readline_bind(lua_State *L);

/* wire.c: Jupyter's front ends. Adds the table wire to the table on top of the stack. */
void wire_bind(lua_State *L);
#endif
