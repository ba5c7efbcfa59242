"""Every learning-rate scheduler against torch.optim.lr_scheduler: rates and momenta of two groups over 40 steps."""
import os, sys, warnings
sys.path.insert(0, os.path.dirname(__file__))
from common import *
from torch.optim import lr_scheduler as S
from torch.optim.swa_utils import SWALR

warnings.simplefilter("ignore")


def lua(v):
    if isinstance(v, dict):
        return "{" + ", ".join(f"{k} = {lua(x)}" for k, x in v.items()) + "}"
    if isinstance(v, list):
        return "{" + ", ".join(map(lua, v)) + "}"
    return f'"{v}"' if isinstance(v, str) else str(v).lower() if isinstance(v, bool) else repr(v)


class Case:
    """A scheduler by its class's name and options; `parts` for those made of others; `step`: what step(…) is given."""

    def __init__(self, name, parts=None, step="", kind="SGD", opt=None, functions=None, **options):
        self.name, self.parts, self.step, self.kind, self.options = name, parts, step, kind, options
        self.opt = opt or (dict(lr=0.1, momentum=0.9) if kind == "SGD" else dict(lr=0.1))
        self.functions = functions or {}

    def torch(self, opt):
        given = dict(self.options, **{k: eval("lambda e: " + f) for k, f in self.functions.items()})
        if self.parts:
            parts = [p.torch(opt) for p in self.parts]
            return S.ChainedScheduler(parts) if self.name == "ChainedScheduler" else S.SequentialLR(opt, parts, **given)
        return (SWALR if self.name == "SWALR" else getattr(S, self.name))(opt, **given)

    def lua(self):
        given = [f"{k} = {lua(v)}" for k, v in self.options.items()]
        given += [f"{k} = function(e) return {f.replace('**', '^')} end" for k, f in self.functions.items()]
        if self.parts:
            parts = "{" + ", ".join(p.lua() for p in self.parts) + "}"
            return f"S.ChainedScheduler({parts})" if self.name == "ChainedScheduler" else \
                f"S.SequentialLR(opt, {{schedulers = {parts}, {', '.join(given)}}})"
        return f"S.{self.name}(opt, {{{', '.join(given)}}})"


CASES = [
    Case("LambdaLR", functions={"lr_lambda": "0.9 ** e"}), Case("MultiplicativeLR", functions={"lr_lambda": "1 - 0.01 * e"}),
    Case("StepLR", step_size=7), Case("StepLR", step_size=3, gamma=0.7), Case("StepLR", step_size=3, step="i * 2 % 11"),
    Case("MultiStepLR", milestones=[3, 9, 9, 20]), Case("MultiStepLR", milestones=[5], gamma=0.3, step="40 - i"),
    Case("ConstantLR"), Case("ConstantLR", factor=0.2, total_iters=12), Case("ConstantLR", step="i % 9"),
    Case("LinearLR"), Case("LinearLR", start_factor=0.5, end_factor=0.1, total_iters=20), Case("LinearLR", step="i % 9"),
    Case("ExponentialLR", gamma=0.93), Case("ExponentialLR", gamma=0.9, step="i % 9"),
    Case("PolynomialLR"), Case("PolynomialLR", total_iters=30, power=2.0), Case("PolynomialLR", step="i % 9"),
    Case("CosineAnnealingLR", T_max=11), Case("CosineAnnealingLR", T_max=30, eta_min=0.01), Case("CosineAnnealingLR", T_max=8, step="i % 9"),
    Case("CosineAnnealingWarmRestarts", T_0=5), Case("CosineAnnealingWarmRestarts", T_0=4, T_mult=2, eta_min=0.001),
    Case("CosineAnnealingWarmRestarts", T_0=3, T_mult=3, step="i / 3"), Case("CosineAnnealingWarmRestarts", T_0=6, step="i / 2"),
    Case("OneCycleLR", max_lr=0.5, total_steps=45), Case("OneCycleLR", max_lr=[0.5, 0.2], epochs=5, steps_per_epoch=9, three_phase=True),
    Case("OneCycleLR", max_lr=0.4, total_steps=41, pct_start=0.4, anneal_strategy="linear", div_factor=10.0, final_div_factor=100.0),
    Case("OneCycleLR", kind="Adam", max_lr=0.5, total_steps=45), Case("OneCycleLR", max_lr=0.5, total_steps=45, cycle_momentum=False),
    Case("CyclicLR", base_lr=0.01, max_lr=0.2, step_size_up=7), Case("CyclicLR", base_lr=[0.01, 0.02], max_lr=0.2, step_size_up=5, step_size_down=9, mode="triangular2"),
    Case("CyclicLR", base_lr=0.01, max_lr=0.2, step_size_up=4, mode="exp_range", gamma=0.95, base_momentum=0.7, max_momentum=0.99),
    Case("CyclicLR", kind="Adam", base_lr=0.01, max_lr=0.2, step_size_up=4, cycle_momentum=False, functions={"scale_fn": "1 / (1 + e)"}, scale_mode="iterations"),
    Case("ReduceLROnPlateau", step="1 / (1 + i % 13)", patience=3), Case("ReduceLROnPlateau", step="i % 5", mode="max", factor=0.5, patience=1, cooldown=2, min_lr=0.02),
    Case("ReduceLROnPlateau", step="10 - i / 10", threshold=0.2, threshold_mode="abs", patience=2), Case("ReduceLROnPlateau", step="3 - i / 20", threshold=0.1, patience=2, factor=0.7),
    Case("SWALR", swa_lr=0.02), Case("SWALR", swa_lr=[0.2, 0.01], anneal_epochs=4, anneal_strategy="linear"), Case("SWALR", swa_lr=0.3, anneal_epochs=0),
    Case("SequentialLR", parts=[Case("ConstantLR", factor=0.1, total_iters=2), Case("ExponentialLR", gamma=0.9)], milestones=[6]),
    Case("SequentialLR", parts=[Case("LinearLR"), Case("CosineAnnealingLR", T_max=15), Case("StepLR", step_size=4)], milestones=[5, 20]),
    Case("ChainedScheduler", parts=[Case("LinearLR", total_iters=6), Case("ExponentialLR", gamma=0.95)]),
]

with scratch() as d:
    with open(f"{d}/cases", "w") as f:
        for c in CASES:
            f.write(f"local opt = make({lua(c.kind)}, {lua(c.opt)}) return opt, {c.lua()}\t{c.step or 'nil'}\n")
    got = suture("tests/parity/schedule.lua", f"{d}/cases").splitlines()
for c, line in zip(CASES, got, strict=True):
    w, b = torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(2))
    opt = getattr(torch.optim, c.kind)([{"params": [w]}, {"params": [b], "lr": 0.03}], **c.opt)
    s, want = c.torch(opt), []
    for i in range(40):
        for g in opt.param_groups:
            want += [g["lr"], g["momentum"] if c.kind == "SGD" else g["betas"][0]]
        opt.step()
        s.step(eval(c.step.replace("//", "/"))) if c.step else s.step()
    off = max(abs(float(a) - e) / max(abs(e), 1e-9) for a, e in zip(line.split(), want, strict=True))
    report(f"{c.name} {c.options or ''} {c.functions or ''} {c.step}", off, 1e-9)
