"""Every optimizer there is, with its options, against torch.optim: twenty steps on a smooth problem, all of them taken,
in float64 there. Each option is tried by itself, then all together."""
import os, sys
sys.path.insert(0, os.path.dirname(__file__))
from common import *

# Others are flags.
TRY = dict(lr=0.02, momentum=0.9, dampening=0.3, weight_decay=0.1, betas=(0.7, 0.9), eps=1e-3, alpha=0.9,
           lr_decay=0.1, initial_accumulator_value=0.2, rho=0.8, lambd=0.1, t0=5, etas=(0.4, 1.3), step_sizes=(1e-3, 0.05),
           momentum_decay=0.1)
NEEDS = dict(nesterov=dict(momentum=0.9), dampening=dict(momentum=0.8))
APART = {"nesterov"}  # not together with all others


def cases(options):
    """options: name=default as Suture has them → the keyword arguments to try"""
    names = [o.partition("=")[0] for o in options.split()]
    base = {} if "lr=" in options else {"lr": 0.1}
    unlike = {n: TRY.get(n, True) for n in names}
    yield base
    for n in names:
        yield {**base, **NEEDS.get(n, {}), n: unlike[n]}
    yield {n: v for n, v in unlike.items() if n not in APART}


LISTED = sorted(line.split("\t") for line in suture("tests/parity/optim.lua", "kinds").splitlines())
KINDS = [(name, o) for name, options in LISTED for o in cases(options)]
BOUND, STEPS = 1e-5, 20


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
    with open(f"{d}/cases", "w") as f:
        f.writelines(f"{i} {name} {in_lua(o)}\n" for i, (name, o) in enumerate(KINDS))
    suture("tests/parity/optim.lua", d)
    for i, (name, options) in enumerate(KINDS):
        x, y, w, b = (start[k].double() for k in "xywb")
        w.requires_grad_(), b.requires_grad_()
        opt = getattr(torch.optim, name)([w, b], **options)
        for _ in range(STEPS):
            opt.zero_grad()
            ((x @ w + b).tanh() - y).square().mean().backward()
            opt.step()
        for k, t in (("w", w), ("b", b)):
            moved = t.detach() - start[k].double()
            error = torch.from_numpy(np.load(f"{d}/{i}_{k}.npy")).double() - t.detach()
            # each step rounds the parameter to float32
            rounded = STEPS ** 0.5 * 2.0 ** -24 * float(t.norm() / moved.norm())
            report(f"{name} {options} {k}", float(error.norm() / moved.norm()), BOUND + rounded)
