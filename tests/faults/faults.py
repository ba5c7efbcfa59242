"""What the campaigns share: a folder of its own for each run, the shim, what a folder may hold afterwards."""
import ctypes, hashlib, json, os, re, shutil, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
SUTURE = os.path.join(TOP, os.environ.get("O", ""), "suture")
SECONDS = 30  # a bound on hanging: a run takes a third of one
ADDR_NO_RANDOMIZE = 0x0040000


def shim(folder):
    """fails.c, compiled."""
    library = os.path.join(folder, "fails.so")
    subprocess.run([os.environ.get("CC", "cc"), "-w", "-O1", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", library, os.path.join(HERE, "fails.c")], check=True)
    return library


def same_every_time():
    """In the child: the kernel chooses no addresses by chance."""
    ctypes.CDLL(None).personality(ADDR_NO_RANDOMIZE)


class Result:
    def __init__(self, status, out, err, files):
        self.status, self.out, self.err, self.files = status, out, err, files


def environment(home, **more):
    keep = {k: v for k, v in os.environ.items() if k in ("PATH", "CC", "LD_LIBRARY_PATH", "OPENBLAS_CORETYPE")}
    return {**keep, "HOME": home, "TERM": "dumb", "LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", **more}


def files_in(folder):
    found = {}
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            with open(path, "rb") as f:
                found[os.path.relpath(path, folder)] = f.read()
    return found


def run(arguments, before, stdin="", seconds=SECONDS, **env):
    """Runs the program in a folder with the files `before` → Result; status 124: it hung."""
    with tempfile.TemporaryDirectory(prefix="suture-faults-") as top:
        folder, home = top + "/work", top + "/home"
        os.mkdir(home)
        os.mkdir(folder)
        for name, data in before.items():
            os.makedirs(os.path.dirname(os.path.join(folder, name)) or ".", exist_ok=True)
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)
        p = subprocess.Popen([SUTURE, "-q", "--threads", "1", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, cwd=folder, env=environment(home, **env), preexec_fn=same_every_time)
        try:
            out, err = p.communicate(stdin.encode(), timeout=seconds)
            status = p.returncode
        except subprocess.TimeoutExpired:
            p.kill()
            out, err = p.communicate()
            status = 124
        return Result(status, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"), files_in(folder))


def whole(name, data):
    """Whether a file whose bytes depend on the clock is one that can be read."""
    try:
        if name.endswith(".json"):
            json.loads(data)
        elif name.endswith(".jsonl"):
            [json.loads(line) for line in data.decode().splitlines()]
            return not data or data.endswith(b"\n")
        elif name.endswith(".safetensors"):
            n = int.from_bytes(data[:8], "little")
            header = json.loads(data[8:8 + n])
            return len(data) == 8 + n + max((t["data_offsets"][1] for k, t in header.items() if k != "__metadata__"), default=0)
        return True
    except ValueError:
        return False
