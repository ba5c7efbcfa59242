"""Pastes of random bytes and of random pieces of Lua, whole, cut off and with no brackets: the shell lives, nothing raw is shown, what
compiles is what was pasted. PASTES=2000 for that many, SEED=n for others."""
import os, random, re, unittest
import tap
from term import Home, Term

COUNT = int(os.environ.get("PASTES", "60"))
SEED = int(os.environ.get("SEED", "1"))
PIECES = ["local a = 1", "a = ", "= 1", "for i = 1, 3 do", "end", "print(i)", "function f()", "return 5", "x = 'ü日本'", "\"", "'", "[[", "]]", "--[[", "-- words", "\t", "  ", "\r\n", "\n", "\n", "\r",
          ":history", "?print", "> a = 2", "#!/usr/bin/env suture", "{1,", "(", ")", "1 +", "\\", "\\z", "goto x", "::x::", "error 'x'", "é" * 30, "x" * 300, "nil", "_", "\x0b", "\x7f", "\x01"]
# NUL, which terminals pass over, is what Readline itself writes where a row is full.
RAW = re.compile("[\x01-\x06\x0e-\x1a\x1c-\x1f\x7f-\x9f]|\x1b\\]")


def pasted(r):
    kind = r.randrange(3)
    if kind == 0:
        data = bytes(r.choice([r.randrange(256), r.randrange(32, 127), 10]) for _ in range(r.randint(1, 300)))
    elif kind == 1:
        data = "".join(r.choice(PIECES) for _ in range(r.randint(1, 30))).encode()
    else:
        data = " ".join(r.choice(PIECES) for _ in range(r.randint(1, 30))).encode()
    return re.sub(rb"[\x03\x04\x1a\x1c\x11\x13]", b"", data)  # these are no text where there are no brackets


class Paste(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)

    def test_any_bytes(self):
        r = random.Random(SEED)
        t = Term(self.home, "-q", columns=60, EDITOR="true", VISUAL="true")
        t.expect("> ")
        for i in range(COUNT):
            data, how = pasted(r), r.randrange(4)
            if how == 3:  # a terminal that has no brackets; keys with Esc are keys there
                typed = data.replace(b"\x1b", b"") + b"\r"
            else:
                typed = b"\x1b[200~" + data + (b"\x1b[201~\r" if how else b"")  # 0: cut off by Ctrl-C
            begun = len(t.out)
            try:
                t.send(typed)
                while t.pump(0.02):
                    pass
                t.send("\x03")
                while t.pump(0.05):
                    pass
                for tries in range(20):
                    t.send("\x03print('=', %d)\r" % i)
                    try:
                        t.expect("=\t%d\n" % i, 0.5)
                        break
                    except AssertionError:
                        if tries == 19 or os.waitpid(t.pid, os.WNOHANG)[0]:
                            raise
            except AssertionError as e:
                self.fail("paste %d of seed %d: %r: %s" % (i, SEED, typed, e))
            shown = t.out[begun:]
            raw = RAW.search(shown)
            self.assertIsNone(raw, "%r in %r of %r" % (raw, shown, typed))
            if len(t.out) > 100000:
                t.out, t.seen = "", 0
        self.assertEqual(t.leave(), 0)

    def test_what_is_pasted_is_what_runs(self):
        r = random.Random(SEED)
        t = Term(self.home, "-q", columns=200)
        t.expect("> ")
        for i in range(10):
            lines = ["v = {}"] + ["v[#v + 1] = '%s'" % "".join(r.choice("abcé日 \t#-[](){}") for _ in range(r.randint(0, 80))) for _ in range(r.randint(1, 60))]
            ends = r.choice(["\n", "\r", "\r\n"])
            text = ends.join(("\t" if r.random() < 0.2 else "") + line for line in lines)
            t.send("\x1b[200~" + text + "\x1b[201~\r")
            t.expect("\n> ")
            t.line("n = #v")
            self.assertEqual(t.line("n"), str(len(lines) - 1))
            for k in (1, len(lines) - 1):
                self.assertEqual(t.line("v[%d] == %s" % (k, lines[k].split(" = ", 1)[1].replace("\t", "\\t"))), "true")
        t.send("\x04")
        self.assertEqual(t.close(), 0)


tap.main()
