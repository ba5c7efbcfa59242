"""A page in headless Chromium, driven over its pipe (--remote-debugging-pipe): no port, no library."""
import atexit, base64, functools, json, os, select, shutil, subprocess, tempfile, time
from term import Home, run

PROGRAM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)

KEYS = {"Enter": 13, "Escape": 27, "Tab": 9, "Backspace": 8, "ArrowUp": 38, "ArrowDown": 40, "ArrowLeft": 37,
        "ArrowRight": 39, "Home": 36, "End": 35, "PageUp": 33, "PageDown": 34, " ": 32}


class Chrome:
    """with Chrome(width, height) as page: page.open(file); page.errors holds what the console and the page said of errors."""

    def __init__(self, width=1000, height=800):
        self.folder = tempfile.mkdtemp()
        mine_in, theirs_out = os.pipe()
        theirs_in, mine_out = os.pipe()
        self.read, self.write, self.rest, self.id, self.events, self.errors = mine_in, mine_out, b"", 0, [], []

        def inherit():  # Chromium reads from 3 and writes to 4
            a, b = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(
            [PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe",
             "--no-first-run", "--disable-extensions", "--user-data-dir=" + self.folder, "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False, preexec_fn=inherit)
        os.close(theirs_in)
        os.close(theirs_out)
        self.session = None
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(t for t in targets if t["type"] == "page")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.call(domain + ".enable")
        self.size(width, height)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.read)
        os.close(self.write)
        shutil.rmtree(self.folder, ignore_errors=True)

    def receive(self, seconds=60):
        until = time.time() + seconds
        while b"\0" not in self.rest:
            if not select.select([self.read], [], [], max(0, until - time.time()))[0]:
                raise TimeoutError("Chromium says nothing")
            more = os.read(self.read, 1 << 20)
            if not more:
                raise EOFError("Chromium has ended")
            self.rest += more
        message, self.rest = self.rest.split(b"\0", 1)
        message = json.loads(message)
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(params["exceptionDetails"].get("exception", {}).get("description", str(params)))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.errors.append(str([a.get("value", a.get("description")) for a in params["args"]]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent" and not params["request"]["url"].startswith(("file:", "data:", "about:")):
            self.errors.append("asks the network: " + params["request"]["url"])
        if method:
            self.events.append(method)
        return message

    def call(self, method, **params):
        self.id += 1
        message = {"id": self.id, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.id:
                if "error" in answer:
                    raise RuntimeError("%s: %s" % (method, answer["error"]))
                return answer["result"]

    def size(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def dark(self, on):
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if on else "light"}])

    def open(self, path):
        self.events = []
        self.call("Page.navigate", url="file://" + os.path.abspath(path))
        while "Page.loadEventFired" not in self.events:
            self.receive()

    def js(self, code):
        """The value of an expression in the page; what it promises is waited for."""
        r = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in r:
            raise RuntimeError(r["exceptionDetails"].get("exception", {}).get("description", str(r)))
        return r["result"].get("value")

    def until(self, code, seconds=20):
        """Waits for an expression to be true."""
        end = time.time() + seconds
        while not self.js(code):
            if time.time() > end:
                raise AssertionError("never true: " + code)
            time.sleep(0.02)

    def key(self, key, shift=False):
        fields = {"key": key, "modifiers": 8 if shift else 0, "windowsVirtualKeyCode": KEYS.get(key, ord(key[0].upper())),
                  "code": key if key in KEYS else ""}
        text = "\r" if key == "Enter" else key if len(key) == 1 else None
        self.call("Input.dispatchKeyEvent", type="keyDown", **fields, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **fields)

    def type(self, text):
        for c in text:
            self.key(c)

    def mouse(self, kind, x, y, **more):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, x, y, count=1):
        self.mouse("mouseMoved", x, y)
        for n in range(1, count + 1):
            self.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=n)
            self.mouse("mouseReleased", x, y, button="left", clickCount=n)

    def press(self, selector):
        """A click in the middle of an element."""
        at = self.js("(() => { const e = document.querySelector(%s); e.scrollIntoView({block: 'nearest', inline: 'nearest'});"
                     " const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()" % json.dumps(selector))
        self.click(*at)

    def wheel(self, x, y, dx, dy, ctrl=False):
        self.mouse("mouseWheel", x, y, deltaX=dx, deltaY=dy, modifiers=2 if ctrl else 0)

    def shot(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


@functools.lru_cache(None)
def made(script):
    """The folder with the pages that this Lua script saves into its argument, made once."""
    held = tempfile.TemporaryDirectory()
    atexit.register(held.cleanup)
    path = os.path.join(held.name, "make.lua")
    with Home() as home, open(path, "w") as f:
        f.write(script)
        f.flush()
        code, _, err = run(home, "-q", path, held.name)
    assert code == 0, err
    return held.name


@functools.lru_cache(None)
def browser():
    """The one browser of a file of tests."""
    chrome = Chrome()
    atexit.register(chrome.__exit__)
    return chrome
