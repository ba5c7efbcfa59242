"""Random keys at the prompt, of every kind and in any order, with bursts of Ctrl-C: the shell lives, and the next line runs.
KEYS=10000 for that many sequences, SEED=n for others (`make keys`)."""
import os, random, time, unittest
import tap
from term import Home, Term, plain

COUNT = int(os.environ.get("KEYS", "200"))
SEED = int(os.environ.get("SEED", "1"))
PATIENCE = 60.0  # a long line that is drawn again and again takes its time on a machine that does much besides

CONTROL = [chr(c) for c in range(32) if chr(c) not in "\x03\x04\x13\x1a\x1c"]  # but those that mean an end, a stop or a signal
WORDS = ["print", "zoo.", "m.", "a = 1", "for i = 1, 2 do", "end", "'", '"', "(", ")", "[[", "é", "日本", "👩‍👩‍👧", "-- ", ":help", "?zoo", "x" * 150, " " * 90]
ARROWS = ["\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[H", "\x1b[F", "\x1b[3~", "\x1b[1;5C", "\x1bOA", "\x1b[200~", "\x1b[201~", "\x1b[999~"]
NAMED = ["vi-editing-mode", "emacs-editing-mode", "dump-functions", "set-mark", "kill-region", "no-such-command", "abort", "undo", "unix-line-discard"]


def key(r):
    """One key, or a few that belong together."""
    kind = r.randrange(12)
    if kind < 3:
        return r.choice(CONTROL)
    if kind == 3:
        return "\x1b" + r.choice(CONTROL + [chr(c) for c in range(32, 127)])
    if kind == 4:
        return "\x18" + r.choice(CONTROL + [chr(c) for c in range(32, 127)])
    if kind == 5:
        return r.choice(ARROWS)
    if kind == 6:
        return r.choice(WORDS)
    if kind == 7:  # a search, and what may end it
        return "\x12" + r.choice(["", "a", "print"]) + r.choice(["\x1b", "\x18", "\x07", "\t", "\x12", ""])
    if kind == 8:
        return r.choice(["\t", "\t\t", "\x1b?", "\x1b*", "\t\ty", "\t\tn", "\t\t "])
    if kind == 9:
        return r.choice(["\x1b5", "\x1b-", "\x15", "\x1bx" + r.choice(NAMED) + r.choice(["\r", "", "\x07"]), "\x16", "\x18(", "\x18)", "\x18e", "\x1f", "\x1b\x0a"])
    if kind == 10:
        return bytes(r.randrange(128, 256) for _ in range(r.randint(1, 3)))
    return chr(r.randrange(32, 127))


def sequence(r):
    """→ what is typed, in parts; between them the shell may come to read."""
    parts = []
    for _ in range(r.randint(1, 6)):
        keys = b"".join(k if isinstance(k, bytes) else k.encode() for k in (key(r) for _ in range(r.randint(1, 8))))
        parts.append(keys)
        if r.random() < 0.4:
            parts.append(b"\x03" * r.choice([1, 1, 1, 2, 5]))
    return parts


class Keys(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)

    def start(self):
        t = Term(self.home, "-q", columns=60, EDITOR="true", VISUAL="true")
        t.expect("> ")
        t.line("m = nn.Sequential(nn.Linear(2, 2), nn.ReLU())")
        return t

    def alive(self, t, number):
        """What is open is left; a line typed next runs."""
        end = time.time() + PATIENCE
        while True:
            t.send("\x03\x11")
            while t.pump(0.01):
                pass
            t.send("print('=', %d)\r" % number)
            try:
                t.expect("=\t%d\n" % number, 0.5)
                t.out, t.seen = "", 0  # all that was shown is looked through at each key
                return
            except AssertionError:
                pid, status = os.waitpid(t.pid, os.WNOHANG)
                if pid:
                    self.fail("the shell has ended, with status %d (signal %d)" % (status >> 8, status & 127))
                if time.time() > end:
                    self.fail("nothing runs any more; shown was %r\n%s" % (plain(t.out)[-300:], t.where()))

    def leave(self, t):
        self.alive(t, 0)
        self.assertEqual(t.leave(), 0)

    def test_what_gives_up_a_key_sequence(self):
        """Read by callbacks, Readline keeps a jump buffer of a frame that is gone, and these keys jump there."""
        t = self.start()
        for i, keys in enumerate(("\x12\x18)", "\x12p\x18)", "\x18(a\x12\x18(", "\x12\x1b\x07", "\x12\x18\x07", "\x13\x18)")):
            t.send(keys)
            self.alive(t, i)
        self.leave(t)

    def test_what_readline_would_not_come_back_from(self):
        """vi's ways over characters of no known width, over bytes that are no characters; a line of a million letters."""
        t = self.start()
        for i, text in enumerate(["a\u0378", "n\ufffd\u07b8", b"2(\xf2\x89\x80\xbd", b"x\xff\xfe", "é"]):
            for k in "*EeWw%=~":
                t.send(b"\x1b\n" + (text if isinstance(text, bytes) else text.encode()))
                time.sleep(0.02)
                t.send("\x1b")
                time.sleep(0.02)
                t.send(k)
                self.alive(t, 10 * i)
        t.send("\x1bxemacs-editing-mode\r\x03")
        for keys in ("\x1b999999x", "\x1b999999é", "\x1b[200~\x1b999999x"):
            t.send(keys)
            self.alive(t, 99)
        self.leave(t)

    def test_any_keys(self):
        r = random.Random(SEED)
        t = self.start()
        for i in range(COUNT):
            parts = sequence(r)
            try:
                for part in parts:
                    t.send(part)
                    if r.random() < 0.5:
                        time.sleep(r.random() * 0.004)
                        while t.pump(0):
                            pass
                self.alive(t, i)
            except AssertionError as e:
                self.fail("sequence %d of seed %d: %r: %s\nshown was %r" % (i, SEED, parts, e, t.out[-3000:]))
            if len(t.out) > 20000:
                t.out, t.seen = "", 0
        self.leave(t)


tap.main()
