"""Killed at a moment by chance, KILLS times (12), and a full disk at every write: the old file or the new one, whole, nothing
left over, and a message where there is somebody to tell."""
import os, random, shutil, signal, subprocess, sys, tempfile, time, unittest
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "repl"))
import tap
import faults

KILLS = int(os.environ.get("KILLS") or 12)
SAVES = """
local m, x = nn.Linear(300, 500), rand(3, 200, 200)
local ds = data.tensors(rand(8, 300), tensor {0, 1, 2, 3, 4, 5, 6, 7})
io.write "begun\\n" io.flush()
while true do
  m:save "a.pth" m:save "a.safetensors" save_tensor(x, "a.npy") image.save(x, "a.png") m:graph {input = {1, 300}}:save "a.svg"
  fit(m, ds, {epochs = 1, quiet = true, run = "runs/one" .. (n or "")}) n = (n or 0) + 1
end
"""
CHECK = """
for name in io.popen("find . -type f"):lines() do
  local kind = name:match "[%w]+$"
  if kind == "png" then image.load(name) elseif kind == "npy" then load_tensor(name)
  elseif kind == "pth" or kind == "safetensors" then open(name, {state = "all"}) end
end
runs()
print "whole"
"""
NAMES = ("a.pth", "a.safetensors", "a.npy", "a.png", "a.svg")


class Kills(unittest.TestCase):
    def check(self, folder, home, shown):
        for base, _, names in os.walk(folder):
            for name in names:
                with open(os.path.join(base, name), "rb") as f:
                    data = f.read()
                self.assertFalse(name.startswith(".suture-"), "left over: %s %s" % (name, shown))
                self.assertTrue(base != folder or name in NAMES, "left over: %s %s" % (name, shown))
                if name.endswith(".jsonl"):
                    continue  # a line that is not whole is passed over
                self.assertTrue(data and faults.whole(name, data), "%s is damaged %s" % (name, shown))
        p = subprocess.run([faults.SUTURE, "-q", "-e", CHECK], cwd=folder, env=faults.environment(home), capture_output=True, text=True)
        self.assertEqual((p.returncode, p.stdout), (0, "whole\n"), p.stderr + shown)

    def test_a_script_that_saves(self):
        rng = random.Random(int(os.environ.get("SEED") or 1))
        with tempfile.TemporaryDirectory() as top:
            home = top + "/home"
            os.mkdir(home)
            for i in range(KILLS):
                folder = "%s/%d" % (top, i)
                os.mkdir(folder)
                sig = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)[i % 3]
                p = subprocess.Popen([faults.SUTURE, "-q", "--threads", "1", "-e", SAVES], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder,
                                     env=faults.environment(home))
                self.assertEqual(p.stdout.readline(), b"begun\n")
                wait = rng.uniform(0, 0.3)
                time.sleep(wait)
                p.send_signal(sig)
                p.wait(faults.SECONDS * 2)
                p.stdout.close()
                self.check(folder, home, "after %s at %.3f s" % (sig.name, wait))
                shutil.rmtree(folder)

    def test_a_session(self):
        """The history and a saved script."""
        rng = random.Random(int(os.environ.get("SEED") or 1))
        with tempfile.TemporaryDirectory() as top:
            home, folder = top + "/home", top + "/work"
            os.mkdir(home)
            os.mkdir(folder)
            for i in range(max(3, KILLS // 4)):
                p = subprocess.Popen([faults.SUTURE, "-q", "-i"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                     cwd=folder, env=faults.environment(home))
                try:
                    p.stdin.write(("m = nn.Linear(2, 2)\n" + "".join("x%d = 1\n:save! s.lua\n" % k for k in range(200))).encode())
                    p.stdin.flush()
                    time.sleep(rng.uniform(0, 0.3))
                    p.send_signal((signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)[i % 3])
                    p.stdin.close()
                except BrokenPipeError:
                    pass
                p.wait(faults.SECONDS * 2)
                for name in os.listdir(folder):
                    self.assertEqual(name, "s.lua")
                    r = subprocess.run([faults.SUTURE, "-q", name], cwd=folder, env=faults.environment(home), capture_output=True, text=True)
                    self.assertEqual(r.returncode, 0, r.stderr)

    def test_a_full_disk(self):
        """On a small file system of its own, which some fewer pages are free of each time."""
        body = """
        local m, x = nn.Linear(40, 50), rand(3, 30, 30)
        for _, save in ipairs {function() m:save "a.pth" end, function() m:save "a.safetensors" end,
            function() save_tensor(x, "a.npy") end, function() image.save(x, "a.png") end,
            function() m:graph {input = {1, 40}}:save "a.svg" end} do
          local ok, why = pcall(save)
          if not ok then assert(why:find "No space left", why) print "full" end
        end
        print "done" """
        script = """
        mkdir mnt && mount -t tmpfs -o size=%(room)dk none mnt || exit 77
        cd mnt && for f in a.pth a.safetensors a.npy a.png a.svg; do echo old > $f; done
        %(suture)s -q -e "$BODY"; status=$?
        for f in * .[a-zA-Z]*; do [ -f "$f" ] && cp -- "$f" ../out/; done
        exit $status"""
        full = 0
        for room in range(24, 24 + 4 * (KILLS if KILLS > 12 else 12), 4):
            with tempfile.TemporaryDirectory() as top:
                os.mkdir(top + "/out")
                os.mkdir(top + "/home")
                p = subprocess.run(["unshare", "-rm", "sh", "-c", script % {"room": room, "suture": faults.SUTURE}], cwd=top, capture_output=True, text=True,
                                   env={**faults.environment(top + "/home"), "BODY": body})
                if p.returncode == 77 or "unshare" in p.stderr:
                    self.skipTest("no file system can be mounted here: " + p.stderr.strip())
                self.assertEqual((p.returncode, p.stdout.splitlines()[-1:]), (0, ["done"]), p.stderr)
                full += p.stdout.count("full")
                files = faults.files_in(top + "/out")
                self.assertEqual(sorted(files), sorted(NAMES), room)
                news = 0
                for name, data in files.items():
                    news += data != b"old\n"
                    self.assertTrue(data == b"old\n" or faults.whole(name, data), (room, name))
                self.assertEqual(news + p.stdout.count("full"), len(NAMES), (room, p.stdout))
        self.assertGreater(full, 0)


tap.main()
