"""What fit takes, against PyTorch: every optimizer by name, the schedules, accumulation, clipping, class weights, averages,
rates by glob, mixing: the loss of 50 steps from the same numbers and batches, within 1e-3."""
import copy, math, os, sys, warnings
sys.path.insert(0, os.path.dirname(__file__))
from common import *
import torch.nn as nn
import torch.nn.functional as F
from torch.optim import lr_scheduler as S
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn

warnings.simplefilter("ignore")
torch.set_num_threads(1)
EPOCHS, BATCH, STEPS, WITHIN = 10, 16, 50, 1e-3


def net_of(name):
    if name == "plain":
        return nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(200, 4))
    if name == "flat":  # a convex problem: what a line search finds there does not turn on the last bit
        return nn.Sequential(nn.Flatten(), nn.Linear(432, 4))
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(200, 4))


class Case:
    """lua: options of fit. opt(m) → optimizer; sched(opt) → scheduler, stepped by epoch or step; the rest as named."""

    def __init__(self, name, lua, opt=None, sched=None, by="epoch", net="plain", accumulate=1, clip=None, clip_value=None,
                 loss=F.cross_entropy, ema=None, swa=None, mixed=False, closure=False, batch=BATCH, epochs=EPOCHS, plateau=False):
        self.__dict__.update({k: v for k, v in locals().items() if k != "self"})
        self.opt = opt or (lambda m: torch.optim.SGD(m.parameters(), lr=0.01, momentum=0.9))


def sgd(**o):
    return lambda m: torch.optim.SGD(m.parameters(), **{"lr": 0.01, "momentum": 0.9, **o})


def by_name(m, pick, **o):
    groups = {}
    for k, p in m.named_parameters():
        groups.setdefault(tuple(pick(k, p).items()), []).append(p)
    return torch.optim.SGD([{"params": ps, **dict(key)} for key, ps in groups.items()], lr=0.01, momentum=0.9, **o)


def warmed(main, k, factor=0.01):
    return lambda opt: S.SequentialLR(opt, [S.LinearLR(opt, start_factor=factor, total_iters=k), main(opt)], milestones=[k])


weights = torch.tensor([1., 2., 0.5, 3.])
CASES = [Case(f"optimizer {k}", f'{{optimizer = "{k.lower()}"}}', opt=(lambda k: lambda m: getattr(torch.optim, k)(m.parameters()))(k))
         for k in sorted(suture("tests/parity/recipes.lua", "kinds").split()) if k not in ("SGD", "LBFGS")]
