"""Files of every kind whose names, texts and bytes are orders to a terminal, opened at the prompt and by scripts: no such
order reaches the terminal, a page or a picture. (`print` is the user's own, and writes what it is given.)"""
import json, os, pickle, re, struct, unittest, zipfile, zlib
import tap
from term import Home, Term, run

# Sets the clipboard, rings, changes the character set (C0), colours by a C1, turns the text round, breaks the line; and is markup.
BAD = "e\x1b]52;c;eA==\x07\x0e\x9b31m\u202e\u2028<i>\"&"
RAW = re.compile("[\x00-\x06\x07\x0e-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\x1b\\]|\ufffd")
FILE = BAD.replace("/", "")


def png(path, width=4, height=4, text=None, broken=False):
    def part(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    pixels = zlib.compress(b"".join(b"\0" + bytes(3 * width) for _ in range(height)))
    data = b"\x89PNG\r\n\x1a\n" + part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    if text:
        data += part(b"tEXt", b"Comment\0" + text) + part(b"iTXt", b"Title\0\0\0\0\0" + text) + part(text[:1] + b"\x1b]\x07", text)
    data += part(b"IDAT", pixels[:9] if broken else pixels) + part(b"IEND", b"")
    with open(path, "wb") as f:
        f.write(data)


def safetensors(path, names, metadata=None, **entry):
    head = {n: dict({"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]}, **entry) for i, n in enumerate(names)}
    if metadata:
        head["__metadata__"] = metadata
    data = json.dumps(head, ensure_ascii=False).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(data)) + data + bytes(4 * len(names)))


def pth(path, stream, folder="archive"):
    with zipfile.ZipFile(path, "w") as z:
        z.writestr(folder + "/data.pkl", stream)
        z.writestr(folder + "/version", "3\n")


def npy(path, head):
    data = head.encode("latin-1", "replace") + b"\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(data)) + data)


class Hostile(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)
        self.path = self.home.path

    def at(self, name):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def write(self, name, text):
        with open(self.at(name), "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())

    def clean(self, what, text):
        found = RAW.search(text)
        if found:
            self.fail("%s: %r in %r" % (what, found.group(), text[max(0, found.start() - 150):found.end() + 50]))

    def prompt(self, lines, named=True):
        """Types the lines; nothing raw is shown by any. named: each shows the name, made safe."""
        t = Term(self.home, "-q", columns=400)
        t.expect("> ")
        t.line("BAD = %s" % self.lua(BAD))
        for line in lines:
            begun = len(t.out)
            t.line(line)
            self.clean(line, t.out[begun:])
            if named:
                self.assertIn("52;c;", t.out[begun:], line)
        t.send("\x04")
        self.assertEqual(t.close(), 0)

    @staticmethod
    def lua(text):
        return '"' + "".join("\\x%02x" % b for b in text.encode()) + '"'

    def test_safetensors(self):
        safetensors(self.at("names.safetensors"), [BAD + ".weight", BAD])
        safetensors(self.at("type.safetensors"), ["w"], dtype=BAD)
        safetensors(self.at("meta.safetensors"), ["w"], {BAD: BAD, "format": BAD, "suture": BAD, "model": BAD})
        safetensors(self.at("short.safetensors"), [BAD], shape=[7])
        self.write("junk.safetensors", struct.pack("<Q", 60) + ('{"%s' % BAD).encode() + bytes(60))
        self.write(FILE + ".safetensors", b"no")
        self.prompt(["open 'names.safetensors'", "s = open('names.safetensors', {state = true}); s", "open('names.safetensors', {state = 'all'})",
                     "m = nn.Sequential(nn.Linear(2, 2)) m:load_state_dict(s)", "nn.Linear(1, 1):load_state_dict({[BAD] = 5})",
                     "open('names.safetensors', {model = m})", "open('type.safetensors', {state = true})", "open('short.safetensors', {state = true})",
                     "open(BAD .. '.safetensors')", "m:save(BAD .. '/x.safetensors')", "open('names.safetensors', {[BAD] = 1})",
                     "zoo[BAD]", "zoo.resnet18{[BAD] = 1}", "zoo.resnet18{weights = BAD}"])
        self.prompt(["open('meta.safetensors')", "open('meta.safetensors', {state = 'all'})", "open 'junk.safetensors'"], named=False)

    def test_pth(self):
        def named(module, name):
            return b"\x80\x02c" + module.encode() + b"\n" + name.encode() + b"\n)R."
        plain = BAD.replace("\u2028", "")
        pth(self.at("class.pth"), named(plain, plain))
        pth(self.at("none.pth"), pickle.dumps({BAD: BAD, "n": 5}, 2))
        self.assertEqual(run(self.home, "-e", "local BAD = %s save({[BAD] = ones(1), list = {BAD, {[BAD] = BAD}}}, 'values.pth')" % self.lua(BAD)), (0, "", ""))
        pth(self.at("folder.pth"), pickle.dumps({BAD: 1}, 2), folder=BAD)
        self.write("old.pth", pickle.dumps({BAD: BAD}, 2))
        self.write("class-old.pth", named(plain, plain))
        self.write("junk.pth", b"\x80\x02X" + struct.pack("<I", len(BAD.encode())) + BAD.encode() + b"\x81R.")
        self.prompt(["open 'class.pth'", "open('class.pth', {state = 'all'})", "open('values.pth', {state = 'all'})", "x = open('values.pth', {state = 'all'}); x.list",
                     "x.list[1]", "open('none.pth', {state = 'all'})"])
        self.prompt(["open('values.pth')", "open('values.pth', {state = true})", "open('old.pth', {state = 'all'})", "open 'class-old.pth'", "open 'junk.pth'", "open('folder.pth', {state = 'all'})",
                     "open('junk.pth', {state = 'all'})"], named=False)

    def test_npy(self):
        latin = BAD.encode("latin-1", "replace").decode("latin-1")
        npy(self.at("type.npy"), "{'descr': '%s', 'fortran_order': False, 'shape': (1,), }" % latin)
        npy(self.at("key.npy"), "{'%s': '<f4', 'fortran_order': False, 'shape': (1,), }" % latin)
        npy(self.at("shape.npy"), "{'descr': '<f4', 'fortran_order': %s, 'shape': (%s,), }" % (latin, latin))
        self.write(FILE + ".npy", b"\x93NUMPY")
        self.prompt(["load_tensor(BAD .. '.npy')", "load_tensor(BAD .. 'x.npy')", "save_tensor(ones(2), BAD .. '/x.npy')"])
        self.prompt(["load_tensor 'type.npy'", "load_tensor 'key.npy'", "load_tensor 'shape.npy'"], named=False)

    def test_folders_and_classes(self):
        for name in (FILE, "plain"):
            for i in range(6):
                png(self.at("set/%s/%d.png" % (name, i)), 32, 32, BAD.encode())
        png(self.at("broken/%s/%s.png" % (FILE, FILE)), broken=True)
        self.write("broken/a/%s.png" % FILE, b"no picture")
        png(self.at(FILE + "/a/1.png"))
        self.write("other/a/%s.txt" % FILE, b"")
        os.makedirs(self.at("empty/" + FILE))
        self.prompt(["d = data.folder 'set'; d", "d.classes", "d:class_name(0)", 
                     "data.folder('set', {classes = {BAD .. 'x'}})", "data.folder(BAD)", "data.folder(BAD .. 'none')", "data.folder 'empty'",
                     "for x in data.folder('broken'):batches(4) do end", "show(BAD .. '.png')", "show('broken/a/' .. BAD .. '.png')"])
        self.prompt(["fit(m or zoo.cifar_resnet20{num_classes = 2}, data.folder 'set', {epochs = 1, batch = 4, val = data.folder 'set'})", "show 'set/plain/1.png'",
                     "data.folder 'other'"], named=False)

    def test_csv(self):
        self.write("names.csv", "%s,b\n1,%s\n2,%s\n" % (BAD.replace('"', ""), BAD.replace('"', ""), "plain"))
        self.write("field.csv", "a,b\n1,1\n%s,2\n" % BAD.replace('"', ""))
        self.write("quote.csv", 'a,b\n"x"%s,1\n' % BAD)
        self.write(FILE + ".csv", "a,b\n1,x,\n")
        self.prompt(["d = data.csv 'names.csv'; d", "d.classes", "data.csv('names.csv', {target = 'x' .. BAD})", "data.csv 'field.csv'", "data.csv(BAD .. '.csv')",
                     "data.csv(BAD .. '2.csv')"])
        self.prompt(["data.csv 'quote.csv'"], named=False)

    def test_names_in_models(self):
        self.prompt(["m = nn.Sequential(nn.Linear(2, 2)) m[BAD] = nn.Linear(2, 2); m",
                     "m:summary{input = {1, 2}}", "m:graph{input = {1, 2}}", "m:at('x' .. BAD)", "m:freeze(BAD); history()",
                     "undo()", "m:replace(BAD, nn.ReLU())", "undo()", "m.x = BAD; m.x", "m:state_dict()", "error(BAD)", "error({[BAD] = BAD})",
                     "setmetatable({BAD}, {__name = BAD})", "x = setmetatable({}, {__tostring = function() return BAD end}); x", "error(x)", "_G[BAD]", "nn[BAD]",
                     "require(BAD)", "dofile(BAD)", "assert(loadfile(BAD))", "io.open(BAD)", "load(BAD)", "load('x = ' .. BAD, '=' .. BAD)", "assert(load('error \"x\"', '=' .. BAD))()"])
        t = Term(self.home, "-q")
        t.expect("> ")
        t.line("BAD = %s" % self.lua(BAD))
        t.line("m = nn.Sequential(nn.Linear(2, 2)) m[BAD] = nn.Linear(2, 2) m.class = BAD")
        for ending in ("svg", "html", "dot", "json", "txt"):
            t.line("m:graph{input = {1, 2}}:save 'g.%s'" % ending)
            with open(self.at("g." + ending), encoding="utf-8") as f:
                text = f.read()
            self.clean(ending, text.replace("\n", " "))
            self.assertIn("52;c;", text, ending)
            if ending in ("svg", "html"):
                self.assertNotIn("<i>", text, ending)
        t.send("\x04")
        self.assertEqual(t.close(), 0)

    def test_what_was_typed_and_pasted(self):
        t = Term(self.home, "-q")
        t.expect("> ")
        t.send("\x1b[200~x = '%s'\x1b[201~\r" % BAD.replace("\u2028", "").replace("\u202e", ""))  # those are shown as pasted
        t.prompt()
        for line in (":history", "x", "x.y.z", ":%s" % "zz", ":save s.lua", "?x"):
            t.line(line)
        t.send("\x1b[A" * 7)
        while t.pump(0.3):
            pass
        t.send("\x01\x0b")
        self.assertEqual(t.leave(), 0)
        self.clean("typed", t.out.replace("\x07", "").replace("\ufffd", ""))  # a bell at the history's end; what stands for U+009B

    def test_scripts(self):
        self.write(FILE + ".lua", "local t = nil\nprint(t.x)")
        self.write("syntax" + FILE + ".lua", "x = = 1")
        for args in ([FILE + ".lua"], ["syntax" + FILE + ".lua"], ["none" + FILE], ["-e", "error [[%s]]" % BAD], ["-e", "x = = '%s'" % BAD], ["-l", BAD], ["get", BAD],
                     ["-" + BAD], ["--threads", BAD], ["-e", "error({})", BAD], ["-e", "open [[%s]]" % BAD], ["get", "resnet18", BAD], ["-e", "zoo.resnet18{pretrained = [[%s]]}" % BAD]):
            status, out, err = run(self.home, *args)
            self.assertNotEqual(status, 0, args)
            self.clean(repr(args), (out + err).replace("\n", " ").replace("\t", " "))


tap.main()
