/* Line editing: the only file that knows GNU Readline. What to complete is decided in Lua (lua/shell/complete.lua). */
#include "repl/face.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utf8proc.h>
#include <wchar.h>
#include <readline/readline.h>
#include <readline/history.h>

enum { HISTORY_KEPT = 5000, WAKE = SIGURG };

/* ---- reading a line ----
 *
 * readline() itself reads it, not the callbacks: rl_callback_read_char leaves a jump buffer that points into a frame
 * which is gone, and what gives up a key sequence (Ctrl-R Ctrl-X ) does) jumps there. */

/* Between ESC [ 200 ~ and ESC [ 201 ~ the terminal sends what is pasted. Where Readline reads that itself, into a search,
 * nothing ends the text that it has when no key comes any more: so the paste's end does come. */
static const char paste_marks[2][7] = {"\033[200~", "\033[201~"};
static struct {
  bool open;
  int matched; /* how much of the mark that is looked for has come */
} paste;

static int end_of_paste(void) {
  if (!paste.open) return EOF;
  int c = paste_marks[1][paste.matched++];
  paste.open = paste_marks[1][paste.matched];
  return c;
}

static void look_for_paste(int c) {
  const char *mark = paste_marks[paste.open];
  paste.matched = c == mark[paste.matched] ? paste.matched + 1 : c == mark[0];
  if (mark[paste.matched]) return;
  paste.open = !paste.open;
  paste.matched = 0;
}

/* Ctrl-C while a line is read. SIGINT is held up in this thread from before Readline has the terminal until it has
 * given it back, and no other thread takes it (interrupt.c): it stays pending, and `interrupts` can be read. Neither a
 * handler of Readline's nor the moment between a look and a wait can lose it. */
static int interrupts = -1; /* a signalfd of SIGINT */
static bool cut_off;        /* Ctrl-C came: no more keys, and what Readline makes of that is no line */
static char bell[16];       /* the bell-style that is the user's */

/* Takes the Ctrl-C that waits, if one does. What was typed before it is gone: the terminal has thrown it away. Readline
 * leaves whatever it is in the midst of, without a word. */
static bool interrupted(void) {
  struct signalfd_siginfo came;
  bool before = cut_off;
  while (read(interrupts, &came, sizeof came) == sizeof came) cut_off = true;
  if (cut_off && !before) {
    paste.matched = 0;
    const char *style = rl_variable_value("bell-style");
    snprintf(bell, sizeof bell, "%s", style ? style : "audible");
    rl_variable_bind("bell-style", "none");
    rl_echo_signal_char(SIGINT);
  }
  return cut_off;
}

/* ---- the terminal, whatever happens ---- */

static struct termios tty_before;       /* as the shell that started us left it */
static volatile sig_atomic_t reading;   /* Readline has the terminal */
static volatile sig_atomic_t continued; /* after a stop: SIGCONT came */

static void on_continue(int sig) { continued = sig; }
static void on_wake(int sig) { (void)sig; }

/* A crash, while Readline has the terminal: it is given back. */
static void on_crash(int sig) {
  static const char no_paste[] = "\033[?2004l";
  if (reading) {
    tcsetattr(STDIN_FILENO, TCSANOW, &tty_before);
    (void)!write(STDOUT_FILENO, no_paste, sizeof no_paste - 1);
  }
  raise(sig); /* held up until this returns, and handled by the system then */
}

static void guard_terminal(void) {
  static char stack[1 << 14]; /* a crash may be that there is no more stack */
  struct sigaction crash = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND | SA_ONSTACK}, go = {.sa_handler = on_continue};
  sigemptyset(&go.sa_mask);
  sigemptyset(&crash.sa_mask);
  sigaction(SIGCONT, &go, NULL);
#ifndef __SANITIZE_ADDRESS__ /* which has more to say of a crash */
  static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
  if (tcgetattr(STDIN_FILENO, &tty_before)) return;
  sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
  for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++) sigaction(crashes[i], &crash, NULL);
#else
  (void)stack, (void)crash;
#endif
}

