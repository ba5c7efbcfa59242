"""What is discarded is gone: memory of scripts in loops, against that of one turn. In MB; none is measured under sanitizers."""
import os, subprocess, unittest
import tap
from term import Home, SUTURE, run

BASE = 40  # what the program and its library take, generously

PEAK = """
local function mb(name)
  for line in io.lines "/proc/self/status" do
    if line:find(name, 1, true) then return tonumber(line:match "%d+") / 1000 end
  end
end
print(mb "VmHWM", mb "VmRSS")
"""


@unittest.skipIf(os.environ.get("SANITIZE"), "sanitizers take memory of their own")
class Memory(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)

    def of(self, code):
        """The most that the script took, and what it has in the end."""
        status, out, err = run(self.home, "-q", "-e", code, "-e", PEAK)
        self.assertEqual((status, err), (0, ""))
        return tuple(float(x) for x in out.split())

    def test_models_in_a_loop(self):
        one, _ = self.of("zoo.resnet18():eval()")
        for body in ("zoo.resnet18():eval()", "zoo.resnet18{}:freeze()", "local m = zoo.resnet18() m.fc = nn.Linear(512, 2)"):
            most, _ = self.of("for i = 1, 8 do %s end" % body)
            self.assertLess(most, 1.6 * one, body)

    def test_models_that_train(self):
        body = """
          local m, ds = nn.Sequential(nn.Flatten(), nn.Linear(3072, 1000), nn.ReLU(), nn.Linear(1000, 8)), data.shapes{n = 2}
          fit(m, ds, {epochs = 1, quiet = true})
        """
        one, _ = self.of("do %s end" % body)
        many, left = self.of("for i = 1, 8 do %s end collectgarbage()" % body)
        self.assertLess(many, 1.8 * one + 40)

    def test_tensors_in_a_loop(self):
        one, _ = self.of("x = randn(1000, 1000) x:sum():item()")
        most, _ = self.of("for i = 1, 100 do x = randn(1000, 1000) x:sum():item() end")  # 400 MB in all
        self.assertLess(most, 1.5 * one + 4)  # one more of them

    def test_a_chain_that_nobody_reads(self):
        most, _ = self.of("a = zeros(1000, 1000) for i = 1, 100 do a = a + 1 end assert(a:sum():item() == 1e8)")
        self.assertLess(most, BASE + 80)

    def test_blocks_of_many_sizes_go_back(self):
        _, left = self.of("for i = 1, 24 do local x = ones(1000, 250 * i) + 1; x:sum():item() end collectgarbage()")
        self.assertLess(left, BASE + 64 + 40)  # 64 may be kept, and the last sum's intermediate values

    def test_little_address_space(self):
        """A few MB more each time: a word and a status, in time."""
        for mb in range(60, 460, 50):
            p = subprocess.run(["sh", "-c", "ulimit -v %d; exec %s -q -e 'print(nn.Linear(3, 4)(randn(2, 3)):sum():item() ~= nil)'" % (mb * 1000, SUTURE)],
                               capture_output=True, text=True, timeout=60, env=self.home.env())
            self.assertTrue(p.stdout == "true\n" if p.returncode == 0 else p.stderr, (mb, p.returncode))
            self.assertGreaterEqual(p.returncode, 0, (mb, p.stderr))

    def test_pictures_of_many_sizes(self):
        body = """m = zoo.cifar_resnet20():eval()
          for _, s in ipairs {%s} do m(randn(4, 3, s, s)):sum():item() m(randn(4, 3, s, s)):sum():item() end collectgarbage()"""
        _, one = self.of(body % "32")
        _, many = self.of(body % "16, 18, 20, 22, 24, 26, 28, 30, 32")
        self.assertLess(many, 1.3 * one + 64)


tap.main()