CASES += [
    Case("sgd, all options", '{lr = 0.02, momentum = 0.8, nesterov = true, weight_decay = 0.01}', sgd(lr=0.02, momentum=0.8, nesterov=True, weight_decay=0.01)),
    Case("lbfgs", '{optimizer = "lbfgs", line_search_fn = "none", lr = 0.5, max_iter = 4, label_smoothing = 0.2, epochs = 50, batch = 80}', lambda m: torch.optim.LBFGS(m.parameters(), lr=0.5, max_iter=4), closure=True, net="flat", loss=lambda a, y: F.cross_entropy(a, y, label_smoothing=0.2), batch=80, epochs=50),
    Case("lbfgs, strong_wolfe", '{optimizer = "lbfgs", line_search_fn = "strong_wolfe", max_iter = 3, history_size = 5, label_smoothing = 0.2, epochs = 50, batch = 80}',
         lambda m: torch.optim.LBFGS(m.parameters(), max_iter=3, history_size=5, line_search_fn="strong_wolfe"), closure=True, net="flat",
         loss=lambda a, y: F.cross_entropy(a, y, label_smoothing=0.2), batch=80, epochs=50),
    Case("cosine", '{schedule = "cosine"}', sched=lambda o: S.CosineAnnealingLR(o, EPOCHS)),
    Case("cosine by step, with warm-up", '{schedule = {"cosine", by = "step", warmup = 8, eta_min = 1e-4}}', by="step", sched=warmed(lambda o: S.CosineAnnealingLR(o, STEPS - 8, 1e-4), 8)),
    Case("cosine, warm-up of 3 epochs", '{schedule = {"cosine", warmup = 3, warmup_factor = 0.1}}', sched=warmed(lambda o: S.CosineAnnealingLR(o, EPOCHS - 3), 3, 0.1)),
    Case("onecycle", '{schedule = "onecycle", lr = 0.05}', sgd(lr=0.05), by="step", sched=lambda o: S.OneCycleLR(o, 0.05, total_steps=STEPS)),
    Case("onecycle, adam", '{optimizer = "adam", schedule = {"onecycle", max_lr = 0.01, pct_start = 0.4, anneal_strategy = "linear", three_phase = true}}',
         lambda m: torch.optim.Adam(m.parameters()), by="step", sched=lambda o: S.OneCycleLR(o, 0.01, total_steps=STEPS, pct_start=0.4, anneal_strategy="linear", three_phase=True)),
    Case("warm restarts", '{schedule = {"warm_restarts", T_0 = 2, T_mult = 2}}', sched=lambda o: S.CosineAnnealingWarmRestarts(o, 2, 2)),
    Case("plateau", '{lr = 0.1, schedule = {"plateau", patience = 0, factor = 0.5, threshold = 0.2}}', sgd(lr=0.1), plateau=True, sched=lambda o: S.ReduceLROnPlateau(o, patience=0, factor=0.5, threshold=0.2)),
    Case("exponential", '{schedule = {"exponential", gamma = 0.8}}', sched=lambda o: S.ExponentialLR(o, 0.8)),
    Case("polynomial", '{schedule = {"polynomial", power = 2}}', sched=lambda o: S.PolynomialLR(o, EPOCHS, 2)),
    Case("step", '{schedule = "step", step_size = 4, gamma = 0.3}', sched=lambda o: S.StepLR(o, 4, 0.3)),
    Case("multistep", '{schedule = {"multistep", milestones = {3, 6}}}', sched=lambda o: S.MultiStepLR(o, [3, 6])),
    Case("linear", '{schedule = {"linear", by = "step", total_iters = 20}}', by="step", sched=lambda o: S.LinearLR(o, total_iters=20)),
    Case("cyclic", '{schedule = {"cyclic", max_lr = 0.05, step_size_up = 7}}', by="step", sched=lambda o: S.CyclicLR(o, 0.01, 0.05, step_size_up=7)),
    Case("accumulate = 2 of 8, as batches of 16", "{accumulate = 2, batch = 8, lr = 0.05}", sgd(lr=0.05), accumulate=2, batch=16),
    Case("accumulate and class_weights", "{accumulate = 4, batch = 4, class_weights = {1, 2, 0.5, 3}}", accumulate=4, loss=lambda a, y: F.cross_entropy(a, y, weights)),
    Case("clip", "{clip = 0.1, lr = 0.1}", sgd(lr=0.1), clip=0.1),
    Case("clip_value", "{clip_value = 0.01, lr = 0.1}", sgd(lr=0.1), clip_value=0.01),
    Case("class_weights", "{class_weights = {a = 1, b = 2, c = 0.5, d = 3}}", loss=lambda a, y: F.cross_entropy(a, y, weights)),
    Case("label_smoothing", "{label_smoothing = 0.2}", loss=lambda a, y: F.cross_entropy(a, y, label_smoothing=0.2)),
    Case("rates by glob", '{lr = {0.01, ["0.*"] = 0.001, ["3"] = 0.05}, weight_decay = {["3.weight"] = 0.1}}',
         lambda m: by_name(m, lambda k, p: {"lr": 0.001 if k[0] == "0" else 0.05, "weight_decay": 0.1 if k == "3.weight" else 0})),
    Case("no_decay", "{weight_decay = 0.1, no_decay = true}", lambda m: by_name(m, lambda k, p: {"weight_decay": 0 if p.ndim == 1 else 0.1}), net="normed"),
    Case("ema", "{ema = 0.9}", ema=0.9, net="normed"),
    Case("swa", "{swa = {start = 5, lr = 0.03, anneal_epochs = 3}, schedule = 'cosine'}", swa=5, net="normed", sched=lambda o: S.CosineAnnealingLR(o, EPOCHS)),
    Case("mixup", "{mixup = 0.4, loss = function(m, x, y) keep(x, y) local z = m(x) return F.cross_entropy(z, y), z end}", mixed=True),
    Case("cutmix", "{cutmix = 1, loss = function(m, x, y) keep(x, y) local z = m(x) return F.cross_entropy(z, y), z end}", mixed=True),
]

SCHEDULES = set(suture("tests/parity/recipes.lua", "schedules").split())
UNTRIED = [name for name in SCHEDULES if not any(f'"{name}"' in c.lua or f"'{name}'" in c.lua for c in CASES)]
report("schedules without a case", len(UNTRIED), 0, " ".join(UNTRIED))

torch.manual_seed(1)
x, y = torch.randn(80, 3, 12, 12), torch.arange(80) % 4
x += y[:, None, None, None] * 0.3
val_x, val_y = torch.randn(40, 3, 12, 12) + (torch.arange(40) % 4)[:, None, None, None] * 0.3, torch.arange(40) % 4