/* Handles the signal that Readline has caught; after a stop the line is drawn again. */
static void check_signals(void) {
  rl_check_signals();
  if (!continued) return;
  continued = 0;
  rl_deprep_terminal(); /* nobody asked it to before a SIGSTOP */
  rl_prep_terminal(1);
  rl_forced_update_display();
}

/* Who writes to a terminal that is full waits. At Ctrl-C it throws away what it has not shown, and Linux's pty wakes nobody then
 * but by the signal, which is held up here: another one comes five times a second, while keys are dealt with. */
static void wake(bool on) {
  static timer_t timer;
  static int made;
  if (!made) {
    struct sigaction go = {.sa_handler = on_wake, .sa_flags = (int)SA_RESTART};
    struct sigevent self = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = WAKE};
    self._sigev_un._tid = gettid();
    sigemptyset(&go.sa_mask);
    made = sigaction(WAKE, &go, NULL) == 0 && timer_create(CLOCK_MONOTONIC, &self, &timer) == 0 ? 1 : -1;
  }
  struct timespec turn = {0, on ? 200000000 : 0};
  if (made > 0) timer_settime(timer, 0, &(struct itimerspec){turn, turn}, NULL);
}

/* Waits for a key; false when a signal came first. The signals that Readline catches to put the terminal right (Ctrl-Z,
 * a resized window, the end) are let through only while waiting, so that none falls between the look and the wait. */
static bool key_there(void) {
  static const int readlines[] = {SIGTERM, SIGHUP, SIGQUIT, SIGALRM, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH, SIGCONT};
  sigset_t block, before, wait;
  struct pollfd p[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = interrupts, .events = POLLIN}};
  int n = 0;
  sigemptyset(&block);
  for (size_t i = 0; i < sizeof readlines / sizeof *readlines; i++) sigaddset(&block, readlines[i]);
  pthread_sigmask(SIG_BLOCK, &block, &before);
  wait = before;
  sigaddset(&wait, WAKE); /* one that is held up keeps the timer from sending more */
  if (!rl_pending_signal() && !continued) n = ppoll(p, 2, NULL, &wait);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  check_signals();
  return n > 0 && !interrupted() && p[0].revents;
}

/* A byte of what is typed. Readline reads ahead where more keys wait, but Ctrl-C takes typed keys away: a key that was there
 * may be gone. So the terminal is opened once more, for reading that never waits. */
static int read_byte(FILE *in) {
  enum { NO_MORE = -2 }; /* Readline's READERR: the line ends here */
  static int tty = -1;
  if (tty < 0) {
    const char *name = ttyname(STDIN_FILENO);
    tty = name ? open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
    if (tty < 0) return rl_getc(in);
  }
  while (!cut_off) {
    unsigned char c;
    if (!key_there()) continue;
    ssize_t n = read(tty, &c, 1);
    if (n == 1) {
      look_for_paste(c);
      return c;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) return end_of_paste();
  }
  return RL_ISSTATE(RL_STATE_READCMD) ? NO_MORE : end_of_paste();
}

static struct {
  unsigned char bytes[4]; /* of a character that is being handed out */
  int at, size;
  int next; /* the byte behind what was no character; 0: none was read */
} typed;

/* Of a character that the system has no width for (not assigned yet) Readline's vi mode believes in one direction that it
 * has none, in the other that it has, and goes to and fro for ever: a line with such a one is bytes to it. */
static void choose_bytes(void) {
  static bool bytes; /* that was us */
  bool wanted = false;
  utf8proc_int32_t c;
  for (utf8proc_ssize_t i = 0, n; rl_editing_mode == 0 && i < rl_end && !wanted; i += n) { /* 0: vi's */
    n = utf8proc_iterate((const unsigned char *)rl_line_buffer + i, rl_end - i, &c);
    wanted = n < 1 || (c >= 0x80 && wcwidth((wchar_t)c) < 0);
  }
  if (wanted == bytes || (wanted && strcmp(rl_variable_value("byte-oriented"), "on") == 0)) return;
  bytes = wanted;
  rl_variable_bind("byte-oriented", bytes ? "on" : "off");
}

