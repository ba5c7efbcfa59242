"""Every zoo model against PyTorch on the same random weights: names and shapes, logits in eval, and in train mode loss,
every gradient, running statistics, and five steps of SGD, Adam and AdamW. Checkpoints go both ways.

The reference for training is PyTorch in float64. A deep network drawn at random is chaotic: rounding in its first layer
grows a thousandfold on the way, and float32 and float64 of PyTorch itself part by a tenth. Trained residual networks are
not like that, for their branches add little to what they branch from; so the last BatchNorm of each branch is drawn small
(gamma 0.1 to 0.3). What remains is the kink: a ReLU whose input is within rounding of zero is open here and closed there.
So gradients are compared twice: as the network is, where they may be off by SLACK times what PyTorch's are when every
convolution's result moves by ROUNDING of its largest value (twice what its float32 convolutions are off by); and with SiLU
in ReLU's place, as the five steps are, where the bounds hold for every tensor as they stand."""
import copy, os, sys
sys.path.insert(0, os.path.dirname(__file__))
from common import *
import torch.nn as nn
import torch.nn.functional as F
import torchvision
from cifar import CifarResNet

LOGITS, GRADIENTS, STEPS, MOVES = 1e-4, 1e-3, 1e-3, 5e-2
SLACK, ROUNDING, DRAWS = 3, 5e-7, 2


def build(name):
    if name.startswith("cifar_resnet"):
        return CifarResNet(int(name[len("cifar_resnet"):])), 32
    return getattr(torchvision.models, name)(), 64


def roughen(net):
    """Statistics and affine parameters away from 0 and 1, so that each of them shows; quiet residual branches."""
    with torch.no_grad():
        for m in net.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.weight.uniform_(0.7, 1.3), m.bias.uniform_(-0.2, 0.2)
                m.running_mean.uniform_(-0.2, 0.2), m.running_var.uniform_(0.7, 1.3)
        for m in net.modules():
            if hasattr(m, "bn2"):
                getattr(m, "bn3", m.bn2).weight.uniform_(0.1, 0.3)


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=1e-4, momentum=0.9, weight_decay=1e-4, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-5, weight_decay=1e-4),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-5, weight_decay=1e-2),
}


def smooth(net):
    for m in list(net.modules()):
        for name, child in m.named_children():
            if isinstance(child, nn.ReLU):
                setattr(m, name, nn.SiLU())


def noisy(net, draw):
    """The network with every convolution's result moved at random by at most ROUNDING of its largest value."""
    g = torch.Generator().manual_seed(draw)

    def move(module, args, y):
        return y + (2 * torch.rand(y.shape, generator=g, dtype=y.dtype) - 1) * ROUNDING * y.detach().abs().max()

    net = copy.deepcopy(net)
    for m in net.modules():
        if isinstance(m, nn.Conv2d):
            m.register_forward_hook(move)
    return net


def one_pass(net, x, y):
    """→ logits, gradients, state dict after a pass in train mode"""
    net = copy.deepcopy(net).train()
    logits = net(x.to(next(net.parameters()).dtype))
    F.cross_entropy(logits, y).backward()
    return {"logits": logits.detach()}, {k: p.grad for k, p in net.named_parameters()}, net.state_dict()


def five_steps(net, x, y, make):
    net = copy.deepcopy(net).train()
    x, opt = x.to(next(net.parameters()).dtype), make(net.parameters())
    for _ in range(5):
        opt.zero_grad()
        F.cross_entropy(net(x), y).backward()
        opt.step()
    return net.state_dict()


def judge(name, ours, exact, bound, peers=()):
    """Reports the tensor that is farthest from the reference, as a part of what it may be off by."""
    if list(ours) != list(exact):
        return report(name, float("inf"), bound, f"names differ: {sorted(set(ours) ^ set(exact))[:4]}")
    found = (0.0, 0.0, bound, "-")
    for k, e in exact.items():
        error = distance(ours[k], e)
        allowed = max([bound] + [SLACK * distance(p[k], e) for p in peers])
        found = max(found, (error / allowed, error, allowed, k))
    return report(name, *found[1:])


def check(name):
    torch.manual_seed(len(name))
    net, size = build(name)
    roughen(net)
    x, y = torch.randn(4, 3, size, size), torch.tensor([1, 3, 5, 7])
    with scratch() as d:
        torch.save(net.state_dict(), f"{d}/start.pth")
        np.save(f"{d}/x.npy", x.numpy())
        suture("tests/parity/model.lua", name, d)
        load = lambda f: torch.load(f"{d}/{f}.pth")

        report(f"{name} names and shapes", worst(load("start_ours"), net.state_dict())[0], 0)
        net.eval()
        with torch.no_grad():
            report(f"{name} logits in eval", largest(np.load(f"{d}/eval.npy"), net(x).numpy()), LOGITS)
        exact = net.double()
        logits, gradients, after = one_pass(exact, x, y)
        judge(f"{name} logits in train", {"logits": torch.from_numpy(np.load(f"{d}/train.npy"))}, logits, LOGITS)
        judge(f"{name} gradients", load("grads"), gradients, GRADIENTS, [one_pass(noisy(exact, i), x, y)[1] for i in range(DRAWS)])
        judge(f"{name} running statistics", load("after"), after, LOGITS)

        smooth(exact)
        relu, F.relu = F.relu, F.silu
        judge(f"{name} gradients with SiLU", load("grads_smooth"), one_pass(exact, x, y)[1], GRADIENTS)
        start = exact.state_dict()
        for kind, make in OPTIMIZERS.items():
            ours, state = load(kind), five_steps(exact, x, y, make)
            judge(f"{name} five steps of {kind}", ours, state, STEPS)
            moves = {k: (state[k] - start[k], ours[k] - start[k]) for k, _ in exact.named_parameters()}
            floor = {k: ROUNDING * float(start[k].norm()) for k in moves}
            error, where = max((max(0.0, float((b - a).norm()) - floor[k]) / float(a.norm()), k) for k, (a, b) in moves.items())
            report(f"{name} moves by five steps of {kind}", error, MOVES, where)
        F.relu = relu


ALL = [f"cifar_resnet{d}" for d in (20, 32, 44, 56, 110)] + """resnet18 resnet34 resnet50 resnet101 resnet152
    wide_resnet50_2 wide_resnet101_2 resnext50_32x4d resnext101_32x8d""".split()
for model in sys.argv[1:] or ALL:
    check(model)
