"""Learning as PyTorch learns: cifar_resnet20 with published weights and a new head on 243 photographs of two classes, four
ways (head only, last stage and head, all layers, from scratch), 5 seeds each; mean accuracies within 2 points.

Minutes of training, so it runs only when LEARNING=1. PyTorch's figures were measured with the same recipe and 5 seeds."""
import os, sys
sys.path.insert(0, os.path.dirname(__file__))
from common import *

PYTORCH = {"head": 0.667, "stage": 0.735, "all": 0.731, "scratch": 0.658}
SEEDS, WITHIN = 5, 0.02
photographs, weights = f"{SHARED}/data/hymenoptera", f"{SHARED}/data/weights/resnet20-12fca82f.th"

for mode, theirs in PYTORCH.items():
    name = f"learning, {mode}"
    if not os.environ.get("LEARNING"):
        print(f"skip {name}: takes minutes; LEARNING=1 runs it")
    elif not os.path.exists(photographs):
        print(f"skip {name}: no {photographs}")
    else:
        found = [float(a) for a in suture("tests/parity/learning.lua", photographs, weights, mode, str(SEEDS)).split()]
        report(name, abs(sum(found) / SEEDS - theirs), WITHIN, f"{sum(found) / SEEDS:.3f}, PyTorch {theirs} " + " ".join(f"{a:.3f}" for a in found))
