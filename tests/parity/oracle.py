"""Models that torchvision has not: names, shapes and logits against the values in shared/oracle, NAME.json for a model NAME of
the zoo, whose parameters are made from their names alone (fill.py)."""
import json, os, sys
sys.path.insert(0, os.path.dirname(__file__))
from common import *

ORACLE = os.path.join(SHARED, "oracle")


def names(d):
    rows = [line.split(" ") for line in open(f"{d}/names.txt").read().splitlines()]
    return [[k, [int(n) for n in shape.split(",") if n], "torch." + dtype] for k, shape, dtype in rows]


def logits(name):
    oracle = json.load(open(os.path.join(ORACLE, f"{name}.json")))
    with scratch() as d:
        state = {k: torch.from_numpy(fill.fill_value(k, tuple(shape))) if "float" in dtype else torch.zeros(shape, dtype=torch.int64)
                 for k, shape, dtype in oracle["state"]}
        torch.save(state, f"{d}/state.pth")
        np.save(f"{d}/x.npy", fill.fill_value("input", (1, 3, 224, 224)))
        suture("tests/parity/oracle.lua", name, d)
        report(f"{name} names, shapes and types", 0 if names(d) == oracle["state"] else 1, 0)
        report(f"{name} logits in eval", largest(np.load(f"{d}/logits.npy")[0], oracle["logits"]), 1e-4)


known = json.loads(suture("tests/parity/zoo.lua", "list"))
there = [name for name in known if os.path.exists(os.path.join(ORACLE, f"{name}.json"))]
if there:
    sys.path.insert(0, ORACLE)
    import fill
else:
    print(f"skip oracle: {ORACLE} has no model of the zoo (SUTURE_SHARED)")
for model in there:
    logits(model)
