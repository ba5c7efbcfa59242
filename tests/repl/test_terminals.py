"""What is shown at ten widths, five values of TERM, three locales: nothing is wider than the window (but a word), no order where the
terminal has none, ASCII where the locale has no more."""
import os, re, unicodedata, unittest
import tap
from term import ANSI, Home, Term, plain, run

RC = """
function help_() return help() end
local ds = data.shapes{n = 12, seed = 1}
m = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
m.a_part_whose_name_is_long = nn.Sequential(nn.Linear(8, 64), nn.ReLU())
m.fc = nn.Linear(64, 8)
local small = nn.Sequential(nn.Flatten(), nn.Linear(3072, 8))
local history_ = history
c = {
  function() return m end, function() return m:summary{input = {1, 3, 32, 32}} end, function() return m:graph{input = {1, 3, 32, 32}} end,
  function() return m:audit() end, function() return m:cost{input = {1, 3, 32, 32}} end, function() return m:profile{input = {1, 3, 32, 32}} end,
  function() return zoo.list() end, function() return ds end, function() return history_() end,
  function() m:freeze(); m:freze() end, function() zoo.resnet18{pretraind = true} end, function() nn.Linear(2, 2)(ones(3, 3)) end,
  function() return {1, 2, "a long text of many words that needs a second line in narrow windows", {x = {y = {1, 2, 3}}}} end,
  function() return evaluate(small, ds, {batch = 8}) end, function() return randn(4, 12) end,
  function() return fit(small, ds, {epochs = 2, batch = 4, val = ds}) end, function() m.fc = nn.Linear(64, 3) end, function() undo() end,
  function() help() end, function() help "fit" end, function() return confusion(small, ds) end,
}
"""
ASKS = ["?data", ":help", "?", "?zoo", "?fit", "?m", ":history", "zz", ":undo x", "x y", "m.zz"]


def cells(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


class Terminals(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)
        os.makedirs(os.path.join(self.home.path, ".config/suture"))
        with open(os.path.join(self.home.path, ".config/suture/rc.lua"), "w") as f:
            f.write(RC)

    def shown(self, **env):
        """→ (what was typed, what the terminal got), the start too."""
        t = Term(self.home, **env)
        t.expect("> ")
        yield "", t.out
        self.assertEqual(t.line("#c"), str(RC.count("function() ")))
        for line in ["c[%d]()" % i for i in range(1, RC.count("function() ") + 1)] + ASKS:
            begun = len(t.out)
            t.line(line)
            yield line, t.out[begun:]
        t.send("\x04")
        self.assertEqual(t.close(), 0)

    def test_ten_widths(self):
        wrong = []
        for width in (20, 30, 40, 50, 60, 72, 80, 100, 140, 200):
            for typed, out in self.shown(columns=width):
                for row in re.split("[\r\n]+", ANSI.sub("", out)):
                    words = row.strip()
                    if cells(row.rstrip()) > width and " " in words:
                        wrong.append("%s at %d is %d wide: %r" % (typed, width, cells(row), row))
        self.assertEqual([], wrong, "\n".join(wrong))

    def test_a_name_longer_than_its_column_keeps_its_text_in_it(self):
        for width in (50, 80, 120):
            rows = run(self.home, "-q", "-i", stdin=":apropos OneCycle\n", COLUMNS=str(width))[1].splitlines()
            self.assertTrue(rows[0].startswith("  optim.lr_scheduler.OneCycleLR"), rows)
            for row in rows:
                self.assertTrue(len(row) <= width and row.startswith("  ") and len(row.split()) > 3 or row == rows[0], rows)

    def test_progress_is_one_line(self):
        t = Term(self.home, columns=40)
        t.expect("> ")
        t.line("ds = data.shapes{n = 6, seed = 1}; s = nn.Sequential(nn.Flatten(), nn.Linear(3072, 8)); n = 0")
        t.line("function slow() n = n + 1 local x = os.clock() while os.clock() < x + 0.12 do end if n == 20 then error 'oh' end end")
        begun = len(t.out)
        t.line("fit(s, ds, {epochs = 3, batch = 4, val = ds, on_step = slow})")
        lines = ANSI.sub("", t.out[begun:]).split("\n")[1:]  # each as it stands in the end: \r begins it anew
        lines = [l.rstrip("\r").split("\r")[-1] for l in lines]
        self.assertIn("input 2: oh", lines)  # neither the remark nor the error stands behind what was drawn
        self.assertEqual(len([l for l in lines if l.startswith("epoch")]), 2, lines)
        self.assertTrue(any(l.startswith("fit: m.preprocess") for l in lines), lines)
        self.assertLess(len(lines), 14, lines)

    def test_five_terms(self):
        colours = {}
        for term in ("xterm", "vt100", "dumb", None, "no-such-terminal"):
            for typed, out in self.shown(TERM=term):
                if term == "dumb":
                    self.assertNotIn("\x1b", out, typed)
                if term != "xterm":
                    self.assertIsNone(re.search(r"\x1b\[[\d;]*m", out), (term, typed, out))
                colours[term] = colours.get(term, 0) + len(re.findall(r"\x1b\[[\d;]+m", out))
        self.assertGreater(colours["xterm"], 20)

    def test_three_locales(self):
        for locale in ("C", "en_US.ISO-8859-1", "C.UTF-8"):
            other = set()
            for typed, out in self.shown(LC_ALL=locale):
                other |= {c for c in out if c > "\x7f"}
                if locale != "C.UTF-8":
                    self.assertEqual(other, set(), (locale, typed, out))
            self.assertTrue(locale != "C.UTF-8" or len(other) > 5)


tap.main()
