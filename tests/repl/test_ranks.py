"""Several processes that train one model, under each mpirun there is: Open MPI's, MPICH's. The program with MPI is built
beside the other, in a folder of its own."""
import os, re, shutil, signal, subprocess, tempfile, time, unittest
import tap
from term import SUTURE

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
ROOT = "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1; "
KINDS = [k for k in ("openmpi", "mpich") if shutil.which("mpicc." + k) and shutil.which("mpirun." + k)]
WHY = "no mpirun with its mpicc here (Debian: libopenmpi-dev openmpi-bin, or libmpich-dev mpich)"
programs = {}

TRAIN = """
suture.threads(1)
local m = open "%s/examples/shapes-resnet20.safetensors"
if arg[1] ~= "sync" then m:bn_eval() end
local train = data.shapes{domain = "outline", n = 3, transform = m}
local val = data.shapes{domain = "outline", n = 2, split = "val", transform = m}
local rank = require "suture.core".mpi.rank
local losses = {}
local r = fit(m, train, {val = val, epochs = tonumber(arg[3] or 2), batch = 7, lr = arg[1] == "sync" and 3e-4 or 1e-3, seed = 3, run = arg[2], quiet = true,
  threads = 0, sync_bn = arg[1] == "sync", class_weights = "balanced", accumulate = arg[1] == "parts" and 2 or 1, on_step = function(row)
    losses[#losses + 1] = ("%%.8f"):format(row.loss)
    if arg[1] == "error" and rank == 1 and row.steps == 5 then error "something is wrong" end
    if arg[1] == "leave" and rank == 1 and row.steps == 5 then os.exit(0) end
    if arg[1] == "kill" and rank == 1 and row.steps == 7 then os.execute "kill -9 $PPID" end
  end})
if arg[1] == "keep" and rank == 0 then m:save "end.safetensors" end
for _, row in ipairs(r.history) do for _, v in ipairs {row.val_loss, row.acc, row.val_acc} do losses[#losses + 1] = v end end
print(table.concat(losses, " "))
""" % TOP


def program(kind):
    """The program that was built with this MPI."""
    if kind not in programs:
        built = "build/" + kind + "/"
        subprocess.run(["make", "-s", "MPI=1", "MPICC=mpicc." + kind, "O=" + built, "B=" + os.environ.get("B", "build"), built + "suture"],
                       cwd=TOP, check=True, capture_output=True, text=True)
        programs[kind] = os.path.join(TOP, built, "suture")
    return programs[kind]


