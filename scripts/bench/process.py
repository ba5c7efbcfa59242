"""Processes that are timed: workers that stay and answer lines, and whole programs."""
import os, statistics, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SUTURE = os.path.join(ROOT, "suture")
PYTHON = "/usr/bin/python3"  # Debian's, which has Debian's PyTorch


def here(name):
    return os.path.join(HERE, name)


def environment(threads, extra={}):
    """The caller's environment with the thread count that every library reads."""
    return {**os.environ, "OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads), **extra}


class Turns:
    """Turns of runners, with a pause after each: threads of the process that had it spin before they sleep, OpenBLAS's for
    0.15 s. After that nothing of ours runs, and what the CPUs do is others' work: then the turn is taken again once they are
    quiet, while `patience` lasts, in seconds for all turns. `spent` is what the turns took without that."""

    def __init__(self, patience):
        self.patience, self.spent = patience, 0.0

    @staticmethod
    def others():
        """Whether others have more than a fifth of the CPUs."""
        def ticks():
            with open("/proc/stat") as f:
                t = [int(word) for word in f.readline().split()[1:9]]
            return t[3] + t[4], sum(t)  # idle and iowait, all
        time.sleep(0.2)
        idle, all = ticks()
        time.sleep(0.07)
        more_idle, more = ticks()
        return more_idle - idle < 0.8 * (more - all)

    def take(self, runner, seconds):
        """(seconds, whether others disturbed it)."""
        while True:
            start = time.monotonic()
            t = runner.turn(seconds)
            disturbed = self.others()
            if not disturbed or self.patience <= 0:
                break
            while self.others() and time.monotonic() - start < self.patience:
                pass
            self.patience -= time.monotonic() - start
        self.spent += time.monotonic() - start
        return t, disturbed


class Worker:
    """A process that answers lines: "make …" with ready, "run SECONDS" with the seconds of each run."""

    def __init__(self, name, command, env):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)

    def ask(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"bench: {self.name} stopped at: {line}")
        return answer.strip()

    def turn(self, seconds):
        """The median of the runs that begin within `seconds`, at least one."""
        return statistics.median(float(t) for t in self.ask(f"run {seconds}").split())

    def peak_mb(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) / 1024 for line in f if line.startswith("VmHWM"))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Program:
    """A program from start to exit: a turn is one run of it."""

    def __init__(self, name, command, env):
        self.name, self.command, self.env, self.peak = name, command, env, 0

    def turn(self, _):
        start = time.perf_counter()
        process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.env)
        output = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"bench: {self.name} failed: {' '.join(self.command)}\n{output}")
        self.peak = max(self.peak, used.ru_maxrss / 1024)
        return seconds

    def peak_mb(self):
        return self.peak

    def close(self):
        pass
