"""What Tab makes of file names that need quoting, of keywords and of numbers; each name it completes opens that file."""
import os, re, time, unittest
import tap
from term import Home, Term, plain

# What a name must be written as between " and between '.
ODD = {'quo"te.png': ('quo\\"te.png', 'quo"te.png'), "apo's.png": ("apo's.png", "apo\\'s.png"), "back\\slash.png": ("back\\\\slash.png",) * 2,
       "sp ace.png": ("sp ace.png",) * 2, "new\nline.png": ("new\\nline.png",) * 2, "esc\x1b]52;c;x\x07.png": ("esc\\x1b]52;c;x\\x07.png",) * 2,
       "ünï.png": ("ünï.png",) * 2, "rtl\u202etxt.png": ("rtl\\u{202e}txt.png",) * 2, "per%c.png": ("per%c.png",) * 2,
       "both'\"\\.png": ("both'\\\"\\\\.png", "both\\'\"\\\\.png")}


class Names(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)
        self.t = Term(self.home, "-q", columns=160)
        self.t.expect("> ")

    def tab(self, typed):
        """What the line is after Tab: what is typed at its end is shown behind it; the line is drawn anew by Ctrl-L then."""
        t = self.t
        t.send(typed)
        t.expect(typed)
        t.send("\t")
        time.sleep(0.1)  # a Tab with more behind it is text
        t.send("#\x0c")
        while not re.search(r"\x1b\[H.*#$", t.out[t.seen:], re.S):
            self.assertTrue(t.pump(10), t.out)
        shown = plain(t.out).rsplit("> ", 1)[1]
        t.send("\x03")
        t.prompt()
        return shown[:-1]

    def test_file_names(self):
        os.mkdir(os.path.join(self.home.path, 'fol"der\\'))
        for name in ODD:
            for path in (name, 'fol"der\\/' + name):
                with open(os.path.join(self.home.path, path), "w") as f:
                    f.write(name)
        for name, written in ODD.items():
            for quote, want in zip("\"'", written):
                first = name[:2]
                self.assertEqual(self.tab("x = " + quote + first), "x = " + quote + want + quote, name)
                folder = "fol\\\"der\\\\/" if quote == '"' else "fol\"der\\\\/"
                self.assertEqual(self.tab("x = " + quote + folder + first), "x = " + quote + folder + want + quote, name)
                self.t.line("f = assert(io.open(" + quote + folder + want + quote + ")):read 'a'")  # it names that file
                self.assertEqual(self.t.line("f == " + quote + want + quote), "true", name)
        self.assertEqual(self.tab("x = 'fol"), "x = 'fol\"der\\\\/")
        self.assertEqual(self.tab('x = "back\\\\'), 'x = "back\\\\slash.png"')  # behind an escape it goes on
        self.assertEqual(self.tab('x = "quo\\"t'), 'x = "quo\\"te.png"')
        self.assertEqual(self.tab('x = "back\\'), 'x = "back\\')
        self.assertNotIn("\x1b]52", self.t.out)
        self.assertNotIn("\u202e", self.t.out)

    def test_no_keyword_is_a_field(self):
        self.t.line("u = {['end'] = 1, ['while'] = 2, ender = 3}")
        self.assertEqual(self.tab("u.end"), "u.ender")
        self.assertEqual(self.tab("u.whi"), "u.whi")
        self.assertEqual(self.tab("whi"), "while ")

    def test_nothing_follows_a_number(self):
        for typed in ("0x", "1e", "12", "0xf", "1p", "3.", "3.e", "0x1.p", "1.5e", "x = 3:", "x = 3.n", "7.5.p"):
            self.assertEqual(self.tab(typed), typed)
        self.assertEqual(self.tab("a1 = 3 .. math.flo"), "a1 = 3 .. math.floor(")


tap.main()
