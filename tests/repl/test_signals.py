"""SIGINT and SIGTERM in scripts: the first asks, and what there is can be saved; a second one soon after ends at once.
SIGNALS=200 for that many at random moments of training."""
import os, random, signal, subprocess, time, unittest
import tap
from term import Home, SLOW, SUTURE, run

COUNT = int(os.environ.get("SIGNALS", "6"))
NAMES = {signal.SIGINT: "SIGINT", signal.SIGTERM: "SIGTERM"}

TRAINS = """
local ds = data.shapes{n = 6}
local m = nn.Sequential(nn.Flatten(), nn.Linear(3072, 16), nn.ReLU(), nn.Linear(16, 8))
local closed <close> = setmetatable({}, {__close = function() print("closed", (ones(2) + 1):sum():item()) end})
finalized = setmetatable({}, {__gc = function() io.stderr:write("finalized ", (ones(2) + 1):sum():item(), "\\n") end})
local r = fit(m, ds, {epochs = 1000000, batch = 4, quiet = true, on_step = function() print "step" io.flush() end})
m:save(arg[1])
print(r.interrupted, pcall(function() return (ones(2) + 1):sum():item() end))
"""

ANY_TIME = """
local ds = data.shapes{n = 4}
local val = data.shapes{n = 2, split = "val"}
local m = nn.Sequential(nn.Flatten(), nn.Linear(3072, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 8))
local fit, evaluate, o = fit, evaluate, {val = val, epochs = 6, batch = 4, quiet = true, best = true}
function o.on_epoch() evaluate(m, val) end
print "begins" io.flush()
local r = fit(m, ds, o)
print("ended " .. tostring(r.interrupted)) io.flush()
m:save(arg[1])
print "saved"
"""


