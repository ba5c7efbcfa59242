"""Ctrl-C at random moments of lr_find, fine_tune, strategy and fit's averages: the shell lives, lr_find and strategy leave no
trace, fine_tune's is one step to undo."""
import os, random, time, unittest
import tap
from term import Home, SOON, Term, run

SEED, TIMES = int(os.environ.get("SEED", "1")), 8

SETUP = """\
train = data.tensors(randn(64, 3, 16, 16), (rand(64) * 4):floor():long(), {classes = {"a", "b", "c", "d"}})
m = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
m.input_shape = {1, 3, 16, 16}
before, marks = {}, function() local out = {} for p, s in m:named_modules() do out[#out + 1] = p .. tostring(s.training) .. tostring(rawget(s, "_frozen")) .. tostring(rawget(s, "_bn_eval")) end return table.concat(out, " ") end
for k, t in pairs(m:state_dict()) do before[k] = t:clone() before[k]:sum():item() end
was = marks()
function same() for k, t in pairs(m:state_dict()) do if not t:equal(before[k]) then return k end end return was == marks() end"""


class Cases(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)
        if run(self.home, "-e", "assert(fit and undo and data)")[0] != 0:
            self.skipTest("fit is not in this build")

    def hit(self, call, most, each):
        print("# seed %d (SEED=n for another)" % SEED)
        random.seed(SEED)
        t = Term(self.home, "-q")
        t.expect("> ")
        for line in SETUP.split("\n"):
            self.assertEqual(t.line(line), "", line)
        for i in range(TIMES):
            t.send(call + "\r")
            t.expect(call[-12:])
            time.sleep(0.05 + random.random() * most)
            start = time.time()
            t.send("\x03")
            t.prompt()
            self.assertLess(time.time() - start, SOON, "stopping took long")
            each(t)
        t.send("\x04")
        self.assertEqual(t.close(), 0)

    def test_lr_find_puts_all_back(self):
        self.hit("r = lr_find(m, train, {batch = 4, steps = 100000, quiet = true})", 0.3,
                 lambda t: self.assertEqual(t.line("same()"), "true"))

    def test_strategy_puts_all_back(self):
        self.hit("s = strategy(m, train, {folds = 60, decay = 1e-3})", 0.6, lambda t: self.assertEqual(t.line("same()"), "true"))

    def test_fine_tune_is_one_step(self):
        def each(t):
            t.line("while #history() > 0 and not history()[1].undone do undo() end")
            self.assertEqual(t.line("same()"), "true")
        self.hit("r = fine_tune(m, train, {batch = 4, head_epochs = 5, epochs = 100000, quiet = true})", 0.5, each)

    def test_averages(self):
        def each(t):
            t.line("w = true for p in m:parameters() do w = w and p:sum():item() == p:sum():item() end")
            self.assertEqual(t.line("w"), "true")
            t.line("while #history() > 0 and not history()[1].undone do undo() end")
            self.assertEqual(t.line("same()"), "true")
        self.hit("r = fit(m, train, {epochs = 100000, batch = 4, swa = {start = 1}, accumulate = 3, mixup = 1, quiet = true})", 0.4, each)


tap.main()
