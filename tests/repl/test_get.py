"""Weights from the network: `suture get`, and what may go wrong on the way. The network is a server on loopback."""
import hashlib, http.server, os, re, signal, socket, subprocess, tempfile, threading, time, unittest
import tap
from term import Home, SLOW, SOON, Term, SUTURE, run

FILE = bytes(range(256)) * 4096 * 3 # 3 MB
HASH = hashlib.sha256(FILE).hexdigest()
NAME = "toy-%s.bin" % HASH[:8]
HALF = len(FILE) // 2


class Server(http.server.ThreadingHTTPServer):
    """Serves FILE under any name as `how` says, and notes the ranges asked for."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.how, self.ranges = "whole", []
        self.url = "http://127.0.0.1:%d" % self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """Whoever fetched has hung up: some tests are about that."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def head(self, code, length, **fields):
        self.send_response(code)
        self.send_header("Content-Length", str(length))
        for k, v in fields.items():
            self.send_header(k.replace("_", "-"), v)
        self.end_headers()

    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.ranges.append(asked)
        how, start = server.how, int(re.match(r"bytes=(\d+)-$", asked).group(1)) if asked else 0
        self.close_connection = True
        if how == "404":
            self.head(404, 4)
            self.wfile.write(b"gone")
        elif how == "moved" and not self.path.startswith("/there/"):
            self.head(302, 0, Location="/there" + self.path)
        elif how == "endless":
            self.head(200, 10 ** 15)
            self.wfile.write(FILE)
        elif how == "other":
            self.head(200, 11)
            self.wfile.write(b"please pay!")
        elif how == "silent":
            time.sleep(30)
        elif how == "no ranges" or not asked:
            self.head(200, len(FILE))
            if how in ("cut", "slow"):
                self.wfile.write(FILE[:HALF])
                if how == "slow":
                    time.sleep(30)
            else:
                self.wfile.write(FILE)
        elif start >= len(FILE):
            self.head(416, 0, Content_Range="bytes */%d" % len(FILE))
        else:
            at = start if how != "wrong range" else start - 7
            self.head(206, len(FILE) - at, Content_Range="bytes %d-%d/%d" % (at, len(FILE) - 1, len(FILE)))
            self.wfile.write(FILE[at:])


