"""Every zoo model against PyTorch on the same random weights: names and shapes, logits in eval, and in train mode loss,
every gradient, running statistics, and five steps of SGD, Adam and AdamW. Checkpoints go both ways.

Gradients and steps are compared twice. A ReLU whose input is within rounding of zero may be open here and closed
there, and one such gate in half a million moves a gradient by a per cent; so the close comparison has SiLU in ReLU's
place in both networks, and the networks as they are get a bound on all gradients together."""
import os, sys
sys.path.insert(0, os.path.dirname(__file__))
from common import *
import torch.nn as nn
import torch.nn.functional as F
import torchvision

LOGITS, GRADIENTS, STEPS, GATES = 1e-4, 1e-3, 1e-3, 3e-2


class CifarBlock(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.widen = (cout - cin) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.widen:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.widen, self.widen))
        return F.relu(y + x)


class CifarResNet(nn.Module):
    """He et al. 2015, section 4.2, shortcut option A."""

    def __init__(self, depth, classes=10):
        super().__init__()
        n = (depth - 2) // 6
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        cin = 16
        for stage, width in enumerate((16, 32, 64), 1):
            blocks = []
            for i in range(n):
                blocks.append(CifarBlock(cin, width, 2 if stage > 1 and i == 0 else 1))
                cin = width
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(F.adaptive_avg_pool2d(x, 1).flatten(1))


def build(name):
    if name.startswith("cifar_resnet"):
        return CifarResNet(int(name[len("cifar_resnet"):])), 32
    return getattr(torchvision.models, name)(), 64


def roughen(net):
    """Statistics and affine parameters away from 0 and 1, so that each of them shows."""
    with torch.no_grad():
        for m in net.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.weight.uniform_(0.7, 1.3), m.bias.uniform_(-0.2, 0.2)
                m.running_mean.uniform_(-0.2, 0.2), m.running_var.uniform_(0.7, 1.3)


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=1e-4, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-3, weight_decay=1e-4),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=1e-2),
}


def smooth(net):
    for m in list(net.modules()):
        for name, child in m.named_children():
            if isinstance(child, nn.ReLU):
                setattr(m, name, nn.SiLU())
    return net


def together(ours, theirs):
    """Relative difference of all tensors taken as one vector."""
    a, b = (torch.cat([d[k].double().flatten() for k in theirs]) for d in (ours, theirs))
    return float((a - b).norm() / b.norm())


def gradients(net):
    return {k: p.grad for k, p in net.named_parameters()}


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
        net.train()
        logits = net(x)
        F.cross_entropy(logits, y).backward()
        report(f"{name} logits in train", largest(np.load(f"{d}/train.npy"), logits.detach().numpy()), GRADIENTS)
        report(f"{name} gradients as it is", together(load("grads"), gradients(net)), GATES)
        error, where = worst(load("after"), net.state_dict())
        report(f"{name} running statistics", error, LOGITS, where)

        smooth(net).load_state_dict(torch.load(f"{d}/start.pth"))
        net.zero_grad()
        relu, F.relu = F.relu, F.silu
        F.cross_entropy(net(x), y).backward()
        error, where = worst(load("grads_smooth"), gradients(net))
        report(f"{name} gradients", error, GRADIENTS, where)
        for kind, make in OPTIMIZERS.items():
            net.load_state_dict(torch.load(f"{d}/start.pth"))
            # in eval: five steps of batch statistics over 2x2 maps amplify rounding, and would compare chaos
            net.eval()
            opt = make(net.parameters())
            for _ in range(5):
                opt.zero_grad()
                F.cross_entropy(net(x), y).backward()
                opt.step()
            # all weights as one vector: Adam's first steps are the sign of a gradient, which rounding gives to those near zero
            report(f"{name} five steps of {kind}", together(load(kind), net.state_dict()), STEPS)
        F.relu = relu


ALL = [f"cifar_resnet{d}" for d in (20, 32, 44, 56, 110)] + """resnet18 resnet34 resnet50 resnet101 resnet152
    wide_resnet50_2 wide_resnet101_2 resnext50_32x4d resnext101_32x8d""".split()
SAMPLE = ["cifar_resnet20", "resnet18"]
for model in sys.argv[1:] or (ALL if os.environ.get("PARITY") == "all" else SAMPLE):
    check(model)
