"""The lines that are kept between sessions: with when and where, of shells side by side, after kill -9, cut in time."""
import os, re, signal, time, unittest
import tap
from term import Home, Term, plain


class History(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)
        self.path = os.path.join(self.home.path, ".local/state/suture/history")

    def term(self, **env):
        t = Term(self.home, **env)
        t.expect("> ")
        return t

    def test_shells_side_by_side_lose_nothing_at_kill_9(self):
        a, b = self.term(), self.term()
        a.line("print 'of a'")
        b.line("print 'of b'")
        a.send("for i = 1, 2 do\r")
        a.expect(">> ")
        a.line("end")
        for t in (a, b):
            os.kill(t.pid, signal.SIGKILL)
            t.close()
        t = self.term()
        shown = plain(t.line(":history all"))
        self.assertRegex(shown, r"-- in ~?\S*\n\d{4}-\d\d-\d\d \d\d:\d\d  print 'of a'\n.*print 'of b'\n.*for i = 1, 2 do\n +end")
        self.assertNotIn("of a", plain(t.line(":history all of b")).replace(":history all of b", ""))
        for _ in range(5):
            t.send("\x1b[A")
        t.send("\r")
        t.expect("\nof a\n")
        t.expect("> ")
        self.assertEqual(t.leave(), 0)

    def test_a_long_file_is_cut_and_keeps_the_last_lines(self):
        os.makedirs(os.path.dirname(self.path))
        with open(self.path, "w") as f:
            f.writelines("x = %d\n" % i if i % 2 else "x = %d\002100\002/tmp\n" % i for i in range(10001))
        t = self.term()
        t.line("x = 'last'")
        self.assertEqual(t.leave(), 0)
        with open(self.path) as f:
            lines = f.read().splitlines()
        self.assertEqual(lines[0].split("\002")[0], "x = 5001")
        self.assertEqual(lines[-2].split("\002")[0], "x = 'last'")
        self.assertTrue(abs(int(lines[-2].split("\002")[1]) - time.time()) < 3600)

    def test_a_global_made_in_a_function_is_told_once(self):
        t = self.term()
        t.line("function f() total = 1 end")
        self.assertIn("a function of input 1 sets the global 'total'", t.line("f()").replace("\n", " "))
        self.assertNotIn("global", t.line("f()"))
        self.assertNotIn("global", t.line("no_grad(function() y = 1 end)"))
        self.assertIn("function k sets the global 'kept'", t.line("function k() kept = 1 end k()").replace("\n", " "))
        self.assertNotIn("global", t.line("function g() function h() end local z = 1 end g()"))

    def test_matching_brackets_blink(self):
        t = self.term(INPUTRC="/dev/null")
        t.send("(1")
        t.expect("(1")
        before = len(t.out)
        t.send(")")
        end = time.time() + 20  # the cursor goes to the bracket that is closed, and comes back
        while time.time() < end and not re.search(r"\)(\x08{3}|\x1b\[3D|\r)", t.out[before:]):
            t.pump(0.05)
        self.assertRegex(t.out[before:], r"\)(\x08{3}|\x1b\[3D|\r)")


if __name__ == "__main__":
    tap.main()
