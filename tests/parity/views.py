"""Views, changes in place and gradients say what PyTorch's say: random sequences of them, each carried out in both, then all
values and the gradients of a weighted sum of everything are compared.

Where PyTorch refuses a step, it is left out. Where it would refuse backward, since what it had saved was changed in place, it is
told to save copies: gradients are then those of what was computed, which is what this engine promises."""
import math, os, random, sys, warnings
sys.path.insert(0, os.path.dirname(__file__))
from common import *

warnings.simplefilter("ignore")
SEQUENCES, BOUND = 300, 2e-5
random.seed(int(os.environ.get("SEED", 22)))


def num(k, *shape):
    n = math.prod(shape)
    return torch.tensor([math.sin(k + i * 1.7) + ((i * 7) % 5) * 0.2 - 0.4 for i in range(n)], dtype=torch.float32).reshape(shape).clone()


LUA = """
local function num(k, ...)
  local n, t = 1, {}
  for _, d in ipairs {...} do n = n * d end
  for i = 0, n - 1 do t[i + 1] = math.sin(k + i * 1.7) + ((i * 7) % 5) * 0.2 - 0.4 end
  return tensor(t, {dtype = "float32"}):reshape({...}):clone()
end
local function out(i, what, x)
  local f = x:reshape(-1):tolist()
  for k, z in ipairs(f) do f[k] = ("%.9g"):format(z) end
  print(("%d|%s|%s|%s"):format(i, what, table.concat(x.shape, ","), table.concat(f, " ")))
end
"""


def ints(values, lua):
    return ("{%s}" if lua else "(%s,)") % ", ".join(map(str, values))


