"""os.execute and io.popen at the prompt: whose a Ctrl-C is, and that waiting always ends."""
import os, signal, unittest
import tap
from term import Home, Term, SOON


class Children(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)
        self.t = Term(self.home, "-q")
        self.t.expect("> ")

    def tearDown(self):
        self.assertEqual(self.t.line("1 + 1"), "2")
        self.assertEqual(self.t.leave(), 0)

    def stop(self, code, then=None):
        """Types a line whose child says "here", then Ctrl-C (and once more when `then` is shown); what it showed."""
        t = self.t
        t.send(code + "\r")
        t.expect("here\n")
        t.pump(0.5)  # dash takes no notice of one that comes between two of its commands
        t.send("\x03")
        if then:
            t.expect(then)
            t.send("\x03")
        return t.prompt(SOON)

    def test_a_child_that_it_ends_ends_the_line(self):
        for code in ("os.execute 'echo here; exec sleep 1000' print 'on'", "while true do os.execute 'echo here; sleep 1000' end",
                     "p = io.popen('echo here >&2; exec sleep 1000') p:read 'a' print 'on'",
                     "p = io.popen('echo here >&2; exec sleep 1000', 'w') p:close() print 'on'"):
            shown = self.stop(code)
            self.assertIn("interrupted", shown)
            self.assertNotIn("on\n", shown)

    def test_a_child_that_answers_it_keeps_the_line(self):
        shown = self.stop("""print(os.execute "trap 'kill $!; echo cleaned; exit 4' INT; sleep 1000 & echo here; wait") print 'on'""")
        self.assertEqual(shown.replace("^C", "").strip(), "cleaned\nnil\texit\t4\non")

    def test_a_program_with_keys_of_its_own_has_it(self):
        program = os.path.join(self.home.path, "keys.py")
        with open(program, "w") as f:
            f.write("import signal, sys, time, tty\nsignal.signal(signal.SIGINT, lambda *a: print('its own'))\ntty.setcbreak(0)\n"
                    "print('here', flush=True)\ntime.sleep(0.6)\nprint('left', flush=True)\nimport termios\n"
                    "a = termios.tcgetattr(0)\na[3] |= termios.ICANON | termios.ECHO\ntermios.tcsetattr(0, termios.TCSANOW, a)\n")
        shown = self.stop("print(os.execute 'exec python3 keys.py') print 'on'")
        self.assertIn("its own", shown)
        self.assertTrue(shown.endswith("left\ntrue\texit\t0\non\n"), shown)

    def test_a_child_that_takes_no_notice(self):
        said = "Ctrl-C once more tells it to (SIGTERM)\n"
        shown = self.stop("""os.execute "trap '' INT; echo here; sleep 1000" print 'on'""", then=said)
        self.assertIn("interrupted", shown)
        self.assertNotIn("on\n", shown)
        shown = self.stop("""p = io.popen("trap '' INT; echo here >&2; sleep 1000", 'w') p:close() print 'on'""", then=said)
        self.assertIn("interrupted", shown)
        shown = self.stop("""os.execute "trap '' INT TERM; echo here; while :; do sleep 1; done" """, then=said)
        pid = int(shown.split("process ")[1].split()[0])
        self.assertIn("has not ended, though it was told to", shown)
        os.kill(pid, signal.SIGKILL)

    def test_a_pipe_that_nobody_closes(self):
        """Its finalizer waits for no one."""
        t = self.t
        shown = self.stop("""for l in io.popen("trap '' INT TERM; echo here >&2; sleep 3"):lines() do end""")
        self.assertIn("interrupted", shown)
        t.send("collectgarbage() collectgarbage() print 'collected'\r")
        t.expect("\ncollected", SOON)
        t.prompt()

    def test_what_asks_it_to_end_ends_the_child_too(self):
        t = Term(self.home, "-q")
        t.expect("> ")
        t.send("os.execute 'echo here; exec sleep 1000'\r")
        t.expect("here\n")
        os.kill(t.pid, signal.SIGTERM)
        self.assertEqual(t.close(), 143)


if __name__ == "__main__":
    tap.main()
