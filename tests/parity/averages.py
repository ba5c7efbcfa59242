"""optim.swa_utils against torch.optim.swa_utils: averages of weights with and without buffers and by a function, the rates, and
BatchNorm estimated anew."""
import os, sys
sys.path.insert(0, os.path.dirname(__file__))
from common import *
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn

torch.manual_seed(1)
x, y = torch.randn(16, 3, 8, 8), torch.arange(16) % 4
for fn, given in ("", {}), ("ema", dict(avg_fn=lambda a, p, n: 0.7 * a + 0.3 * p)), ("buffers", dict(use_buffers=True)):
    with scratch() as d:
        np.save(f"{d}/x.npy", x.numpy())
        np.save(f"{d}/y.npy", y.numpy())
        count, lr = map(float, suture("tests/parity/averages.lua", d, fn).split())
        m = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(216, 4))
        m.load_state_dict(torch.load(f"{d}/start.pth"))
        average = AveragedModel(m, **given)
        opt = torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9)
        rates = SWALR(opt, 0.01, anneal_epochs=3)
        for k in range(12):
            opt.zero_grad()
            F.cross_entropy(m(x), y).backward()
            opt.step()
            if k % 3 == 2:
                average.update_parameters(m)
                rates.step()
        for when in "before", "average":
            if when == "average":
                update_bn([x[:8], (x[8:], y[8:])], average.module)
            whole = lambda name: fn == "buffers" and "batches" in name  # a mean of whole numbers is cut there
            error, name = worst(torch.load(f"{d}/{when}.pth"), average.module.state_dict(), whole)
            report(f"AveragedModel {fn or 'plain'}, {'update_bn' if when == 'average' else 'averages'}", error, 1e-5, name)
        report(f"AveragedModel {fn or 'plain'}, count and rate",
               max(abs(count - average.n_averaged.item()), abs(lr - opt.param_groups[0]["lr"])), 1e-9)
