"""Metrics against scikit-learn's formulas written in numpy (and scikit-learn itself where it is there), losses and
distillation against torch and torchvision."""
import json, os, sys
sys.path.insert(0, os.path.dirname(__file__))
from common import *
from torch.nn import functional as TF

torch.set_num_threads(2)
rng = np.random.default_rng(4)


def auc(score, is_):
    """The chance that a member's score is above another's; equal ones count half."""
    a, b = score[is_ == 1], score[is_ == 0]
    if not len(a) or not len(b):
        return None
    return float(((a[:, None] > b).sum() + 0.5 * (a[:, None] == b).sum()) / (len(a) * len(b)))


def average_precision(score, is_):
    if is_.sum() in (0, len(is_)):
        return None
    total, before = 0.0, 0.0
    for t in sorted(set(score.tolist()), reverse=True):
        taken = score >= t
        recall, precision = is_[taken].sum() / is_.sum(), is_[taken].mean()
        total, before = total + (recall - before) * precision, recall
    return float(total)


def three(taken, is_):
    hits = float((taken & is_).sum())
    p = hits / taken.sum() if taken.sum() else 0.0
    r = hits / is_.sum() if is_.sum() else 0.0
    return p, r, 2 * p * r / (p + r) if p + r else 0.0


def figures(scores, said, truth):
    """One row a class: precision, recall, F1, AUC, average precision."""
    return [three(said[:, k], truth[:, k]) + (auc(scores[:, k], truth[:, k].astype(int)),
            average_precision(scores[:, k], truth[:, k].astype(int))) for k in range(scores.shape[1])]


def mean(values):
    known = [v for v in values if v is not None]
    return sum(known) / len(known)


def ece(p, labels, bins=15):
    """Guo et al. 2017: bins of equal width, each open at its lower end."""
    sure, right, total = p.max(1), p.argmax(1) == labels, 0.0
    for lo in range(bins):
        inside = (sure > lo / bins) & (sure <= (lo + 1) / bins)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    return float(total)


def differ(ours, theirs):
    return max(abs(a - b) for a, b in zip(ours, theirs)) if len(ours) == len(theirs) else float("inf")


