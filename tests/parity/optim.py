"""Every optimizer with its options against torch.optim: twenty steps on a smooth problem, all of them taken, in float64 there."""
import os, sys
sys.path.insert(0, os.path.dirname(__file__))
from common import *

KINDS = [("SGD", o) for o in (
    dict(lr=0.1), dict(lr=0.1, momentum=0.9), dict(lr=0.1, momentum=0.9, nesterov=True), dict(lr=0.1, weight_decay=0.1),
    dict(lr=0.1, momentum=0.8, dampening=0.3, weight_decay=0.05), dict(lr=0.05, maximize=True))]
for name in ("Adam", "AdamW"):
    KINDS += [(name, o) for o in (
        dict(), dict(lr=0.01, weight_decay=0.1), dict(lr=0.02, betas=(0.7, 0.9), eps=1e-3), dict(lr=0.01, amsgrad=True),
        dict(lr=0.01, maximize=True))]
KINDS += [("RMSprop", o) for o in (dict(), dict(lr=0.02, alpha=0.9, eps=1e-4), dict(lr=0.01, momentum=0.5, weight_decay=0.1),
                                   dict(lr=0.01, centered=True))]
BOUND = 1e-5


def in_lua(v):
    if isinstance(v, dict):
        return "{" + ", ".join(f"{k} = {in_lua(x)}" for k, x in v.items()) + "}"
    if isinstance(v, tuple):
        return "{" + ", ".join(map(in_lua, v)) + "}"
    return str(v).lower()


torch.manual_seed(1)
start = {"x": torch.randn(40, 12), "y": torch.rand(40, 5), "w": torch.randn(12, 5) / 4, "b": torch.randn(5) / 4}
with scratch() as d:
    for k, t in start.items():
        np.save(f"{d}/{k}.npy", t.numpy())
    with open(f"{d}/kinds", "w") as f:
        f.writelines(f"{i} {name} {in_lua(o)}\n" for i, (name, o) in enumerate(KINDS))
    suture("tests/parity/optim.lua", d)
    for i, (name, options) in enumerate(KINDS):
        x, y, w, b = (start[k].double() for k in "xywb")
        w.requires_grad_(), b.requires_grad_()
        opt = getattr(torch.optim, name)([w, b], **options)
        for _ in range(20):
            opt.zero_grad()
            ((x @ w + b).tanh() - y).square().mean().backward()
            opt.step()
        for k, t in (("w", w), ("b", b)):
            moved = t.detach() - start[k].double()
            error = torch.from_numpy(np.load(f"{d}/{i}_{k}.npy")).double() - t.detach()
            report(f"{name} {options} {k}", float(error.norm() / moved.norm()), BOUND)
