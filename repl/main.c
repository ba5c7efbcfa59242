/* The program `suture`: options, scripts, exit codes. The prompt itself is lua/shell/init.lua. */
#include "repl/face.h"
#include "lua/bind/cells.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OK = 0, FAILED = 1, USAGE = 2 };

typedef struct Options {
  bool interactive, quiet, verbose, chunks; /* chunks: a -e was given */
  long threads;                             /* 0: as the engine finds best */
  int script;                               /* index of the script in argv, argc if none */
  const char *word;                         /* the word there is no script, but a command ("get", "lesson" …); NULL: it is */
} Options;

static const char help_text[] =
  "usage: suture [options] [SCRIPT [ARGS] | -]\n"
  "       suture [options] get NAME [SET]\n"
  "       suture [options] lesson [check [NAME | FILE] | run NAME]\n"
  "       suture [options] jupyter install [--user | --prefix DIR] [--name NAME] | lesson NAME | kernel FILE\n"
  "  -e CHUNK       run the Lua code CHUNK\n"
  "  -l MOD         require MOD into the global MOD (-l NAME=MOD: into NAME)\n"
  "  -i             give a prompt after the script\n"
  "  -q             quiet: no banner, no progress bars, no remarks\n"
  "  -v             verbose: tracebacks at the prompt\n"
  "  --threads N    threads for computing (default: one per core)\n"
  "  -h, --help     this text\n"
  "  --version      name and version\n"
  "  -              run standard input as a script\n"
  "  get NAME [SET] fetch the published weights of an architecture, and print the path of the file (./get: a script)\n"
  "  lesson         list the lessons (:lesson NAME at the prompt takes one); check: run all of them, or one, unattended\n"
  "  jupyter        install: tell Jupyter of Suture, for notebooks; lesson: print a lesson as a notebook\n"
  "Without SCRIPT or -e, suture gives a prompt, or runs standard input when that is no terminal.\n";

/* what: a word of the command line, which may be the name of any file. */
static int usage(const char *fmt, const char *what) {
  lua_State *L = luaL_newstate();
  if (L) cells_push_safe(L, what, strlen(what), true);
  fputs("suture: ", stderr);
  fprintf(stderr, fmt, L ? lua_tostring(L, -1) : "");
  fprintf(stderr, "\n%s", help_text);
  if (L) lua_close(L);
  return USAGE;
}

/* The value of the option argv[*i]: glued to it, or the next word. NULL when there is none. */
static const char *value_of(char **argv, int *i, size_t glued) {
  const char *arg = argv[*i];
  if (arg[glued]) return arg + glued + (arg[1] == '-' && arg[glued] == '=');
  return argv[*i + 1] ? argv[++*i] : NULL;
}

/* Reads the options; runs nothing. Returns false with *status set when there is no more to do. */
static bool parse(char **argv, Options *o, int *status) {
  int i = 1;
  for (; argv[i]; i++) {
    const char *a = argv[i], *v;
    if (a[0] != '-' || !a[1]) break;
    if (strcmp(a, "--") == 0) { i++; break; }
    if (strcmp(a, "-i") == 0) o->interactive = true;
    else if (strcmp(a, "-q") == 0) o->quiet = true;
    else if (strcmp(a, "-v") == 0) o->verbose = true;
    else if (a[1] == 'e' || a[1] == 'l') {
      if (!(v = value_of(argv, &i, 2))) {
        *status = usage(a[1] == 'e' ? "option %s needs a chunk of Lua" : "option %s needs a module", a);
        return false;
      }
      if (a[1] == 'e') o->chunks = true;
    } else if (strcmp(a, "--threads") == 0 || strncmp(a, "--threads=", 10) == 0) {
      char *end;
      v = value_of(argv, &i, 9);
      o->threads = v ? strtol(v, &end, 10) : 0;
      if (!v || *end || end == v || o->threads < 1 || o->threads > 1024) {
        *status = usage("--threads takes a number from 1 to 1024, not '%s'", v ? v : "");
        return false;
      }
    } else if (strcmp(a, "-h") == 0 || strcmp(a, "--help") == 0) {
      fputs(help_text, stdout);
      return false;
    } else if (strcmp(a, "--version") == 0) {
      puts("Suture 0.1");
      return false;
    } else {
      *status = usage("unknown option '%s'", a);
      return false;
    }
  }
  o->script = i;
  static const char *const words[] = {"get", "lesson", "jupyter"};
  for (size_t w = 0; w < sizeof words / sizeof *words; w++)
    if (argv[i] && strcmp(argv[i], words[w]) == 0 && strcmp(argv[i - 1], "--") != 0) o->word = words[w];
  if (!o->word) return true;
  int given = 0;
  while (argv[i + 1 + given]) given++;
  if (strcmp(o->word, "get") == 0 && (given < 1 || given > 2)) {
    *status = usage("%s takes the name of an architecture, and of a set of weights if not the first", "get");
    return false;
  }
  if (strcmp(o->word, "lesson") == 0 && given > 0 &&
      !(strcmp(argv[i + 1], "check") == 0 && given <= 2) && !(strcmp(argv[i + 1], "run") == 0 && given == 2)) {
    *status = usage("%s: expects nothing (to list them), check [NAME | FILE] or run NAME", "lesson");
    return false;
  }
  return true;
}

