"""What is discarded is gone: memory of scripts in loops, against that of one turn. In MB; none is measured under sanitizers."""
import os, unittest
import tap
from term import Home, run

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


tap.main()