class Get(unittest.TestCase):
    def setUp(self):
        self.home = Home().__enter__()
        self.addCleanup(self.home.__exit__)
        self.server = Server()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.folder = os.path.join(self.home.path, "new", "weights") # neither is there yet
        self.path = os.path.join(self.folder, NAME)

    def chunk(self, name=NAME):
        return "print(require('suture.zoo.common.weights').get('toy', {file = '%s', url = '%s/publisher/%s'}))" % (name, self.server.url, name)

    def env(self, **more):
        return {"SUTURE_WEIGHTS": self.folder, "SUTURE_MIRROR": None, "no_proxy": "127.0.0.1", **more}

    def fetch(self, how, name=NAME, **env):
        self.server.how = how
        return run(self.home, "-e", self.chunk(name), **self.env(**env))

    def files(self):
        return {f: os.path.getsize(os.path.join(self.folder, f)) for f in os.listdir(self.folder)}

    def whole(self):
        self.assertEqual(self.files(), {NAME: len(FILE)})
        with open(self.path, "rb") as f:
            self.assertEqual(hashlib.sha256(f.read()).hexdigest(), HASH)

    def keep(self, content):
        os.makedirs(self.folder)
        with open(self.path + ".part", "wb") as f:
            f.write(content)

    def fails(self, answer, *words):
        code, out, err = answer
        self.assertEqual((code, out), (1, ""), err)
        for word in words:
            self.assertIn(word, err)

    def test_comes_whole_once_and_quietly(self):
        self.assertEqual(self.fetch("whole"), (0, self.path + "\n", ""))
        self.whole()
        self.assertEqual(self.fetch("404")[0], 0)
        self.assertEqual(self.server.ranges, [None])

    def test_redirects_are_followed(self):
        self.assertEqual(self.fetch("moved")[0], 0)
        self.whole()

    def test_a_cut_connection_is_gone_on_with(self):
        self.fails(self.fetch("cut"), "cut after 1.6 MB of 3.1 MB", self.path + ".part", "the next try goes on from there")
        self.assertEqual(self.files(), {NAME + ".part": HALF})
        self.assertEqual(self.fetch("whole")[0], 0)
        self.whole()
        self.assertEqual(self.server.ranges, [None, "bytes=%d-" % HALF])

    def test_a_server_without_ranges_begins_anew(self):
        self.keep(FILE[:HALF])
        self.assertEqual(self.fetch("no ranges")[0], 0)
        self.whole()

    def test_a_server_with_another_range_begins_anew(self):
        self.keep(FILE[:HALF])
        self.assertEqual(self.fetch("wrong range")[0], 0)
        self.whole()
        self.assertEqual(self.server.ranges, ["bytes=%d-" % HALF, None])

    def test_a_part_that_is_whole_takes_its_place(self):
        self.keep(FILE)
        self.assertEqual(self.fetch("whole")[0], 0)
        self.whole()
        self.assertEqual(len(self.server.ranges), 1)

    def test_a_part_that_is_too_long_begins_anew(self):
        self.keep(FILE + b"more")
        self.assertEqual(self.fetch("whole")[0], 0)
        self.whole()

    def test_a_wrong_hash_leaves_nothing(self):
        self.keep(b"other bytes")
        self.fails(self.fetch("whole"), "not the published file", HASH[:8], "try again")
        self.assertEqual(self.files(), {})
        self.fails(self.fetch("other"), "not the published file", "login page")
        self.assertEqual(self.files(), {})

    def test_a_name_without_a_hash_is_not_checked_and_begins_anew(self):
        os.makedirs(self.folder)
        with open(os.path.join(self.folder, "plain.bin.part"), "wb") as f:
            f.write(b"of who knows what")
        code, out, err = self.fetch("whole", "plain.bin")
        self.assertEqual((code, err), (0, "plain.bin: its name holds no hash, so what came is not checked\n"))
        self.assertEqual(self.files(), {"plain.bin": len(FILE)})
        self.assertEqual(self.server.ranges, [None])

    def test_an_error_of_the_server_is_no_file(self):
        self.fails(self.fetch("404"), "answers 404: there is no such file", self.server.url + "/publisher/" + NAME, NAME, self.folder)
        self.assertEqual(self.files(), {})
        self.keep_then_404()

    def keep_then_404(self):
        with open(self.path + ".part", "wb") as f:
            f.write(FILE[:HALF])
        self.fails(self.fetch("404"), "answers 404")
        self.assertEqual(self.files(), {NAME + ".part": HALF})

    def test_no_network(self):
        with socket.socket() as s: # a port where nobody listens
            s.bind(("127.0.0.1", 0))
            mirror = "http://127.0.0.1:%d" % s.getsockname()[1]
            self.fails(self.fetch("whole", SUTURE_MIRROR=mirror), "no connection", mirror + "/" + NAME, NAME, self.folder, "/publisher/",
                       "to do without the network")
        self.assertEqual(self.files(), {})
        self.fails(self.fetch("whole", SUTURE_MIRROR="file:///etc"), "not supported")

    def test_no_space(self):
        self.fails(self.fetch("endless"), "no space", "1000000000.0 MB are missing")
        self.assertEqual(self.files(), {})
        # The disk may fill up meanwhile: here a limit on the size of files stands for it.
        self.server.how = "whole"
        p = subprocess.run(["sh", "-c", 'trap "" XFSZ; ulimit -f 2048; exec "$0" -e "$1"', SUTURE, self.chunk()],
                           capture_output=True, text=True, env=self.home.env(**self.env()))
        self.fails((p.returncode, p.stdout, p.stderr), "no space", "1.0 MB are there, 2.1 MB are missing", self.path + ".part")
        self.assertEqual(self.files(), {NAME + ".part": 1 << 20})
        self.assertEqual(self.fetch("whole")[0], 0)
        self.whole()

    def test_a_folder_that_cannot_be_made(self):
        os.makedirs(os.path.dirname(self.folder))
        open(self.folder, "w").close()
        self.fails(self.fetch("whole"), self.folder, "Not a directory")

    @unittest.skipIf(os.geteuid() == 0, "root may write everywhere")
    def test_a_folder_that_is_not_writable(self):
        os.makedirs(self.folder)
        os.chmod(self.folder, 0o555)
        self.fails(self.fetch("whole"), "cannot write here: Permission denied", self.folder)

    def test_one_process_at_a_time(self):
        self.server.how = "slow"
        first = subprocess.Popen([SUTURE, "-e", self.chunk()], stderr=subprocess.DEVNULL, env=self.home.env(**self.env()))
        self.wait(lambda: os.path.exists(self.path + ".part") and os.path.getsize(self.path + ".part") == HALF)
        self.fails(self.fetch("whole"), "another process fetches this file")
        first.kill()
        first.wait()
        self.assertEqual(self.fetch("whole")[0], 0)
        self.whole()

    def wait(self, true):
        end = time.time() + SLOW
        while not true():
            self.assertLess(time.time(), end)
            time.sleep(0.01)

    def test_ctrl_c_stops_at_once_and_keeps_the_part(self):
        for how in ("slow", "silent"):
            self.server.how, before = how, len(self.server.ranges)
            p = subprocess.Popen([SUTURE, "-e", self.chunk()], stderr=subprocess.PIPE, text=True, env=self.home.env(**self.env()))
            self.wait(lambda: len(self.server.ranges) > before and (how == "silent" or self.files() == {NAME + ".part": HALF}))
            time.sleep(0.1)
            p.send_signal(signal.SIGINT)
            start = time.time()
            _, err = p.communicate(timeout=SLOW)
            self.assertLess(time.time() - start, SOON)
            self.assertEqual(p.returncode, 130)
            self.assertEqual(err, "%s: 1.6 MB are kept in %s.part, the next try goes on from there\ninterrupted\n" % (NAME, self.path))
            self.assertEqual(self.files(), {NAME + ".part": HALF})
        self.assertEqual(self.fetch("whole")[0], 0)
        self.whole()

    def test_at_the_prompt(self):
        self.server.how = "slow"
        t = Term(self.home, **self.env())
        t.prompt()
        t.send(self.chunk() + "\r")
        t.expect(NAME + "  ━━━━━━━━━━━━  1.6/3.1 MB")
        t.send("\x03")
        t.expect("are kept in")
        t.expect("interrupted")
        t.prompt()
        self.server.how = "whole"
        t.send(self.chunk() + "\r")
        t.expect("3.1/3.1 MB")
        t.expect("\n" + self.path)
        t.prompt()
        t.send("\x04")
        self.assertEqual(t.close(), 0)
        self.whole()

    def test_get(self):
        shared = os.path.join(os.environ.get("SUTURE_SHARED", "../shared"), "data/weights/resnet20-12fca82f.th")
        self.server.how = "404"
        env = self.env(SUTURE_MIRROR=self.server.url + "/")
        code, out, err = run(self.home, "get", "resnet50", "imagenet1k_v2", **env)
        self.assertEqual((code, out), (1, ""))
        self.assertRegex(err, "^suture: resnet50: no file resnet50-11ad3fa6.pth \\(97.8 MB\\) in " + re.escape(self.folder))
        self.assertIn(self.server.url + "/resnet50-11ad3fa6.pth: the server answers 404", err)
        self.assertNotIn("traceback", err)
        self.assertIn("did you mean resnet50?", run(self.home, "get", "resnet5", **env)[2])
        self.assertIn("true or one of IMAGENET1K_V1", run(self.home, "get", "resnet50", "v3", **env)[2])
        for args in (["get"], ["get", "a", "b", "c"]):
            code, _, err = run(self.home, *args, **env)
            self.assertEqual(code, 2)
            self.assertIn("get NAME [SET]", err)
        with open(os.path.join(self.folder, "resnet20-12fca82f.th"), "w") as f:
            f.write("here")
        self.assertEqual(run(self.home, "get", "cifar_resnet20", **env), (0, f.name + "\n", ""))
        self.assertEqual(run(self.home, "./get", "x", **env)[0], 1) # a script, which is not there
        if os.path.exists(shared):
            global FILE
            with open(shared, "rb") as f:
                mine, FILE = FILE, f.read()
            self.addCleanup(globals().__setitem__, "FILE", mine)
            os.remove(os.path.join(self.folder, "resnet20-12fca82f.th"))
            self.server.how = "whole"
            chunk = "m = zoo.cifar_resnet20{pretrained = 'cifar10'} print(m.linear.weight:abs():max():item() > 0, m.classes[1])"
            self.assertEqual(run(self.home, "-e", chunk, **env), (0, "true\tairplane\n", ""))
            self.assertEqual(self.files(), {"resnet20-12fca82f.th": len(FILE)})


tap.main()