/* explain(message) → the message with "did you mean" where a name was missing, with a second line of what was meant where
 * a line is no Lua */
static int explain(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "suture.base.suggest");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "explain");
  lua_pushvalue(L, 1);
  lua_pushinteger(L, 2);
  lua_call(L, 2, 1);
  return 1;
}

/* Message handler of scripts: the message with a traceback. */
static int traceback(lua_State *L) {
  const char *text = lua_tostring(L, 1);
  if (!text) {
    if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING) return 1;
    text = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
  }
  if (strcmp(text, "interrupted!") == 0) return 1;
  lua_pushcfunction(L, explain);
  lua_pushstring(L, text);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK && lua_isstring(L, -1)) text = lua_tostring(L, -1);
  luaL_traceback(L, L, text, 1);
  return 1;
}

static int fail(lua_State *L) {
  size_t n = 0;
  const char *text = lua_tolstring(L, -1, &n);
  bool stopped = interrupt_status() && text && strstr(text, "interrupted!");
  fflush(stdout);
  if (text) { /* names out of files may be in it */
    cells_push_safe(L, text, n, false);
    text = lua_tostring(L, -1);
  }
  if (!stopped) fprintf(stderr, "suture: %s\n", text ? text : "(no message)");
  return stopped ? interrupt_status() : FAILED;
}

/* Calls the chunk under its nargs arguments; what luaL_load… returned is `status`. */
static int run(lua_State *L, int status, int nargs) {
  int base = lua_gettop(L) - nargs;
  if (status != LUA_OK) lua_settop(L, base); /* the message */
  if (status == LUA_ERRSYNTAX) {
    lua_pushcfunction(L, explain);
    lua_pushvalue(L, base);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK || !lua_isstring(L, -1)) lua_settop(L, base);
  }
  if (status == LUA_OK) {
    lua_pushcfunction(L, traceback);
    lua_insert(L, base);
    status = interrupt_call(L, nargs, 0, base);
    lua_remove(L, base);
  }
  return status == LUA_OK ? OK : fail(L);
}

/* -l MOD, -l NAME=MOD */
static int run_library(lua_State *L, const char *module) {
  const char *equals = strchr(module, '=');
  if (equals) lua_pushlstring(L, module, (size_t)(equals - module));
  else lua_pushstring(L, module);
  const char *global = lua_tostring(L, -1);
  static const char chunk[] = "local name, module = ... _G[name] = require(module)";
  int status = luaL_loadbuffer(L, chunk, sizeof chunk - 1, "=(-l)");
  lua_pushstring(L, global);
  lua_pushstring(L, equals ? equals + 1 : module);
  status = run(L, status, 2);
  lua_settop(L, 0);
  return status;
}

static int run_options(lua_State *L, char **argv, const Options *o) {
  for (int i = 1; i < o->script; i++) {
    const char *a = argv[i];
    int status = OK;
    if (strcmp(a, "--threads") == 0) i++;
    if (a[1] != 'e' && a[1] != 'l') continue;
    const char *v = value_of(argv, &i, 2);
    if (a[1] == 'l') status = run_library(L, v);
    else {
      lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
      lua_getfield(L, -1, "suture.face");
      lua_pushstring(L, v);
      lua_setfield(L, -2, "chunk"); /* for errors about missing names */
      lua_settop(L, 0);
      status = run(L, luaL_loadbuffer(L, v, strlen(v), "=(-e)"), 0);
      lua_settop(L, 0);
    }
    if (status != OK) return status;
  }
  return OK;
}

/* The searcher of modules beside the script: its upvalue is the script's folder. */
static int search_beside(lua_State *L) {
  const char *folder = lua_tostring(L, lua_upvalueindex(1));
  const char *name = luaL_checkstring(L, 1);
  if (strcmp(name, "suture") == 0 || strncmp(name, "suture.", 7) == 0) return 0; /* the library is itself */
  name = luaL_gsub(L, name, ".", "/");
  static const char *const ends[] = {".lua", "/init.lua"};
  for (int i = 0; i < 2; i++) {
    const char *path = lua_pushfstring(L, "%s%s%s", folder, name, ends[i]);
    if (access(path, R_OK)) continue;
    if (luaL_loadfile(L, path) != LUA_OK)
      return luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", lua_tostring(L, 1), path, lua_tostring(L, -1));
    lua_pushstring(L, path);
    return 2;
  }
  lua_pushfstring(L, "no file '%s%s.lua' beside the script", folder, name);
  return 1;
}