def pytorch(c, d, number, order):
    m = net_of(c.net)
    m.load_state_dict(torch.load(f"{d}/{c.net}.pth"))
    m.train()
    opt = c.opt(m)
    sched = c.sched and c.sched(opt)
    average = swalr = None
    if c.ema:
        average = AveragedModel(m, avg_fn=lambda a, p, n: c.ema * a + (1 - c.ema) * p, use_buffers=True)
    steps, vals, k = [], [], 0

    def validated(net):
        net.eval()
        with torch.no_grad():
            vals.append(F.cross_entropy(net(val_x), val_y).item())
        net.train()

    for epoch in range(c.epochs):
        whole = list(range(80)) if c.batch == 80 else None
        for b in range(80 // c.batch):
            places = whole or order[epoch * 5 + b]
            bx, by = x[places], y[places]
            if c.mixed:
                bx, by = (torch.from_numpy(np.load(f"{d}/{number}_{a}{k}.npy")) for a in "xy")
            first = []

            def closure():
                opt.zero_grad()
                loss = c.loss(m(bx), by)
                loss.backward()
                first.append(loss.item())
                return loss

            if c.closure:
                opt.step(closure)
            else:
                closure()
                if c.clip_value:
                    nn.utils.clip_grad_value_(m.parameters(), c.clip_value)
                if c.clip:
                    nn.utils.clip_grad_norm_(m.parameters(), c.clip)
                opt.step()
            steps.append(first[0])
            k += 1
            if average and c.ema:
                average.update_parameters(m)
            if sched and c.by == "step":
                sched.step()
        validated(average.module if c.ema else m)
        if c.swa and epoch + 1 >= c.swa:
            average = average or AveragedModel(m)
            average.update_parameters(m)
            swalr = swalr or SWALR(opt, 0.03, anneal_epochs=3)
            swalr.step()
        elif sched and c.plateau:
            sched.step(vals[-1])
        elif sched and c.by == "epoch":
            sched.step()
    ended = average.module if average else m
    if c.swa:
        update_bn([x[o] for o in torch.arange(80).split(16)], ended)
    vals.append(0)
    validated(ended)
    return steps, vals[:-2], vals[-1]


def formulas(c, d, number, order):
    """The batches that were trained on are those that torchvision's formulas make of the plain ones."""
    worst_x = worst_y = 0.0
    shares = []
    for k, places in enumerate(order[:STEPS]):
        bx, by = x[places], F.one_hot(y[places], 4).float()
        mx, my = (torch.from_numpy(np.load(f"{d}/{number}_{a}{k}.npy")) for a in "xy")
        rx, ry = bx.roll(1, 0), by.roll(1, 0)
        i = next(i for i in range(len(places)) if y[places[i]] != y[places[i - 1]])
        part = my[i, y[places[i]]].item()
        shares.append(part)
        if "mixup" in c.name:
            want = bx * part + rx * (1 - part)
        else:
            # of box and share: what is other is one rectangle, of the previous picture
            other = (mx != bx).any(0).any(0)
            rows, cols = other.any(1).nonzero().flatten(), other.any(0).nonzero().flatten()
            want = bx.clone()
            area = 0
            if len(rows):
                y1, y2, x1, x2 = rows[0], rows[-1] + 1, cols[0], cols[-1] + 1
                want[:, :, y1:y2, x1:x2] = rx[:, :, y1:y2, x1:x2]
                area = int((y2 - y1) * (x2 - x1))
            worst_y = max(worst_y, abs(1 - area / 144 - part))
        worst_x = max(worst_x, (want - mx).abs().max().item())
        worst_y = max(worst_y, (by * part + ry * (1 - part) - my).abs().max().item())
    report(f"{c.name}, pictures", worst_x, 1e-5)
    report(f"{c.name}, targets", worst_y, 1e-5, f"shares {min(shares):.2f} to {max(shares):.2f}")


only = os.environ.get("RECIPE", "")
CASES = [c for c in CASES if only in c.name]
with scratch() as d:
    for name, t in dict(x=x, y=y, val_x=val_x, val_y=val_y).items():
        np.save(f"{d}/{name}.npy", t.numpy())
    with open(f"{d}/cases", "w") as f:
        f.writelines(f"{i} {c.net} {c.lua}\n" for i, c in enumerate(CASES))
    suture("tests/parity/recipes.lua", d)
    order = [list(map(int, line.split())) for line in open(f"{d}/order")]
    for i, c in enumerate(CASES):
        lines = [list(map(float, line.split())) for line in open(f"{d}/{i}")]
        steps, vals, ended = pytorch(c, d, i, order)
        assert len(lines[0]) == len(steps) == STEPS, (c.name, len(lines[0]), len(steps))
        if c.accumulate > 1:  # what is told is the loss of a step's last part
            error = max(abs(a - b) for a, b in zip(lines[1], vals))
        else:
            error = max(abs(a - b) for a, b in zip(lines[0] + lines[1], steps + vals))
        if os.environ.get("RECIPE"):
            print("steps", [f"{a:.6f} {b:.6f}" for a, b in zip(lines[0], steps) if abs(a - b) > 1e-4][:6], "vals", lines[1], vals, "ended", lines[2], ended)
        report(c.name, max(error, abs(lines[2][0] - ended)), WITHIN, f"loss {steps[0]:.3f} to {steps[-1]:.3f}, val {ended:.3f}")
        if c.mixed:
            formulas(c, d, i, order)
