"""The prompt under a pty: editing, paste, completion, Ctrl-C, Ctrl-D, history, colour, shell commands."""
import os, re, signal, stat, time, unittest
import tap
from term import Home, SOON, Term, TOP, plain, run


class Shell(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)

    def term(self, *args, **env):
        t = Term(self.home, *args, **env)
        t.expect("> ")
        return t

    def file(self, name, text):
        path = os.path.join(self.home.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        return path

    def paste(self, t, text):
        t.send("\x1b[200~" + text + "\x1b[201~")
        t.expect(text.split("\n")[-1])
        time.sleep(0.05)
        t.send("\r")
        shown = t.prompt()
        return shown.rsplit(text.split("\n")[-1], 1)[-1].strip("\n")

    def test_banner(self):
        t = self.term()
        self.assertRegex(plain(t.out), r"Suture \d+\.\d+ · (\d+ threads?, \w+ · )?\? for help, :lesson for a tour\n> ")
        t.send("\x04")
        self.assertEqual(t.close(), 0)

    def test_quiet_has_no_banner(self):
        t = self.term("-q")
        self.assertNotIn("Suture", t.out)

    def test_end_of_input_leaves(self):
        t = self.term()
        t.line("1")
        t.send("\x04")
        self.assertEqual(t.close(), 0)
        self.assertTrue(plain(t.out).endswith("> \n"), plain(t.out)[-20:])

    def test_quit_and_os_exit(self):
        t = self.term()
        t.send(":quit\r")
        self.assertEqual(t.close(), 0)
        t = self.term()
        t.send("os.exit(7)\r")
        self.assertEqual(t.close(), 7)

    def test_continuation(self):
        t = self.term()
        t.send("for i = 1, 2 do\r")
        t.expect("\n>> ")
        t.send("print(i * 10)\r")
        t.expect("\n>> ")
        t.send("end\r")
        self.assertIn("10\n20", t.prompt())

    def test_end_of_input_in_a_continuation_shows_the_error(self):
        t = self.term()
        t.send("f(\r")
        t.expect("\n>> ")
        t.send("\x04")
        self.assertIn("<eof>", t.prompt())
        self.assertEqual(t.line("1 + 1"), "2")

    def test_paste_is_one_block(self):
        t = self.term()
        self.assertEqual(self.paste(t, "a = 1\nlocal b = 2\na + b"), "3")
        self.assertEqual(self.paste(t, "local c = 5\nprint(c)"), "5")

    def test_a_line_of_statements_shows_the_expression_it_ends_in(self):
        t = self.term()
        for line, shown in [("a = 1; a", "1"), ("a = 2; a + 1, a", "3\t2"), ("b = 'x; y'", ""), ("b", '"x; y"'), ("b = 3; b;", ""), ("_", "3"),
                            ("c = 4 -- no; b", ""), ("c = 4; print(c)", "4"), ("c = math.max; c(5, 6)", "6"), ("c = 7; (c)", "7"),
                            ("c = 8 -- ; words", ""), ("local d = 9; d", "9"), ("do c = 1; end", ""), ("e = 1; nothing()", "no global 'nothing' (nothing was assigned to it)")]:
            self.assertEqual(t.line(line), shown, line)

    def test_a_name_alone_that_is_nothing_or_a_function(self):
        t = self.term()
        self.assertEqual(t.line("conv2d"), "no global 'conv2d': did you mean F.conv2d?")
        self.assertRegex(t.line("undo"), r"^function: \S+\n-- undo\(\) calls it, \?undo explains it$")
        self.assertRegex(t.line("math.max"), r"^function: \S+\n-- \?math.max explains it$")
        self.assertEqual(t.line("m = nn.ReLU(); m.thaw"), "no field 'thaw' in m: did you mean unfreeze?")
        self.assertEqual(t.line("math.flor"), "nil\n-- no field 'flor' in math: did you mean floor?")

    def test_a_call_that_gives_the_model_back_tells_its_state_in_a_line(self):
        t = self.term()
        t.line("m = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)); m.head = nn.Sequential(nn.Linear(3, 2))")
        for code, shown in [("m:freeze()", "m: 23 of 23 parameters frozen, train mode"),
                            ("m:unfreeze():eval()", "m: 0 of 23 parameters frozen, eval mode"),
                            ("m.head:freeze() -- words", "m.head: 8 of 8 parameters frozen, eval mode"),
                            ("m:at('head'):unfreeze()", "m:at('head'): 0 of 8 parameters frozen, eval mode"),
                            ("x = 1; m:train()", "m: 0 of 23 parameters frozen, train mode"),
                            ("m:bn_eval()", "m: 0 of 23 parameters frozen, train mode, BatchNorm in eval"),
                            ("m:requires_grad_(false)", "m: 23 of 23 parameters frozen, train mode, BatchNorm in eval"),
                            ("m:apply(function() end)", "m: 23 of 23 parameters frozen, train mode, BatchNorm in eval")]:
            self.assertEqual(t.line(code), shown, code)
            self.assertEqual(t.line("rawequal(_, %s)" % ("m.head" if "head" in code else "m")), "true")
        for code in ["m", "m.head", "m:at 'head'", "m:at('head')", "(m)", "nn.Sequential(nn.ReLU()):freeze()"]:
            self.assertIn("\n", t.line(code), code)
        t.line("z = zoo.cifar_resnet20{num_classes = 2}")
        self.assertRegex(t.line("z:freeze()"), r"^cifar_resnet20: ([\d,]+) of \1 parameters frozen, train mode$")
        self.assertEqual(t.line("m[0]:eval()").count("\n"), 0)

    def test_paste_that_goes_on_in_its_last_line(self):
        t = self.term()
        self.assertEqual(self.paste(t, "a = 5\n  - 2"), "")
        self.assertEqual(self.paste(t, "b = math.abs\n(-4)"), "")
        self.assertEqual(t.line("a, b"), "3\t4")

    def test_paste_of_lines_that_are_no_chunk(self):
        t = self.term()
        self.assertEqual(self.paste(t, "a = 1\na\nfor i = 1, 2 do\n  print(i)\nend"), "1\n1\n2")

    def test_paste_with_prompts(self):
        t = self.term()
        t.send("\x1b[200~> a = 7\n> a + 1\x1b[201~")
        t.expect("> a + 1")
        t.send("\r")
        t.expect("\n8\n> ")

    def test_paste_that_is_not_complete_goes_on(self):
        t = self.term()
        t.send("\x1b[200~for i = 1, 2 do\nprint(i)\x1b[201~")
        t.expect("print(i)")
        time.sleep(0.05)
        t.send("\r")
        t.expect("\n>> ")
        t.send("end\r")
        self.assertIn("1\n2", t.prompt())

    # ---- Ctrl-C ----

    def test_ctrl_c_clears_the_line(self):
        t = self.term()
        t.send("os.exit(3)")
        t.expect("os.exit(3)")
        t.send("\x03")
        t.prompt()
        self.assertEqual(t.line("1 + 1"), "2")

    def test_ctrl_c_leaves_a_continuation(self):
        t = self.term()
        t.send("for i = 1, 2 do\r")
        t.expect("\n>> ")
        t.send("\x03")
        t.prompt()
        self.assertEqual(t.line("1 + 1"), "2")

    def stop(self, t, code, times=1):
        t.send(code + "\r")
        t.expect(code[-20:])
        time.sleep(0.2)
        for _ in range(times):
            start = time.time()
            t.send("\x03")
            time.sleep(0.1 if times > 1 else 0)
        shown = t.prompt()
        self.assertLess(time.time() - start, SOON)
        self.assertIn("interrupted", shown)
        self.assertEqual(t.line("1 + 1"), "2")

    def test_ctrl_c_stops_a_loop(self):
        self.stop(self.term(), "while true do end")

    def test_ctrl_c_stops_one_call_of_lua_s_library(self):
        """Each of these would go on for hours."""
        t = self.term()
        for code in ("table.move({}, 1, 1 << 60, 2, {})", "table.insert(setmetatable({}, {__len = function() return 1 << 60 end}), 1, 1)",
                     "#io.open('/dev/zero'):read('a')", "#io.open('/dev/zero'):read()", "#io.open('/dev/zero'):read(1 << 40)",
                     "for l in io.lines('/dev/zero') do end", "io.input('/dev/zero') io.read('L')", "load(function() return 'a=1 ' end)",
                     "print(load(function() while true do end end))", "load(('a()'):rep(1 << 24))"):
            self.stop(t, code)
        self.assertEqual(t.line("(''):rep(1 << 60)"), '""')

    def test_ctrl_c_below_many_calls(self):
        t = self.term()
        self.stop(t, "function f(n) if n == 0 then while true do end end return 1 + f(n - 1) end f(100000)")
        self.assertIn("more than 1000 calls within each other", t.line(":traceback"))

    def test_ctrl_c_stops_one_large_product(self):
        self.stop(self.term(), "x = zeros(10000, 10000); x:matmul(x):sum():item()")

    def test_ctrl_c_stops_what_a_terminal_is_shown(self):
        t = self.term()
        for code in ("print(('x'):rep(1 << 30))", "io.write(('x'):rep(1 << 30))"):
            t.send(code + "\r")
            t.expect("xxxxxxxx")
            t.send("\x03")
            t.expect("interrupted", SOON)
            t.prompt()
            t.out, t.seen = "", 0
        self.assertEqual(t.line("1 + 1"), "2")
        self.assertEqual(t.leave(), 0)

    def test_ctrl_c_stops_a_coroutine(self):
        self.stop(self.term(), "coroutine.wrap(function() while true do end end)()")

    def test_what_no_ctrl_c_stops_says_how_to_leave(self):
        t = self.term()
        t.send("b = setmetatable({}, {__gc = function() print 'here' while true do end end}) b = nil collectgarbage()\r")
        t.expect("here\n")
        for _ in range(3):
            t.send("\x03")
            time.sleep(0.1)
        t.expect("Ctrl-\\ ends Suture at once")
        t.send("\x1c")
        self.assertEqual(t.close(), 128 + signal.SIGQUIT)

    def test_second_ctrl_c_stops_code_that_catches_errors(self):
        self.stop(self.term(), "while true do pcall(function() while true do end end) end", 2)

    def test_ctrl_c_stops_a_value_being_shown(self):
        t = self.term()
        t.line("t = setmetatable({}, {__tostring = function() while true do end end})")
        self.stop(t, "t")

    def test_ctrl_c_many_times_never_ends_the_shell(self):
        t = self.term()
        for i in range(20):
            if i % 2:
                t.send("while true do end\r")
            time.sleep(0.01 * (i % 5))
            t.send("\x03")
        time.sleep(0.3)
        t.send("\x03")
        time.sleep(0.2)
        t.send("print('ali' .. 've')\r")
        t.expect("\nalive")
        t.prompt()
        t.send("\x04")
        self.assertEqual(t.close(), 0)

    def test_what_an_interrupted_line_did_is_recorded(self):
        t = self.term()
        t.line("m = nn.Sequential(nn.Linear(2, 2))")
        t.send("m[0] = nn.ReLU() while true do end\r")
        t.expect("while true do end")
        time.sleep(0.2)
        t.send("\x03")
        shown = t.prompt()
        self.assertEqual(shown.count("interrupted"), 1)
        self.assertIn("0: Linear(2 → 2) replaced by ReLU", shown)
        self.assertEqual(t.line("undo()"), "undone: 0: Linear(2 → 2) replaced by ReLU()")

    def test_a_saved_session_undoes_what_the_session_undid(self):
        t = self.term()
        path = os.path.join(self.home.path, "s.lua")
        for line in ("m = nn.Sequential(nn.Linear(4, 3), nn.ReLU())", "m[1] = nn.Tanh() m:freeze '0'",
                     "m[0] = nn.Linear(4, 9) error 'x'", "undo()", "undo()", "m[1] = nn.GELU()"):
            t.line(line)
        shown = t.line("print(m)")
        t.line(":save " + path)
        out = run(self.home, "-q", path)
        self.assertEqual((out[0], out[2]), (0, ""))
        self.assertTrue(out[1].replace("\r", "").rstrip().endswith(shown.replace("\r", "").strip()), out[1] + shown)
        self.assertIn("GELU", shown)
        self.assertNotIn("frozen", shown)

    def test_guards_put_ctrl_c_off(self):
        t = self.term()
        t.line("I = suture.interrupt")
        self.paste(t, "function whole()\n  local g <close> = I.defer()\n  local stop = os.clock() + 0.6\n  while os.clock() < stop do end\n  done = true\nend")
        t.send("whole() after = true\r")
        t.expect("after = true")
        time.sleep(0.2)
        t.send("\x03")
        self.assertIn("interrupted", t.prompt())
        self.assertEqual(t.line("done, rawget(_G, 'after')"), "true\tnil")
        self.paste(t, "function softly()\n  local g <close> = I.soft()\n  while not I.take() do end\n  return 'as far as it came'\nend")
        for _ in range(20):  # whenever it comes, between a look and the next too
            t.send("softly()\r")
            t.expect("softly()")
            time.sleep(0.2)
            t.send("\x03")
            self.assertIn("as far as it came", t.prompt())

    # ---- completion ----

    def tab(self, t, typed):
        t.send(typed + "\t")
        time.sleep(0.2)
        while t.pump(0.05):
            pass
        shown = plain(t.out)[t.seen:]
        t.send("\x03")
        t.prompt()
        return shown

    def test_tab_completes(self):
        t = self.term()
        self.assertEqual(self.tab(t, "math.flo"), "math.floor(")
        self.assertEqual(self.tab(t, "coroutin"), "coroutine.")
        self.assertEqual(self.tab(t, "funct"), "function ")
        t.line("box = {inner = {leaf_one = 1}, _hidden = 2, run = function() end}")
        self.assertEqual(self.tab(t, "box.inn"), "box.inner.")
        self.assertEqual(self.tab(t, "print(box.inner.le"), "print(box.inner.leaf_one")
        self.assertEqual(self.tab(t, "box:"), "box:run(")
        self.assertEqual(self.tab(t, "box._h"), "box._hidden")
        t.line("s = 'x'")
        self.assertEqual(self.tab(t, "s:uppe"), "s:upper(")
        t.line("m = nn.Sequential(nn.Sequential(nn.Linear(2, 2)))")
        self.assertEqual(self.tab(t, "print(m[0][0].in_fea"), "print(m[0][0].in_features")
        self.assertEqual(self.tab(t, "m[0][0].wei"), "m[0][0].weight")
        self.assertEqual(self.tab(t, ":histo"), ":history ")

    def test_tab_twice_tells_how_what_is_called_is_written(self):
        t = self.term()
        self.assertIn("\nnn.Conv2d(in_channels, out_channels, kernel_size", self.tab(t, "nn.Conv2d(\t"))
        shown = self.tab(t, "nn.Conv2d(3, 8, 3, {\t")
        self.assertIn("\nstride = 1, padding = 0, dilation = 1", shown)
        self.assertTrue(shown.endswith("> nn.Conv2d(3, 8, 3, {"), shown)
        self.assertTrue(self.tab(t, "nn.Conv2d(3, 8, 3, {dil").endswith("> nn.Conv2d(3, 8, 3, {dilation = "))

    def test_tab_twice_lists_without_hidden_names(self):
        t = self.term()
        t.line("box = {alpha = 1, beta = 2, _gamma = 3}")
        shown = self.tab(t, "box.\t")
        self.assertIn("alpha", shown)
        self.assertIn("beta", shown)
        self.assertNotIn("_gamma", shown)

    def test_tab_in_strings(self):
        self.file("weights/model.pth", "")
        self.file("weights/other.npy", "")
        t = self.term()
        self.assertEqual(self.tab(t, 'open("weig'), 'open("weights/')
        self.assertEqual(self.tab(t, 'open("weights/mo'), 'open("weights/model.pth"')
        leaf = "{_children = {}, _params = {}, _buffers = {}, _names = {}}"
        t.line("leaf = %s block = {_names = {'conv1'}, _children = {conv1 = leaf}, _params = {}, _buffers = {}}" % leaf)
        t.line("layer4 = {_names = {'0', '1'}, _children = {['0'] = block, ['1'] = block}, _params = {}, _buffers = {}}")
        t.line("m = {_names = {'layer4'}, _children = {layer4 = layer4}, _params = {}, _buffers = {}, at = function() end}")
        self.assertEqual(self.tab(t, 'm:at("lay'), 'm:at("layer4.')
        self.assertEqual(self.tab(t, 'm:at("layer4.1.c'), 'm:at("layer4.1.conv1"')
        self.assertEqual(self.tab(t, "m.layer4[1].con"), "m.layer4[1].conv1")
        self.assertEqual(self.tab(t, "m:a"), "m:at(")

    def test_tab_adds_a_dot_where_names_follow(self):
        t = self.term()
        t.line("net = nn.Sequential(nn.Linear(2, 2)); net.trunk = nn.Sequential(nn.Conv2d(1, 1, 3)); net.head = nn.Linear(2, 2)")
        t.line("box = {list = {1, 2}, empty = {}, named = {x = 1}, hidden = {_x = 1}, set = nn.ReLU()}")
        for typed, shown in [("net.hea", "net.head"), ("net.tru", "net.trunk."), ("net.trunk[0].stri", "net.trunk[0].stride"),
                             ("net.head.wei", "net.head.weight"), ("box.li", "box.list"), ("box.em", "box.empty"),
                             ("box.na", "box.named."), ("box.hi", "box.hidden"), ("box.se", "box.set"), ("nn.ini", "nn.init."),
                             ("nn.Conv2", "nn.Conv2d("), ("?nn.Conv2", "?nn.Conv2d"), (":help nn.Conv2", ":help nn.Conv2d"),
                             ("?net:tra", "?net:train"), (":help sav", ":help save "), (":undo x", ":undo x")]:
            self.assertEqual(self.tab(t, typed), shown, typed)

    def test_tab_runs_nothing(self):
        t = self.term()
        t.line("trap = setmetatable({}, {__index = function() ran = true error 'x' end, __len = function() ran = true end, __pairs = function() ran = true end})")
        self.assertEqual(self.tab(t, "trap.x"), "trap.x")
        self.assertEqual(self.tab(t, "trap.x.y"), "trap.x.y")
        self.assertEqual(self.tab(t, "trap:z"), "trap:z")
        self.assertEqual(self.tab(t, "nowhere.x[1].y"), "nowhere.x[1].y")
        self.assertEqual(t.line("rawget(_G, 'ran') == nil"), "true")

    def test_tab_indents_an_empty_line(self):
        t = self.term()
        t.send("do\r")
        t.expect("\n>> ")
        t.send("\t")
        t.expect("  ")
        t.send("print(1)\r")
        t.expect("print(1)")
        t.expect("\n>> ")
        t.send("end\r")
        t.prompt()

    # ---- history, rc, colour ----

    def test_history_file(self):
        t = self.term()
        t.line("first_line = 1")
        self.paste(t, "a = 1\nb = 2")
        t.send("\x04")
        t.close()
        path = os.path.join(self.home.path, ".local/state/suture/history")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        t = self.term()
        t.send("\x1b[A\x1b[A")
        t.expect("first_line")
        t.send("\x03")
        t.prompt()
        t.send("\x1b[A\r")
        t.prompt()
        self.assertEqual(t.line("b"), "2")

    def test_history_goes_where_xdg_says(self):
        t = self.term(XDG_STATE_HOME=self.home.path + "/state")
        t.line("x = 1")
        t.send("\x04")
        t.close()
        self.assertTrue(os.path.exists(self.home.path + "/state/suture/history"))

    def test_rc_file(self):
        self.file(".config/suture/rc.lua", "mine = 42")
        self.assertEqual(self.term().line("mine"), "42")
        self.file(".config/suture/rc.lua", "mine = = 42")
        t = self.term()
        self.assertIn("rc.lua:1:", plain(t.out))
        self.assertEqual(t.line("1 + 1"), "2")

    def test_colour(self):
        t = self.term()
        t.line("error 'red words'")
        self.assertIn("\x1b[31mred words", t.out)
        t = self.term(NO_COLOR="1")
        t.line("error 'red words'")
        self.assertNotIn("\x1b[31m", t.out)
        t = self.term(TERM="dumb")
        t.line("error 'red words'")
        self.assertNotIn("\x1b[31m", t.out)

    def test_errors_are_one_line_unless_verbose(self):
        self.assertEqual(self.term().line("error 'oh'"), "oh")
        self.assertIn("stack traceback", self.term("-v").line("error 'oh'"))

    # ---- commands ----

    def test_save_writes_a_script_that_runs(self):
        t = self.term()
        for line in ["x = 20", "x + 1", "_ * 2", "error 'no'", "nothing_here()", "local y = 3", "x;", "{x}", "'-- s' -- c",
                     "local y = 3; y + 4", "print 'once'", "z = 1; print(z);", "z = 6; z; -- muted", "z = 7 -- not; print 'never'"]:
            t.line(line)
        t.send("function g(a)\r")
        t.expect("\n>> ")
        t.send("return a end\r")
        t.prompt()
        t.line("g(5)")
        self.assertRegex(t.line(":save session.lua"), "14 inputs saved: suture session.lua runs them")
        path = os.path.join(self.home.path, "session.lua")
        self.assertTrue(os.access(path, os.X_OK))
        code, out, err = run(self.home, path)
        self.assertEqual((code, err), (0, ""))
        lines = out.split("\n")
        self.assertEqual(lines[:2], ["21", "42"])
        self.assertEqual(lines[3:], ["-- s", "7", "once", "1", "5", ""])
        self.assertNotIn("nothing_here", open(path).read())
        self.assertIn("saved", t.line(":save session.lua"))  # a saved session may be saved again
        self.file("mine.lua", "precious = true\n")
        self.assertIn("exists", t.line(":save mine.lua"))
        self.assertIn("saved", t.line(":save! mine.lua"))
        self.assertEqual(t.line(":save missing/folder.lua"), "missing/folder.lua: cannot save: No such file or directory (there is no folder missing)")
        os.mkdir(os.path.join(self.home.path, "folder"))
        self.assertEqual(t.line(":save folder"), "folder: cannot save: this is a folder")
        self.assertEqual(t.line("m = nn.ReLU(); m:graph{input = {1, 2}}:save 'missing/a.svg'"),
                         "graph: save: missing/a.svg: cannot save: No such file or directory (there is no folder missing)")
        self.assertEqual(t.line(":edit missing/a.lua"), "missing/a.lua: there is no folder missing")
        self.assertEqual(os.listdir(os.path.join(self.home.path, "folder")), [])

    def test_edit_runs_what_the_editor_leaves(self):
        editor = self.file("ed.sh", "#!/bin/sh\necho 'edited = (edited or 0) + 1' >> \"$1\"\n")
        os.chmod(editor, 0o755)
        t = self.term(EDITOR=editor)
        t.line("edited = 5")
        t.line(":edit")
        self.assertEqual(t.line("edited"), "6")
        broken = self.term(EDITOR="false")
        self.assertIn("nothing run", broken.line(":edit"))

    def test_time_history_undo(self):
        t = self.term()
        self.assertEqual(t.line(":undo"), "nothing to undo")
        self.assertRegex(t.line(":time 1 + 1"), r"^2\n[\d.]+ (µs|ms|s)$")
        t.line("error 'x'")
        self.assertRegex(t.line(":history"), r"1   1 \+ 1\n   2 ✗ error 'x'")
        self.assertIn("number", t.line(":history x"))

    def test_commands_of_one_s_own(self):
        self.file(".config/suture/rc.lua", "command.add{name = 'shout', args = 'WORDS', text = 'what you say, louder', "
                  "takes = function() return {'hello', 'help'} end, "
                  "run = function(rest, force) print(rest:upper() .. (force and '!' or '')) end}")
        t = self.term()
        self.assertEqual(t.line(":shout it works"), "IT WORKS")
        self.assertEqual(t.line(":shout! it works"), "IT WORKS!")
        self.assertRegex(t.line(":help"), r"\n  :shout WORDS +what you say, louder\n")
        self.assertEqual(t.line(":help shout"), ":shout WORDS\n  what you say, louder")
        self.assertEqual(self.tab(t, ":sho"), ":shout ")
        self.assertEqual(self.tab(t, ":shout hell"), ":shout hello ")
        self.assertIn("did you mean :shout?", t.line(":shoot"))
        for code, why in [("command.add{name = 'save', text = '', run = print}", "the shell has a command :save; replace = true puts yours in its place"),
                          ("command.add{name = 'a b', text = '', run = print}", 'name is made of letters alone, got "a b"'),
                          ("command.add{nome = 'ab', text = '', run = print}", "no option 'nome': did you mean name?"),
                          ("command.add{name = 'ab', text = 'x'}", "run is missing (a function)"),
                          ("command.add{name = 'ab', text = 5, run = print}", "text is a string, got 5"),
                          ("command.add(print)", "expects a table")]:
            self.assertIn("command.add: " + why, t.line(code))
        t.line("command.add{name = 'time', text = 'mine', replace = true, run = function() print 'late' end}")
        self.assertEqual(t.line(":time 1"), "late")
        self.assertEqual(self.tab(t, ":shout! x"), ":shout! x")

    def test_a_command_is_one_file(self):
        folder = os.path.join(TOP, "lua/shell/commands")
        names = sorted(f[:-4] for f in os.listdir(folder) if f != "init.lua")
        shown = re.findall(r"^  :(\w+) ", self.term().line(":help"), re.M)
        self.assertEqual(shown, names)

    def test_hooks_around_a_line(self):
        t = self.term()
        t.line("table.insert(suture._after_line, function(text, ok) return 'after ' .. tostring(ok) end)")
        self.assertEqual(t.line("1"), "1\nafter true")
        t.line("suture._after_line[#suture._after_line] = function() error 'hook broke' end")
        self.assertEqual(t.line("2"), "2\ninput 3: hook broke")

    def test_names_of_lua_s_own_are_the_user_s_to_use(self):
        t = self.term()
        t.line("table = {1}; type = 5; tostring, pcall, rawset, ipairs, setmetatable, io = nil")
        self.assertEqual(t.line("table"), "{1}")
        self.assertEqual(t.line("nn.Linear(2, 2)"), "Linear(in_features=2, out_features=2, bias=True)  6")
        self.assertIn("got {2, -1}", t.line("zeros(2, -1)"))
        self.assertEqual(t.line("_"), "Linear(in_features=2, out_features=2, bias=True)  6")

    def test_an_error_of_the_shell_s_own_leaves_the_prompt(self):
        t = self.term()
        t.line("hooks, suture._before_line = suture._before_line, nil")
        self.assertRegex(t.line("6 * 7"), r"nil value[^\n]*\n42$")
        t.line("suture._before_line, suture._after_line = hooks, 5")
        self.assertRegex(t.line("6 * 7"), r"^42\n[^\n]*number value")
        t.line("suture._after_line = {}")
        self.assertEqual(t.line("6 * 7"), "42")
        t.line("format, string.format, string.find, utf8.len = string.format")
        t.line("6 * 7")
        t.line("string.format = 'x'")
        t.send("\x04")
        self.assertEqual(t.close(), 0)

    def test_what_does_not_compile_leaves_the_last_value(self):
        t = self.term()
        self.assertEqual(t.line("6 * 7"), "42")
        self.assertIn("unfinished string", t.line("x = 'a"))
        self.assertEqual(t.line("_"), "42")

    def test_a_picture_is_drawn_and_not_spelled_out(self):
        t = self.term()
        shown = t.line("plot {1, 4, 9}")
        self.assertNotIn("x1b", shown)
        self.assertNotIn("x1b", t.line("p = plot {1, 4} p.caption = 'a\\27]52;c;x\\7b'"))
        t.line("p")
        self.assertNotIn("\x1b]52", t.out)


tap.main()