/* Draws the line. Ctrl-C is looked for here too: a macro's keys do not come through read_key, and may never end. */
static void draw(void) {
  choose_bytes();
  if (!interrupted()) rl_redisplay();
  else if (rl_executing_macro) memset(rl_executing_macro, 0, strlen(rl_executing_macro));
}

/* The same, but where the locale's characters are UTF-8 whole ones only: some of Readline's ways over a line (vi's e, %)
 * never end on other bytes. U+FFFD stands for those, and for control characters behind ASCII, which would be shown raw. */
static int read_key(FILE *in) {
  enum { MOST = 1000 }; /* Esc 9 9 9 9 9 9 x would make a line that takes minutes to draw */
  if (RL_ISSTATE(RL_STATE_NUMERICARG) && rl_numeric_arg > MOST) rl_numeric_arg = MOST;
  if (RL_ISSTATE(RL_STATE_READCMD)) choose_bytes();
  if (typed.at < typed.size) return typed.bytes[typed.at++];
  int c = typed.next ? typed.next : read_byte(in);
  typed.next = 0;
  if (c < 0x80 || strcmp(nl_langinfo(CODESET), "UTF-8") != 0) return c;
  int size = c < 0xC2 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 1, n = 1;
  typed.bytes[0] = (unsigned char)c;
  for (; n < size; n++) {
    if ((c = read_byte(in)) < 0) return c;
    if ((c & 0xC0) != 0x80) {
      typed.next = c;
      break;
    }
    typed.bytes[n] = (unsigned char)c;
  }
  utf8proc_int32_t character;
  if (utf8proc_iterate(typed.bytes, n, &character) != n || character < 0xA0)
    memcpy(typed.bytes, "\xEF\xBF\xBD", (size_t)(n = 3));
  typed.at = 1;
  typed.size = n;
  return typed.bytes[0];
}

/* ---- paste ---- */

static bool pasted, pasted_first; /* the line has pasted text in it; begins with it */

/* ESC [ 200 ~: what the terminal sends up to ESC [ 201 ~ is text, whatever keys it would be. Every end of a line becomes
 * one newline. A paste that Ctrl-C cuts off leaves nothing. */
static int on_paste(int count, int key) {
  const char *end = paste_marks[1];
  size_t n = 0, size = 0, last = strlen(end);
  char *text = NULL;
  (void)count;
  (void)key;
  for (;;) {
    int c = rl_read_key();
    if (cut_off || c == EOF) break;
    if (n + 2 > size) {
      char *more = realloc(text, size = size ? 2 * size : 4096);
      if (!more) break;
      text = more;
    }
    if (c == '\n' && n > 0 && text[n - 1] == '\r') { /* CR LF */
      text[n - 1] = '\n';
      continue;
    }
    if (n > 0 && text[n - 1] == '\r') text[n - 1] = '\n';
    if (c) text[n++] = (char)c;
    if (c == '~' && n >= last && memcmp(text + n - last, end, last) == 0) {
      text[n - last] = '\0';
      if (n > last && text[n - last - 1] == '\r') text[n - last - 1] = '\n';
      if (*text) {
        pasted = true;
        if (rl_point == 0) pasted_first = true;
        rl_insert_text(text);
      }
      break;
    }
  }
  free(text);
  return 0;
}

static char *note; /* of the last completion: what a second Tab shows, owned; NULL: the candidates */
static void show_note(void);

/* Tab in the midst of text that a terminal without bracketed paste sends at once is text; Tab twice is not. */
static int on_tab(int count, int key) {
  int waiting = 0;
  bool text = ioctl(STDIN_FILENO, FIONREAD, &waiting) == 0 && waiting > 0;
  if (text && waiting == 1) {
    int next = rl_read_key();
    if (next == EOF) return 0;
    rl_stuff_char(next);
    text = next != '\t';
  }
  if (text) return rl_insert(count, ' ');
  if (rl_last_func == on_tab && note) {
    show_note();
    return 0;
  }
  if (rl_last_func == on_tab) rl_last_func = rl_complete; /* by which it knows that this is the second */
  return rl_complete(count, key);
}

