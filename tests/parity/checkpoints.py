"""Checkpoints there and back: PyTorch's are read as tables, training goes on as it does there (an optimizer's memory, a
BatchNorm written by hand), and what is saved here is read there, shared storage shared."""
import os, sys, tempfile
sys.path.insert(0, os.path.dirname(__file__))
from common import *
import torchvision
from torch import nn
import torch.nn.functional as F


class Norm(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.ones(1, n)), nn.Parameter(torch.zeros(1, n))
        self.register_buffer("mean", torch.zeros(1, n))
        self.register_buffer("var", torch.ones(1, n))

    def forward(self, x):
        if not self.training:
            return self.gamma * (x - self.mean) / torch.sqrt(self.var + 1e-5) + self.beta
        mean = x.mean(0, keepdim=True)
        var = ((x - mean) ** 2).mean(0, keepdim=True)
        self.mean.mul_(0.9).add_(0.1 * mean.detach())
        self.var = 0.9 * self.var + 0.1 * var.data
        return self.gamma * (x - mean) / torch.sqrt(var + 1e-5) + self.beta


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.norm, self.fc2 = nn.Linear(6, 5, bias=False), Norm(5), nn.Linear(5, 3)

    def forward(self, x):
        a = self.norm(self.fc1(x))
        return self.fc2(F.relu(a) + (a.round() - a).detach())


def tell(name, good, what):
    print(f"{'ok' if good else 'FAIL'} {name}: {what}")


def train(m, opt, x, y, steps):
    for _ in range(steps):
        opt.zero_grad()
        F.cross_entropy(m(x), y).backward()
        opt.step()


torch.manual_seed(5)
with tempfile.TemporaryDirectory() as folder:
    r = torchvision.models.resnet18(weights=None, num_classes=7)
    torch.save({"epoch": 90, "arch": "resnet18", "best_acc1": torch.tensor(71.5), "state_dict": r.state_dict(),
                "optimizer": torch.optim.SGD(r.parameters(), lr=0.1).state_dict()}, folder + "/resnet.pth")
    for kind, options in (("SGD", dict(lr=0.05, momentum=0.9, weight_decay=1e-3)), ("Adam", dict(lr=0.02)),
                          ("RMSprop", dict(lr=0.01, momentum=0.5))):
        m = Net()
        opt = getattr(torch.optim, kind)(m.parameters(), **options)
        x, y = torch.randn(8, 6), torch.randint(0, 3, (8,))
        train(m, opt, x, y, 4)
        torch.save({"model": m.state_dict(), "optimizer": opt.state_dict(), "epoch": 4, "best": torch.tensor(71.5), "x": x,
                    "y": y, "note": "häß"}, f"{folder}/{kind}.pth")
        train(m, opt, x, y, 5)
        said = suture("tests/parity/checkpoints.lua", kind, folder)
        end = torch.load(f"{folder}/{kind}-end.pth")
        off = max(largest(end["model"][k], v) for k, v in m.state_dict().items())
        off = max(off, largest(end["eval"], m.eval()(x).detach()))
        tell(kind, off < 1e-4, f"five more steps here, {off:.1e}")
        ours = torch.load(f"{folder}/{kind}-suture.pth")
        n = Net()
        n.load_state_dict(ours["model"])
        again = getattr(torch.optim, kind)(n.parameters(), lr=1)
        again.load_state_dict(ours["optimizer"])
        train(n, again, x, y, 2)
        off = max(largest(n.state_dict()[k], v) for k, v in m.state_dict().items())
        tell(kind + " back", off < 1e-4, f"three here, two there, {off:.1e}")
        v = ours["views"]
        shared = len({t.storage().data_ptr() for t in v}) == 1
        same = torch.equal(v[0], x) and torch.equal(v[1], x[1]) and torch.equal(v[2], x.t())
        tell(kind + " views", shared and same and ours["epoch"] == 5 and ours["note"] == "häß" and float(ours["best"]) == 71.5,
               "shared storage, numbers, text")
    tell("figures beside a state dict", said.split() == ["ResNet", "7"], said.strip())
