"""Ctrl-C 50 times at random moments of fit: the shell lives, every optimizer step that began has ended, the next fit runs."""
import os, random, time, unittest
import tap
from term import Home, SOON, Term, run

SEED = int(os.environ.get("SEED", "1"))

SETUP = """\
x, y = randn(64, 3, 16, 16), (rand(64) * 4):floor()
train = data.tensors(x, y)
m = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
own = optim.SGD(m:parameters(), {lr = 0.01, momentum = 0.9})
began, ended, step = 0, 0, own.step
own.step = function(...) began = began + 1 step(...) ended = ended + 1 end"""


class Fit(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)
        if run(self.home, "-e", "assert(fit and undo and data)")[0] != 0:
            self.skipTest("fit is not in this build")

    def test_ctrl_c_at_random_moments(self):
        print("# seed %d (SEED=n for another)" % SEED)
        random.seed(SEED)
        t = Term(self.home, "-q")
        t.expect("> ")
        for line in SETUP.split("\n"):
            self.assertEqual(t.line(line), "", line)
        for i in range(50):
            t.send("r = fit(m, train, {epochs = 100000, batch = 4, optimizer = own, quiet = true})\r")
            t.expect("quiet = true})")
            time.sleep(random.random() * 0.3)
            start = time.time()
            t.send("\x03")
            t.prompt()
            self.assertLess(time.time() - start, SOON, "stopping took long")
        self.assertRegex(t.line("began, began == ended"), r"[1-9]\d*\ttrue")
        self.assertEqual(t.line("m[1].num_batches_tracked:item() == ended"), "true")  # nothing is left of steps that were cut off
        self.assertEqual(t.line("r.interrupted, #r.history == 0 or r.history[1].steps > 0"), '"SIGINT"\ttrue')
        t.line("w = true for p in m:parameters() do w = w and p:sum():item() == p:sum():item() end")
        self.assertEqual(t.line("w"), "true")
        self.assertEqual(t.line("#fit(m, train, {epochs = 2, batch = 4, quiet = true}).history"), "2")
        t.send("\x04")
        self.assertEqual(t.close(), 0)


tap.main()
