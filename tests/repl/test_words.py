"""Names that nobody set, and what people from Python write: at the prompt, with -e, in scripts, and in stock Lua."""
import os, subprocess, unittest
import tap
from term import Home, Term, TOP, run


class Words(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)

    def file(self, name, text):
        path = os.path.join(self.home.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        return path

    def error(self, *args, **kw):
        code, out, err = run(self.home, *args, **kw)
        self.assertEqual((code, out), (1, ""), err)
        return err

    def test_a_global_that_nobody_set_is_an_error(self):
        for code, said in [
            ("zoo.cifar_resnet20{pretrained = True}", "no global 'True': Lua writes true"),
            ("nn.Linear(2, 2, {bias = False})", "no global 'False': Lua writes false"),
            ("local x = None", "no global 'None': Lua writes nil"),
            ("optim.SGD(nn.Linear(2, 2):parameters(), {lr = 0.1, nesterov = True})", "Lua writes true"),
            ("local x = learning_rate", "no global 'learning_rate' (nothing was assigned to it)"),
            ("local x = _G.Linear", "no global 'Linear': did you mean nn.Linear?"),
            ("if foo == nil then end", "no global 'foo'"), ("torch.save(m, 'x')", "here it is m:save(path)"),
            ("local l = range(10)", "for i = 0, n - 1 do"), ("print(f'{1}')", ":format(x)"), ("quit()", ":quit"),
            ("local m = load 'weights.pth'", "open(\"weights.pth\")"), ("load 'x/y.lua'", "dofile(\"x/y.lua\")"),
        ]:
            self.assertIn(said, self.error("-e", code), code)
            self.assertIn("s.lua:2: ", self.error(self.file("s.lua", "-- a script\n" + code + "\n")), code)
            self.assertRegex(self.error(stdin=code), "no global|load: ", code)

        self.assertIn("no global 'nothere'", self.error("-e", "return load('return nothere')()"))

    def test_names_that_were_set_or_asked_for_are_read(self):
        code = """x = nil; print(x)  y = 1; y = nil; print(y, rawget(_G, "z"), _)
            function f() g = 2 end f() print(g, nn.ReLU ~= nil, _VERSION, arg ~= nil)
            print(load("q = 1 return q")(), load("return w", "c", "t", {})())"""
        self.assertEqual(run(self.home, "-e", code),
                         (0, "nil\nnil\tnil\tnil\n2\ttrue\tLua 5.4\ttrue\n1\tnil\n", ""))

    def test_what_require_loads_is_left_alone_what_is_run_is_not(self):
        self.file("foreign.lua", "local M = {jit = jit}\nfunction M.read() return undefined end\n"
                                 "function M.load() local f = load('return undefined') return f() end\nreturn M")
        self.file("mine.lua", "return undefined")
        code = "local m = require 'foreign' print(m.jit, m.read(), (m.load()))"
        self.assertEqual(run(self.home, "-e", code), (0, "nil\tnil\tnil\n", ""))
        self.assertIn("mine.lua:1: no global 'undefined'", self.error("-e", "dofile 'mine.lua'"))
        self.assertIn("mine.lua:1: no global 'undefined'", self.error("-e", "loadfile 'mine.lua' ()"))

    def test_stock_lua_is_strict_where_it_is_asked(self):
        if os.environ.get("SANITIZE"):
            self.skipTest("the sanitizers want to be loaded first")
        env = self.home.env(LUA_CPATH=os.path.join(TOP, os.environ.get("O", ""), "?.so") + ";;")
        code = ("local s = require 'suture' print(undefined, load 'a.pth') setmetatable(_G, {__index = {given = 3}}) s.strict() "
                "print(given, pcall(function() return undefined end)) print(pcall(load, 'a.pth')) known = nil print(known)")
        p = subprocess.run(["lua5.4", "-e", code], capture_output=True, text=True, env=env)
        lines = p.stdout.splitlines()
        self.assertEqual(lines[0][:8], "nil\tnil\t", p.stderr)
        self.assertRegex(lines[1], r"^3\tfalse\t.*no global 'undefined'")
        self.assertIn('open("a.pth")', lines[2])
        self.assertEqual(lines[3], "nil")

    def test_a_line_that_is_no_lua_is_answered_on_a_second_line(self):
        for code, said in [("m = zoo.resnet18(pretrained=True)", "names go into braces: zoo.resnet18{pretrained = true}"),
                           ("import torch", "nothing needs to be imported: tensor, nn, F, optim, data, zoo are here"),
                           ("i = 1 i += 1", "Lua has no +=: i = i + …"), ("x = [1, 2]", "a list is {1, 2}, a tensor tensor{1, 2}"),
                           ("if 1 != 2 then end", "unequal is ~=")]:
            err = self.error("-e", code)
            self.assertEqual(err.splitlines()[1], said, err)
            script = self.file("a/folder/whose/name/is/so/long/that/messages/do/not/hold/all/of/it/s.lua", "\n" + code)
            err = self.error(script)
            self.assertIn("s.lua:2: ", err)
            self.assertEqual(err.splitlines()[1], said, err)
            self.assertIn(said, self.error("-e", "dofile(%r)" % self.file("d.lua", code)))
        self.assertEqual(self.error("-e", "x = = 1").splitlines(), ["suture: (-e):1: unexpected symbol near '='"])
        self.assertIn("texts are joined", self.error("-e", "local n = 3 local s = 'a' + n"))
        self.assertIn(":format(x)", self.error("-e", "local n = 3 local s = 'a %d' % n"))

    def test_the_prompt(self):
        t = Term(self.home)
        t.expect("> ")
        for line, shown in [
            ("True", "no global 'True': Lua writes true"), ("x = exit", "no global 'exit': Ctrl-D or :quit leaves the prompt, "
                                                                "os.exit() ends a script"),
            ("x = x or 5", "no global 'x' (nothing was assigned to it)"), ("x = nil; x", "nil"), ("_", "nil"),
            ("for i in range(3):", "<name> expected near <eof>\nfor i = 0, 3 - 1 do … end"),
            ("if x != 3 then", "'then' expected near '!'\nunequal is ~="), ("x!=3", "syntax error near '!'\nunequal is ~="),
            ("[1, 2]", "unexpected symbol near '['\na list is {1, 2}, a tensor tensor{1, 2}"),
            ("m = nn.Linear(2, 2)", ""), ("m.wight", "no field 'wight' in m: did you mean weight?"), ("m.classes", "nil"),
            ("torch.randn(2)", "no global 'torch': here it is randn"), ("x = 3", ""), ("x", "3"),
            ("local q, r = 3, 4; q + r", "7"), ("r", "no global 'r' (it was local to an earlier line: leave out `local`)"),
            ("m.out_channels", "no field 'out_channels' in m (it has in_features, out_features, bias)"),
        ]:
            self.assertEqual(t.line(line), shown, line)
        t.send("\x04")
        self.assertEqual(t.close(), 0)

    def test_long_lines_are_as_quick(self):
        long = "x" * 3000000
        self.assertIn("unequal is ~=", self.error(self.file("l.lua", "s = '%s' if 1 != 2 then end" % long)))
        self.assertIn("no global 'y'", self.error(self.file("l.lua", "s = '%s' .. y" % long)))
        self.assertIn("no global", self.error(self.file("l.lua", "s = %s.a.b" % ("x" * 100000))))


tap.main()
