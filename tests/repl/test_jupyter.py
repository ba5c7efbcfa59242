"""The kernel for Jupyter, by Debian's jupyter_client: cells as the prompt runs them, what a notebook shows, interrupts, hostile
messages; and a lesson as a notebook through nbconvert."""
import base64, json, os, shutil, signal, socket, subprocess, sys, time, unittest
import tap
from term import Home, SLOW, SOON, SUTURE, TOP, run

try:
    from jupyter_client.manager import KernelManager
    import zmq
except ImportError:
    KernelManager = None
    DEBIAN = "/usr/bin/python3"  # whose packages python3-jupyter-client brings
    if os.access(DEBIAN, os.X_OK) and not os.environ.get("SUTURE_NO_JUPYTER"):
        os.environ["SUTURE_NO_JUPYTER"] = "looked for"
        os.execv(DEBIAN, [DEBIAN, *sys.argv])

NET = "m = open %r" % os.path.join(TOP, "examples/shapes-resnet20.safetensors")


class Kernel:
    """A kernel of its own home folder, which jupyter_client runs, and what it says."""

    def __init__(self, **env):
        self.home = Home().__enter__()
        self.env = self.home.env(JUPYTER_DATA_DIR=os.path.join(self.home.path, "jupyter"), JUPYTER_PLATFORM_DIRS=None, **env)
        done = subprocess.run([SUTURE, "jupyter", "install"], env=self.env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        os.environ["JUPYTER_DATA_DIR"] = self.env["JUPYTER_DATA_DIR"]
        self.log = open(os.path.join(self.home.path, "log"), "w+")
        self.manager = KernelManager(kernel_name="suture")
        self.manager.start_kernel(env=self.env, cwd=self.home.path, stdout=self.log, stderr=self.log)
        self.connect()

    def connect(self):
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=SLOW)

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel()
        self.log.close()
        self.home.__exit__()

    def logged(self):
        with open(self.log.name) as f:
            return f.read()

    def outputs(self, request):
        """What is published for a request until the kernel is idle again: (type, content) …"""
        said = []
        while True:
            m = self.client.get_iopub_msg(timeout=SLOW)
            if m["parent_header"].get("msg_id") != request:
                continue
            if m["msg_type"] == "status" and m["content"]["execution_state"] == "idle":
                return said
            if m["msg_type"] not in ("status", "execute_input"):
                said.append((m["msg_type"], m["content"]))

    def reply(self, request):
        while True:
            m = self.client.get_shell_msg(timeout=SLOW)
            if m["parent_header"]["msg_id"] == request:
                return m["content"]

    def execute(self, code, allow_stdin=False, **more):
        """→ the reply, what was published"""
        request = self.client.execute(code, allow_stdin=allow_stdin, **more)
        said = self.outputs(request)
        return self.reply(request), said

    def shown(self, code, **more):
        """What a cell shows as text: streams, values, errors, in order."""
        return "".join(c.get("text") or c.get("evalue") or c["data"]["text/plain"] + "\n" for _, c in self.execute(code, **more)[1])

    def value(self, code):
        return self.execute(code)[1][-1][1]["data"]["text/plain"]

    def send(self, kind, content, channel="shell"):
        session = self.client.session
        m = session.msg(kind, content)
        session.send(getattr(self.client, channel + "_channel").socket, m)
        return m["header"]["msg_id"]

    def ask(self, kind, **content):
        return self.reply(self.send(kind, content))

    def running(self, code, mark, **more):
        """Begins a cell and waits until it has shown the mark."""
        request, text = self.client.execute(code, allow_stdin=False, **more), ""
        while mark not in text:
            m = self.client.get_iopub_msg(timeout=SLOW)
            text += m["content"].get("text", "") if m["parent_header"].get("msg_id") == request else ""
        return request


shared = None


