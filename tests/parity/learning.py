"""Learning as PyTorch learns: CIFAR ResNets with published weights and a new head, four ways (head only, last stage and head, all
layers, from scratch): on 243 photographs of two classes, and on so many pictures of each of CIFAR-10's ten; mean accuracies
within a point.

One run's accuracy moves by three points with the seed, so a mean of five says little about two. Both therefore start from
the same numbers and see the same pictures in the same order, and what is left is how they compute. Sums in another order
part two runs after some hundred steps, PyTorch's own too: where their accuracies differ from seed to seed by more than a
point in the mean could show, the bound is two standard errors of the mean difference. Minutes to an hour of training: it runs
only when LEARNING is set, and then what has its words in the name: LEARNING="cifar10, 20", LEARNING=all layers, or 1: everything."""
import glob, math, os, sys
sys.path.insert(0, os.path.dirname(__file__))
from common import *
import torch.nn.functional as F
from cifar import CifarResNet

SEEDS, BATCH, WITHIN = int(os.environ.get("SEEDS", 5)), 16, 0.01
FILES = {20: "resnet20-12fca82f.th", 32: "resnet32-d509ac18.th"}
MODES = {"head": "head", "stage": "last stage", "all": "all layers", "scratch": "from scratch"}
# what it is called, the net's depth, the folder, pictures of a class (0: all), classes, epochs
SETS = [("hymenoptera", 20, "hymenoptera", 0, 2, 15), ("hymenoptera", 32, "hymenoptera", 0, 2, 15),
        ("cifar10, 20 a class", 20, "cifar10", 20, 10, 15), ("cifar10, 100 a class", 20, "cifar10", 100, 10, 6),
        ("cifar10, 400 a class", 20, "cifar10", 400, 10, 3)]


def pytorch(depth, classes, mode, d, epochs):
    """→ accuracy after the recipe, from the start and with the batches that Suture left in d"""
    net = CifarResNet(depth, classes)
    net.load_state_dict(torch.load(f"{d}/start.pth"))
    trains = {"head": ["linear"], "stage": ["linear", "layer3"], "all": [""], "scratch": [""]}[mode]
    rate = 0.05 if mode == "scratch" else 0.01
    moving = [p for k, p in net.named_parameters() if k.startswith(tuple(trains))]
    opt = torch.optim.SGD(moving, lr=rate, momentum=0.9, weight_decay=1e-4)
    net.train(mode in ("all", "scratch"))
    if mode == "stage":
        net.layer3.train()
    for epoch in range(epochs):
        opt.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * epoch / epochs)) / 2
        for k in range(len(glob.glob(f"{d}/x_{epoch + 1}_*.npy"))):
            x, y = (torch.from_numpy(np.load(f"{d}/{a}_{epoch + 1}_{k}.npy")) for a in "xy")
            net.zero_grad()
            F.cross_entropy(net(x), y.long()).backward()
            opt.step()
    net.eval()
    x, y = (torch.from_numpy(np.load(f"{d}/val_{a}.npy")) for a in "xy")
    with torch.no_grad():
        found = torch.cat([net(part).argmax(1) for part in x.split(100)])
    return (found == y).double().mean().item()


def compare(name, depth, folder, each, classes, epochs, mode):
    ours, theirs = [], []
    for seed in range(SEEDS):
        with scratch() as d:
            ours.append(float(suture("tests/parity/learning.lua", f"{SHARED}/data/{folder}", f"{SHARED}/data/weights/{FILES[depth]}",
                                     mode, str(seed), d, str(depth), str(each), str(epochs), str(BATCH))))
            theirs.append(pytorch(depth, classes, mode, d, epochs))
    a, b, apart = np.mean(ours), np.mean(theirs), np.subtract(ours, theirs)
    error = float(np.std(apart, ddof=1) / SEEDS ** 0.5) if SEEDS > 1 else 0.0
    report(name, abs(a - b), max(WITHIN, 2 * error),
           f"{a:.3f}, PyTorch {b:.3f}: " + " ".join(f"{p:.3f}/{q:.3f}" for p, q in zip(ours, theirs)))


asked = os.environ.get("LEARNING")
for title, depth, folder, *rest in SETS:
    for mode, words in MODES.items():
        name = f"learning, {title}, cifar_resnet{depth}, {words}"
        if not asked:
            print(f"skip {name}: takes minutes; LEARNING=1 runs it")
        elif not os.path.exists(f"{SHARED}/data/{folder}"):
            print(f"skip {name}: no {SHARED}/data/{folder}")
        elif asked == "1" or asked in name:
            compare(name, depth, folder, *rest, mode)