@unittest.skipIf(os.environ.get("SANITIZE"), "MPI's own leaks count under sanitizers")
class Ranks(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="suture-ranks-")
        self.addCleanup(shutil.rmtree, self.folder)
        with open(self.folder + "/train.lua", "w") as f:
            f.write(TRAIN)

    def run_with(self, kind, n, *args, suture=None):
        """mpirun -n n suture train.lua args → what it printed, its errors, its status. kind None: without mpirun."""
        command = "exec %s%s -q train.lua %s" % ("mpirun.%s -n %d " % (kind, n) if kind else "", suture or program(kind) if kind else SUTURE,
                                                  " ".join(args))
        done = subprocess.run(["sh", "-c", ROOT + command], cwd=self.folder, capture_output=True, text=True, timeout=240)
        return done.stdout, done.stderr, done.returncode

    def numbers(self, kind, n, *args):
        out, err, status = self.run_with(kind, n, *args)
        self.assertEqual(status, 0, err)
        self.assertEqual(out.count("\n"), 1, "one rank prints: " + out)
        return [float(v) for v in out.split()]

    def each_kind(self):
        if not KINDS:
            self.skipTest(WHY)
        return KINDS

    def test_losses_are_those_of_one_process(self):
        """2 and 4 ranks, with a last batch of fewer samples than there are ranks, and with batches that make a step together."""
        for how, counts in ("plain", (2, 4)), ("parts", (4,)):
            one = self.numbers(None, 1, how)
            for kind in self.each_kind():
                for n in counts:
                    other = self.numbers(kind, n, how)
                    self.assertEqual(len(one), len(other))
                    for a, b in zip(one, other):
                        self.assertLess(abs(a - b), 1e-5 * max(1, abs(a)), (kind, n, one, other))

    def test_synchronised_batch_statistics_are_those_of_one_process(self):
        one = self.numbers(None, 1, "sync")
        for kind in self.each_kind():
            for n in (2, 4):
                other = self.numbers(kind, n, "sync")
                self.assertEqual(len(one), len(other))
                for a, b in zip(one, other):
                    self.assertLess(abs(a - b), 1e-4 * max(1, abs(a)), (kind, n, one, other))

    def test_a_rank_that_fails_ends_the_job(self):
        for kind in self.each_kind():
            for how, says in (("error", "something is wrong"), ("leave", "rank 1 of 2 has ended, and the others wait for it")):
                out, err, status = self.run_with(kind, 2, how, "./run-" + how)
                self.assertNotEqual(status, 0)
                self.assertIn(says, err)
                self.assertRegex(err, r"rank [01] of 2 \(.*\) ended with status 1, and the job with it")
                shutil.rmtree(self.folder + "/run-" + how)

    def test_a_rank_that_is_killed_leaves_a_run_that_goes_on(self):
        """Its checkpoint is whole: two ranks resume it, and end in the bits of a run that nothing ended."""
        for kind in self.each_kind():
            _, err, status = self.run_with(kind, 2, "kill", "./run-" + kind, "4")
            self.assertNotEqual(status, 0)
            self.numbers(kind, 2, "keep", "./whole-" + kind, "4")
            with open(self.folder + "/again.lua", "w") as f:
                f.write("""suture.threads(1)
                    local function digest(m)
                      local list = {}
                      for name, t in pairs(m:state_dict()) do list[#list + 1] = name .. " " .. suture.core.rows.digest(t) end
                      table.sort(list)
                      return table.concat(list, "\\n")
                    end
                    local m, r = resume("./run-%s", {on_step = false, quiet = true, threads = 0})
                    assert(digest(m) == digest(open "end.safetensors"), "another end")
                    print(r.history[#r.history].epoch)""" % kind)
            again = subprocess.run(["sh", "-c", ROOT + "exec mpirun.%s -n 2 %s -q again.lua" % (kind, program(kind))], cwd=self.folder,
                                   capture_output=True, text=True, timeout=240)
            self.assertEqual(again.returncode, 0, again.stderr)
            self.assertEqual(again.stdout.split(), ["4"], again.stdout)

    def test_gradients_are_summed_while_backward_runs(self):
        """Buckets of several layers, some of which are whole before backward ends; the losses are those of one process."""
        with open(self.folder + "/wide.lua", "w") as f:
            f.write("""suture.threads(1)
                seed(1)
                local m = nn.Sequential(nn.Flatten(), nn.Linear(48, 1200), nn.ReLU(), nn.Linear(1200, 1200), nn.ReLU(), nn.Linear(1200, 4))
                local mpi, losses, early = suture.core.mpi, {}, {}
                local sum = mpi.sum
                function mpi.sum(list) early[#early + 1] = sum(list) end
                local y = {}
                for i = 1, 30 do y[i] = i % 4 end
                fit(m, data.tensors(randn(30, 3, 4, 4), tensor(y):long()), {epochs = 2, batch = 7, accumulate = tonumber(arg[1]), seed = 1,
                  quiet = true, on_step = function(row) losses[#losses + 1] = ("%.7f"):format(row.loss) end})
                print(table.concat(losses, " "))
                if mpi.built then print(#losses == #early and math.min(table.unpack(early)) or "none") end""")
        for accumulate in ("1", "3"):
            one = subprocess.run([SUTURE, "-q", "wide.lua", accumulate], cwd=self.folder, capture_output=True, text=True, timeout=240)
            alone = [float(v) for v in one.stdout.split()]
            self.assertTrue(alone, one.stderr)
            for kind in self.each_kind():
                many = subprocess.run(["sh", "-c", ROOT + "exec mpirun.%s -n 3 %s -q wide.lua %s" % (kind, program(kind), accumulate)],
                                      cwd=self.folder, capture_output=True, text=True, timeout=240)
                losses, early = many.stdout.split("\n")[:2]
                self.assertEqual(early, "2", many.stderr)  # 1.5 million numbers
                for a, b in zip(alone, map(float, losses.split()), strict=True):
                    self.assertLess(abs(a - b), 1e-5 * max(1, abs(a)))

    def test_ranks_make_the_trials_of_a_sweep(self):
        with open(self.folder + "/sweep.lua", "w") as f:
            f.write('suture.threads(1) local m = open "%s/examples/shapes-resnet20.safetensors" '
                    'local s = sweep({model = m, train = data.shapes{domain = "outline", n = 2, transform = m}, epochs = 1, threads = 0}, '
                    '{lr = {0.001, 0.01}, freeze = {"layer*", false}}, {run = arg[1], quiet = true}) '
                    'for _, one in ipairs(s) do print(one.number, one.loss, one.acc) end' % TOP)
        one = subprocess.run([SUTURE, "-q", "sweep.lua", "./one"], cwd=self.folder, capture_output=True, text=True, timeout=240)
        self.assertEqual(one.stdout.count("\n"), 4, one.stderr)
        for kind in self.each_kind():
            many = subprocess.run(["sh", "-c", ROOT + "exec mpirun.%s -n 2 %s -q sweep.lua ./%s" % (kind, program(kind), kind)],
                                  cwd=self.folder, capture_output=True, text=True, timeout=240)
            self.assertEqual(many.stdout, one.stdout, many.stderr)

    def test_a_program_without_mpi_says_so(self):
        for kind in self.each_kind():
            out, err, status = self.run_with(kind, 2, "plain", suture=SUTURE)
            self.assertEqual(status, 0, err)
            self.assertEqual(err.count("2 processes were launched, but this suture is built without MPI"), 1, err)


if __name__ == "__main__":
    tap.main()
