"""The studies of examples/experiments in PyTorch: the same pictures, network and settings, draws of its own. Prints the
tables that the comments of the examples quote: python3 studies.py [NAME …]"""
import collections, os, subprocess, sys, tempfile, time
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.transforms import functional as T, InterpolationMode

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
torch.set_num_threads(1)
folder = tempfile.mkdtemp()
told = subprocess.run([TOP + "/suture", "-q", TOP + "/tests/parity/experiments/pictures.lua", folder], check=True,
                      capture_output=True, text=True).stdout.splitlines()
MEAN, STD = ([float(v) for v in line.split()] for line in told[:2])


def pictures(name):
    return torch.tensor(np.load(f"{folder}/{name}-x.npy")), torch.tensor(np.load(f"{folder}/{name}-y.npy"))


class Block(nn.Module):
    def __init__(self, a, b, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b)
        self.conv2, self.bn2 = nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b)
        self.more = b - a

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.more:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more // 2, self.more - self.more // 2))
        return F.relu(y + x)


class ResNet20(nn.Module):
    def __init__(self, trained=False):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        stage = lambda a, b: nn.Sequential(Block(a, b, b // a), Block(b, b, 1), Block(b, b, 1))
        self.layer1, self.layer2, self.layer3 = stage(16, 16), stage(16, 32), stage(32, 64)
        self.linear = nn.Linear(64, 8)
        for m in self.modules():
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(m.weight)
        if trained:
            self.load_state_dict(torch.load(folder + "/network.pth"))

    def parts(self, x):
        out = {"bn1": self.bn1(self.conv1(x))}
        x = F.relu(out["bn1"])
        for name in ("layer1", "layer2", "layer3"):
            x = out[name] = getattr(self, name)(x)
        return out

    def forward(self, x):
        return self.linear(self.parts(x)["layer3"].mean((2, 3)))


def freeze(m, names):
    """Parameters and statistics of these parts stand still."""
    m.train()
    for name in names:
        part = getattr(m, name)
        part.requires_grad_(False)
        part.eval()


def new_head(m):
    m.linear = nn.Linear(64, 8)
    return m


def fit(m, x, y, epochs, batch, lr, frozen=(), adam=False, loss=None, reduce=None):
    opt = torch.optim.Adam(m.parameters(), lr) if adam else torch.optim.SGD([p for p in m.parameters() if p.requires_grad], lr, 0.9)
    for _ in range(epochs):
        freeze(m, frozen)
        for rows in torch.randperm(len(y)).split(batch):
            opt.zero_grad()
            z = m(x[rows])
            (loss(z, x[rows], y[rows]) if loss else F.cross_entropy(z, y[rows])).backward()
            if reduce:
                reduce()
            opt.step()
    return m


@torch.no_grad()
def accuracy(m, x, y):
    m.eval()
    return (m(x).argmax(1) == y).float().mean().item()


class Results:
    def __init__(self, *by):
        self.by, self.rows = by, collections.OrderedDict()

    def add(self, *values):
        self.rows.setdefault(values[:len(self.by)], []).append(values[len(self.by)])

    def show(self, what):
        print("  ".join(self.by + ("n", what)))
        for key, values in self.rows.items():
            sd = " ± %.2g" % np.std(values, ddof=1) if len(values) > 1 else ""
            print("  ".join(map(str, key)), len(values), "%.4g%s" % (np.mean(values), sd))


def freezing():
    x, y = pictures("outline-8")
    val, parts = pictures("outline-val"), [("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",)]
    found = Results("frozen")
    for k in range(5):
        for s in range(3):
            torch.manual_seed(s)
            m = new_head(ResNet20(True))
            found.add(k, accuracy(fit(m, x, y, 8, 16, 0.01, sum(parts[:k], ())), *val))
    found.show("val acc")


def lottery():
    (x, y), (vx, vy) = pictures("classes-12"), pictures("classes-val")
    m, found = ResNet20(True), Results("ticket", "kept")
    x, vx = pooled(m, x)["layer2"], pooled(m, vx)["layer2"]

    def net(state=None):
        m = nn.Sequential(nn.BatchNorm1d(32, affine=False), nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8))
        if state:
            m.load_state_dict(state)
        return m

    def weights(m):
        return {n: p for n, p in m.named_parameters() if p.dim() > 1}

    def learn(m, mask):
        for n, p in weights(m).items():
            if mask:
                p.data *= mask[n]

        def cut():
            for n, p in weights(m).items():
                p.grad *= mask[n]
        return accuracy(fit(m, x, y, 40, 16, 0.02, reduce=cut if mask else None), vx, vy)

    def largest(score, part):
        return (score >= score.flatten().topk(max(1, int(part * score.numel())))[0].min()).float()

    for s in range(3):
        torch.manual_seed(s)
        start = net()
        begin = {k: v.clone() for k, v in start.state_dict().items()}
        found.add("dense", 1, learn(start, None))
        for part in (0.5, 0.2, 0.1, 0.05):
            mask = {n: largest(p.detach().abs(), part) for n, p in weights(start).items()}
            found.add("winning", part, learn(net(begin), mask))
            found.add("random", part, learn(net(begin), {n: largest(torch.rand_like(p), part) for n, p in weights(start).items()}))
    found.show("val acc")


def learning_curves():
    x, y = pictures("outline-20")
    val, found = pictures("outline-val"), Results("from", "pictures")
    for s in range(3):
        for k in (2, 5, 10, 20):
            rows = torch.cat([(y == c).nonzero()[:k, 0] for c in range(8)])
            for way in ("transfer", "scratch"):
                torch.manual_seed(s)
                m = new_head(ResNet20(True)) if way == "transfer" else ResNet20()
                fit(m, x[rows], y[rows], 15, 16, 0.01 if way == "transfer" else 0.1)
                found.add(way, k, accuracy(m, *val))
    found.show("val acc")


class Student(nn.Module):
    def __init__(self, teacher):
        super().__init__()
        self.stem = [teacher]
        self.rest = nn.Sequential(nn.Conv2d(16, 24, 3, 2), nn.BatchNorm2d(24), nn.ReLU(), nn.Conv2d(24, 32, 3, 2), nn.BatchNorm2d(32),
                                  nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 8))

    def forward(self, x):
        with torch.no_grad():
            x = self.stem[0].parts(x)["layer1"]
        return self.rest(x)