class Signals(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)
        self.path = os.path.join(self.home.path, "m.safetensors")

    def start(self, *args, **env):
        p = subprocess.Popen([SUTURE, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.home.env(**env),
                             cwd=self.home.path)
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.stderr.close)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        return p

    def test_what_is_there_can_be_saved(self):
        r = random.Random(1)
        with open(os.path.join(self.home.path, "a.lua"), "w") as f:
            f.write(TRAINS)
        for i in range(COUNT):
            sig = (signal.SIGINT, signal.SIGTERM)[i % 2]
            # What finalizers make while the state is closed is finalized no more (lgc.c): it leaves with the process.
            p = self.start("a.lua", self.path, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0")
            for _ in range(r.randint(1, 12)):
                self.assertEqual(p.stdout.readline(), "step\n")
            p.send_signal(sig)
            out, err = p.communicate(timeout=SLOW)
            out = out.replace("step\n", "")
            self.assertEqual((p.returncode, out), (128 + sig, "%s\ttrue\t4.0\nclosed\t4.0\n" % NAMES[sig]), err)
            self.assertEqual(err, "interrupted\nfinalized 4\n")
            self.assertEqual(run(self.home, "-q", "-e", "print(#open('%s'))" % self.path)[:2], (0, "4\n"))
            os.remove(self.path)

    def test_fit_returns_before_its_first_step_too(self):
        code = """
          local said
          local ds = data.dataset{n = 4, classes = {"a", "b"}, get = function(i)
            if not said then io.write "go\\n" io.flush() said = true end
            local t = suture.clock() while suture.clock() < t + %s do end
            return ones(2), i %% 2 end}
          local r = fit(nn.Linear(2, 2), ds, {epochs = 3, batch = 2, quiet = true})
          io.write(#r.history, " ", r.interrupted, " ", tostring(r), "\\n")
          save({seconds = r.seconds}, "r.pth")
        """
        for sig, name in NAMES.items():
            p = self.start("-q", "-e", code % 0.3)
            self.assertEqual(p.stdout.readline(), "go\n")
            p.send_signal(sig)
            out, err = p.communicate(timeout=SLOW)
            self.assertEqual((p.returncode, out), (128 + sig, "0 %s no epoch finished (interrupted)\n" % name), err)
            self.assertTrue(os.path.exists(os.path.join(self.home.path, "r.pth")))

    def test_at_any_moment_from_the_start(self):
        """Before fit a signal ends the script, in fit it returns and the rest runs; files are whole, nothing is lost."""
        with open(os.path.join(self.home.path, "a.lua"), "w") as f:
            f.write(ANY_TIME)
        r, began = random.Random(2), time.time()
        self.assertEqual(self.start("-q", "a.lua", self.path).communicate(timeout=SLOW)[0], "begins\nended nil\nsaved\n")
        whole = time.time() - began
        for i in range(COUNT):
            sig = (signal.SIGINT, signal.SIGTERM)[i % 2]
            if os.path.exists(self.path):
                os.remove(self.path)
            p = self.start("-q", "a.lua", self.path, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0")
            time.sleep(r.uniform(0, whole))
            sent = p.poll() is None
            p.send_signal(sig)
            out, err = p.communicate(timeout=SLOW)
            said = out.split("\n")[:-1]
            over = said == ["begins", "ended nil", "saved"] and p.returncode in (0, 128 + sig)  # nobody is told on the way out
            if sent and p.returncode != -sig and not over:  # before main began nobody could hear it
                self.assertEqual((p.returncode, err), (128 + sig, "interrupted\n"), (out, err))
                self.assertIn(said, ([], ["begins"], ["begins", "ended nil"], ["begins", "ended nil", "saved"],
                                     ["begins", "ended " + NAMES[sig], "saved"]))
            if os.path.exists(self.path):
                self.assertEqual(run(self.home, "-q", "-e", "print(#open('%s'))" % self.path)[:2], (0, "5\n"))

    def test_what_fit_calls_may_compute(self):
        code = """
          local ds, m = data.shapes{n = 2}, nn.Sequential(nn.Flatten(), nn.Linear(3072, 8))
          local r = fit(m, ds, {epochs = 1000, quiet = true, on_epoch = function()
            io.write "go\\n" io.flush()
            local x = randn(300, 300)
            while true do x = x:matmul(x):clamp(-1, 1) x:sum():item() end
          end})
          print(r.interrupted, #r.history)
        """
        for sig, name in NAMES.items():
            p = self.start("-q", "-e", code)
            self.assertEqual(p.stdout.readline(), "go\n")
            p.send_signal(sig)
            self.assertEqual(p.communicate(timeout=SLOW), (name + "\t1\n", "interrupted\n"))
            self.assertEqual(p.returncode, 128 + sig)

    def test_the_library_catches_none(self):
        """What it does without where it fails may be the user's code."""
        spins = "io.write 'go\\n' io.flush() while true do end"
        for body in ("data.dataset(setmetatable({}, {__index = function() %s end}))" % spins,
                     "local C = nn.class 'C' function C:init() end function C:extra_repr() %s end tostring(C())" % spins):
            for sig in NAMES:
                p = self.start("-q", "-e", body + " print 'went on'")
                self.assertEqual(p.stdout.readline(), "go\n")
                p.send_signal(sig)
                self.assertEqual(p.communicate(timeout=SLOW), ("", "interrupted\n"), body)
                self.assertEqual(p.returncode, 128 + sig)

    def test_an_error_that_is_caught_was_the_answer(self):
        for body in ("while true do end", "local x = randn(300, 300) while true do x = x:matmul(x):clamp(-1, 1) x:sum():item() end",
                     "coroutine.wrap(function() while true do end end)()", "os.execute 'sleep 1000'",
                     "local p = ('a*'):rep(40) .. 'b' ; ('a'):rep(40):find(p)", "local p = ('(a?)'):rep(30) .. 'b' ; ('a'):rep(30):gsub(p, '')",
                     "for _ in ('a'):rep(40):gmatch(('a-'):rep(40) .. 'b') do end", "x = randn(20000, 20000)", "io.popen('sleep 1000'):read 'a'"):
            for sig in NAMES:
                p = self.start("-e", "pcall(function() io.write 'go\\n' io.flush() %s end) print((ones(2) + 1):sum():item())" % body)
                self.assertEqual(p.stdout.readline(), "go\n")
                p.send_signal(sig)
                self.assertEqual(p.communicate(timeout=SLOW), ("4.0\n", "interrupted\n"), body)
                self.assertEqual(p.returncode, 128 + sig)

    def test_a_second_one_soon_after_ends_at_once(self):
        for sig in NAMES:
            p = self.start("-e", "io.write 'go\\n' io.flush() while true do pcall(function() while true do end end) end")
            self.assertEqual(p.stdout.readline(), "go\n")
            ended = False
            while not ended:  # on a machine that does much besides two of them may be further apart
                p.send_signal(sig)
                try:
                    p.wait(0.2)
                    ended = True
                except subprocess.TimeoutExpired:
                    pass
            self.assertEqual(p.returncode, 128 + sig)

    def test_children_end_with_the_parent(self):
        for how in ("os.execute(%r)", "io.popen(%r):read 'a'", "os.execute(%r)"):
            code = how % "sh -c 'echo $$ > pid; exec sleep 1000'; echo on"
            p = self.start("-e", code)
            pid = self.pid_in("pid")
            p.send_signal(signal.SIGTERM)
            out, err = p.communicate(timeout=SLOW)
            self.assertEqual((p.returncode, out), (143, ""), err)
            self.wait_for_end(pid)

    def test_a_sweep_of_several_processes_ends_too(self):
        code = """
          local s = sweep(function(o)
            io.open("%s" .. o.lr, "w"):close()
            for _ = 1, 600 do os.execute "sleep 0.1" end
            return o.lr
          end, {lr = {1, 2, 3}}, {jobs = 2, quiet = true})
          io.write(tostring(s.interrupted), " ", #s, "\\n")
        """
        for sig in NAMES:
            mark = os.path.join(self.home.path, "begun%d-" % sig)
            p = self.start("-q", "-e", code % mark)
            begun = time.time()
            while not (os.path.exists(mark + "1") and os.path.exists(mark + "2")) and p.poll() is None and time.time() < begun + SLOW:
                time.sleep(0.05)
            p.send_signal(sig)
            out, err = p.communicate(timeout=SLOW)
            self.assertEqual((p.returncode, out), (128 + sig, "true 3\n"), err)
            self.assertNotIn("Interrupted system call", err)
            self.assertFalse(os.path.exists(mark + "3"))

    def test_a_child_saves_too(self):
        with open(os.path.join(self.home.path, "a.lua"), "w") as f:
            f.write(TRAINS)
        p = self.start("-e", "os.execute('%s a.lua %s') print 'parent'" % (SUTURE, self.path))
        self.assertEqual(p.stdout.readline(), "step\n")
        p.send_signal(signal.SIGTERM)
        out, err = p.communicate(timeout=SLOW)
        self.assertIn("SIGTERM\ttrue\t4.0", out, err)
        self.assertNotIn("parent", out)
        self.assertTrue(os.path.exists(self.path))

    def test_children_as_in_lua(self):
        code = """
          print(os.execute "exit 3") print(os.execute "kill -9 $$") print(os.execute()) print(os.execute "true")
          local f = io.popen "echo a; exit 2" print(f:read "a", f:close())
          f = io.popen("cat", "w") f:write "b" f:close()
          print(pcall(io.popen, "x", "q"))
          io.write "c" print(os.execute "echo d")
          for i = 1, 600 do io.popen("true"):close() end
          for line in io.popen "printf 'e\\nf\\n'":lines() do print(line) end
        """
        status, out, err = run(self.home, "-e", code)
        self.assertEqual((status, out), (0, "nil\texit\t3\nnil\tsignal\t9\ntrue\ntrue\texit\t0\na\n\tnil\texit\t2\nbfalse\t"
                                         "bad argument #2 to 'io.popen' (invalid mode)\ncd\ntrue\texit\t0\ne\nf\n"), err)

    def pid_in(self, name):
        path = os.path.join(self.home.path, name)
        text = ""
        while not text.endswith("\n"):
            if os.path.exists(path):
                with open(path) as f:
                    text = f.read()
        os.remove(path)
        return int(text)

    def wait_for_end(self, pid):
        """Returns when the process is gone or a corpse; a test that waits for ever is stopped by tests/run."""
        while True:
            try:
                with open("/proc/%d/stat" % pid) as f:
                    if f.read().split(") ")[1][0] in "ZX":
                        return
            except OSError:
                return


tap.main()
