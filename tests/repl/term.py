"""A terminal for tests: runs ./suture under a pty, types, waits for what it shows. Python's standard library only."""
import codecs, os, pty, re, select, signal, subprocess, sys, tempfile, time, shutil, fcntl, termios, struct

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SUTURE = os.path.join(TOP, os.environ.get("O", ""), "suture")
SLOW = 180.0 if os.environ.get("SANITIZE") else 60.0  # seconds to wait for anything at all: a bound on hanging, no measure
SOON = SLOW / 6     # what is meant to take a quarter of a second, on a machine that does much besides

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x07")


def plain(text):
    """Without colours, bracketed-paste switches and carriage returns."""
    return ANSI.sub("", text).replace("\r", "")


class Home:
    """A folder of its own for HOME and the XDG folders."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="suture-home-")
        with open(os.path.join(self.path, ".plain"), "w") as f:
            f.write("set blink-matching-paren off\n")  # what is typed stands there as it is
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def env(self, **more):
        e = {k: v for k, v in os.environ.items() if not k.startswith("XDG_") and k not in ("NO_COLOR", "INPUTRC", "VISUAL", "EDITOR", "PAGER", "LESS", "COLUMNS", "LINES")}
        e.update(HOME=self.path, TERM="xterm", INPUTRC=os.path.join(self.path, ".plain"), LC_ALL="C.UTF-8")
        e.update(more)
        return {k: v for k, v in e.items() if v is not None}


class Term:
    """A running ./suture (or another program) on a pty."""

    def __init__(self, home, *args, program=SUTURE, cwd=None, columns=100, **env):
        self.out = ""   # everything shown so far
        self.seen = 0   # what expect() has consumed
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a character may come in two reads
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(cwd or home.path)
                self.resize(columns, 0)
                os.execvpe(program, [os.path.basename(program), *args], home.env(**env))
            finally:
                os._exit(127)  # this is the copy of the test, which must not go on
        os.set_blocking(self.fd, False)  # send() takes what is shown meanwhile
        self.status = None

    def resize(self, columns, fd=None):
        fcntl.ioctl(self.fd if fd is None else fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))

    def pump(self, seconds):
        r, _, _ = select.select([self.fd], [], [], seconds)
        if not r:
            return False
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            return None
        self.out += self.decoder.decode(data)
        return True

    def expect(self, what, seconds=SLOW):
        """Waits until `what` (a string) is shown after what was consumed; returns what stood before it."""
        end = time.time() + seconds
        while True:
            text = plain(self.out)
            at = text.find(what, self.seen)
            if at >= 0:
                before = text[self.seen:at]
                self.seen = at + len(what)
                return before
            left = end - time.time()
            got = self.pump(max(0, min(left, 0.5))) if left > 0 else False
            if got is None or left <= 0:
                raise AssertionError("waited for %r, got %r" % (what, text[self.seen:]))

    def where(self):
        """What the program does now, as gdb and the kernel tell it: for the message of a test in which it stands still."""
        told = []
        for name in ("wchan", "syscall", "stat"):
            try:
                told.append("%s: %s" % (name, open("/proc/%d/%s" % (self.pid, name)).read().strip()))
            except OSError as e:
                told.append("%s: %s" % (name, e))
        if shutil.which("gdb"):
            told.append(subprocess.run(["gdb", "-p", str(self.pid), "-batch", "-ex", "set print frame-arguments all", "-ex", "bt 40"],
                                       capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL).stdout)
        return "\n".join(told)

    def prompt(self, seconds=SLOW):
        return self.expect("\n> ", seconds)

    def send(self, text, seconds=SLOW):
        """Types a text or bytes, and reads what is shown meanwhile: a program that waits for its output to be read reads nothing."""
        data = text if isinstance(text, bytes) else text.encode()
        end = time.time() + seconds
        while data:
            _, w, _ = select.select([], [self.fd], [], 0.05)
            if w:
                try:
                    data = data[os.write(self.fd, data[:512]):]
                except BlockingIOError:
                    pass
            ended = self.pump(0) is None
            if data and (ended or time.time() > end):
                raise AssertionError("%d bytes more are not taken; shown was %r" % (len(data), plain(self.out)[self.seen:][-300:]))

    def line(self, text):
        """Types a line; returns what it showed, up to the next prompt."""
        self.send(text + "\r")
        self.expect(text.split("\n")[-1][-20:])
        shown = self.prompt()
        return shown.strip("\n")

    def leave(self):
        """Ctrl-D at an empty line; returns the exit code. The prompt is waited for: what is typed while a line runs comes to a
        terminal that makes a NUL of Ctrl-D, and a Ctrl-C on its way takes typed keys with it."""
        self.send("print('left')\r")
        self.expect("left\n")
        self.expect("> ")
        self.send("\x04")
        return self.close()

    def close(self, seconds=SLOW):
        """Waits for the end; returns the exit code (128 + signal when killed by one)."""
        end = time.time() + seconds
        while self.status is None:
            if self.pump(0.05) is None:
                pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
            elif time.time() > end:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                os.close(self.fd)
                raise AssertionError("did not end; showed %r" % plain(self.out)[self.seen:])
        while self.pump(0.05):
            pass
        os.close(self.fd)
        return os.WEXITSTATUS(self.status) if os.WIFEXITED(self.status) else 128 + os.WTERMSIG(self.status)


def run(home, *args, stdin="", seconds=SLOW, cwd=None, **env):
    """./suture without a terminal → (exit code, stdout, stderr)"""
    p = subprocess.run([SUTURE, *args], input=stdin, capture_output=True, text=True, timeout=seconds,
                       env=home.env(**env), cwd=cwd or home.path)
    return p.returncode, p.stdout, p.stderr
