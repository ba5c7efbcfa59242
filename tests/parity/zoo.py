"""Every model of the zoo that torchvision has against torchvision's: names, shapes and order of parameters and buffers; logits
in eval on the same random weights; and of the smallest of each family, in training without its random parts, logits, running
statistics and every gradient. A sample of the smallest unless all are asked for; names of models check those.

The weights are drawn so that what goes wrong anywhere is seen in the logits: BatchNorm's statistics are about what runs through,
its affine parameters and constant parameters (biases, scales of layers) are drawn too. That rounding is not seen, the last
normalisation of each residual branch is small (see models.py); where a bound does not hold, training.py has the measure.
Where every model is asked for, models.py does the ResNets."""
import functools, inspect, json, os, sys
sys.path.insert(0, os.path.dirname(__file__))
from common import *
from training import *
import torch.nn as nn
import torchvision

LOGITS, GRADIENTS, LARGEST = 1e-4, 2e-3, 100_000_000
def known():
    """Names of models → what their families' files tell: `family`; `also`, architectures checked besides the smallest; and
    of test.parity `size` of the pictures (64), `without`, parts to leave out, `last`, the last normalisation of residual
    branches (ends of paths, the first that a block has), `arguments` for torchvision, `batch_norm`, eps and momentum."""
    return json.loads(suture("tests/parity/zoo.lua", "list"))


def build(name):
    net = getattr(torchvision.models, name)(**FACTS[name].get("arguments", {}))
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d) and FACTS[name].get("batch_norm"):
            m.eps, m.momentum = FACTS[name]["batch_norm"]
    return net


def undrawn(f):
    """f() while torch.nn.init does nothing, for models of which only the shapes are looked at"""
    saved = {k: v for k, v in vars(nn.init).items() if k.endswith("_") and inspect.isfunction(v) and not k.startswith("_")}
    for k in saved:
        setattr(nn.init, k, lambda t, *args, **kwargs: t)
    try:
        return f()
    finally:
        for k, v in saved.items():
            setattr(nn.init, k, v)


def first(y):
    return y[0] if isinstance(y, tuple) else y


def settle(norm, args):
    """Statistics of BatchNorm that are about those of what comes in"""
    x, about = args[0], torch.empty_like(norm.running_mean)
    norm.running_mean.copy_(x.mean((0, 2, 3)) + x.std((0, 2, 3)) * about.uniform_(-0.2, 0.2))
    norm.running_var.copy_(x.var((0, 2, 3)) * about.uniform_(0.7, 1.3))


def roughen(net, x, last):
    with torch.no_grad():
        for m in net.modules():
            for p in m.parameters(recurse=False):
                if p.numel() > 1 and p.std() == 0:
                    p.add_(torch.empty_like(p).uniform_(-0.1, 0.1)) if p.max() == 0 else p.uniform_(0.1, 0.3)
        norms = [m for m in net.modules() if isinstance(m, (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm))]
        for m in norms:
            m.weight.uniform_(0.7, 1.3), m.bias.uniform_(-0.2, 0.2)
        ends = {}  # of each block (the path before the end), the first of the ends that it has
        for path, m in net.named_modules():
            for rank, end in enumerate(last):
                if path.endswith("." + end) and isinstance(m, nn.BatchNorm2d):
                    block = path[: -len(end)]
                    if block not in ends or rank < ends[block][0]:
                        ends[block] = rank, m
        for _, m in ends.values():
            m.weight.uniform_(0.1, 0.3)
        hooks = [m.register_forward_pre_hook(settle) for m in norms if isinstance(m, nn.BatchNorm2d)]
        net.eval()(x)
        for hook in hooks:
            hook.remove()


def still(net):
    """The network without its random parts"""
    for m in net.modules():
        if isinstance(m, (nn.Dropout, nn.Dropout2d, torchvision.ops.StochasticDepth)):
            m.p = 0.0
    return net


def use(net, x):
    """→ logits in eval"""
    return {"logits": net.eval()(x.double())}


def train(net, x, y):
    """→ logits, gradients, state dict after a pass in train mode"""
    net = copy.deepcopy(net).train()
    logits = first(net(x.to(next(net.parameters()).dtype)))
    F.cross_entropy(logits, y).backward()
    grads = {k: p.grad for k, p in net.named_parameters() if p.grad is not None}
    return {"logits": logits.detach()}, grads, net.state_dict()