class Sequence:
    """One sequence: t[…], the tensors that there are, and its lines of Lua."""

    def __init__(self):
        self.shape = random.choice([(4,), (3, 4), (4, 4), (2, 3, 4), (2, 2, 3, 4)])
        self.t, self.lines, self.apart = [], [], set()  # apart: tensors made by detach, and their views
        for k, grad in enumerate((True, True, False, False)):
            x = num(k + 1, *self.shape)
            if k == 3:
                x = torch.zeros(*self.shape)
            shape = ", ".join(map(str, self.shape))
            self.lines.append(f"t[{k + 1}] = " + (f"zeros({shape})" if k == 3 else f"num({k + 1}, {shape})") +
                              (":requires_grad_()" if grad else ""))
            self.t.append(x.requires_grad_(grad))
        for _ in range(random.randint(6, 16)):
            random.choice([self.compute, self.view, self.view, self.write, self.write, self.assign])()

    def pick(self, like=None):
        """A tensor and its name in both languages: often one that came late; with `like` one that broadcasts to it."""
        k = random.randrange(len(self.t)) if random.random() < .5 else len(self.t) - 1 - min(int(random.expovariate(.7)), len(self.t) - 1)
        if like is not None:
            fits = [i for i, x in enumerate(self.t) if x.shape == like.shape]
            k = random.choice(fits)
        return self.t[k], f"t[{k + 1}]", f"t[{k}]"

    def step(self, ours, theirs, makes):
        """Does a step in PyTorch; if that takes it, writes it down."""
        t = self.t
        apart = makes == "view" and (".detach()" in theirs or ".data" in theirs or self.source(theirs) in self.apart)
        before = torch.get_rng_state()
        try:
            made = eval(theirs, {"t": t, "torch": torch, "num": num}) if makes else exec(theirs, {"t": t, "torch": torch, "num": num})
        except (RuntimeError, IndexError):
            torch.set_rng_state(before)
            return
        if not makes:
            self.lines.append(ours)
            return
        for k, x in enumerate(made if isinstance(made, (tuple, list)) else [made]):
            t.append(x)
            if apart:
                self.apart.add(len(t) - 1)
            self.lines.append(f"t[{len(t)}] = {ours}" + (f"[{k + 1}]" if isinstance(made, (tuple, list)) else ""))

    @staticmethod
    def source(text):
        """The number of the tensor that a line of Python begins with."""
        return int(text[text.index("[") + 1:text.index("]")])

    def compute(self):
        x, lx, px = self.pick()
        y, ly, py = self.pick(like=x)
        kind = random.choice(["*", "+", "-", "tanh", "sigmoid", "relu", "square", "scale"])
        if kind in "*+-":
            self.step(f"{lx} {kind} {ly}", f"{px} {kind} {py}", True)
        elif kind == "scale":
            self.step(f"{lx} * 0.7 + 0.1", f"{px} * 0.7 + 0.1", True)
        else:
            self.step(f"{lx}:{kind}()", f"{px}.{kind}()", True)

    def view(self):
        x, lx, px = self.pick()
        if x.dim() == 0:
            return self.step(f"{lx}:unsqueeze(0)", f"{px}.unsqueeze(0)", "view")
        d = random.randrange(x.dim())
        n = x.shape[d]
        i = random.randrange(-n, n) if n else 0
        a = random.randint(0, n)
        length = random.randint(1, max(1, n - a)) if a < n else 0
        e = random.randrange(x.dim())
        perm = random.sample(range(x.dim()), x.dim())
        shapes = [s for s in ((-1,), (2, -1), (-1, 2), (1, -1), (2, 2, -1), (-1, 3))]
        shape = random.choice(shapes)
        both = random.choice(["select", "narrow", "transpose", "permute", "reshape", "view", "flatten", "unsqueeze", "squeeze", "squeeze_d",
                              "index", "slice", "slices", "expand", "detach", "data", "chunk", "split", "unbind", "t", "clone", "flip", "gather"])
        said = {
            "select": (f"{lx}:select({d}, {i})", f"{px}.select({d}, {i})"),
            "narrow": (f"{lx}:narrow({d}, {a}, {length})", f"{px}.narrow({d}, {a}, {length})"),
            "transpose": (f"{lx}:transpose({d}, {e})", f"{px}.transpose({d}, {e})"),
            "permute": (f"{lx}:permute({', '.join(map(str, perm))})", f"{px}.permute({', '.join(map(str, perm))})"),
            "reshape": (f"{lx}:reshape({', '.join(map(str, shape))})", f"{px}.reshape({', '.join(map(str, shape))})"),
            "view": (f"{lx}:view({', '.join(map(str, shape))})", f"{px}.view({', '.join(map(str, shape))})"),
            "flatten": (f"{lx}:flatten({min(d, e)}, {max(d, e)})", f"{px}.flatten({min(d, e)}, {max(d, e)})"),
            "unsqueeze": (f"{lx}:unsqueeze({d})", f"{px}.unsqueeze({d})"),
            "squeeze": (f"{lx}:squeeze()", f"{px}.squeeze()"),
            "squeeze_d": (f"{lx}:squeeze({d})", f"{px}.squeeze({d})"),
            "index": (f"{lx}[{i}]", f"{px}[{i}]"),
            "slice": (f'{lx}["{-n}:{a}"]', f"{px}[{-n}:{a}]"),
            "slices": (f'{lx}[{{"...", "::2"}}]', f"{px}[..., ::2]"),
            "expand": (f"{lx}:expand({', '.join(['2'] + ['-1'] * x.dim())})", f"{px}.expand({', '.join(['2'] + ['-1'] * x.dim())})"),
            "detach": (f"{lx}:detach()", f"{px}.detach()"),
            "data": (f"{lx}.data", f"{px}.data"),
            "chunk": (f"{lx}:chunk(2, {d})", f"{px}.chunk(2, {d})"),
            "split": (f"{lx}:split(2, {d})", f"{px}.split(2, {d})"),
            "unbind": (f"{lx}:unbind({d})", f"{px}.unbind({d})"),
            "t": (f"{lx}:t()", f"{px}.t()"),
            "clone": (f"{lx}:clone()", f"{px}.clone()"),
            "flip": (f"{lx}:flip({d})", f"{px}.flip({d})"),
            "gather": (f"{lx}[{{tensor {{{n - 1}, 0}}}}]", f"{px}[torch.tensor([{n - 1}, 0])]"),
        }[both]
        base = x if x._base is None else x._base
        if x.numel() == 0 or x.dim() > 6 or both in ("reshape", "flatten") and not base.is_contiguous():
            return  # a computed value lies in its order here, and where what it was computed from lay in PyTorch
        self.step(*said, "view")

    def guarded(self, x, y, ours, theirs):
        """Leaves that require a gradient, and others now and then, are written under no_grad, as PyTorch wants it. What is detached
        takes no gradients here."""
        if self.source(theirs) in self.apart and y is not None and y.requires_grad:
            return
        base = x._base if x._base is not None else x
        if (base.is_leaf and base.requires_grad) or random.random() < .15:
            self.step(f"no_grad(function() {ours} end)", f"with torch.no_grad():\n  {theirs}", False)
        else:
            self.step(ours, theirs, False)

    def write(self):
        x, lx, px = self.pick()
        y, ly, py = self.pick(like=x)
        if y is not x and y.storage().data_ptr() == x.storage().data_ptr():  # see assign
            return
        v = round(random.uniform(-1.5, 1.5), 2)
        call = random.choice(["mul_(V)", "add_(V)", "fill_(V)", "zero_()", "mul_(Y)", "add_(Y)", "sub_(Y)", "copy_(Y)", "tanh_()", "sigmoid_()",
                              "relu_()", "abs_()", "neg_()", "clamp_(-0.5, 0.8)", "div_(2)"])
        if 0 in x.stride():  # PyTorch refuses some writes into what is expanded; this engine all that count
            return
        self.guarded(x, y if "Y" in call else None, f"{lx}:" + call.replace("V", str(v)).replace("Y", ly), f"{px}." + call.replace("V", str(v)).replace("Y", py))

    def assign(self):
        x, lx, px = self.pick()
        if x.dim() == 0 or x.numel() == 0 or 0 in x.stride():  # PyTorch warns of writes into what is expanded
            return
        n, d = x.shape[0], x.dim()
        i, a = random.randrange(-n, n), random.randint(0, n)
        places = random.sample(range(n), min(n, 2))
        last = max(x.shape[-1], 2)  # without the same place twice
        ours, theirs = random.choice([
            (str(i), str(i)), (f'"{a}:"', f"{a}:"), ('"::2"', "::2"), ('{"...", -1}', "..., -1"),
            ('{"...", "1:"}', "..., 1:"), (f"{{{ints(places, True)}}}", f"{places},"), (f'{{"...", {{{last - 1}, 0}}}}', f"..., {[last - 1, 0]}"),
            (f"{lx}:gt(0.1)", f"{px} > 0.1"), (f'{{{i}, "None", "..."}}', f"{i}, None, ..."),
            (f'{{{ints(places, True)}, "...", {ints([0] * len(places), True)}}}', f"{places}, ..., {[0] * len(places)}") if d > 1 else ("0", "0"),
        ])
        try:
            part = eval(f"{px}[{theirs}]", {"t": self.t, "torch": torch})
        except (IndexError, RuntimeError):
            return
        store = x.storage().data_ptr()  # a part of x itself: what PyTorch makes of that hangs on the order
        fits = [k for k, y in enumerate(self.t) if y.shape == part.shape and y.storage().data_ptr() != store]
        if fits and random.random() < .7:
            k = random.choice(fits)
            y, ours_y, theirs_y = self.t[k], f"t[{k + 1}]", f"t[{k}]"
        else:
            y = None
            ours_y = theirs_y = str(round(random.uniform(-1.5, 1.5), 2))
        self.guarded(x, y, f"{lx}[{ours}] = {ours_y}", f"{px}[{theirs}] = {theirs_y}")

    def end(self, i):
        """Backward from everything; → the results by name."""
        loss = 0
        for k, x in enumerate(self.t):
            if x.requires_grad:
                loss = loss + (x * num(k, *x.shape)).sum()
                self.lines.append(f"loss = loss + (t[{k + 1}] * num({k}, table.unpack(t[{k + 1}].shape))):sum()")
        loss.backward()
        self.lines.append("loss:backward()")
        found = {f"t{k}": x for k, x in enumerate(self.t)}
        for k in range(2):
            found[f"g{k}"] = self.t[k].grad if self.t[k].grad is not None else torch.zeros(self.shape)
        for k in range(len(self.t)):
            self.lines.append(f"out({i}, 't{k}', t[{k + 1}])")
        for k in range(2):
            self.lines.append(f"out({i}, 'g{k}', t[{k + 1}].grad or zeros({', '.join(map(str, self.shape))}))")
        return {name: x.detach().clone() for name, x in found.items()}

    def text(self, i):
        body = "\n".join("  " + line for line in self.lines)
        return f"""do
  local ok, e = pcall(function()
  local t, loss = {{}}, 0
{body}
  end)
  if not ok then print(("{i}|error||%s"):format(tostring(e):gsub("\\n.*", ""))) end
end
"""


