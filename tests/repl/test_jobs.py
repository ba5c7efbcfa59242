"""Files side by side: in order and whole, each ended with all that it started."""
import os, signal, subprocess, sys, time, unittest
import tap
from term import SLOW, TOP

sys.path.insert(0, TOP + "/tests")
import jobs


def sh(text):
    return ["sh", "-c", text]


def gone(pid, seconds=SLOW):
    """Whether the process ends: nothing of it is left, or a corpse."""
    end = time.time() + seconds
    while time.time() < end:
        try:
            with open("/proc/%s/stat" % pid) as f:
                if f.read().rpartition(")")[2].split()[0] in "ZX":
                    return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


class Jobs(unittest.TestCase):
    def setUp(self):
        self.was, jobs.JOBS = jobs.JOBS, 3

    def tearDown(self):
        jobs.JOBS = self.was

    def test_order_and_statuses(self):
        done = list(jobs.run([("slow", sh("echo a; sleep 0.5; echo b")), ("none", ["env", "./nowhere"]), ("bad", sh("echo why >&2; exit 3")),
                              ("crash", sh("kill -SEGV $$")), ("last", sh("seq 9999 | tail -n 1"))], SLOW))
        self.assertEqual([(d.name, d.status, d.out, d.err if d.name == "bad" else "") for d in done], [
            ("slow", 0, "a\nb\n", ""), ("none", 127, "", ""), ("bad", 3, "", "why\n"), ("crash", 128 + signal.SIGSEGV, "", ""), ("last", 0, "9999\n", "")])

    def test_side_by_side(self):
        first = os.pipe()
        with open(first[0]) as r, open(first[1], "w") as w:  # each waits for what the other one writes
            os.set_inheritable(w.fileno(), True)
            path = "/proc/%d/fd/%d" % (os.getpid(), w.fileno())
            back = "/proc/%d/fd/%d" % (os.getpid(), r.fileno())
            done = list(jobs.run([("reader", sh("head -n 1 %s" % back)), ("writer", sh("echo here >%s" % path))], SLOW))
        self.assertEqual(done[0].out, "here\n")

    def test_time_limit_ends_all(self):
        done = list(jobs.run([("late", sh("timeout 900 sleep 800 & echo $!; wait")), ("quick", sh("echo ok"))], 1))
        self.assertEqual([d.status for d in done], [124, 0])
        self.assertTrue(gone(done[0].out.strip()))

    def test_what_is_left_over_ends(self):
        done = list(jobs.run([("leaves", sh("sleep 800 >/dev/null & echo $!"))], SLOW))
        self.assertEqual(done[0].status, 0)
        self.assertTrue(gone(done[0].out.strip()))

    def test_ctrl_c(self):
        code = "import sys; sys.path.insert(0, 'tests'); import jobs\nfor d in jobs.run([('a', ['sh', '-c', 'echo $$ >&%d; timeout 900 sleep 800'])], 900): pass"
        r, w = os.pipe()
        with open(r) as out:
            p = subprocess.Popen([sys.executable, "-B", "-c", code.replace(">&%d", ">/proc/%d/fd/%d" % (os.getpid(), w))], cwd=TOP)
            pid = out.readline().strip()
            p.send_signal(signal.SIGINT)
            self.assertEqual(p.wait(SLOW), 130)
            self.assertTrue(gone(pid))
        os.close(w)


if __name__ == "__main__":
    tap.main()