def without_noise(ours, exact):
    """Gradients that are nothing but rounding (of a bias before BatchNorm) compare as zeros."""
    most = max(float(g.norm()) / g.numel() ** 0.5 for g in exact.values())
    none = [k for k, g in exact.items() if float(g.norm()) / g.numel() ** 0.5 < 1e-6 * most]
    return [{k: torch.zeros_like(g) if k in none and float(g.double().norm()) / g.numel() ** 0.5 < 1e-4 * most else g for k, g in d.items()}
            for d in (ours, exact)]


def check(name, training):
    torch.manual_seed(len(name))
    net, facts = build(name), FACTS[name]
    without = facts.get("without", [])
    for part in without:
        setattr(net, part, None)
    size = facts.get("size", 64)
    x, y = torch.randn(2 if size > 200 else 4, 3, size, size), torch.arange(2 if size > 200 else 4) * 3 + 1
    roughen(net, x, facts.get("last", []))
    net.eval()
    with scratch() as d:
        torch.save(net.state_dict(), f"{d}/start.pth")
        np.save(f"{d}/x.npy", x.numpy()), np.save(f"{d}/y.npy", y.numpy())
        suture("tests/parity/zoo.lua", "run", name, d, *without)
        exact = still(net).double()
        with torch.no_grad():
            judge(f"{name} logits in eval", {"logits": torch.from_numpy(np.load(f"{d}/eval.npy"))}, use(exact, x), LOGITS,
                  lambda: (use(noisy(exact, i), x) for i in range(DRAWS)))
        if not training:
            return
        suture("tests/parity/zoo.lua", "train", name, d, *without)
        logits, gradients, after = train(exact, x, y)
        peer = functools.cache(lambda i: train(noisy(exact, i), x, y))
        judge(f"{name} logits in train", {"logits": torch.from_numpy(np.load(f"{d}/train.npy"))}, logits, LOGITS,
              lambda: (peer(i)[0] for i in range(DRAWS)))
        ours, gradients = without_noise(torch.load(f"{d}/grads.pth"), gradients)
        judge(f"{name} gradients", ours, gradients, GRADIENTS, lambda: (peer(i)[1] for i in range(DRAWS)))
        if any("running" in k for k in after):
            judge(f"{name} running statistics", torch.load(f"{d}/after.pth"), after, LOGITS, lambda: (peer(i)[2] for i in range(DRAWS)))


def compare_shapes(names):
    """Reports where the tensors of a model differ from torchvision's; returns how many parameters each model has."""
    ours, counts = {}, {}
    for line in suture("tests/parity/zoo.lua", "shapes", *names).splitlines():
        kind, name, *shape = line.split("\t")
        if kind == "model":
            tensors = ours.setdefault(name, [])
        else:
            tensors.append((kind, name, [int(n) for n in " ".join(shape).split()]))
    for name in names:
        net = undrawn(lambda: build(name))
        learns = dict(net.named_parameters())
        theirs = [("parameter" if k in learns else "buffer", k, list(t.shape)) for k, t in net.state_dict().items()]
        counts[name] = sum(p.numel() for p in net.parameters())
        off = [a for a, b in zip(ours[name], theirs) if a != b] + ours[name][len(theirs):] + theirs[len(ours[name]):]
        report(f"{name} names, shapes and order", len(off), 0, str(off[:2]) if off else "")
    return counts


def main():
    asked = sys.argv[1:]
    names = asked or [n for n in FACTS if hasattr(torchvision.models, n)]
    if ALL and not asked:
        names = [n for n in names if FACTS[n]["family"] != "resnet"]
    counts = compare_shapes(names)
    smallest, also = {}, set()
    for name in sorted(names, key=counts.get):
        smallest.setdefault(FACTS[name]["family"], name)
        also.update(FACTS[name].get("also", []))
    training = list(smallest.values()) + ([n for n in names if n in also] if ALL or asked else [])
    for name in names:
        if counts[name] <= LARGEST and (ALL or asked or name in training):
            check(name, name in training)


FACTS = known()
main()
