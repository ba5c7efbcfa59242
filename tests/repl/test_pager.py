"""$PAGER: what is longer than the screen goes through it, and nothing else does."""
import os, unittest
import tap
from term import Home, Term, run, SOON

MARK = "sed s/^/paged:/"


class Pager(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)

    def term(self, **env):
        t = Term(self.home, "-q", **env)
        t.expect("> ")
        return t

    def leave(self, t):
        t.send("\x04")
        self.assertEqual(t.close(), 0)

    def test_what_is_longer_than_the_screen_is_paged(self):
        t = self.term(PAGER=MARK)
        shown = t.line("zoo.cifar_resnet20()")
        self.assertIn("paged:CifarResNet(", shown)
        self.assertIn("paged:269,722 parameters", shown)
        self.assertIn("paged:", t.line("?fit"))
        self.assertNotIn("paged:", t.line("nn.Linear(2, 3)"))
        self.assertNotIn("paged:", t.line("for i = 1, 100 do print(i) end"))
        self.leave(t)

    def test_nothing_is_paged_where_nobody_asked(self):
        for pager in (None, "", "cat"):
            t = self.term(PAGER=pager)
            self.assertIn("\nCifarResNet(", "\n" + t.line("zoo.cifar_resnet20()"))
            self.leave(t)
        code, out, _ = run(self.home, "-e", "print(zoo.cifar_resnet20())", PAGER=MARK)
        self.assertNotIn("paged:", out)

    def test_a_pager_that_is_not_there(self):
        t = self.term(PAGER="no-such-pager-here")
        shown = t.line("zoo.cifar_resnet20()")
        self.assertIn("269,722 parameters", shown)
        self.assertEqual(t.line("1 + 1"), "2")
        self.leave(t)

    def test_a_pager_that_is_left_and_ctrl_c_within(self):
        t = self.term(PAGER="head -n 1")
        self.assertIn("CifarResNet", t.line("zoo.cifar_resnet20()"))
        self.assertEqual(t.line("1 + 1"), "2")
        self.leave(t)
        t = self.term(PAGER="sh -c 'echo here; sleep 100'")
        t.send("zoo.cifar_resnet20()\r")
        t.expect("here")
        t.pump(0.5)  # the pager's own shell is not to be hit between two of its commands
        t.send("\x03")
        t.prompt(SOON)
        self.assertEqual(t.line("1 + 1"), "2")
        self.leave(t)


if __name__ == "__main__":
    tap.main()
