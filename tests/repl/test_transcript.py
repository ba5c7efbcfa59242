"""What a session leaves behind: :log, :notebook, what :save says; an emergency checkpoint of a model in training."""
import os, re, signal, unittest
import tap
from term import Home, Term, TOP, plain

NET = os.path.join(TOP, "examples", "shapes-resnet20.safetensors")


class Transcript(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)

    def term(self, **env):
        t = Term(self.home, **env)
        t.expect("> ")
        return t

    def read(self, name):
        with open(os.path.join(self.home.path, name), encoding="utf-8") as f:
            return f.read()

    def test_log_writes_what_is_typed_and_shown(self):
        t = self.term()
        t.line("print 'before'")
        t.line(":log s.log")
        t.line("print('a', 1)  io.write('b\\n')")
        t.line("1 + 1")
        t.line("nothing_there.x = 1")
        t.send("for i = 1, 2 do\r")
        t.expect(">> ")
        t.send("print(i)\r")
        t.expect(">> ")
        t.line("end")
        text = self.read("s.log")  # also when the shell is killed now
        t.line(":log off")
        t.line("print 'after'")
        for what in ["> print('a', 1)  io.write('b\\n')\na\t1\nb\n", "> 1 + 1\n2\n", "no global 'nothing_there'",
                     "> for i = 1, 2 do\n>> print(i)\n>> end\n1\n2\n"]:
            self.assertIn(what, text)
        self.assertNotIn("\x1b", text)
        self.assertNotIn("before", text)
        self.assertNotIn("after", self.read("s.log"))
        self.assertIn("there is no log", t.line(":log off"))
        self.assertNotIn("yours from here on", plain(t.out))  # print is still Lua's

    def test_notebook_is_one_page_with_pictures(self):
        t = self.term()
        t.line("-- the kernels <of> a network")
        t.line('m = open "%s"' % NET)
        t.line("vis.filters(m.conv1)")
        t.line("1 < 2")
        t.line(" secret = 1")
        t.line("error 'gone wrong'")
        self.assertIn("4 inputs and 1 picture in out.html", t.line(":notebook out.html"))
        page = self.read("out.html")
        for what in ["<p class=\"note\">the kernels &lt;of&gt; a network</p>", "<pre class=\"in\">1 &lt; 2</pre>\n<pre class=\"out\">true</pre>",
                     "src=\"data:image/png;base64,", "<pre class=\"in failed\">error ", "gone wrong</pre>"]:
            self.assertIn(what, page)
        self.assertNotIn("secret", page)
        self.assertNotIn("src=\"http", page)
        with open(os.path.join(self.home.path, "mine.html"), "w") as f:
            f.write("mine")
        self.assertIn(":notebook! mine.html overwrites it", t.line(":notebook mine.html"))

    def test_save_says_whether_it_checked(self):
        t = self.term()
        t.line("a = 1")
        self.assertIn("not checked: :save s.lua --check", t.line(":save s.lua"))
        self.assertIn("checked: run in a new process, it makes the same 1 global", t.line(":save s.lua --check"))

    def test_a_model_in_training_is_saved_when_the_shell_is_ended(self):
        for sig in (signal.SIGTERM, signal.SIGHUP):
            t = self.term()
            t.line('m = open "%s"; ds = data.shapes{n = 20, transform = m}' % NET)
            t.send("fit(m, ds, {epochs = 100000, lr = 1e-4})\r")
            t.expect("epoch 1 ")
            os.kill(t.pid, sig)
            self.assertEqual(t.close(), 128 + sig)
            t = self.term()
            shown = plain(t.out)
            found = re.search(r'a model in training was saved when the shell was\s+ended:\s+m\s+=\s+open\s+"([^"]*)"', shown)
            self.assertTrue(found, shown)
            path = found[1]
            self.assertRegex(path, r"-m(-2)?\.safetensors$")
            self.assertIn("8", t.line('#open("%s").classes' % path))
            self.assertEqual(t.leave(), 0)
            t = self.term()  # told once
            self.assertNotIn("a model in training", plain(t.out))
            self.assertEqual(t.leave(), 0)

    def test_an_idle_shell_is_ended_at_once(self):
        for sig in (signal.SIGTERM, signal.SIGHUP):
            t = self.term()
            t.line("1")
            os.kill(t.pid, sig)
            self.assertEqual(t.close(), 128 + sig)

    def test_a_loop_that_catches_errors_does_not_outlive_its_terminal(self):
        for sig in (signal.SIGTERM, signal.SIGHUP):
            t = self.term()
            t.send("print('on') while true do pcall(function() while true do end end) end\r")
            t.expect("\non\n")
            os.kill(t.pid, sig)
            self.assertEqual(t.close(), 128 + sig)


if __name__ == "__main__":
    tap.main()
