"""Every study of examples/experiments runs, with tiny settings; signals at random moments leave the rows so far on disk,
whole, and no process. STUDIES=200 for that many."""
import csv, glob, json, os, random, signal, subprocess, time, unittest
import tap
from term import Home, SLOW, SUTURE, TOP

COUNT = int(os.environ.get("STUDIES", "5"))
FOLDER = os.path.join(TOP, "examples", "experiments")
SMALL = {"lottery": ["--keep", "0.2"], "learning_curves": ["--counts", "1"], "gradients": ["--depth", "6"],
         "parallel_seeds": ["--lrs", "0.1,0.01"], "step_times": ["--batches", "1", "--seconds", "0.01"]}
STOPPED = ["freezing", "distillation", "parallel_seeds", "gradients", "learning_curves"]
TIMES = ("seconds", "ms", "cpu_ms", "low", "high")


def rows(path):
    """The rows of NAME.csv, which NAME.jsonl has as well, both whole."""
    if not os.path.exists(path + ".csv"):
        assert not os.path.exists(path + ".jsonl") or open(path + ".jsonl").read().count("\n") <= 1
        return []
    with open(path + ".csv", newline="") as f:
        text = f.read()
    with open(path + ".jsonl") as f:
        lines = f.read()
    assert text.endswith("\n") and lines.endswith("\n"), (text[-80:], lines[-80:])
    found = list(csv.DictReader(text.splitlines()))
    same = [json.loads(line) for line in lines.splitlines()]
    assert len(found) == len(same) and all(None not in row and None not in row.values() for row in found), (text, lines)
    for a, b in zip(found, same):
        assert {k: v for k, v in a.items() if v} == {k: str(v) if isinstance(v, str) else a[k] for k, v in b.items()}, (a, b)
        assert all(isinstance(v, str) or float(a[k]) == v for k, v in b.items()), (a, b)
    return [frozenset((k, v) for k, v in row.items() if k not in TIMES) for row in found]


def left(mark):
    """Processes that have this mark in their environment."""
    found = []
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as f:
                if b"STUDY_MARK=" + mark.encode() in f.read().split(b"\0"):
                    found.append(path)
        except OSError:
            pass
    return found


class Experiments(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)

    def begin(self, name, path, seeds, mark="none"):
        p = subprocess.Popen([SUTURE, "-q", os.path.join(FOLDER, name + ".lua"), "--n", "1", "--epochs", "1", "--seeds", str(seeds),
                              "--jobs", "2", "--save", path, *SMALL.get(name, [])], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, env=self.home.env(STUDY_MARK=mark), cwd=self.home.path)
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.stderr.close)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        return p

    def test_each_runs(self):
        names = sorted(os.path.basename(path)[:-4] for path in glob.glob(FOLDER + "/*.lua"))
        names.remove("setup")
        with open(os.path.join(TOP, "scripts", "experiments")) as f:
            script = f.read()
        self.assertEqual(len(names), 10)
        for name in names:
            self.assertIn(name, script)
            path = os.path.join(self.home.path, name)
            out, err = (p := self.begin(name, path, 1)).communicate(timeout=SLOW)
            self.assertEqual(p.returncode, 0, (name, out, err))
            found = rows(path)
            self.assertTrue(found, name)
            for column in dict(list(found)[0]):
                self.assertIn(column.replace("_", " "), out + " seed", (name, out))

    def test_work_that_was_cut_short_is_no_result(self):
        code = """
          local m, ds = nn.Sequential(nn.Flatten(), nn.Linear(3072, 8)), data.shapes{n = 2}
          local r = parallel({1, 1000000}, function(epochs)
            local r = fit(m, ds, {epochs = epochs, quiet = true})
            if epochs > 1 then error "it goes on" end
            return #r.history
          end, {jobs = 1})
          print(#r, r[1].value, r.interrupted)
          print(#parallel({1}, print).interrupted, #seeds(3, print))
          results{}:add{x = 1}
        """
        for sig in (signal.SIGINT, signal.SIGTERM):
            p = subprocess.Popen([SUTURE, "-q", "-e", code.replace("epochs, quiet = true", "epochs, quiet = true, on_epoch = "
                                  "function(row) if row.epoch == 3 then print 'on' end end")], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True, env=self.home.env(), cwd=self.home.path)
            self.addCleanup(p.stdout.close)
            self.addCleanup(p.stderr.close)
            self.addCleanup(p.wait)
            self.addCleanup(p.kill)
            self.assertEqual(p.stdout.readline(), "on\n")
            p.send_signal(sig)
            out, err = p.communicate(timeout=SLOW)
            self.assertEqual((p.returncode, out), (128 + sig, "1\t1\t%s\n%d\t0\n" % (sig.name, len(sig.name))), err)

    def test_a_signal_leaves_the_rows_so_far_and_no_process(self):
        r = random.Random(int(os.environ.get("SEED", "1")))
        whole, took, some = {}, {}, 0
        for i in range(COUNT):
            name, sig = STOPPED[i % len(STOPPED)], (signal.SIGINT, signal.SIGTERM)[r.randrange(2)]
            if name not in whole:
                began = time.time()
                p = self.begin(name, os.path.join(self.home.path, name), 2)
                p.communicate(timeout=SLOW)
                took[name] = time.time() - began
                whole[name] = set(rows(os.path.join(self.home.path, name)))
                self.assertEqual(p.returncode, 0)
            path, mark = os.path.join(self.home.path, "%s-%d" % (name, i)), "%d-%d" % (os.getpid(), i)
            p = self.begin(name, path, 2, mark)
            time.sleep(r.random() * took[name])
            p.send_signal(sig)
            out, err = p.communicate(timeout=SLOW)
            said = "%s %s: %s%s" % (name, sig.name, out, err)
            self.assertIn(p.returncode, (0, -sig, 128 + sig), said)  # 0: it was over, -sig: it had not begun
            found = rows(path)
            self.assertLessEqual(set(found), whole[name], said)
            self.assertEqual(len(set(found)), len(found), said)
            if p.returncode == 0:
                self.assertEqual(set(found), whole[name], said)
            some += 0 < len(found) < len(whole[name])
            self.assertEqual(left(mark), [], said)
        if COUNT >= 50:
            self.assertGreater(some, COUNT // 10)
            print("# %d of %d were stopped with some of their rows" % (some, COUNT))


tap.main()