static void bind_keys(void) {
  static const char *const maps[] = {"emacs-standard", "vi-insert", "vi-command"};
  for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
    Keymap map = rl_get_keymap_by_name(maps[i]);
    if (!map) continue;
    rl_bind_keyseq_in_map(paste_marks[0], on_paste, map);
    if (i < 2 && map['\t'].type == ISFUNC && map['\t'].function == rl_complete) rl_bind_key_in_map('\t', on_tab, map);
  }
}

/* Entries of the history that were edited keep undo lists when the line ends, parts of which Readline may have freed with
 * the lists of other lines: they let go of them. */
static void forget_undo(void) {
  HIST_ENTRY **entries = history_list();
  for (int i = 0; entries && entries[i]; i++) entries[i]->data = NULL;
}

long lines_read;

/* readline(prompt) → the line and, where some of it was pasted, "whole" (it begins so) or "part"; nil at the end of input
 * (Ctrl-D), false when Ctrl-C cleared the line */
static int b_readline(lua_State *L) {
  static char *line; /* ours to free, when the next is read */
  const char *prompt = luaL_checkstring(L, 1);
  sigset_t sigint, before;
  sigemptyset(&sigint);
  sigaddset(&sigint, SIGINT);
  if (interrupts < 0 && (interrupts = signalfd(-1, &sigint, SFD_NONBLOCK | SFD_CLOEXEC)) < 0)
    return luaL_error(L, "the terminal cannot be read: %s", strerror(errno));
  rl_outstream = isatty(STDOUT_FILENO) ? stdout : stderr;
  lines_read++;
  cut_off = pasted = pasted_first = false;
  typed.at = typed.size = typed.next = 0;
  paste.open = false;
  paste.matched = 0;
  pthread_sigmask(SIG_BLOCK, &sigint, &before);
  interrupt_clear();
  reading = 1;
  continued = 0;
  free(line);
  forget_undo();
  struct termios now;
  bool echoes = tcgetattr(STDIN_FILENO, &now) == 0 && (now.c_lflag & ECHO);
  rl_redisplay_function = echoes ? draw : rl_redisplay; /* Readline itself writes the prompt where there is no echo */
  rl_reset_screen_size(); /* nobody told Readline while another line ran */
  wake(true);
  line = readline(prompt);
  wake(false);
  reading = 0;
  if (cut_off) {
    rl_variable_bind("bell-style", bell);
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL); /* one that came behind the line's end is for what the line runs */
  /* Where bracketed paste is on, switching it off has written the newline that no key did. */
  if (!line && strcmp(rl_variable_value("enable-bracketed-paste"), "on") != 0) fputc('\n', rl_outstream);
  if (cut_off) {
    lua_pushboolean(L, 0);
    return 1;
  }
  if (!line) return 0;
  lua_pushstring(L, line);
  if (pasted) lua_pushstring(L, pasted_first ? "whole" : "part");
  else lua_pushnil(L);
  return 2;
}

/* ---- completion ---- */

static lua_State *completing; /* the state whose completer is asked; its registry has "suture.completer" */
static char **candidates;     /* the answer of the last asking: owned strings, NULL at the end */
static char word_break[2];    /* the character in front of the word to complete, or "" */
static int word_at, known;    /* where that word begins; how much of it stands in front of what Readline takes for it */
static int suffix;

static void drop_candidates(void) {
  for (char **c = candidates; c && *c; c++) free(*c);
  free(candidates);
  candidates = NULL;
}

/* The note, under the line, which is drawn anew beneath it. */
static void show_note(void) {
  rl_crlf();
  fputs(note, rl_outstream);
  rl_crlf();
  rl_on_new_line();
}

