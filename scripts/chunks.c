/* chunks FOLDER FILE…: compiles the Lua files among FILE… to FOLDER/FILE, as lua_dump writes it, with names and lines.
 * They are loaded in a fraction of the time their text takes. An error in one of them ends the build. */
#include <errno.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int write_to(lua_State *L, const void *p, size_t n, void *file) {
  (void)L;
  return fwrite(p, 1, n, file) != n;
}

/* Makes the folders of `path` that are missing. */
static void make_folders(char *path) {
  for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    mkdir(path, 0777); /* where it fails, opening the file does */
    *slash = '/';
  }
}

static int compile(lua_State *L, const char *folder, const char *file) {
  char out[4096], name[4096];
  snprintf(out, sizeof out, "%s/%s", folder, file);
  snprintf(name, sizeof name, "=suture:%s", file); /* as lua/suture.c calls the text */
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  FILE *f = fopen(file, "rb");
  for (size_t n = 1; f && n > 0; luaL_addsize(&text, n)) n = fread(luaL_prepbuffer(&text), 1, LUAL_BUFFERSIZE, f);
  luaL_pushresult(&text);
  if (!f || ferror(f)) return fprintf(stderr, "%s: %s\n", file, strerror(errno)), 1;
  fclose(f);
  size_t n;
  const char *s = lua_tolstring(L, -1, &n);
  if (luaL_loadbufferx(L, s, n, name, "t")) return fprintf(stderr, "%s\n", lua_tostring(L, -1)), 1;
  make_folders(out);
  f = fopen(out, "wb");
  bool failed = !f || lua_dump(L, write_to, f, 0);
  failed = !f || fclose(f) || failed;
  if (failed) return fprintf(stderr, "%s: %s\n", out, strerror(errno)), 1;
  lua_settop(L, 0);
  return 0;
}

int main(int argc, char **argv) {
  lua_State *L = luaL_newstate();
  if (!L || argc < 2) return 1;
  for (int i = 2; i < argc; i++) {
    const char *dot = strrchr(argv[i], '.');
    if (dot && strcmp(dot, ".lua") == 0 && compile(L, argv[1], argv[i])) return 1;
  }
  lua_close(L);
  return 0;
}
