"""The command line: options, scripts, standard input, exit codes; nothing here has a terminal but where it says so."""
import os, re, signal, subprocess, time, unittest
import tap
from term import Home, SLOW, Term, SUTURE, TOP, run


class Cli(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)

    def script(self, text, name="s.lua"):
        path = os.path.join(self.home.path, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def run(self, *args, **kw):
        if args and isinstance(args[0], unittest.TestResult):
            return super().run(*args, **kw)
        return run(self.home, *args, **kw)

    def test_chunks_run_in_order(self):
        self.assertEqual(self.run("-e", "x = 1", "-ey = x + 1", "-e", "print(x, y)"), (0, "1\t2\n", ""))

    def test_script_gets_arg(self):
        s = self.script("print(arg[0] == ..., arg[1], arg[2], #arg, arg[-1], ...)")
        code, out, _ = self.run("-q", s, "a", "-e")
        self.assertEqual((code, out), (0, "false\ta\t-e\t2\t-q\ta\t-e\n"))

    def test_shebang(self):
        s = self.script("#!/usr/bin/env suture\nprint('ran', ...)\n")
        os.chmod(s, 0o755)
        env = self.home.env(PATH=TOP + ":" + os.environ["PATH"])
        p = subprocess.run([s, "x"], capture_output=True, text=True, env=env)
        self.assertEqual((p.returncode, p.stdout), (0, "ran\tx\n"))

    def test_standard_input_is_a_script(self):
        self.assertEqual(self.run(stdin="print(1)\nlocal x = 2\nprint(x)\n"), (0, "1\n2\n", ""))
        self.assertEqual(self.run("-", "a", stdin="print(...)"), (0, "a\n", ""))

    def test_interactive_without_a_terminal_has_no_prompt(self):
        self.assertEqual(self.run("-i", stdin="1 + 1\nfor i = 1, 1 do\nprint(i)\nend\n"), (0, "2\n1\n", ""))

    def test_interactive_after_a_script(self):
        s = self.script("x = 5")
        self.assertEqual(self.run("-i", s, stdin="x\n"), (0, "5\n", ""))
        bad = self.script("x = 6 error 'after'", "bad.lua")
        code, out, err = self.run("-i", bad, stdin="x\n")
        self.assertEqual((code, out), (0, "6\n"))
        self.assertIn("after", err)

    def test_libraries(self):
        self.script("return {v = 'mine'}", "mylib.lua")
        self.assertEqual(self.run("-l", "mylib", "-e", "print(mylib.v)")[:2], (0, "mine\n"))
        self.assertEqual(self.run("-l", "k=mylib", "-e", "print(k.v)")[:2], (0, "mine\n"))
        self.assertEqual(self.run("-lno.such", "-e", "print(1)")[0], 1)

    def test_errors_have_a_traceback_and_exit_1(self):
        s = self.script("local function f() error('deep') end\nf()\n")
        code, out, err = self.run(s)
        self.assertEqual((code, out), (1, ""))
        self.assertRegex(err, r"^suture: .*s\.lua:1: deep\nstack traceback:\n")
        self.assertIn("in main chunk", err)
        self.assertEqual(self.run("-e", "x = = 1")[0], 1)
        self.assertEqual(self.run("no-such-file.lua")[0], 1)
        code, _, err = self.run("-e", "error(setmetatable({}, {__tostring = function() return 'own' end}))")
        self.assertEqual((code, err), (1, "suture: own\n"))

    def test_errors_name_the_nearest(self):
        self.assertIn("no global 'prnt': did you mean print?", self.run("-e", "prnt(1)")[2])
        self.assertIn("no global 'Linear': did you mean nn.Linear?", self.run("-e", "Linear(2, 3)")[2])
        self.assertIn("no method 'thaw' in m: did you mean unfreeze?", self.run("-e", "m = nn.ReLU(); m:thaw()")[2])
        self.assertIn("no field 'flor' in math: did you mean floor?", self.run(self.script("local m = 1\nmath.flor(m)"))[2])

    def test_a_chunk_that_fails_stops_the_rest(self):
        self.assertEqual(self.run("-e", "error 'x'", "-e", "print(1)")[:2], (1, ""))

    def test_bad_usage_exits_2(self):
        for args in (["-x"], ["-e"], ["-l"], ["--threads"], ["--threads", "0"], ["--threads", "two"], ["--threads=-1"],
                     ["--threads", "2x"], ["--thread", "2"]):
            code, out, err = self.run(*args)
            self.assertEqual((code, out), (2, ""), args)
            self.assertIn("usage: suture", err)

    def test_gradcam_in_ten_lines(self):
        code, out, err = self.run("-q", os.path.join(TOP, "examples/gradcam.lua"))
        self.assertEqual((code, err), (0, ""))
        maps = re.split(r"^\w+, taken for \w+$", out, flags=re.M)[1:]
        self.assertEqual(len(maps), 8)
        for m in maps:  # somewhere it looks, and not everywhere
            self.assertIn("##", m)
            self.assertGreater(m.count("  "), 8)

    def test_help_and_version(self):
        self.assertRegex(self.run("--version")[1], r"^Suture \d")
        code, out, err = self.run("--help")
        self.assertEqual((code, err), (0, ""))
        self.assertIn("--threads N", out)
        self.assertEqual(self.run("-h")[1], out)

    def test_threads(self):
        code, out, _ = self.run("--threads", "1", "-e", "print(suture.threads and suture.threads() or 1)")
        self.assertEqual((code, out), (0, "1\n"))
        self.assertEqual(self.run("--threads=2", "-e", "print(1)")[:2], (0, "1\n"))

    def test_exit_codes_pass_through(self):
        self.assertEqual(self.run("-e", "os.exit(3)")[0], 3)
        self.assertEqual(self.run("-e", "os.exit(true, true)")[0], 0)

    def interrupt(self, *args):
        p = subprocess.Popen([SUTURE, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.home.env())
        self.assertEqual(p.stdout.readline(), "go\n")
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=SLOW)
        return p.returncode, out, err

    def test_sigint_in_a_script_exits_130(self):
        go = "io.write 'go\\n' io.flush() "
        code, _, err = self.interrupt("-e", go + "while true do end")
        self.assertEqual((code, err), (130, "interrupted\n"))
        # Code that deals with it in its own way still ends with 130.
        self.assertEqual(self.interrupt("-e", "pcall(function() " + go + "while true do end end) print 'end'")[:2], (130, "end\n"))

    def test_output_is_plain_without_a_terminal(self):
        code, out, err = self.run("-i", stdin="error 'x'\n?print\n")
        self.assertNotIn("\x1b", out + err)
        self.assertEqual(err, "x\n")

    def test_starts_quickly(self):
        most = 0.3 if not os.environ.get("SANITIZE") else 5  # scripts/bench measures; this is a bound on folly
        best = self.quickest(most, lambda: self.run("-e", "print(1)"))
        plain = self.quickest(0.004, lambda: subprocess.run(["lua5.4", "-e", "print(1)"], capture_output=True))
        if best >= most and plain > 0.004:
            self.skipTest("this machine is busy: stock Lua takes %.0f ms to start" % (plain * 1e3))
        self.assertLess(best, most)

    def quickest(self, enough, f):
        best = 9
        for _ in range(30):
            start = time.perf_counter()
            f()
            best = min(best, time.perf_counter() - start)
            if best < enough:
                break
        return best

    def test_stock_lua(self):
        env = self.home.env(LUA_CPATH=os.path.join(TOP, os.environ.get("O", ""), "?.so") + ";;")
        if os.environ.get("SANITIZE"):
            self.skipTest("the sanitizers want to be loaded first")
        p = subprocess.run(["lua5.4", "-e", "local s = require 'suture' print(s.version, nn, require 'suture.base.suggest' ('fitt', {'fit'}))"],
                           capture_output=True, text=True, env=env)
        self.assertEqual((p.returncode, p.stdout), (0, "0.1\tnil\tfit\n"), p.stderr)

    def test_a_script_in_a_folder_called_as_the_library_s_is_the_user_s(self):
        os.makedirs(os.path.join(self.home.path, "lua/nn"))
        for name in ["lua/mine.lua", "lua/nn/init.lua"]:  # the second is the name of a file of the library too
            self.script("history(true)\n-- mine(): what the user wrote\nfunction mine() end\n"
                            "m = nn.Sequential(nn.Linear(2, 2))\nm:freeze()\nprint(history())\nhelp(mine)\nm:frezze()\n", name)
            code, out, err = self.run(name)
            self.assertEqual(code, 1)
            self.assertIn("2 modules frozen", out)
            self.assertIn("what the user wrote\n%s:3" % name, out)
            self.assertIn("suture: %s:8: no method 'frezze' in m: did you mean freeze?" % name, err)
        self.script("zeros(2, -1)", name)
        self.assertIn("suture: %s:1: zeros: size expects" % name, self.run(name)[2])

    def test_no_memory_at_any_moment_of_the_start_is_an_error_in_words(self):
        if os.environ.get("SANITIZE"):
            self.skipTest("the sanitizers have an allocator of their own")
        source = self.script("""#include <dlfcn.h>
            #include <stdlib.h>
            void *realloc(void *p, size_t n) { /* which Lua allocates with: none any more after NTH */
              static void *(*real)(void *, size_t);
              static long left = -1;
              if (!real) {
                real = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
                left = atol(getenv("NTH"));
              }
              return left > 0 ? left--, real(p, n) : NULL;
            }""", "none.c")
        library = source[:-1] + "so"
        subprocess.run([os.environ.get("CC", "cc"), "-w", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", library, source], check=True)
        codes = set()
        for nth in [0, 1, 5, 20, 60, 150, 300, 600, 900, 1200, 1500, 2000, 3000, 5000]:
            code, out, err = self.run("-e", "print(1)", LD_PRELOAD=library, NTH=str(nth))
            self.assertIn((code, out), [(0, "1\n"), (1, "")], "after %d: %s" % (nth, err))
            if code == 1:
                self.assertRegex(err, "(not enough|out of) memory", "after %d" % nth)
            codes.add(code)
        self.assertEqual(codes, {0, 1})

    def test_modules_beside_the_script_come_first(self):
        self.script("return 'in the folder that it runs in'", "helper.lua")
        for name in ("scripts/helper.lua", "scripts/kit/init.lua", "scripts/suture/base/note.lua"):
            os.makedirs(os.path.dirname(os.path.join(self.home.path, name)), exist_ok=True)
            self.script("return 'beside'", name)
        path = self.script("print(require 'helper', require 'kit', type(require 'suture.base.note'))\nrequire 'none'", "scripts/a.lua")
        for where in ("scripts/a.lua", path):
            code, out, err = self.run(where)
            self.assertEqual((code, out), (1, "beside\tbeside\ttable\n"), err)
            self.assertIn("scripts/none.lua' beside the script", err)
        os.symlink(path, os.path.join(self.home.path, "link"))
        self.assertEqual(self.run("link")[1], "beside\tbeside\ttable\n")

    def test_remarks_are_told_once_and_not_under_q(self):
        path = os.path.join(self.home.path, "w.safetensors")
        code = "zoo.cifar_resnet20{}:save('%s') for i = 1, 3 do zoo.cifar_resnet20{num_classes = 3, weights = '%s'} end" % (path, path)
        status, _, err = self.run("-e", code)
        self.assertEqual((status, err.count("is new, for 3 classes")), (0, 1), err)
        self.assertEqual(self.run("-q", "-e", code), (0, "", ""))

    def test_patterns_are_lua_s(self):
        path = os.path.join(TOP, "tests/repl/patterns.lua")
        for seed in ("1", "2"):
            ours, theirs = [subprocess.run([program, path, seed, "1500"], capture_output=True, env=self.home.env(), timeout=SLOW).stdout
                            for program in (SUTURE, "lua5.4")]
            self.assertTrue(ours == theirs and len(ours) > 100000, "seed " + seed)

    def test_long_functions_are_lua_s(self):
        path, work = os.path.join(TOP, "tests/repl/standard.lua"), os.path.join(self.home.path, "work")
        ours, theirs = [subprocess.run([program, path, "1", work], capture_output=True, env=self.home.env(), timeout=SLOW).stdout.splitlines()
                        for program in (SUTURE, "lua5.4")]
        self.assertEqual([], [pair for pair in zip(ours, theirs) if pair[0] != pair[1]][:3])
        self.assertTrue(len(ours) == len(theirs) > 3000, (len(ours), len(theirs)))

    def test_the_collector_stays_one_that_ctrl_c_stops(self):
        code, out, err = self.run("-e", "print(collectgarbage 'generational', collectgarbage 'generational', collectgarbage 'incremental') "
                                        "collectgarbage('incremental', 200, 100, 13) collectgarbage('incremental', 200, 100, 40)")
        self.assertEqual((code, out), (1, "incremental\tincremental\tincremental\n"))
        self.assertEqual(err.count("the collector stays incremental"), 1)
        self.assertIn("bad argument #4 to 'collectgarbage'", err)

    def test_missing_embedded_module_is_named(self):
        code, _, err = self.run("-e", "require 'suture.nonsense'")
        self.assertEqual(code, 1)
        self.assertIn("no embedded file for 'suture.nonsense'", err)

    def test_a_closed_output_is_no_crash(self):
        p = subprocess.run("'%s' -e 'for i = 1, 1e5 do print(i) end' | head -1" % SUTURE, shell=True, capture_output=True,
                           text=True, env=self.home.env())
        self.assertEqual(p.stdout, "1\n")


tap.main()
