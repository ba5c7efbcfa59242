"""Transcripts: every *.golden here is typed at a prompt, and what shows must be what is written.

Lines after "> " and ">> " are typed; the rest is what must show. In it "<n>" stands for any number, "<...>" for any
text of one line, and a line that is only "<...>" for any lines. "# needs NAME" as first line: skipped unless the global
NAME exists. tests/repl/test_golden.py FILE.golden --write rewrites a file from what shows now.
"""
import glob, os, re, sys, unittest
import tap
from term import Home, Term, run, TOP

HERE = os.path.dirname(os.path.abspath(__file__))


def read(path):
    """→ names needed, [(prompt, text typed, [lines shown])]"""
    needs, steps = [], []
    for line in open(path, encoding="utf-8").read().split("\n"):
        m = re.match(r"(>>?) (.*)$", line) or re.match(r"(>>?)()$", line)
        if m:
            steps.append((m.group(1), m.group(2), []))
        elif steps:
            steps[-1][2].append(line)
        elif line.startswith("# needs "):
            needs += line[8:].split()
    if steps and steps[-1][2] and steps[-1][2][-1] == "":
        steps[-1][2].pop()  # the newline at the end of the file
    return needs, steps


def pattern(lines):
    parts = []
    for line in lines:
        if line == "<...>":
            parts.append(r"(?:[^\n]*\n)*?")
            continue
        p = re.escape(line).replace(re.escape("<n>"), r"-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?").replace(re.escape("<...>"), r"[^\n]*")
        parts.append(p + r"\n")
    return "".join(parts) + r"\Z"


def play(steps):
    """Types the steps → what each showed, as lists of lines."""
    shown = []
    with Home() as home:
        t = Term(home, "-q", columns=160, NO_COLOR="1", SUTURE_SHARED=os.environ.get("SUTURE_SHARED"))
        t.expect("> ")
        for i, (_, text, _) in enumerate(steps):
            nxt = steps[i + 1][0] if i + 1 < len(steps) else ">"
            t.send(text + "\r")
            t.expect(text[-60:] + "\n", 120)
            t.seen -= 1
            out = t.expect("\n" + nxt + " ", 120)
            shown.append(out[1:].split("\n") if out else [])
        t.send("\x04")
        assert t.close() == 0
    return shown


class Golden(unittest.TestCase):
    pass


def add(path):
    def test(self):
        needs, steps = read(path)
        with Home() as home:
            for name in needs:
                if run(home, "-e", "assert(%s)" % name)[0] != 0:
                    self.skipTest("%s is not in this build" % name)
        for (prompt, text, want), got in zip(steps, play(steps)):
            if not re.match(pattern(want), "".join(g + "\n" for g in got)):
                self.fail("%s %s\nwritten:\n  %s\nshown:\n  %s" % (prompt, text, "\n  ".join(want), "\n  ".join(got)))
    setattr(Golden, "test_" + os.path.basename(path)[:-7], test)


def write(path):
    head = [l for l in open(path, encoding="utf-8").read().split("\n") if l.startswith("# ")]
    _, steps = read(path)
    out = head
    for (prompt, text, _), got in zip(steps, play(steps)):
        out += [(prompt + " " + text)] + got
    open(path, "w", encoding="utf-8").write("\n".join(out) + "\n")


if len(sys.argv) == 3 and sys.argv[2] == "--write":
    write(sys.argv[1])
else:
    for path in sorted(glob.glob(HERE + "/*.golden")):
        add(path)
    tap.main()
