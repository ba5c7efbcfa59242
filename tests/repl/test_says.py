"""What the prompt says: values within limits that are told, errors in the words of who types, each trouble once; and how soon it is quiet."""
import os, subprocess, time, unittest
import tap
from term import Home, SLOW, SUTURE, Term, plain, run

FULL = os.path.exists("/dev/full")


class Says(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)

    def term(self, **env):
        t = Term(self.home, "-q", **env)
        t.expect("> ")
        return t

    def test_values(self):
        t = self.term()
        for line, shown in [("{_a = 1}", "{_a = 1}"), ("{{1, 2}, {{3}}}", "{{1, 2}, {{3}}}"), ('"5", 5', '"5"\t5'), ("{{{{{{{1}}}}}}}", "{{{{{{…}}}}}}"),
                            ("u = {} u.u = u", ""), ("u", "{u = {… itself}}"), ("setmetatable({}, {__name = 'Mine'})", "Mine {}"), ("'a\\nb\\0c'", '"a\\nb\\x00c"'),
                            ("{[1.5] = 2, [true] = 3}", "{[1.5] = 2, [true] = 3}"), ("'quo\"te'", '"quo\\"te"')]:
            self.assertEqual(t.line(line), shown, line)
        t.line("s = ('x'):rep(5000000)")
        shown = t.line("s")
        self.assertLess(len(shown), 3000)
        self.assertIn("5.00 MB: print shows it whole", shown)
        t.line("a = {} for i = 1, 1e5 do a[i] = i end")
        shown = t.line("a")
        self.assertIn("… 99,900 more", shown)
        self.assertLess(shown.count("\n"), 20)

    def test_errors_in_the_words_of_who_types(self):
        t = self.term()
        for line, shown in [("print(“hello”)", "“ (U+201C) is no character of Lua's: a string is in straight quotes: \""),
                            ("print(‘a’)", "‘ (U+2018) is no character of Lua's: a string is in straight quotes: '"),
                            ("x = 5 − 3", "− (U+2212) is no character of Lua's: minus, and the dashes of a comment, are -"),
                            ("x = '“' y = nil + 1", "attempt to perform arithmetic on a nil value"),
                            ("error 'x'", "x"), ("for i = 1, 2 do error 'y' end", "y"), ("local function f() error 'deep' end f()", "deep"),
                            ("1 + nil", "attempt to perform arithmetic on a nil value"), ("coroutine.wrap(function() error 'in it' end)()", "in it")]:
            self.assertEqual(t.line(line), shown, line)
        t.send("\x1b[200~function g()\n  local a = nil\n  return a.b\nend\x1b[201~\r")  # :history numbers what was typed
        t.prompt()
        self.assertEqual(t.line("g()"), "input 10, line 3: attempt to index a nil value (local 'a')")
        self.assertIn("  10   function g()", t.line(":history"))
        t.send("\x1b[200~a = 1\nb = nil + 1\x1b[201~\r")
        t.expect("b = nil + 1\n")
        self.assertIn("line 2: attempt to perform arithmetic on a nil value", t.prompt())

    def test_a_home_that_cannot_be_written_is_told_once(self):
        for home in ("/proc/nothing", "/dev/null/x"):
            t = self.term(HOME=home)
            for i in range(3):
                t.line("%d + 1" % i)
            self.assertEqual(plain(t.out).count("the history of this session is not kept: " + home), 1)
            t.send("\x04")
            self.assertEqual(t.close(), 0)
        for home in (None, "relative"):
            t = self.term(HOME=home)
            self.assertEqual(t.line("1 + 1"), "2")

    @unittest.skipUnless(FULL, "there is no /dev/full")
    def test_output_that_cannot_be_written_is_a_failure(self):
        for args, typed in [(["-e", "print(1)"], ""), (["-e", "io.write 'x'"], ""), (["-e", "print(1) os.exit(0)"], ""), (["-e", "print(1) os.exit(true, true)"], ""),
                            (["-e", "for i = 1, 1e5 do print(i) end"], ""), (["-i"], "1 + 1\nprint(2)\n"), (["--version"], ""), (["--help"], ""), ([], "print(1)")]:
            with open("/dev/full", "w") as full:
                p = subprocess.run([SUTURE, *args], input=typed, stdout=full, stderr=subprocess.PIPE, text=True, env=self.home.env(), timeout=SLOW)
            self.assertEqual(p.returncode, 1, args)
            self.assertIn("suture: the output cannot be written", p.stderr, args)

    def test_ctrl_c_takes_a_small_part_of_what_it_stops(self):
        t = self.term()
        for code, part in [("randn(20000, 20000):sum():item()", "randn(2000, 2000):sum():item()"), ("x = rand(20000, 20000); x:sum():item()", "rand(2000, 2000):sum():item()"),
                           ("('a'):rep(40):find(('a*'):rep(40) .. 'b')", None), ("('a'):rep(40):gsub(('a-'):rep(40) .. 'b', '')", None),
                           ("for i = 1, 1e12 do print(i) end", None)]:
            begun = time.time()
            t.line(part or "randn(2000, 2000):sum():item()")
            a_hundredth = time.time() - begun
            t.send(code + "\r")
            t.expect(code[-20:])
            time.sleep(0.3)
            begun = time.time()
            t.send("\x03")
            shown = t.prompt()
            self.assertIn("interrupted", shown)
            self.assertLess(time.time() - begun, max(1, 30 * a_hundredth), code)
            t.line("x = nil; collectgarbage()")


tap.main()
