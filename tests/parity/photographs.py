"""The main job on real input: CIFAR ResNets opened from their published files classify 5,000 pictures as PyTorch does.

PyTorch's counts were measured with the same files, mean .485 .456 .406 and std .229 .224 .225; one picture either way."""
import os
import sys
sys.path.insert(0, os.path.dirname(__file__))
from common import *

PYTORCH = {"resnet20-12fca82f.th": 4051, "resnet32-d509ac18.th": 4145}

for name, theirs in PYTORCH.items():
    path = f"{SHARED}/data/weights/{name}"
    if not os.path.exists(path):
        print(f"skip photographs, {name}: no {path}")
        continue
    ours = int(suture("-e", f'local m = open("{path}") print(evaluate(m, data.folder("{SHARED}/data/cifar10", {{transform = m}})).correct)'))
    report(f"photographs, {name}", abs(ours - theirs), 1, f"{ours} of 5000 right, PyTorch {theirs}")