/* What a script requires is looked for in its own folder first, wherever it is run from. */
static void look_beside(lua_State *L, const char *script) {
  char *path = realpath(script, NULL), *slash = path ? strrchr(path, '/') : NULL;
  if (slash) {
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "searchers");
    for (lua_Integer i = luaL_len(L, -1); i >= 2; i--) { /* make room behind package.preload */
      lua_rawgeti(L, -1, i);
      lua_rawseti(L, -2, i + 1);
    }
    lua_pushlstring(L, path, (size_t)(slash + 1 - path));
    lua_pushcclosure(L, search_beside, 1);
    lua_rawseti(L, -2, 2);
    lua_pop(L, 2);
  }
  free(path);
}

/* The script, with arg and ... as in lua. NULL: standard input. */
static int run_script(lua_State *L, const char *path, char **args) {
  int n = 0;
  if (path) look_beside(L, path);
  int status = luaL_loadfile(L, path);
  for (; args && args[n]; n++) {
    luaL_checkstack(L, 3, "too many arguments");
    lua_pushstring(L, args[n]);
  }
  return run(L, status, n);
}

/* print(require("suture.zoo").get(...)), with no place in a script that an error could name */
static int get(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "suture.zoo");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "get");
  lua_replace(L, -2);
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  puts(lua_tostring(L, -1));
  return 0;
}

/* require(upvalue).main(...) → the exit status */
static int main_of(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "main");
  lua_replace(L, -2);
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

/* Calls a function of the shell's; memory may fail where no Lua code can catch it, and the session is to live on. */
static bool call_shell(lua_State *L, int function, int handler) {
  lua_pushvalue(L, function);
  if (lua_pcall(L, 0, 0, handler) == LUA_OK) return true;
  const char *text = lua_tostring(L, -1);
  fflush(stdout);
  fprintf(stderr, "suture: %s\n", text ? text : "not enough memory");
  lua_pop(L, 1);
  return false;
}

/* The prompt (lua/shell/init.lua), until Ctrl-D or :quit, or the kernel of a notebook, until that is closed. What is called again
 * is on the stack by then: it takes no memory. */
static int prompt(lua_State *L, const char *module) {
  enum { HANDLER = 1, START, LOOP, TRIES = 20 };
  interrupt_clear();
  lua_settop(L, 0);
  lua_pushcfunction(L, traceback);
  lua_getglobal(L, "require");
  lua_pushstring(L, module);
  if (lua_pcall(L, 1, 1, HANDLER) != LUA_OK) return fail(L);
  lua_getfield(L, START, "loop");
  lua_getfield(L, START, "start");
  lua_replace(L, START);
  call_shell(L, START, HANDLER);
  for (long tries = 0, read = lines_read; !call_shell(L, LOOP, HANDLER); tries++) {
    if (read != lines_read) tries = 0, read = lines_read;
    if (tries == TRIES) return FAILED; /* there is not even enough to read a line */
  }
  return OK;
}

static const char terminal[] = "suture.shell", kernel[] = "suture.shell.jupyter.kernel";

/* What is wrong is the user's or the network's, so there is no traceback. */
static int run_word(lua_State *L, const char *word, char **args) {
  int n = 0;
  lua_settop(L, 0);
  if (strcmp(word, "jupyter") == 0) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, "suture.face");
    wire_bind(L);
    lua_settop(L, 0);
  }
  if (strcmp(word, "get") == 0) lua_pushcfunction(L, get);
  else {
    lua_pushstring(L, strcmp(word, "lesson") == 0 ? "suture.shell.lessons.check" : "suture.shell.jupyter");
    lua_pushcclosure(L, main_of, 1);
  }
  for (; args[n]; n++) lua_pushstring(L, args[n]);
  if (interrupt_call(L, n, 1, 0) != LUA_OK) return fail(L);
  if (lua_isboolean(L, -1)) return prompt(L, kernel); /* it waits for what a front end sends */
  return lua_isinteger(L, -1) ? (int)lua_tointeger(L, -1) : OK;
}

static void set_arg(lua_State *L, int argc, char **argv, int script) {
  if (script == argc) script = 0;
  lua_createtable(L, argc - script, script + 1);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i - script);
  }
  lua_setglobal(L, "arg");
}

/* gets() → a line of standard input, nil at its end */
static int gets_line(lua_State *L) {
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  int c;
  clearerr(stdin);
  lines_read++;
  while ((c = getchar()) != EOF && c != '\n') luaL_addchar(&b, (char)c);
  interrupt_clear(); /* what came while waiting meant nothing that runs */
  luaL_pushresult(&b);
  if (c == EOF && lua_rawlen(L, -1) == 0) lua_pushnil(L);
  return 1;
}

