"""What the prompt lives through: standard names redefined, memory that fails; and how it leaves the terminal."""
import os, shutil, signal, subprocess, termios, time, unittest
import tap
from term import Home, SUTURE, Term, run

NAMES = """_G _VERSION assert collectgarbage coroutine debug dofile error getmetatable io ipairs load loadfile math next os package
pairs pcall print rawequal rawget rawlen rawset require select setmetatable string table tonumber tostring type utf8 warn xpcall""".split()

FAILS = """#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
static volatile long left = -1, fails = 0; /* Lua allocates with realloc: after SIGUSR1 the NTH one fails, and FAILS - 1 behind it */
static void on(int sig) { (void)sig; left = atol(getenv("NTH")); fails = atol(getenv("FAILS")); }
__attribute__((constructor)) static void begin(void) { signal(SIGUSR1, on); }
void *realloc(void *p, size_t n) {
  static void *(*real)(void *, size_t);
  if (!real) real = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
  if (left > 0 && n) left--;
  else if (left == 0 && n && fails-- > 0) return NULL;
  return real(p, n);
}"""

STOPS = """#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
static int armed, calls;
static void on(int sig) { (void)sig; armed = 1; }
__attribute__((constructor)) static void begin(void) { signal(SIGUSR1, on); }
__attribute__((destructor)) static void end(void) { fprintf(stderr, "%d calls\\n", calls); }
int madvise(void *p, size_t n, int advice) { /* after SIGUSR1 Ctrl-C comes at the first one */
  if (armed && !calls++) raise(SIGINT);
  return ((int (*)(void *, size_t, int))dlsym(RTLD_NEXT, "madvise"))(p, n, advice);
}"""


