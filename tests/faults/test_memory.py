"""Every allocation failed, alone, in pairs, in rows: RUNS of them (200), spread over who asks for memory.

No crash and no hang; what ends with status 0 wrote what it always writes; else the message says memory. Each file is the old
one or the new one, and there is no other. A session at the prompt lives on.
"""
import collections, os, random, re, struct, sys, tempfile, unittest
from concurrent.futures import ThreadPoolExecutor
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "repl"))
import tap
import faults

RUNS = int(os.environ.get("RUNS") or 200)
SEED = int(os.environ.get("SEED") or 1)
SCENES = os.environ.get("SCENES", "look train pictures prompt").split()
TIME = re.compile(r"\d+\.\d+ m?s\b|\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?|process \d+")
MEMORY = re.compile(r"memory", re.I)
END = "print('alive')\n"


def scene_of(name):
    path = os.path.join(faults.HERE, "scenes", name)
    if os.path.exists(path + ".lua"):
        return [path + ".lua", faults.TOP], ""
    with open(path + ".txt") as f:
        return ["-i"], f.read()


def chosen(asked, count, rng):
    """The failures of `count` runs: who asks seldom is failed first, each time; then others by chance."""
    places = collections.defaultdict(list)
    for i, who in enumerate(asked):
        places[who].append(i)
    order = []
    for k in range(3):
        for where in places.values():
            if len(where) > k:
                order.append(where[k] if k < 2 else where[-1])
    rng.shuffle(order)
    order = order[:count // 2]
    while len(order) < count:
        order.append(rng.randrange(len(asked)))
    for i, n in enumerate(order):
        kind = i % 5
        yield (str(n) if kind < 2 else "%d %d" % (n, n + 1 + int(rng.expovariate(1 / 20))) if kind == 2 else
               " ".join(str(n + j) for j in range(rng.randrange(2, 8))) if kind == 3 else "%d+" % n)


@unittest.skipIf(os.environ.get("SANITIZE"), "the sanitizers have an allocator of their own")
class Memory(unittest.TestCase):
    def one(self, name, count):
        arguments, lines = scene_of(name)
        typed = lines + END if lines else ""
        with tempfile.TemporaryDirectory() as folder:
            library = faults.shim(folder)
            listed = folder + "/list"
            clean = faults.run(arguments, {}, typed, LD_PRELOAD=library, FAULTS="", FAULTS_LIST=listed)
            self.assertEqual(clean.status, 0, clean.err)
            with open(listed, "rb") as f:
                data = f.read()
            asked = struct.unpack("%dQ" % (len(data) // 8), data)
            again = faults.run(arguments, {}, typed, LD_PRELOAD=library, FAULTS="")
            old = {n: b"old " + d[:20] for n, d in clean.files.items() if "/" not in n and not n.endswith(".lua")}
            same = {n for n in clean.files if again.files.get(n) == clean.files[n]}
            wrong = []
            rng = random.Random("%s %d" % (name, SEED))

            def check(which):
                r = faults.run(arguments, old, typed, LD_PRELOAD=library, FAULTS=which)
                why = self.fault(r, clean, old, same, bool(lines) and "+" not in which)  # a session of which nothing fits may end
                return why and "%s FAULTS='%s': %s\nstatus %d\n%s\n%s" % (name, which, why, r.status, r.out[-600:], r.err[-900:])

            with ThreadPoolExecutor(int(os.environ.get("JOBS") or 2)) as pool:
                wrong = [w for w in pool.map(check, chosen(asked, count, rng)) if w]
        print("# %s: %d allocations by %d places, %d runs, %d findings" % (name, len(asked), len(set(asked)), count, len(wrong)))
        if os.environ.get("FINDINGS"):
            with open(os.environ["FINDINGS"], "a") as f:
                f.writelines(w + "\n----\n" for w in wrong)
        self.assertFalse(wrong, "\n----\n".join(wrong[:5]))

    def fault(self, r, clean, old, same, prompt):
        if r.status == 124:
            return "hangs"
        if prompt and r.status == 1 and not r.out and MEMORY.search(r.err):
            return None  # it never began
        if r.status not in ((0,) if prompt else (0, 1)):
            return "ends with status %d" % r.status
        if prompt and "alive" not in r.out:
            return "the session did not go on"
        told = MEMORY.search(r.err) or MEMORY.search(r.out)
        if r.status and not told:
            return "the message is not of memory"
        if prompt and not told and r.err != clean.err:
            return "the messages differ and none is of memory"
        if not told and TIME.sub("T", r.out) != TIME.sub("T", clean.out):
            return "other output and no message"
        for name, data in r.files.items():
            if name not in clean.files and not re.match(r"runs/\w+/model-\d+\.safetensors$", name):
                return "a file is left over: %s" % name  # an older epoch's model may stand there where the run was not written on
            if data == old.get(name) or data == clean.files.get(name):
                continue
            if name in same and not name.startswith("runs/") and not (told and name.endswith(".lua")):
                return "%s is neither the old file nor the new one" % name
            if not faults.whole(name, data):
                return "%s is damaged" % name
        if not r.status and not told:
            for name in clean.files:
                if name not in r.files or (name in old and r.files[name] == old[name]):
                    return "%s was not written, and nothing says so" % name


for scene in SCENES:
    setattr(Memory, "test_" + scene, lambda self, name=scene: self.one(name, max(1, RUNS // len(SCENES))))

tap.main()