/* executable(path): everybody who may read the file may run it */
static int make_executable(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  struct stat st;
  if (stat(path, &st) == 0) (void)!chmod(path, (st.st_mode & 07777) | ((st.st_mode & 0444) >> 2));
  return 0;
}

/* program_folder() → the folder of the running binary, or nil */
static int program_folder(lua_State *L) {
  char path[4096];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path);
  while (n > 0 && path[n - 1] != '/') n--;
  if (n <= 1) return 0;
  lua_pushlstring(L, path, (size_t)n - 1);
  return 1;
}

/* suture.face: the C functions the shell is made of, and the options. */
static void push_face(lua_State *L, const Options *o) {
  lua_newtable(L);
  interrupt_bind(L);
  readline_bind(L);
  children_bind(L);
  pattern_bind(L);
  strings_bind(L);
  tables_bind(L);
  reading_bind(L);
  chunks_bind(L);
  static const luaL_Reg fns[] = {
    {"gets", gets_line}, {"executable", make_executable}, {"program_folder", program_folder}, {0, 0}};
  luaL_setfuncs(L, fns, 0);
  lua_pushboolean(L, o->quiet);
  lua_setfield(L, -2, "quiet");
  lua_pushboolean(L, o->verbose);
  lua_setfield(L, -2, "verbose");
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "suture.face");
  lua_pop(L, 2);
}

static int set_threads(lua_State *L) {
  luaL_requiref(L, "suture", luaopen_suture, 0);
  if (lua_getfield(L, -1, "threads") != LUA_TFUNCTION) return 0; /* an engine without threads */
  lua_pushvalue(L, 1);
  lua_call(L, 1, 0);
  return 0;
}

static int run_all(lua_State *L, int argc, char **argv, const Options *o) {
  luaL_openlibs(L);
  push_face(L, o);
  set_arg(L, argc, argv, o->script);
  luaL_requiref(L, "suture", luaopen_suture, 0);
  lua_pop(L, 1);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "suture.shell.globals");
  int status = run(L, LUA_OK, 1);
  if (status == OK && o->threads) {
    lua_pushcfunction(L, set_threads);
    lua_pushinteger(L, o->threads);
    status = run(L, LUA_OK, 1);
  }
  lua_settop(L, 0);
  if (status == OK) status = run_options(L, argv, o);
  if (status != OK && !o->interactive) return status;
  lua_settop(L, 0);
  if (o->word) {
    status = run_word(L, o->word, argv + o->script + 1);
    return o->interactive ? prompt(L, terminal) : status;
  }
  if (o->script < argc) {
    const char *path = argv[o->script];
    status = run_script(L, strcmp(path, "-") == 0 && strcmp(argv[o->script - 1], "--") != 0 ? NULL : path,
                        argv + o->script + 1);
    if (!o->interactive) return status;
    return prompt(L, terminal);
  }
  if (o->interactive) return prompt(L, terminal);
  if (o->chunks) return status;
  return isatty(STDIN_FILENO) ? prompt(L, terminal) : run_script(L, NULL, NULL);
}

typedef struct Start {
  int argc;
  char **argv;
  Options o;
} Start;

/* program(start) → the exit code. */
static int program(lua_State *L) {
  Start *start = lua_touserdata(L, 1);
  lua_settop(L, 0);
  lua_pushinteger(L, run_all(L, start->argc, start->argv, &start->o));
  return 1;
}

/* What was written and did not arrive is a failure, whoever ends the program. */
static void flush_output(void) {
  int failed = ferror(stdout);
  errno = 0;
  if (fflush(stdout) == 0 && !failed) return;
  fprintf(stderr, "suture: the output cannot be written%s%s\n", errno ? ": " : "", errno ? strerror(errno) : "");
  _exit(FAILED);
}

int main(int argc, char **argv) {
  Start start = {argc, argv, {0}};
  int status = OK;
  atexit(flush_output);
  if (!parse(argv, &start.o, &status)) return status;
  lua_State *L = luaL_newstate();
  if (!L) {
    fputs("suture: out of memory\n", stderr);
    return FAILED;
  }
  blocks_take_over(L);
  interrupt_init();
  lua_pushcfunction(L, program); /* neither this nor a light userdata needs memory: no Lua error outside the call */
  lua_pushlightuserdata(L, &start);
  status = lua_pcall(L, 1, 1, 0) == LUA_OK ? (int)lua_tointeger(L, -1) : fail(L);
  int signalled = interrupt_status();
  if (status == OK) status = signalled;
  if (signalled && status == signalled) fputs("interrupted\n", stderr);
  interrupt_end();
  lua_close(L);
  if (interrupt_status()) children_end();
  return status == OK ? interrupt_status() : status; /* one may have come while finalizers ran */
}