wants, texts = [], []
with torch.autograd.graph.saved_tensors_hooks(lambda x: x.detach().clone(), lambda x: x):
    while len(wants) < SEQUENCES:
        s = Sequence()
        if not any(x.requires_grad for x in s.t):
            continue
        try:
            wants.append(s.end(len(wants)))
        except RuntimeError:  # PyTorch's own backward fails where a base of an expanded view was written
            continue
        texts.append(s.text(len(wants) - 1))
with scratch() as folder:
    script = os.path.join(folder, "sequences.lua")
    with open(script, "w") as f:
        f.write(LUA + "".join(texts))
    found = [{} for _ in wants]
    for line in suture(script).splitlines():
        i, name, shape, values = line.split("|", 3)
        found[int(i)][name] = values if name == "error" else (shape, [float(x) for x in values.split()])
bad = 0
for i, (want, got) in enumerate(zip(wants, found)):
    why = got.get("error")
    for name, x in want.items():
        if why:
            break
        if name not in got or got[name][0] != ",".join(map(str, x.shape)):
            why = f"{name} has shape {got.get(name, ('none',))[0]}, not {tuple(x.shape)}"
        elif max((abs(a - b) for a, b in zip(got[name][1], x.reshape(-1).tolist())), default=0) > BOUND * max(1, float(x.abs().max()) if x.numel() else 0):
            why = f"{name} is {got[name][1][:8]}, not {x.reshape(-1).tolist()[:8]}"
    if why:
        bad += 1
        if bad <= 5:
            print(f"sequence {i}: {why}\n{texts[i]}")
report(f"{SEQUENCES} sequences of views, changes in place and backward", bad, 0)