def distillation():
    x, y = pictures("source-60")
    val, found, teacher = pictures("source-val"), Results("taught"), ResNet20(True).eval()

    def taught(z, x, y, t=4, w=0.9):
        with torch.no_grad():
            q = teacher(x)
        kl = F.kl_div(F.log_softmax(z / t, 1), F.log_softmax(q / t, 1), reduction="batchmean", log_target=True)
        return (1 - w) * F.cross_entropy(z, y) + w * t * t * kl
    for s in range(3):
        for how in ("no", "yes"):
            torch.manual_seed(s)
            m = Student(teacher)
            found.add(how, accuracy(fit(m, x, y, 15, 16, 0.02, loss=taught if how == "yes" else None), *val))
    found.show("val acc")


def gradients():
    x, y = pictures("source-8")
    found = Results("net", "layer")

    class Layer(nn.Module):
        def __init__(self, c, norm, skip):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(c, c, 3, 1, 1, bias=False), nn.BatchNorm2d(c) if norm else nn.Identity()
            self.skip = skip

        def forward(self, x):
            y = F.relu(self.norm(self.conv(x)))
            return y + x if self.skip else y
    for s in range(3):
        for name, norm, skip in (("plain", False, False), ("batchnorm", True, False), ("skips", True, True)):
            torch.manual_seed(s)
            m = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.ReLU(), *[Layer(16, norm, skip) for _ in range(15)],
                              nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 8))
            F.cross_entropy(m(x), y).backward()
            convs = [p for n, p in m.named_parameters() if "conv.weight" in n or n == "0.weight"]
            for layer in range(0, 16, 5):
                found.add(name, layer + 1, convs[layer].grad.norm().item())
    found.show("norm")


@torch.no_grad()
def pooled(m, x):
    return {k: v.mean((2, 3)) for k, v in m.eval().parts(x).items()}


