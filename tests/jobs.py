"""Commands side by side, as many as there are cores (JOBS=n for n): what the tests and the parity checks are run by.

Each command has a session of its own, so that its end, its time limit or a Ctrl-C ends whatever it started. What it wrote
is handed over whole, in the order of the list. Time is the processor's: a loaded machine does not change it.
"""
import collections, glob, os, signal, subprocess, sys, tempfile, time

JOBS = int(os.environ.get("JOBS") or min(4, len(os.sched_getaffinity(0))))
ENDS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT

# out, err: its texts; status: as a shell's, 128 + signal when killed by one, 124 after the time limit; cpu: seconds;
# memory: MiB of the largest of its processes
Done = collections.namedtuple("Done", "name status out err cpu memory")


class Job:
    def __init__(self, name, command, seconds):
        self.name, self.late, self.end = name, False, time.monotonic() + seconds
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err, start_new_session=True)
        self.pid = self.process.pid

    def kill(self):
        """Ends every process of the session, those too that are a group of their own."""
        for stat in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(stat, encoding="utf-8", errors="replace") as f:
                    pid, session = int(stat.split("/")[2]), int(f.read().rpartition(")")[2].split()[3])
                if session == self.pid:
                    os.kill(pid, signal.SIGKILL)
            except (OSError, IndexError):
                pass  # it ended meanwhile

    def text(self, file):
        file.seek(0)
        return file.read().decode("utf-8", "replace")

    def done(self, status, usage):
        self.process.returncode = status = os.waitstatus_to_exitcode(status)
        status = 124 if self.late else 128 - status if status < 0 else status
        return Done(self.name, status, self.text(self.out), self.text(self.err), usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024)


def run(commands, seconds, long=()):
    """Runs (name, command) pairs, each for so many seconds at most; yields a Done for each, in their order. Those named in
    `long` begin first: none of them is to be the last that runs, alone."""
    waiting = collections.deque(sorted(commands, key=lambda c: c[0] not in long))
    running, ended, order = {}, {}, [name for name, _ in commands]
    told = []  # signals: looked at between two steps, so that no command starts unseen. Commands start with the defaults.
    handlers = {number: signal.signal(number, lambda number, _: told.append(number)) for number in ENDS}
    try:
        while order:
            while waiting and len(running) < JOBS:
                job = Job(*waiting.popleft(), seconds)
                running[job.pid] = job
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if not pid:
                time.sleep(0.02)
                for job in running.values():
                    if time.monotonic() > job.end:
                        job.late = True
                        job.kill()
            elif pid in running:
                job = running.pop(pid)
                job.kill()
                ended[job.name] = job.done(status, usage)
            if told:
                sys.exit(128 + told[0])
            while order and order[0] in ended:
                yield ended.pop(order.pop(0))
    finally:
        for job in running.values():
            job.kill()
        for number, handler in handlers.items():
            signal.signal(number, handler)


def costs(done):
    """The five that cost most, and all together; COSTS=FILE: a table of all, in seconds of the processor's and MiB."""
    most = sorted(done, key=lambda d: -d.cpu)
    if where := os.environ.get("COSTS"):
        with open(where, "w", encoding="utf-8") as f:
            f.writelines("%8.2f %6d %s\n" % (d.cpu, d.memory, d.name) for d in most)
    named = ", ".join("%s %.0f s" % (d.name, d.cpu) for d in most[:5])
    return "costliest: %s; all %.0f s of the processor's" % (named, sum(d.cpu for d in done))