/* Runs protected: calls the completer and copies its answer. Errors mean "nothing to offer". */
static int ask(lua_State *L) {
  lua_settop(L, 0);
  lua_getfield(L, LUA_REGISTRYINDEX, "suture.completer");
  lua_pushlstring(L, rl_line_buffer, (size_t)rl_point);
  lua_call(L, 1, 4); /* → from (1-based), {candidates}, suffix, note */
  if (lua_isstring(L, 4)) note = strdup(lua_tostring(L, 4));
  lua_Integer from = lua_tointeger(L, 1);
  if (from < 1 || from > rl_point + 1 || !lua_istable(L, 2)) return 0;
  size_t n = (size_t)lua_rawlen(L, 2), k = 0;
  candidates = calloc(n + 1, sizeof *candidates);
  if (!candidates) return 0;
  for (size_t i = 1; i <= n; i++) {
    if (lua_rawgeti(L, 2, (lua_Integer)i) == LUA_TSTRING && (candidates[k] = strdup(lua_tostring(L, -1)))) k++;
    lua_pop(L, 1);
  }
  word_at = (int)from - 1;
  word_break[0] = from > 1 ? rl_line_buffer[from - 2] : '\0';
  const char *s = lua_tostring(L, 3);
  suffix = s ? s[0] : '\0';
  return 0;
}

/* Readline asks this before it looks for the start of the word. */
static char *break_hook(void) {
  drop_candidates();
  free(note);
  note = NULL;
  word_break[0] = '\0';
  suffix = '\0';
  word_at = 0;
  if (completing) {
    lua_State *L = completing;
    int top = lua_gettop(L);
    if (lua_checkstack(L, 4)) {
      lua_pushcfunction(L, ask);
      (void)lua_pcall(L, 0, 0, 0);
      lua_settop(L, top);
    }
  }
  return word_break;
}

static char *next_candidate(const char *text, int state) {
  static size_t i;
  (void)text;
  if (state == 0) i = 0;
  while (candidates && candidates[i]) {
    const char *c = candidates[i++];
    if (strncmp(c, rl_line_buffer + word_at, (size_t)known) == 0) return strdup(c + known);
  }
  return NULL;
}

/* The character in front of a word may be in the word too ("a\"b): Readline then begins behind the last one. */
static char **attempt(const char *text, int start, int end) {
  if (end == 0) (void)break_hook(); /* on an empty line Readline does not ask */
  rl_attempted_completion_over = 1; /* no falling back to file names */
  rl_completion_append_character = suffix;
  known = start - word_at;
  if (known < 0) return NULL;
  return rl_completion_matches(text, next_candidate);
}

/* completer(f): f(text before the cursor) → from, candidates, suffix, note; see lua/shell/complete.lua */
static int b_completer(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  completing = lua_tothread(L, -1);
  lua_pop(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, "suture.completer");
  guard_terminal();
  rl_readline_name = "suture";
  rl_getc_function = read_key;
  rl_attempted_completion_function = attempt;
  rl_completion_word_break_hook = break_hook;
  rl_basic_quote_characters = "";
  rl_completer_quote_characters = NULL;
  rl_variable_bind("blink-matching-paren", "on"); /* ~/.inputrc may say otherwise */
  rl_initialize();
  bind_keys();
  return 0;
}

/* ---- history: one entry a line, newlines inside an entry written as \001; behind it \002, when (seconds since 1970),
 * \002 and the folder ---- */

static void swap(char *s, char from, char to) {
  for (; *s; s++)
    if (*s == from) *s = to;
}

/* The file, open for appending and locked against other shells, which may put another in its place; -1: errno says why. */
static int open_history(const char *path) {
  for (;;) {
    struct stat ours, theirs;
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return -1;
    while (flock(fd, LOCK_EX) && errno == EINTR) {}
    if (fstat(fd, &ours) || stat(path, &theirs) || ours.st_ino == theirs.st_ino) return fd;
    close(fd);
  }
}

/* Keeps the last lines of a file of `total` lines. Whoever kills this finds the old file or the new one. */
static void cut_history(const char *path, long total) {
  char *other = malloc(strlen(path) + 5), *line = NULL;
  int fd = open_history(path);
  FILE *from = fd >= 0 ? fdopen(fd, "r") : NULL, *to = NULL;
  if (other) to = fopen(strcat(strcpy(other, path), ".new"), "w");
  size_t size = 0;
  bool ok = from && to && fchmod(fileno(to), 0600) == 0;
  for (long n = 0; ok && getline(&line, &size, from) > 0; n++)
    if (n >= total - HISTORY_KEPT) ok = fputs(line, to) >= 0;
  if (to) ok = fflush(to) == 0 && fsync(fileno(to)) == 0 && ok;
  if (to) ok = fclose(to) == 0 && ok;
  if (ok) rename(other, path);
  else if (to) remove(other);
  if (from) fclose(from);
  else if (fd >= 0) close(fd);
  free(line);
  free(other);
}

