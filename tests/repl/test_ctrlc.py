"""Ctrl-C while the prompt waits, reads, runs: none is lost, whatever the moment and the load.
CTRLC=20000 COPIES=8 BUSY=8 for that many, in so many shells, beside so many programs that only compute."""
import os, random, signal, subprocess, sys, threading, time, unittest
import tap
from term import Home, Term, plain

COUNT = int(os.environ.get("CTRLC", "400"))
COPIES = int(os.environ.get("COPIES", "4"))
BUSY = int(os.environ.get("BUSY", "2"))  # processes that do nothing but compute beside them
PATIENCE = 10.0


class CtrlC(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)

    def busy(self, n):
        for _ in range(n):
            p = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            self.addCleanup(p.wait)
            self.addCleanup(p.kill)

    def one(self, t, number, wait):
        """Types an endless loop, then Ctrl-C. Whether it stopped; that one prompt came of it, a line typed next shows."""
        t.send("while true do end\r")
        time.sleep(wait)
        t.send("\x03")
        try:
            t.prompt(PATIENCE)
            stopped = True
        except AssertionError:
            stopped = False
            t.send("\x03")
            t.prompt()
        t.send("print('=', %d)\r" % number)
        between = t.expect("\n=\t%d\n> " % number)
        return stopped, between.count("\n> ")

    def many(self, t, count, seed, lost, doubled):
        r = random.Random(seed)
        for i in range(count):
            stopped, more = self.one(t, i, r.random() * 0.004)
            if not stopped:
                lost.append(plain(t.out)[-300:])
            if more:
                doubled.append(plain(t.out)[-300:])
            if len(t.out) > 10000:
                t.out, t.seen = "", 0

    def test_every_thread_but_the_main_one_holds_it_up(self):
        t = Term(self.home, "-q")
        t.expect("> ")
        t.line("suture.threads(2); x = randn(300, 300):matmul(randn(300, 300)):sum():item()")
        tasks = "/proc/%d/task" % t.pid
        self.assertGreater(len(os.listdir(tasks)), 1)
        for task in os.listdir(tasks):
            if int(task) != t.pid:
                held = [l for l in open(os.path.join(tasks, task, "status")) if l.startswith("SigBlk")][0].split()[1]
                self.assertTrue(int(held, 16) >> (signal.SIGINT - 1) & 1, "thread %s: %s" % (task, held))
        t.send("\x04")
        self.assertEqual(t.close(), 0)

    def test_none_is_lost_between_typing_reading_and_running(self):
        seed = int(os.environ.get("SEED", "1"))
        lost, doubled, broken = [], [], []
        terms = [Term(self.home, "-q") for _ in range(COPIES)]
        for t in terms:
            t.expect("> ")
            t.line("x = randn(300, 300):matmul(randn(300, 300)):sum():item()")  # the engine's threads are there
        self.busy(BUSY)

        def work(k):
            try:
                self.many(terms[k], -(-COUNT // COPIES), seed * 1000 + k, lost, doubled)
            except BaseException as e:
                broken.append(e)
        threads = [threading.Thread(target=work, args=(k,)) for k in range(COPIES)]
        for th in threads:
            th.start()
        for th in threads:
            th.join()
        self.assertEqual([], broken)
        for t in terms:
            self.assertEqual(t.line("1 + 1"), "2")
            t.send("\x04")
            self.assertEqual(t.close(), 0)
        self.assertEqual((0, 0), (len(lost), len(doubled)), "of %d: %s %s" % (COUNT, lost[:2], doubled[:2]))


tap.main()