def probes():
    (x, y), (vx, vy) = pictures("classes-12"), pictures("classes-val")
    found = Results("network", "part")
    torch.manual_seed(0)
    for which, m in (("learnt", ResNet20(True)), ("random", ResNet20())):
        a, b = pooled(m, x), pooled(m, vx)
        for part in a:
            for s in range(3):
                torch.manual_seed(s)
                probe = nn.Sequential(nn.BatchNorm1d(a[part].shape[1], affine=False), nn.Linear(a[part].shape[1], 8))
                found.add(which, part, accuracy(fit(probe, a[part], y, 60, 32, 0.01, adam=True), b[part], vy))
    found.show("val acc")


def cka():
    x, y = pictures("outline-12")
    val, found, before = pictures("outline-val")[0], Results("before", "after"), ResNet20(True)

    @torch.no_grad()
    def grams(m):
        out = {}
        for k, v in m.eval().parts(val).items():
            v = v.flatten(1) - v.flatten(1).mean(0)
            out[k] = v @ v.T
        return out
    first = grams(before)
    for s in range(3):
        torch.manual_seed(s)
        second = grams(fit(new_head(ResNet20(True)), x, y, 8, 16, 0.01))
        for a, k in first.items():
            for b, l in second.items():
                found.add(a, b, ((k * l).sum() / (k.norm() * l.norm())).item())
    found.show("cka")


def robustness():
    x, y = pictures("raw-val")
    m, found = ResNet20(True).eval(), Results("change", "strength")
    changes = [("none", [0], lambda x, k: x), ("noise", [0.05, 0.1, 0.2], lambda x, k: (x + k * torch.randn_like(x)).clamp(0, 1)),
               ("blur", [0.5, 1, 2], lambda x, k: T.gaussian_blur(x, 7, k)),
               ("turned", [10, 30, 90], lambda x, k: T.rotate(x, k, InterpolationMode.BILINEAR)),
               ("contrast", [0.1, 0.3, 0.6], T.adjust_contrast), ("brightness", [0.2, 0.5, 1.5], T.adjust_brightness),
               ("hue", [0.1, 0.25, 0.5], T.adjust_hue)]
    for s in range(3):
        torch.manual_seed(s)
        for name, strengths, change in changes:
            for k in strengths:
                if s == 0 or name == "noise":
                    found.add(name, k, accuracy(m, T.normalize(change(x, k), MEAN, STD), y))
    found.show("acc")


def parallel_seeds():
    x, y = pictures("outline-8")
    val, found = pictures("outline-val"), Results("lr")
    for lr in (0.003, 0.03, 0.3):
        for s in range(8):
            torch.manual_seed(s)
            found.add(lr, accuracy(fit(new_head(ResNet20(True)), x, y, 8, 16, lr), *val))
    found.show("val acc")


def step_times():
    x, y = pictures("outline-16")
    found = Results("trains", "batch")
    for what, frozen in (("all", ()), ("layer3 and head", ("conv1", "bn1", "layer1", "layer2")),
                         ("head", ("conv1", "bn1", "layer1", "layer2", "layer3"))):
        m = new_head(ResNet20(True))
        freeze(m, frozen)
        opt = torch.optim.SGD([p for p in m.parameters() if p.requires_grad], 0.01, 0.9)
        for n in (1, 8, 32, 128):
            times, end = [], time.time() + 1
            while len(times) < 7 or time.time() < end:
                began = time.process_time()
                opt.zero_grad()
                F.cross_entropy(m(x[:n]), y[:n]).backward()
                opt.step()
                times.append(1e3 * (time.process_time() - began))
            found.add(what, n, float(np.median(times[2:])))
    found.show("ms of the processor")


for name in sys.argv[1:] or ["freezing", "lottery", "learning_curves", "distillation", "gradients", "probes", "cka",
                             "robustness", "parallel_seeds", "step_times"]:
    print("==", name, flush=True)
    began = time.process_time()
    globals()[name]()
    print("%.0f s of the processor" % (time.process_time() - began), flush=True)