/* Makes the folders in front of the last '/' of path. */
static void make_folders(const char *path, mode_t mode) {
  char *p = strdup(path);
  for (char *s = p ? strchr(p + 1, '/') : NULL; s; s = strchr(s + 1, '/')) {
    *s = '\0';
    mkdir(p, mode);
    *s = '/';
  }
  free(p);
}

/* history_load(path): reads the file's last entries; a file grown too long is cut. A missing file is no error. */
static int b_history_load(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  using_history();
  FILE *f = fopen(path, "r");
  char *line = NULL;
  size_t size = 0;
  long total = 0;
  for (ssize_t n; f && (n = getline(&line, &size, f)) > 0; total++) {
    line[strcspn(line, "\002\n")] = '\0';
    swap(line, '\001', '\n');
    if (*line) add_history(line);
  }
  free(line);
  if (f) fclose(f);
  stifle_history(HISTORY_KEPT); /* now: before, each entry too many would move all others */
  if (total > 2 * HISTORY_KEPT) cut_history(path, total);
  return 0;
}

/* history_add(entry, path or nil): remembers the entry unless it repeats the last one, in the file too. → nothing, or why
 * the file cannot be written */
static int b_history_add(lua_State *L) {
  const char *entry = luaL_checkstring(L, 1), *path = luaL_optstring(L, 2, NULL);
  HIST_ENTRY *last = history_length > 0 ? history_get(history_base + history_length - 1) : NULL;
  if (last && strcmp(last->line, entry) == 0) return 0;
  add_history(entry);
  if (!path) return 0;
  make_folders(path, 0700);
  char *text = strdup(entry);
  char folder[4096];
  if (!getcwd(folder, sizeof folder) || strpbrk(folder, "\001\002\n")) folder[0] = '\0';
  int fd = open_history(path);
  FILE *f = fd >= 0 ? fdopen(fd, "a") : NULL;
  if (f && text) {
    swap(text, '\n', '\001');
    fprintf(f, "%s\002%lld\002%s\n", text, (long long)time(NULL), folder);
  }
  int why = f ? 0 : errno;
  if (f) why = fclose(f) == 0 ? 0 : errno;
  else if (fd >= 0) close(fd);
  free(text);
  if (!why) return 0;
  lua_pushstring(L, strerror(why));
  return 1;
}

/* make_folders(path[, public]): those in front of its last '/', for this user alone, or for all */
static int b_make_folders(lua_State *L) {
  make_folders(luaL_checkstring(L, 1), lua_toboolean(L, 2) ? 0777 : 0700);
  return 0;
}

/* files(folder) → array of its names, folders with a "/" at the end; empty when it cannot be read */
static int b_files(lua_State *L) {
  const char *folder = luaL_checkstring(L, 1);
  lua_newtable(L);
  DIR *d = opendir(folder);
  if (!d) return 1;
  lua_Integer n = 0;
  for (struct dirent *e; (e = readdir(d)) && n < 100000;) {
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    struct stat st;
    bool is_folder = e->d_type == DT_DIR ||
      ((e->d_type == DT_LNK || e->d_type == DT_UNKNOWN) && fstatat(dirfd(d), e->d_name, &st, 0) == 0 &&
       S_ISDIR(st.st_mode));
    lua_pushfstring(L, is_folder ? "%s/" : "%s", e->d_name);
    lua_rawseti(L, -2, ++n);
  }
  closedir(d);
  return 1;
}

void readline_bind(lua_State *L) {
  static const luaL_Reg fns[] = {
    {"readline", b_readline}, {"completer", b_completer}, {"history_load", b_history_load},
    {"history_add", b_history_add}, {"make_folders", b_make_folders}, {"files", b_files}, {0, 0}};
  luaL_setfuncs(L, fns, 0);
}