class Survives(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)

    def run_(self, lines, **env):
        return run(self.home, "-q", "-i", stdin="\n".join(lines) + "\n", **env)

    def preload(self, name, text):
        source = os.path.join(self.home.path, name + ".c")
        with open(source, "w") as f:
            f.write(text)
        library = source[:-1] + "so"
        subprocess.run([os.environ.get("CC", "cc"), "-w", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", library, source], check=True)
        return library

    def test_any_standard_name(self):
        for i, name in enumerate(NAMES):
            for value in ("'conv'", "nil")[i % 2::2]:
                status, out, err = self.run_(["m = nn.Sequential(nn.Linear(2, 2), nn.ReLU())", "%s = %s" % (name, value), "1 + 1", "m",
                                              "{1, {2}}", "m[0] = nn.Linear(2, 3)", "x = m(randn(2, 2)):sum():item()", "undo()", "m:freze()",
                                              ":history", "?zeros", "6 * 7"])
                shown = "%s = %s: %s %s" % (name, value, out, err)
                self.assertEqual(status, 0, shown)
                self.assertTrue(out.endswith("\n42\n"), shown)
                self.assertIn("did you mean freeze", err, shown)
                self.assertNotIn("attempt to", err, shown)
                self.assertEqual(out.count("%s is Lua's own" % name), name != "_VERSION", shown)

    def test_kill_while_saving(self):
        """Whatever is being written at kill -9: the folder has whole files, old or new, and no other."""
        folder = os.path.join(self.home.path, "out")
        os.mkdir(folder)
        script = os.path.join(self.home.path, "save.lua")
        with open(script, "w") as f:
            f.write("""local folder, m, x = arg[1], nn.Linear(2000, 500), rand(3, 400, 400)
                       io.write("begun\\n") io.flush()
                       while true do
                         m:save(folder .. "/a.pth") m:save(folder .. "/a.safetensors") save_tensor(x, folder .. "/a.npy")
                         image.save(x, folder .. "/a.png") m:graph {input = {1, 2000}}:save(folder .. "/a.svg")
                       end""")
        for i in range(8):
            p = subprocess.Popen([SUTURE, "-q", script, folder], stdout=subprocess.PIPE, env=self.home.env())
            self.assertEqual(p.stdout.readline(), b"begun\n")
            time.sleep(0.03 * i)
            p.kill()
            p.wait()
            p.stdout.close()
            self.assertLessEqual(set(os.listdir(folder)), {"a.pth", "a.safetensors", "a.npy", "a.png", "a.svg"})
        check = "for name in io.popen('ls ' .. arg[1]):lines() do local path, kind = arg[1] .. '/' .. name, name:match '%w+$' " \
                "if kind == 'png' then image.load(path) elseif kind == 'npy' then load_tensor(path) " \
                "elseif kind ~= 'svg' then open(path) end end print 'whole'"
        with open(script, "w") as f:
            f.write(check)
        status, out, err = run(self.home, "-q", script, folder)
        self.assertEqual((status, out), (0, "whole\n"), err)

    def test_no_memory(self):
        if os.environ.get("SANITIZE"):
            self.skipTest("the sanitizers have an allocator of their own")
        library = self.preload("fails", FAILS)
        failed = 0
        for what in ("m:summary()", "m[0] = nn.Linear(2, 3)", "foo.bar", "x = 1 y = 2"):
            for fails in (1, 6):
                for nth in (0, 2, 11, 80, 150, 340, 515):
                    status, out, err = self.run_(["m = nn.Sequential(nn.Linear(2, 2), nn.ReLU())", "os.execute 'kill -USR1 $PPID'", what] +
                                                 ["collectgarbage() local t = {} for i = 1, 9 do t[i] = {} end"] * 8 + ["m[0].bias:numel() + 40"],
                                                 LD_PRELOAD=library, NTH=str(nth), FAILS=str(fails))
                    shown = "%s, after %d, %d times: %s %s" % (what, nth, fails, out, err)
                    self.assertEqual(status, 0, shown)
                    self.assertRegex(out, r"\n?4[23]\n$", shown)
                    self.assertNotIn("unexpected symbol", err, shown)
                    failed += "not enough memory" in err
        self.assertGreater(failed, 20)

    def test_ctrl_c_in_the_making_of_a_large_block(self):
        """No more than the part under way is made, and memory that was refused is no memory that is not there."""
        if os.environ.get("SANITIZE"):
            self.skipTest("the sanitizers call the same functions")
        library = self.preload("stops", STOPS)
        for what in ("b = a .. a .. a", "b = pcall(function() return a .. a .. a end)", "b = a:rep(3)",
                     "b = {} for i = 1, 3e6 do b[i] = i end"):
            status, out, err = self.run_(["a = ('x'):rep(1 << 24)", "os.execute 'kill -USR1 $PPID'", what, "#(a .. a .. a)"], LD_PRELOAD=library)
            self.assertEqual((status, out), (0, 'true\t"exit"\t0\n%d\n' % (3 << 24)), what + err)
            self.assertRegex(err, r"^interrupted\n[1-9]\d? calls\n$", what)

    def test_a_string_that_is_too_long(self):
        if os.environ.get("SANITIZE"):
            self.skipTest("the sanitizers take all addresses")
        p = subprocess.run(["sh", "-c", "ulimit -v 1900000; exec %s -q -i" % SUTURE], capture_output=True, text=True, env=self.home.env(OPENBLAS_NUM_THREADS="1"),
                           input="m = nn.Linear(2, 2)\ns = string.rep('x', 2000000000)\ns = string.rep('x', 2000000000)\nm.bias:numel()\n")
        self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "2\n", "not enough memory\nnot enough memory\n"))

    # ---- the terminal ----

    def test_the_terminal_after_every_end(self):
        signals = ["TERM", "HUP", "QUIT"] + ([] if os.environ.get("SANITIZE") else ["SEGV", "ABRT", "BUS", "FPE", "ILL"])
        for name in signals + ["eof"]:
            t = Term(self.home, "-q")
            t.expect("> ")
            t.line("1 + 1")
            self.assertFalse(termios.tcgetattr(t.fd)[3] & termios.ICANON)
            if name == "eof":
                t.send("\x04")
            else:
                os.kill(t.pid, getattr(signal, "SIG" + name))
            _, status = os.waitpid(t.pid, 0)
            self.assertEqual(status & 127, 0 if name == "eof" else getattr(signal, "SIG" + name), name)
            flags = termios.tcgetattr(t.fd)[3]
            self.assertTrue(flags & termios.ICANON and flags & termios.ECHO and flags & termios.ISIG, name)
            while t.pump(0.05):
                pass
            self.assertEqual(t.out.count("\x1b[?2004l"), t.out.count("\x1b[?2004h"), name)
            os.close(t.fd)

    def test_stopped_and_gone_on_with(self):
        for command in (["bash", "--norc", "-i"], ["dash", "-i"]):
            if not shutil.which(command[0]):
                continue
            t = Term(self.home, *command[1:], program=command[0], PS1="sh$ ", ENV="")
            t.expect("sh$ ")
            t.send(SUTURE + " -q\r")
            t.expect("\n> ")
            t.send("1 + 41")
            t.expect("1 + 41")
            t.send("\x1a")
            t.expect("Stopped")
            t.expect("sh$ ")
            t.send("fg\r")
            t.expect("> 1 + 41")
            t.send("\r")
            t.expect("42\n> ")
            t.send("\x04")
            t.expect("sh$ ")
            t.send("exit\r")
            self.assertEqual(t.close(), 0)

    def test_the_terminal_after_an_end_in_the_midst_of_something(self):
        for name in ("TERM", "HUP", "QUIT"):
            for keys in ("half a line", "\x12prin", "\x1b[200~local x", "\x1b", "\x16", "\x1b5", "m\t\t", "\t\t", "f(\r"):
                t = Term(self.home, "-q")
                t.expect("> ")
                t.line("print(1)")
                t.send(keys)
                time.sleep(0.1)
                os.kill(t.pid, getattr(signal, "SIG" + name))
                self.assertEqual(self.ended(t), getattr(signal, "SIG" + name), (name, keys))
                flags = termios.tcgetattr(t.fd)[3]
                self.assertTrue(flags & termios.ICANON and flags & termios.ECHO and flags & termios.ISIG, (name, keys))
                os.close(t.fd)

    def ended(self, t):
        while True:
            t.pump(0.02)
            pid, status = os.waitpid(t.pid, os.WNOHANG)
            if pid:
                return status & 127

    def test_a_window_that_changes_while_a_line_runs(self):
        t = Term(self.home, "-q", columns=80)
        t.expect("> ")
        t.send("os.execute 'sleep 0.5'\r")
        t.expect("sleep 0.5'\n")
        t.resize(40)
        t.prompt()
        t.send("x" * 50 + "END\x01")
        t.expect("END")
        while "\x1b[A" not in t.out:
            self.assertTrue(t.pump(10), t.out)
        t.send("\x05\x15\x04")
        self.assertEqual(t.close(), 0)

    def test_a_narrower_window(self):
        t = Term(self.home, "-q", columns=80)
        t.expect("> ")
        t.resize(40)
        t.send("x" * 50 + "END\x01")  # and back to the beginning: one row up in a window of 40 columns
        t.expect("END")
        while "\x1b[A" not in t.out:
            self.assertIsNotNone(t.pump(1))
        t.send("\x05\x15\x04")
        self.assertEqual(t.close(), 0)


tap.main()
