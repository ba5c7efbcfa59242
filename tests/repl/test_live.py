"""The line that fit redraws in a terminal: the losses of the epochs before as a curve, columns that stand still."""
import re, unittest
import tap
from term import Home, Term, plain


class Live(unittest.TestCase):
    def test_the_live_line_has_a_curve_and_the_one_that_stays_has_none(self):
        with Home() as home:
            t = Term(home, "-q", columns=120)
            t.expect("> ")
            t.line("seed(1) m = nn.Sequential(nn.Flatten(), nn.Linear(3072, 8))")
            t.line("train = data.shapes{n = 2, mean = 0.5, std = 0.25}")
            t.line("function slow() local t = suture.clock() while suture.clock() < t + 0.03 do end end")
            at = len(t.out)
            t.line("fit(m, train, {epochs = 5, batch = 2, lr = 0.001, on_step = slow});")
            drawn = [plain(l).strip() for l in re.split(r"[\r\n]", t.out[at:]) if "/8 " in l]
            live = [l for l in drawn if re.match(r"epoch 5 .* loss \S{6,7}  acc \S{5}  \d+\.\d\d s  [\u2581-\u2588]{5}$", l)]
            self.assertTrue(live, drawn)
            done = [l for l in plain(t.out[at:]).split("\n") if re.search(r" 8/8 [^\n]* s$", l)]
            done = [l[l.rindex("epoch "):] for l in done]
            self.assertEqual(len(done), 5, done)
            self.assertFalse(any(re.search("[\u2581-\u2588]", l) for l in done), done)
            self.assertEqual(len({l.index("acc") for l in done}), 1, done)
            t.send("\x04")
            self.assertEqual(t.close(), 0)


tap.main()
