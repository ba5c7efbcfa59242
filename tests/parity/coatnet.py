"""CoAtNet, which is not in torchvision: names, shapes and logits against the values in shared/oracle, whose parameters are made
from their names alone (fill.py); and the sizes of timm's other variants."""
import json, os, sys
sys.path.insert(0, os.path.dirname(__file__))
from common import *

ORACLE = os.path.join(SHARED, "oracle")
SIZES = {"coatnet_nano_rw_224": 15_141_244, "coatnet_0_rw_224": 27_435_562, "coatnet_1_rw_224": 41_721_502}


def names(d):
    rows = [line.split(" ") for line in open(f"{d}/names.txt").read().splitlines()]
    return [[k, [int(n) for n in shape.split(",") if n], "torch." + dtype] for k, shape, dtype in rows]


def logits(name):
    oracle = json.load(open(os.path.join(ORACLE, f"{name}.json")))
    sys.path.insert(0, ORACLE)
    import fill
    with scratch() as d:
        state = {k: torch.from_numpy(fill.fill_value(k, tuple(shape))) if "float" in dtype else torch.zeros(shape, dtype=torch.int64)
                 for k, shape, dtype in oracle["state"]}
        torch.save(state, f"{d}/state.pth")
        np.save(f"{d}/x.npy", fill.fill_value("input", (1, 3, 224, 224)))
        suture("tests/parity/coatnet.lua", name, d)
        report(f"{name} names, shapes and types", 0 if names(d) == oracle["state"] else 1, 0)
        report(f"{name} logits in eval", largest(np.load(f"{d}/logits.npy")[0], oracle["logits"]), 1e-4)


def size(name):
    with scratch() as d:
        suture("tests/parity/coatnet.lua", name, d)
        ours = sum(int(np.prod(shape)) for k, shape, _ in names(d) if "running" not in k and "num_batches" not in k)
        report(f"{name} parameters", abs(ours - SIZES[name]), 0)


if os.path.exists(os.path.join(ORACLE, "coatnet_0_rw_224.json")):
    logits("coatnet_0_rw_224")
else:
    print(f"skip coatnet_0_rw_224: {ORACLE} is not there (SUTURE_SHARED)")
for model in SIZES:
    size(model)