names = ["precision", "recall", "f1", "auc", "average_precision"]
with scratch() as at:
    n, c, l = 61, 6, 4
    scores = rng.normal(size=(n, c)).astype(np.float32)
    scores[:, 5] -= 9  # a class that is never guessed
    labels = rng.integers(0, 5, n)  # … and never there
    scores[np.arange(n), labels] += 1
    logits = np.round(rng.normal(size=(n, l)), 1).astype(np.float32)  # with equal ones
    several = (rng.random((n, l)) < 0.4).astype(np.float32)
    numbers = rng.normal(size=(n, 2)).astype(np.float32)
    truths = (numbers + rng.normal(size=(n, 2)) / 3).astype(np.float32)
    features, targets = rng.normal(size=(8, 4)).astype(np.float32), rng.integers(0, 3, 8)
    student, teacher = (rng.normal(size=(3, 4)).astype(np.float32) for _ in range(2))
    for name in ["scores", "labels", "several", "logits", "numbers", "truths", "features", "targets", "student", "teacher"]:
        v = globals()[name]
        np.save(f"{at}/{name}.npy", v.astype(np.int64) if v.dtype.kind == "i" else v)
    ours = json.loads(suture("tests/parity/metrics.lua", at).strip().splitlines()[-1])

    p = torch.softmax(torch.tensor(scores), 1).numpy()
    guess = p.argmax(1)
    one_hot = np.eye(c, dtype=bool)
    rows = figures(p, one_hot[guess], one_hot[labels])
    got = ours["classes"]
    counts = np.zeros((c, c))
    np.add.at(counts, (labels, guess), 1)
    report("confusion", float(np.abs(np.array(got["counts"]) - counts).max()), 0)
    ranks = (scores > scores[np.arange(n), labels][:, None]).sum(1)
    report("top-k", differ([got["top1"], got["top3"]], [(ranks < 1).mean(), (ranks < 3).mean()]), 1e-7)
    report("calibration error", abs(got["ece"] - ece(p, labels)), 1e-6)
    for i, name in enumerate(names):
        theirs = [r[i] for r in rows]
        mine = [one.get(name) for one in got["classes"]]
        same = [a is None for a in mine] == [b is None for b in theirs]
        report(f"classes: {name}", differ([a or 0 for a in mine], [b or 0 for b in theirs]) if same else float("inf"), 1e-6)
        there = [k for k in range(c) if counts[k].sum() + counts[:, k].sum() > 0]
        report(f"classes: mean {name}", abs(got[name] - mean([theirs[k] for k in there])), 1e-6)

    q = 1 / (1 + np.exp(-logits.astype(np.float64)))
    rows, got = figures(np.round(q, 9), q >= 0.5, several == 1), ours["labels"]
    for i, name in enumerate(names):
        report(f"labels: {name}", differ([one[name] for one in got["classes"]], [r[i] for r in rows]), 1e-6)
        report(f"labels: mean {name}", abs(got[name] - mean([r[i] for r in rows])), 1e-6)
    report("labels: exact", abs(got["exact"] - ((q >= 0.5) == (several == 1)).all(1).mean()), 1e-7)
    report("labels: micro f1", abs(got["micro_f1"] - three((q >= 0.5).ravel(), (several == 1).ravel())[2]), 1e-7)

    d, got = (numbers - truths).astype(np.float64), ours["numbers"]
    r2 = (1 - (d**2).sum(0) / ((truths - truths.mean(0)) ** 2).sum(0)).mean()
    report("numbers", differ([got[k] for k in ("mse", "rmse", "mae", "r2")],
                             [(d**2).mean(), (d**2).mean() ** 0.5, np.abs(d).mean(), r2]), 1e-5)

    try:
        from sklearn import metrics as sk
        theirs = sk.precision_recall_fscore_support(labels, guess, labels=range(c), zero_division=0)
        for i, name in enumerate(names[:3]):
            report(f"scikit-learn: {name}", differ([one[name] for one in ours["classes"]["classes"]], theirs[i]), 1e-6)
    except ImportError:
        print("skip scikit-learn is not there: its formulas in numpy above")

    x, t = torch.tensor(logits, requires_grad=True), torch.tensor(several)
    from torchvision.ops import sigmoid_focal_loss
    sigmoid_focal_loss(x, t, alpha=0.3, gamma=1.5, reduction="sum").backward()
    focal = ours["focal"]
    report("focal: mean, sum", differ(focal[:2], [sigmoid_focal_loss(x, t, reduction="mean").item(),
           sigmoid_focal_loss(x, t, alpha=-1, gamma=0, reduction="sum").item()]), 1e-4)
    report("focal: each", differ(focal[2], sigmoid_focal_loss(x, t).flatten().tolist()), 1e-6)
    report("focal: gradient", differ(focal[3], x.grad.flatten().tolist()), 1e-6)
    a, b = torch.tensor(numbers), torch.tensor(truths)
    report("huber", differ(ours["huber"], [TF.huber_loss(a, b).item(), TF.huber_loss(a, b, delta=0.3).item()]), 1e-6)

    w = torch.tensor(student, requires_grad=True)
    f, T = torch.tensor(features), 3
    out, told = f @ w.T, f @ torch.tensor(teacher).T
    kl = TF.kl_div(TF.log_softmax(out / T, 1), TF.softmax(told / T, 1), reduction="batchmean")
    (0.3 * TF.cross_entropy(out, torch.tensor(targets)) + 0.7 * T * T * kl).backward()
    report("distillation: a step", differ(ours["taught"], (w - 0.5 * w.grad).detach().flatten().tolist()), 1e-6)
