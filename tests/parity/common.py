"""What the parity checks share: PyTorch with all threads, suture as a child, errors measured, lines printed."""
import os, subprocess, sys, tempfile
import numpy as np
import torch

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
SUTURE = os.path.join(TOP, "suture")
SHARED = os.environ.get("SUTURE_SHARED", os.path.join(TOP, "..", "shared"))
ALL = os.environ.get("PARITY_ALL") == "1"  # every model, not a sample: make parity-all
torch.set_num_threads(os.cpu_count())


def suture(*args, cwd=None):
    """Runs ./suture with these arguments; returns what it printed. An error there is an error here."""
    done = subprocess.run([SUTURE, "-q", *args], cwd=cwd or TOP, capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        raise RuntimeError(f"suture {' '.join(args)}: status {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def largest(ours, theirs):
    """Largest difference relative to the largest value."""
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if a.shape != b.shape:
        return float("inf")
    scale = np.abs(b).max() if b.size else 0
    return float(np.abs(a - b).max() / scale) if scale > 0 else float(np.abs(a).max() if a.size else 0)


def worst(ours, theirs, skip=lambda name: False):
    """The tensor of two state dicts that differs most, as (error, name); infinite where names differ."""
    if list(ours) != list(theirs):
        return float("inf"), f"names differ: {sorted(set(ours) ^ set(theirs))[:4]}"
    found = (0.0, "-")
    for name in theirs:
        if not skip(name):
            found = max(found, (largest(ours[name].double().numpy(), theirs[name].double().numpy()), name))
    return found


def distance(ours, theirs):
    """Length of the difference of two tensors relative to the length of theirs; infinite where shapes differ."""
    a, b = ours.double(), theirs.double()
    if a.shape != b.shape:
        return float("inf")
    return float((a - b).norm() / b.norm()) if b.norm() > 0 else float(a.norm())


def report(name, error, bound, note=""):
    good = error <= bound
    print(f"{'ok' if good else 'FAIL'} {name}: {error:.2e} (bound {bound:.1e}) {note}".rstrip(), flush=True)
    return good


def scratch():
    return tempfile.TemporaryDirectory(prefix="suture-parity-")