@unittest.skipUnless(KernelManager, "python3-jupyter-client is missing")
class Jupyter(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        """One kernel for all, as long as it lives."""
        global shared
        if shared and not shared.manager.is_alive():
            shared.close()
            shared = None
        shared = shared or Kernel()
        self.kernel = self.k = shared

    def own(self, **env):
        k = Kernel(**env)
        self.addCleanup(k.close)
        return k

    def alive(self, k=None):
        self.assertEqual((k or self.k).value("1 + 1"), "2")

    def test_what_it_is(self):
        info = self.k.ask("kernel_info_request")
        self.assertEqual((info["status"], info["protocol_version"], info["implementation"]), ("ok", "5.3", "suture"))
        self.assertEqual(info["language_info"]["name"], "lua")
        request = self.k.send("kernel_info_request", {}, "control")
        m = self.k.client.get_control_msg(timeout=SLOW)
        self.assertEqual((m["parent_header"]["msg_id"], m["content"]), (request, info))
        self.assertTrue(self.k.client.hb_channel.is_beating())
        self.assertEqual(self.k.ask("comm_info_request"), {"status": "ok", "comms": {}})

    def test_cells(self):
        reply, said = self.k.execute("x = 20\nx + 1")
        self.assertEqual((reply["status"], reply["user_expressions"]), ("ok", {}))
        self.assertEqual([kind for kind, _ in said], ["execute_result"])
        self.assertEqual(said[0][1], {"data": {"text/plain": "21"}, "metadata": {}, "execution_count": reply["execution_count"]})
        self.assertEqual(self.k.execute("x + 1;")[1], [])  # muted
        self.assertEqual(self.k.execute("")[1], [])
        self.assertEqual(self.k.shown("x = 1\nx\ny = 2\nx, y"), "1\n1\t2\n")  # no one chunk: line by line
        self.assertEqual(self.k.shown("local a = 3\na"), "3\n")
        self.assertIn("'a'", self.k.shown("a"))  # gone with its cell, as at the prompt
        self.assertEqual(self.k.shown("x\nerror 'here'\nx"), "1\nhere")  # the rest of a cell that fails does not run
        self.assertEqual(self.k.shown("> x = 7\n> x"), "7\n")

    def test_numbers_of_cells(self):
        before = self.k.execute("1")[0]["execution_count"]
        self.assertEqual(self.k.execute("1", store_history=False)[0]["execution_count"], before)
        reply, said = self.k.execute("quiet = 5 print 'x' 6", silent=True)
        self.assertEqual((reply["execution_count"], said), (before, []))
        reply, said = self.k.execute("error 'z'", silent=True)
        self.assertEqual((reply["status"], reply["evalue"], said), ("error", "z", []))
        self.assertEqual(self.k.execute("quiet")[0]["execution_count"], before + 1)
        self.k.execute("function late()\n  error 'old'\nend")
        self.assertEqual(self.k.shown("\nlate()"), "cell %d, line 2: old" % (before + 2))
        self.assertIn("\n\tcell %d, line 2: in function 'late'\n" % (before + 2), self.k.shown(":traceback"))

    def test_words_of_the_shell(self):
        self.k.execute(NET)
        self.k.execute("m.conv1.stride = 2")
        self.assertIn("undone: conv1.stride", self.k.shown(":undo"))
        self.assertIn("stride=(1, 1)", self.k.shown("m.conv1"))
        self.assertIn("undone: ", self.k.shown("m.conv1.stride = 2\nm:freeze()\n:undo\n1"))
        self.assertIn("lua/train/fit.lua", self.k.shown("??fit"))
        self.assertIn("epochs", self.k.shown("?fit"))
        for line, said in [(":lesson transfer", "suture jupyter lesson"), (":next", "terminal"),
                           (":edit", "the cell is edited where it stands"),
                           (":undoo", "did you mean :undo?"), ("vis.browse(m, data.shapes{n = 1, transform = m})", "terminal")]:
            reply, _ = self.k.execute(line)
            self.assertEqual(reply["status"], "error", line)
            self.assertIn(said, reply["evalue"], line)

    def test_streams(self):
        _, said = self.k.execute("io.write 'a' io.stderr:write 'b' io.write 'c' print 'd' "
                                 "os.execute 'echo e; echo f >&2' print 'g'\n1")
        text = [(c["name"], c["text"]) for kind, c in said if kind == "stream"]
        self.assertEqual("".join(t for name, t in text if name == "stdout"), "acd\ne\ng\n")
        self.assertEqual("".join(t for name, t in text if name == "stderr"), "bf\n")
        self.assertEqual(text[:2], [("stdout", "a"), ("stderr", "b")])  # in the order in which they were written
        self.assertEqual(said[-1][0], "execute_result")
        shown = self.k.shown("for i = 1, 200000 do io.write('ü', i, ' ') end")
        self.assertEqual(shown, "".join("ü%d " % i for i in range(1, 200001)))
        self.assertEqual(self.k.shown("io.write 'a\\xff\\0b';"), "a\\xff\\x00b")

    def test_errors(self):
        reply, said = self.k.execute("fitt(1)")
        self.assertEqual(reply["status"], "error")
        self.assertIn("did you mean fit?", reply["evalue"])
        self.assertEqual(said, [("error", {key: reply[key] for key in ("ename", "evalue", "traceback")})])
        self.assertEqual("\n".join(reply["traceback"]), reply["evalue"])
        self.assertEqual(self.k.execute("x = = 1")[0]["ename"], "SyntaxError")
        self.assertIn("'end' expected", self.k.execute("for i = 1, 2 do")[0]["evalue"])
        self.k.execute("kept = {print, require, string, table, io} print, require, string, table, io = nil")
        self.assertEqual(self.k.shown("'still ' .. 'here'"), '"still here"\n')
        self.k.execute("print, require, string, table, io = kept[1], kept[2], kept[3], kept[4], kept[5]")
        reply, _ = self.k.execute("t = ('x'):rep(1 << 40)")
        self.assertEqual(reply["status"], "error")
        self.alive()

    def test_what_waits_for_a_cell_that_fails(self):
        codes = ("after = 1 os.execute 'sleep 0.5' error 'stop'", "after = 2", "after = 3")
        ids = [self.k.client.execute(code, allow_stdin=False) for code in codes]
        asked = self.k.send("kernel_info_request", {})
        self.assertEqual([self.k.reply(i)["status"] for i in ids], ["error", "aborted", "aborted"])
        self.assertEqual(self.k.reply(asked)["status"], "ok")
        self.assertEqual(self.k.value("after"), "1")
        ids = [self.k.client.execute(code, allow_stdin=False, stop_on_error=False) for code in ("error 'go on'", "after = 4")]
        self.assertEqual([self.k.reply(i)["status"] for i in ids], ["error", "ok"])

    def test_expressions(self):
        reply, _ = self.k.execute("v = 3", user_expressions={"a": "v + 1", "b": "nil + 1", "c": "=", "d": "plot {1, 2}"})
        values = reply["user_expressions"]
        self.assertEqual(values["a"], {"status": "ok", "data": {"text/plain": "4"}, "metadata": {}})
        self.assertEqual([values[name]["status"] for name in "bcd"], ["error", "error", "ok"])
        self.assertIn("arithmetic", values["b"]["evalue"])
        self.assertIn("image/png", values["d"]["data"])

    def test_pictures_and_graphs(self):
        self.k.execute(NET)
        _, said = self.k.execute("plot {1, 4, 9}")
        content = said[0][1]
        self.assertEqual(sorted(content["data"]), ["image/png", "text/plain"])
        self.assertTrue(base64.b64decode(content["data"]["image/png"]).startswith(b"\x89PNG"))
        self.assertGreater(content["metadata"]["image/png"]["width"], 100)
        _, said = self.k.execute("m:graph()")
        self.assertTrue(said[0][1]["data"]["image/svg+xml"].startswith("<svg"))
        self.assertRegex(said[0][1]["data"]["text/html"], r'^<iframe sandbox="allow-scripts" [^<>]*></iframe>$')
        self.assertIn("layer1.0.conv1", said[0][1]["data"]["text/plain"])
        _, said = self.k.execute("setmetatable({}, {__rich = function() return {['text/html'] = '<b>mine</b>'} end})")
        self.assertEqual(said[0][1]["data"]["text/html"], "<b>mine</b>")
        reply, said = self.k.execute("setmetatable({}, {__rich = function() error 'rich' end})")
        self.assertEqual(reply["status"], "ok")
        self.assertIn("rich", "".join(c.get("text", "") for _, c in said))
        self.alive()

    def test_live_lines(self):
        self.k.execute(NET)
        fit = "d = data.shapes{n = 2, transform = m} seed(1) r = fit(m, d, {epochs = 2, batch = 4});"
        _, said = self.k.execute(fit)
        text = "".join(c["text"] for kind, c in said)
        self.assertEqual(text.count("\n"), len(text.splitlines()))
        self.assertNotIn("\r", text)  # nobody looks on
        _, said = self.k.execute(fit, allow_stdin=True)
        text = "".join(c["text"] for kind, c in said)
        self.assertIn("\r", text)
        self.assertNotIn("\x1b", text)
        for number, line in enumerate(text.split("\n")[:2]):  # drawn over as JupyterLab does it: character by character
            shown = ""
            for piece in line.split("\r"):
                shown = piece + shown[len(piece):]
            self.assertRegex(shown.rstrip(), r"^epoch %d +━{12} \d+/\d+  loss [^ ]+  acc [^ ]+  [^ ]+ m?s$" % (number + 1))

    def test_complete(self):
        self.k.execute(NET)
        for code, expected, begun in [
                ("m.layer1[0].con", "m.layer1[0].conv1", "con"), ('m:freeze("layer3.0.co', 'm:freeze("layer3.0.conv1', "co"),
                ("x = 'ü€𝄞' m.lin", "x = 'ü€𝄞' m.linear", "lin"), ("a = 1\n:und", "a = 1\n:undo", "und"),
                ("?m.lin", "?m.linear", "lin"),
                ("nn.Conv2d(3, 8, 3, {padd", "nn.Conv2d(3, 8, 3, {padding =", "padd")]:
            found = self.k.ask("complete_request", code=code + " -- behind", cursor_pos=len(code))
            self.assertEqual(found["status"], "ok")
            start, end = found["cursor_start"], found["cursor_end"]
            self.assertEqual((code[start:end], end), (begun, len(code)), code)
            self.assertIn(expected, [(code[:start] + word)[:len(expected)] for word in found["matches"]], code)
        found = self.k.ask("complete_request", code="nothing.here", cursor_pos=12)
        self.assertEqual(found["matches"], [])
        self.assertEqual(self.k.ask("complete_request", code="m:", cursor_pos=99)["cursor_end"], 2)
        self.assertEqual(self.k.ask("complete_request", code="  ", cursor_pos=-5)["status"], "ok")

    def test_inspect(self):
        self.k.execute(NET)
        for code, at, word in [("fit(m, train)", 2, "epochs"), ("fit(m, ", 7, "epochs"), ("'ü' nn.Conv2d", 10, "kernel_size"),
                               ("m:freeze()", 4, "frozen")]:
            found = self.k.ask("inspect_request", code=code, cursor_pos=at, detail_level=0)
            self.assertTrue(found["found"], code)
            self.assertIn(word, found["data"]["text/plain"].lower(), code)
        found = self.k.ask("inspect_request", code="fit", cursor_pos=3, detail_level=1)
        self.assertIn("local function", found["data"]["text/plain"])
        for code in ("nosuchname", "", "1 + "):
            found = self.k.ask("inspect_request", code=code, cursor_pos=len(code), detail_level=0)
            self.assertEqual(found["found"], False, code)

    def test_is_complete(self):
        for code, status in [
                ("1 + 1", "complete"), ("for i = 1, 2 do", "incomplete"), ("f(", "incomplete"), ("x = = 1", "invalid"),
                (":undo", "complete"), ("?fit", "complete"), ("", "complete"), ("x = 1\nx\ny = 2\ny", "complete"),
                ("x = 1\nfunction f()", "incomplete"), ("m.conv1\n:undo\nm.conv1", "complete"), ("s = [[a", "incomplete"),
                ("s = 'a", "invalid"), ("a b\nc d", "invalid")]:
            self.assertEqual(self.k.ask("is_complete_request", code=code)["status"], status, code)
        self.assertEqual(self.k.ask("is_complete_request", code="  if x then")["indent"], "    ")

    def test_history(self):
        for code in ("h = 1", "h = 2", "h = 1"):
            self.k.execute(code)
        self.k.execute("h = 3", store_history=False)
        last = self.k.ask("history_request", hist_access_type="tail", n=3, output=False, raw=True)["history"]
        self.assertEqual([line[2] for line in last], ["h = 1", "h = 2", "h = 1"])
        found = self.k.ask("history_request", hist_access_type="search", pattern="h = *", unique=True, n=10, output=False)
        self.assertEqual([line[2] for line in found["history"]], ["h = 2", "h = 1"])
        n = last[0][1]
        some = self.k.ask("history_request", hist_access_type="range", session=0, start=n, stop=n + 2, output=True)
        self.assertEqual([line[2] for line in some["history"]], [["h = 1", None], ["h = 2", None]])

    def test_input(self):
        request = self.k.client.execute("io.write 'name? ' name = io.read() n = io.read('n')\nname, n", allow_stdin=True)
        for text in ("Ada ü", "42"):
            m = self.k.client.get_stdin_msg(timeout=SLOW)
            self.assertEqual((m["msg_type"], m["content"]["password"]), ("input_request", False))
            self.k.client.input(text)
        self.assertEqual(self.k.reply(request)["status"], "ok")
        self.assertEqual(self.k.outputs(request)[-1][1]["data"]["text/plain"], '"Ada ü"\t42')
        reply, _ = self.k.execute("io.read()")
        self.assertIn("allow_stdin is false", reply["evalue"])
        self.assertIn("allow_stdin is false", self.k.execute("for line in io.lines() do print(line) end")[0]["evalue"])
        request = self.k.client.execute("io.read()", allow_stdin=True)  # asked, and stopped
        self.k.client.get_stdin_msg(timeout=SLOW)
        self.k.manager.interrupt_kernel()
        self.assertEqual(self.k.reply(request)["ename"], "Interrupted")
        self.assertEqual(self.k.shown("os.execute 'cat'"), 'true\t"exit"\t0\n')  # a command has none

    def stopped(self, request, began):
        reply = self.k.reply(request)
        self.assertLess(time.time() - began, SOON)
        self.k.outputs(request)
        return reply

    def test_interrupts(self):
        self.k.execute(NET)
        self.k.execute("d = data.shapes{n = 20, transform = m};")
        process = self.k.manager.provisioner.process
        for how in (self.k.manager.interrupt_kernel, lambda: os.killpg(process.pid, signal.SIGINT)):  # by a message; by a signal
            for code in ("print 'on' while true do end", "print 'on'; ('a'):rep(30):find(('a?'):rep(30) .. ('a'):rep(30))",
                         "print 'on' co = coroutine.wrap(function() while true do end end) co()",
                         "print 'on' for i = 1, 1000 do os.execute 'sleep 1000' end",
                         "print 'on' io.popen('echo a; sleep 1000'):read('a')"):
                request = self.k.running(code, "on")
                began = time.time()
                how()
                reply = self.stopped(request, began)
                self.assertEqual((reply["status"], reply["ename"]), ("error", "Interrupted"), code)
        request = self.k.running("r = fit(m, d, {epochs = 1000, quiet = false}) print('fitted', #r.history)", "epoch 1")
        began = time.time()
        self.k.manager.interrupt_kernel()
        self.assertEqual(self.stopped(request, began)["status"], "ok")  # there is what there is
        self.assertGreater(int(self.k.value("#r.history")), 0)
        request = self.k.send("interrupt_request", {}, "control")  # nothing runs
        m = self.k.client.get_control_msg(timeout=SLOW)
        self.assertEqual((m["msg_type"], m["parent_header"]["msg_id"]), ("interrupt_reply", request))
        self.assertEqual(m["content"], {"status": "ok"})
        self.alive()

    def test_the_end(self):
        k = self.own()
        k.execute("lost = 1")
        k.manager.restart_kernel()
        k.client.stop_channels()
        k.connect()
        self.assertIn("lost", k.shown("lost"))
        k.running("print 'on' while true do pcall(function() while true do end end) end", "on")  # does not want to
        process = k.manager.provisioner.process
        m = k.client.session.msg("shutdown_request", {"restart": False})
        k.client.session.send(k.client.control_channel.socket, m)
        reply = k.client.get_control_msg(timeout=SLOW)
        self.assertEqual(reply["content"], {"status": "ok", "restart": False})
        self.assertEqual(process.wait(SLOW), 0)

    def test_who_began_it_is_gone(self):
        with Home() as home:
            env = home.env(JUPYTER_DATA_DIR=home.path + "/jupyter")
            subprocess.run([SUTURE, "jupyter", "install"], env=env, check=True, stdout=subprocess.DEVNULL)
            code = ("from jupyter_client.manager import start_new_kernel; import os\n"
                    "m, c = start_new_kernel(kernel_name='suture'); c.execute('while true do end')\n"
                    "print(m.provisioner.process.pid, flush=True)\n"
                    "os.kill(os.getpid(), 9)")
            done = subprocess.run([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True)
            end = time.time() + SLOW
            while os.path.exists("/proc/%s/exe" % done.stdout.strip()) and time.time() < end:
                time.sleep(0.1)
            self.assertLess(time.time(), end)

    def test_quit(self):
        k = self.own()
        process = k.manager.provisioner.process
        reply, _ = k.execute(":quit")
        self.assertEqual(reply["payload"], [{"source": "ask_exit", "keepkernel": False}])
        self.assertEqual(process.wait(SLOW), 0)
        k.manager.restart_kernel(now=True)  # else its request to end waits for the next one
        k.client.stop_channels()
        k.connect()
        process = k.manager.provisioner.process
        request = k.client.execute("print 'last words' os.exit(3)", allow_stdin=False)
        text = ""
        while "last words" not in text:
            m = k.client.get_iopub_msg(timeout=SLOW)
            text += m["content"].get("text", "")
        self.assertEqual(process.wait(SLOW), 3)

    def test_hostile_messages(self):
        k = self.own()
        session, channel = k.client.session, k.client.shell_channel.socket

        def raw(*frames, channel=channel):
            channel.send_multipart([f if isinstance(f, bytes) else f.encode() for f in frames])

        def signed(header, content, parent="{}", metadata="{}"):
            parts = [s if isinstance(s, bytes) else s.encode() for s in (header, parent, metadata, content)]
            return [b"<IDS|MSG>", session.sign(parts), *parts]

        def head(kind):
            return json.dumps({"msg_id": os.urandom(8).hex(), "msg_type": kind, "session": "s", "username": "u", "date": "now",
                               "version": "5.3"})

        good = signed(head("execute_request"), json.dumps({"code": "hits = (rawget(_G, 'hits') or 0) + 1"}))
        for channel_of in (channel, k.client.control_channel.socket, k.client.stdin_channel.socket):
            for frames in ([b""], [b"x"] * 200, [b"<IDS|MSG>"], [b"<IDS|MSG>", b""], [b"<IDS|MSG>"] * 30, good[:5],
                           good[:1] + [b"0" * 64] + good[2:], good[:1] + [b""] + good[2:], [b"\xff\x00" * 100] * 6,
                           [b"<IDS|MSG>", b"f" * 64, b"{}", b"{}", b"{}", b"{}"]):
                raw(*frames, channel=channel_of)
            for header in ("", "{", "[]", "1", '"x"', "{}", '{"msg_type":1}', '{"msg_type":null}', "[" * 100000, b"\xff\xfe",
                           '{"a":1,"a":2}', "null", head("x" * 5000), head("execute_request\n"), head("execute_reply"),
                           head("__index"), '{"msg_type":"kernel_info_request"}garbage'):
                raw(*signed(header, "{}"), channel=channel_of)
            for kind in ("execute_request", "complete_request", "inspect_request", "is_complete_request", "history_request",
                         "comm_open", "comm_msg", "shutdown", "input_reply"):
                for content in ("", "{", "[]", "null", "{}", '{"code":1}', '{"code":null}', '{"code":{}}', "[" * 3000 + "]" * 3000,
                                '{"code":"\\u0000"}', b'{"code":"\xff"}', '{"code":"x","cursor_pos":1e300}', '{"value":1}',
                                '{"code":"","cursor_pos":-9223372036854775808}', '{"code":"\\ud800"}',
                                '{"hist_access_type":"search","pattern":"[","n":-1}',
                                '{"hist_access_type":"range","start":"x"}', '{"code":"","user_expressions":[1,2]}'):
                    raw(*signed(head(kind), content), channel=channel_of)
        k.client.stop_channels()  # what was answered goes nowhere
        k.connect()
        channel = k.client.shell_channel.socket
        session = k.client.session
        good = signed(head("execute_request"), json.dumps({"code": "hits = (rawget(_G, 'hits') or 0) + 1"}))
        raw(*good, channel=channel)
        raw(*good, channel=channel)  # came before
        raw(b"a", b"b", *signed(head("kernel_info_request"), "{}"), b"a buffer", b"another", channel=channel)
        self.alive(k)
        k.client.shell_channel.socket.send(b"z" * (65 << 20))  # larger than is taken: the connection ends, and another is made
        k.client.stop_channels()
        k.connect()
        self.assertEqual(k.value("hits"), "1")
        heart = zmq.Context.instance().socket(zmq.DEALER)
        heart.linger = 0
        heart.connect("tcp://127.0.0.1:%d" % k.manager.hb_port)
        heart.send_multipart([b"x"] * 300)
        heart.send_multipart([b"", b"ping"])
        self.assertTrue(heart.poll(SLOW * 1000))
        self.assertEqual(heart.recv_multipart(), [b"", b"ping"])
        heart.close()
        with socket.create_connection(("127.0.0.1", k.manager.shell_port)) as plain:
            plain.sendall(b"GET / HTTP/1.0\r\n\r\n" + os.urandom(1 << 12))
        log = k.logged()
        for said in ("wrong signature", "none of Jupyter's", "came before", "too many frames", "it has no code"):
            self.assertIn(said, log)
        self.alive(k)


@unittest.skipUnless(KernelManager, "python3-jupyter-client is missing")
class CommandLine(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)

    def test_install(self):
        at = os.path.join(self.home.path, "there")
        status, out, err = run(self.home, "jupyter", "install", "--prefix", at, "--name=mine", "--display-name", "My own")
        self.assertEqual((status, err), (0, ""))
        folder = os.path.join(at, "share/jupyter/kernels/mine")
        with open(folder + "/kernel.json") as f:
            spec = json.load(f)
        self.assertEqual((spec["display_name"], spec["language"], spec["interrupt_mode"]), ("My own", "lua", "message"))
        self.assertEqual(os.path.realpath(spec["argv"][0]), os.path.realpath(SUTURE))
        self.assertEqual(spec["argv"][1:], ["jupyter", "kernel", "{connection_file}"])
        self.assertIn(folder, out)
        self.assertTrue(os.stat(folder).st_mode & 0o055 == 0o055)  # for all
        status, out, err = run(self.home, "jupyter", "install", XDG_DATA_HOME=self.home.path + "/data", PATH="/nowhere")
        self.assertEqual(status, 0)
        self.assertTrue(os.path.exists(self.home.path + "/data/jupyter/kernels/suture/kernel.json"))

    def test_misuse(self):
        for words, said in [
                ((), "expects a word"), (("instal",), "there is no 'instal'"), (("install", "--usr"), "takes no '--usr'"),
                (("install", "--name"), "takes a value"), (("install", "--name", "a/b"), "letters, digits"),
                (("install", "--user", "--prefix", "/x"), "which?"), (("kernel",), "connection file"), (("lesson",), "name")]:
            status, out, err = run(self.home, "jupyter", *words)
            self.assertEqual((status, out), (2, ""), words)
            self.assertIn(said, err, words)
        ports = {name + "_port": 0 for name in ("shell", "iopub", "stdin", "control", "hb")}
        unknown = {"ip": "127.0.0.1", "transport": "tcp", "key": "k", "signature_scheme": "hmac-nothing", **ports}
        nowhere = {"ip": "no.such.host.invalid", "transport": "tcp", **ports}
        for text, said in [(None, "No such file"), ("{", "line 1"), ("[]", "no ip"), ("{}", "no ip"),
                           (json.dumps(unknown), "hmac-nothing"), (json.dumps(nowhere), "tcp://no.such")]:
            path = os.path.join(self.home.path, "connection.json")
            if text is not None:
                with open(path, "w") as f:
                    f.write(text)
            status, out, err = run(self.home, "jupyter", "kernel", path)
            self.assertEqual((status, out), (1, ""), text)
            self.assertIn(said, err, text)
            self.assertNotIn("traceback", err)

    def test_lesson_in_a_notebook(self):
        if not shutil.which("jupyter-nbconvert"):
            self.skipTest("jupyter-nbconvert is missing")
        env = dict(JUPYTER_DATA_DIR=self.home.path + "/jupyter")
        self.assertEqual(run(self.home, "jupyter", "install", **env)[0], 0)
        status, out, err = run(self.home, "jupyter", "lesson", "lua")
        self.assertEqual((status, err), (0, ""))
        path = os.path.join(self.home.path, "lesson.ipynb")
        with open(path, "w") as f:
            f.write(out)
        done = subprocess.run(["jupyter-nbconvert", "--execute", "--to", "notebook", "--output", "done.ipynb", path],
                              env=self.home.env(**env), cwd=self.home.path, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(self.home.path, "done.ipynb")) as f:
            cells = json.load(f)["cells"]
        self.assertGreater(sum(len(c.get("outputs", [])) for c in cells), 5)


class Without(unittest.TestCase):
    def test_without_the_library(self):
        """Where there is no libzmq all goes on, but notebooks, which are refused by name."""
        with Home() as home:
            open(os.path.join(home.path, "libzmq.so.5"), "w").close()
            for words in (("install",), ("kernel", "/dev/null")):
                status, out, err = run(home, "jupyter", *words, LD_LIBRARY_PATH=home.path)
                self.assertEqual((status, out), (1, ""))
                self.assertIn("apt install libzmq5", err)
            self.assertEqual(os.listdir(home.path).count(".local"), 0)
            self.assertEqual(run(home, "-e", "print(1 + 1)", LD_LIBRARY_PATH=home.path), (0, "2\n", ""))


def close_shared():
    global shared
    if shared:
        shared.close()
    shared = None


if __name__ == "__main__":
    import atexit
    atexit.register(close_shared)
    tap.main()
