"""Pictures that are made by climbing, in a terminal and in scripts: progress, the live picture, Ctrl-C gives the picture so far."""
import os, re, signal, subprocess, sys, time, unittest
import tap
from term import Home, SOON, SUTURE, SLOW, TOP, Term, run

SHAPES = os.path.join(TOP, "examples", "shapes-resnet20.safetensors")
SETUP = "m = open(%r); x = data.shapes({n = 1, split = 'val', transform = m}):batch{0}" % SHAPES


class Dream(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)

    def test_ctrl_c_in_a_script_gives_the_picture_so_far(self):
        for call in ("vis.dream(m, x, {steps = 100000, seed = 1})", "vis.maximize(m, 'layer2', {unit = 1, steps = 100000, seed = 1})",
                     "vis.class_image(m, {'heart', 1}, {steps = 100000, seed = 1})"):
            path = os.path.join(self.home.path, "script.lua")
            with open(path, "w") as f:
                f.write(SETUP + "\nio.stderr:write('begins\\n')\np = %s\np:save(%r)\nprint(p.interrupted, p.steps, #p.caption > 0)\n"
                        % (call, self.home.path + "/so_far.png"))
            p = subprocess.Popen([SUTURE, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.home.env())
            while "begins" not in p.stderr.readline():
                self.assertIsNone(p.poll())
            time.sleep(1.5)
            p.send_signal(signal.SIGINT)
            began = time.time()
            out, err = p.communicate(timeout=SLOW)
            self.assertLess(time.time() - began, SOON, "stopping took long")
            self.assertRegex(out, r"^SIGINT\t\d+\ttrue\n$", err)
            self.assertEqual(p.returncode, 130)
            self.assertIn("interrupted", err)
            with open(self.home.path + "/so_far.png", "rb") as f:
                self.assertEqual(f.read(4), b"\x89PNG")

    def test_ctrl_c_at_the_prompt(self):
        t = Term(self.home, "-q")
        t.expect("> ")
        t.line(SETUP + "; local w = m:state_dict(); before = m.conv1.weight:clone()")
        for wait in (0.05, 0.4, 2.5):  # before the first step, between steps, when a picture was shown
            t.send("p = vis.dream(m, x, {steps = 100000, seed = 1})\r")
            t.expect("seed = 1})")
            time.sleep(wait)
            t.send("\x03")
            t.prompt()
        self.assertEqual(t.line("p.interrupted, p:tensor().shape, p.steps > 0, m.conv1.weight:equal(before)"),
                         '"SIGINT"\t(3, 32, 32)\ttrue\ttrue')
        self.assertEqual(t.line("vis.dream(m, x, {steps = 2, octaves = 1, quiet = true, seed = 1}).interrupted"), "nil")
        t.send("\x04")
        self.assertEqual(t.close(), 0)

    def test_what_is_written_without_a_terminal(self):
        code = SETUP + "; vis.dream(m, x, {steps = 2, octaves = 1})"
        status, out, err = run(self.home, "-e", code)
        self.assertEqual((status, out), (0, ""))
        self.assertRegex(err.splitlines()[-1], r"^dream +2/2 ")
        status, out, err = run(self.home, "-q", "-e", code.replace("octaves = 1", "octaves = 1, quiet = true"))
        self.assertEqual((status, out), (0, ""))
        self.assertNotIn("2/2", err)


tap.main()
