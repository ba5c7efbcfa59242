"""Every zoo model against PyTorch on the same random weights: names and shapes, logits in eval, and in train mode loss,
every gradient, running statistics, and five steps of SGD, Adam and AdamW. Checkpoints go both ways.

The reference for training is PyTorch in float64. A deep network drawn at random is chaotic: rounding in its first layer
grows a thousandfold on the way, and float32 and float64 of PyTorch itself part by a tenth. Trained residual networks are
not like that, for their branches add little to what they branch from; so the last BatchNorm of each branch is drawn small
(gamma 0.1 to 0.3). What remains is the kink: a ReLU whose input is within rounding of zero is open here and closed there.
So gradients are compared twice: as the network is, and with SiLU in ReLU's place, as the five steps are. Where a bound does
not hold, the measure is that of training.py."""
import copy, functools, os, sys
sys.path.insert(0, os.path.dirname(__file__))
from common import *
from training import *
import torch.nn as nn
import torch.nn.functional as F
import torchvision
from cifar import CifarResNet

LOGITS, GRADIENTS, STEPS, MOVES = 1e-4, 1e-3, 1e-3, 3e-2


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


def five_steps(net, x, y, make):
    net = copy.deepcopy(net).train()
    x, opt = x.to(next(net.parameters()).dtype), make(net.parameters())
    for _ in range(5):
        opt.zero_grad()
        F.cross_entropy(net(x), y).backward()
        opt.step()
    return net.state_dict()


def astray(start, ours, exact):
    """How far all parameters together have gone from where they should, relative to the way they should have gone."""
    names = [k for k in exact if "running" not in k and "num_batches" not in k]
    off = sum(float((ours[k].double() - exact[k]).norm()) ** 2 for k in names)
    return (off / sum(float((exact[k] - start[k]).norm()) ** 2 for k in names)) ** 0.5


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
        judge(f"{name} gradients", load("grads"), gradients, GRADIENTS,
              lambda: [one_pass(noisy(exact, i), x, y)[1] for i in range(DRAWS)])
        judge(f"{name} running statistics", load("after"), after, LOGITS)

        smooth(exact)
        relu, F.relu = F.relu, F.silu
        judge(f"{name} gradients with SiLU", load("grads_smooth"), one_pass(exact, x, y)[1], GRADIENTS)
        start = exact.state_dict()
        for kind, make in OPTIMIZERS.items():
            ours, state = load(kind), five_steps(exact, x, y, make)
            wandered = functools.lru_cache(lambda make=make: [five_steps(noisy(exact, 0), x, y, make)])
            judge(f"{name} five steps of {kind}", ours, state, STEPS, wandered)
            error = astray(start, ours, state)
            allowed = MOVES if error <= MOVES else SLACK * astray(start, wandered()[0], state)
            report(f"{name} moves in five steps of {kind}", error, allowed)
        F.relu = relu


EVERY = [f"cifar_resnet{d}" for d in (20, 32, 44, 56, 110)] + """resnet18 resnet34 resnet50 resnet101 resnet152
    wide_resnet50_2 wide_resnet101_2 resnext50_32x4d resnext101_32x8d""".split()
SAMPLE = "cifar_resnet20 resnet18 resnext50_32x4d".split() # a small one of each kind
for model in sys.argv[1:] or (EVERY if ALL else SAMPLE):
    check(model)
