"""vis.browse on a whole terminal: keys, resizes, streams; the terminal is given back as it was, whatever happens."""
import os, random, shutil, signal, subprocess, termios, unittest
import tap
from term import Home, SLOW, SUTURE, Term, plain, run

MODEL = ("seed(1) m = nn.Sequential(nn.Conv2d(3, 6, 3, {padding = 1}), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 40, 3), nn.ReLU(), "
         "nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(40, 4)) x = rand(3, 3, 16, 16)")
IN, OUT = "\x1b[?1049h", "\x1b[?1049l"
SAMPLE = os.path.join(os.path.dirname(SUTURE), "examples")


@unittest.skipUnless(shutil.which("chafa"), "no chafa")
class Browse(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)

    def begun(self, *args, **kw):
        t = Term(self.home, "-q", *args, **kw)
        t.prompt_ = t.expect("> ")
        return t

    def browsing(self, t, source="x", before=""):
        """Begins; returns the terminal's modes as they were at the prompt's end."""
        t.line(MODEL + before)
        t.modes = self.at_rest(t)
        self.begin(t, source)

    def at_rest(self, t):
        """The modes while a line runs, which are those that the terminal has without Readline."""
        t.send("os.execute [[echo at re''st; sleep 0.3]]\r")
        t.expect("at rest")
        modes = termios.tcgetattr(t.fd)
        t.prompt()
        return modes

    def begin(self, t, source):
        t.shown = t.out.count(IN)
        t.send("vis.browse(m, %s)\r" % source)
        self.drawn(t, "layer")
        self.assertEqual(t.out.count(IN), t.shown + 1)

    def drawn(self, t, what):
        """Until what is drawn behind what was seen."""
        t.expect(what)

    def restored(self, t):
        """The screen is the old one and its modes are as they were."""
        self.assertEqual(t.out.count(IN), t.out.count(OUT))
        self.assertGreater(t.out.rfind("\x1b[?25h"), t.out.rfind("\x1b[?25l"))
        self.assertEqual(self.at_rest(t), t.modes)
        self.assertEqual(t.line("20 + 22").strip(), "42")

    def test_walks_and_gives_back(self):
        t = self.begun()
        self.browsing(t)
        t.send("\x1b[B\x1b[B\x1b[B")
        self.drawn(t, "40 units")
        t.send("\x1b[C")
        self.drawn(t, "unit 1:")
        t.send("\x1b[F")
        self.drawn(t, "unit 39:")
        t.send("n")
        self.drawn(t, "picture 2 of 3")
        t.send("m")
        self.drawn(t, "maximised")
        t.send("q")
        t.expect('layer = "3"')
        t.expect("unit = 39")
        t.prompt()
        self.restored(t)

    def test_the_strongest(self):
        t = self.begun()
        self.browsing(t, "ds", " ds = data.tensors(x, tensor {0, 1, 2})")
        t.send("t")
        self.drawn(t, "looking for the strongest")
        self.drawn(t, "gradientstrongest")  # the names of panes, one behind the other
        t.send("q")
        t.prompt()
        self.restored(t)

    def test_500_random_keys(self):
        rng = random.Random(7)
        keys = ["\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[5~", "\x1b[6~", "\x1b[H", "\x1b[F", "n", "p", "g", " ", "h", "j", "k", "l", "t",
                "\x0c", "\x1b[200~", "\x1b[1;5C", "\x1bOA", "\t", "\r", "Z", "é", "\x13", "\x11", "\x1c", b"\xff", b"\xc3", "\x7f"]
        t = self.begun()
        self.browsing(t)
        for i in range(500):
            t.send(rng.choice(keys))
            if i % 25 == 0:
                t.resize(rng.choice([1, 20, 33, 60, 100, 200]))
            if i % 10 == 0:
                t.pump(0.02)
        t.send("m")
        t.resize(100)
        t.send("q")
        t.expect("unit = ")
        t.prompt()
        self.restored(t)

    def test_ctrl_c(self):
        t = self.begun()
        self.browsing(t)
        t.send("\x03")
        t.expect("interrupted")
        t.prompt()
        self.restored(t)

    def test_an_error(self):
        t = self.begun()
        self.browsing(t, "ds", " n = 0 ds = data.tensors(x, tensor {0, 1, 2}):map(function(x) n = n + 1 "
                      "if n > 2 then error('bad sample') end return x end)")
        t.send("nnn")
        t.expect("bad sample")
        t.prompt()
        self.restored(t)

    def test_too_small(self):
        t = self.begun()
        self.browsing(t)
        t.resize(20)
        self.drawn(t, "too small")
        t.resize(100)
        self.drawn(t, "layer")
        t.send("q")
        t.prompt()
        self.restored(t)

    @unittest.skipUnless(shutil.which("bash"), "no bash")
    def test_ctrl_z(self):
        t = Term(self.home, "--norc", "-i", program=shutil.which("bash"), PS1="bash% ")
        t.expect("bash% ")
        t.send(SUTURE + " -q\r")
        t.expect("> ")
        self.browsing(t)
        t.send("\x1a")
        t.expect("Stopped")
        t.expect("bash% ")
        self.assertEqual(t.out.count(IN), t.out.count(OUT))
        t.send("echo he''re; fg\r")
        t.expect("here")
        self.drawn(t, "layer")
        self.assertEqual(t.out.count(IN), t.out.count(OUT) + 1)
        t.send("q")
        t.expect("unit = ")
        t.prompt()
        self.restored(t)

    FILM = (" local f = assert(io.open('film.mjpeg', 'wb')) for i = 1, 3 do image.save(rand(3, 20, 24), 'one.jpg') "
            "local g = io.open('one.jpg', 'rb') f:write('--frame\\r\\nContent-Type: image/jpeg\\r\\n\\r\\n', g:read 'a', '\\r\\n') g:close() end f:close() "
            "m.preprocess = {size = 16}")

    def test_a_film(self):
        t = self.begun()
        self.browsing(t, "'film.mjpeg'", self.FILM)
        self.drawn(t, "picture 3")
        self.drawn(t, "picture 1")  # again from its beginning
        t.send(" q")
        t.prompt()
        self.restored(t)

    def test_a_pipe(self):
        t = self.begun()
        self.browsing(t, "io.popen 'cat film.mjpeg; sleep 1; cat film.mjpeg'", self.FILM)
        self.drawn(t, "picture 6")
        self.drawn(t, "has ended")
        t.send("\x1b[Bq")
        t.prompt()
        self.restored(t)

    def test_a_named_pipe_that_nobody_writes_to(self):
        os.mkfifo(os.path.join(self.home.path, "camera"))
        t = self.begun()
        t.line(MODEL)
        t.modes = self.at_rest(t)
        t.send("vis.browse(m, 'camera')\r")
        t.expect("waiting for a picture")
        t.send("q")
        t.prompt()
        self.restored(t)

    @unittest.skipIf(os.environ.get("SANITIZE"), "the sanitizers stand before all that is preloaded")
    def test_a_camera(self):
        library = os.path.join(self.home.path, "camera.so")
        subprocess.run([os.environ.get("CC", "cc"), "-D_GNU_SOURCE", "-shared", "-fPIC", "-O1", "-o", library,
                        os.path.join(os.path.dirname(__file__), "camera.c")], check=True)
        for how in ("mapped", "read"):
            t = self.begun(LD_PRELOAD=library, FILM=os.path.join(self.home.path, "film.mjpeg"), CAMERA=how)
            self.browsing(t, "'/dev/null'", self.FILM)
            self.drawn(t, "/dev/null · picture")
            self.drawn(t, "picture 5")
            t.send("\x1b[Bq")
            t.prompt()
            self.restored(t)
            self.begin(t, "'/dev/null'")  # given free, and begun again
            t.send("q")
            t.prompt()
            t.send("\x04")
            t.close()
        for how, why in (("busy", "in use by another program"), ("yuyv", "no Motion-JPEG but YUYV")):
            t = self.begun(LD_PRELOAD=library, CAMERA=how)
            t.line(MODEL)
            t.send("vis.browse(m, '/dev/null')\r")
            t.expect(why)
            t.prompt()
            t.send("vis.browse(m, '/dev/video99')\r")
            t.expect("there is no such device")
            t.prompt()
            self.assertEqual(t.out.count(IN), 0)
            t.send("\x04")
            t.close()

    def test_a_folder(self):
        t = self.begun()
        self.browsing(t, "'.'", " for i = 1, 2 do image.save(rand(3, 20, 20), i .. '.png') end m.preprocess = {size = 16}")
        t.send("n")
        self.drawn(t, "2.png")
        t.send("q")
        t.prompt()
        self.restored(t)

    def test_without_a_terminal(self):
        code, _, err = run(self.home, "-e", MODEL + " vis.browse(m, x)")
        self.assertEqual(code, 1)
        self.assertIn("browse: needs a terminal", err)
        for source, said in (("nil", "expects a source"), ("3", "expects a data set, a folder"), ("'nothing.png'", "nothing.png"),
                             ("rand(3)", "expects pictures")):
            code, _, err = run(self.home, "-e", MODEL + " m.preprocess = {size = 16} vis.browse(m, %s)" % source)
            self.assertEqual(code, 1)
            self.assertIn(said, err)


if __name__ == "__main__":
    tap.main()
