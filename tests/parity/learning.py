"""Learning as PyTorch learns: cifar_resnet20 with published weights and a new head on 244 photographs of two classes, four
ways (head only, last stage and head, all layers, from scratch), 5 seeds each; mean accuracies within 2 points.

One run's accuracy moves by three points with the seed, so a mean of five says little about two. Both therefore start from
the same numbers and see the same pictures in the same order, and what is left is how they compute. Minutes of training:
it runs only when LEARNING=1."""
import glob, math, os, sys
sys.path.insert(0, os.path.dirname(__file__))
from common import *
import torch.nn.functional as F
import torchvision
from cifar import CifarResNet

SEEDS, EPOCHS, WITHIN = 5, 15, 0.02
photographs, weights = f"{SHARED}/data/hymenoptera", f"{SHARED}/data/weights/resnet20-12fca82f.th"


def pictures():
    view = torchvision.transforms.Compose([
        torchvision.transforms.Resize(72), torchvision.transforms.CenterCrop(64), torchvision.transforms.ToTensor(),
        torchvision.transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    found = torchvision.datasets.ImageFolder(f"{photographs}/val", view)
    return torch.stack([x for x, _ in found]), torch.tensor(found.targets)


def pytorch(mode, d, val):
    """→ accuracy after the recipe, from the start and with the batches that Suture left in d"""
    net = CifarResNet(20, classes=2)
    net.load_state_dict(torch.load(f"{d}/start.pth"))
    trains = {"head": ["linear"], "stage": ["linear", "layer3"], "all": [""], "scratch": [""]}[mode]
    rate = 0.05 if mode == "scratch" else 0.01
    moving = [p for k, p in net.named_parameters() if k.startswith(tuple(trains))]
    opt = torch.optim.SGD(moving, lr=rate, momentum=0.9, weight_decay=1e-4)
    net.train(mode in ("all", "scratch"))
    if mode == "stage":
        net.layer3.train()
    for epoch in range(EPOCHS):
        opt.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * epoch / EPOCHS)) / 2
        for k in range(len(glob.glob(f"{d}/x_{epoch + 1}_*.npy"))):
            x, y = (torch.from_numpy(np.load(f"{d}/{a}_{epoch + 1}_{k}.npy")) for a in "xy")
            net.zero_grad()
            F.cross_entropy(net(x), y.long()).backward()
            opt.step()
    net.eval()
    with torch.no_grad():
        return (net(val[0]).argmax(1) == val[1]).double().mean().item()


def compare(mode, val):
    ours, theirs = [], []
    for seed in range(SEEDS):
        with scratch() as d:
            ours.append(float(suture("tests/parity/learning.lua", photographs, weights, mode, str(seed), d)))
            theirs.append(pytorch(mode, d, val))
    a, b = sum(ours) / SEEDS, sum(theirs) / SEEDS
    report(f"learning, {mode}", abs(a - b), WITHIN,
           f"{a:.3f}, PyTorch {b:.3f}: " + " ".join(f"{p:.3f}/{q:.3f}" for p, q in zip(ours, theirs)))


for mode in ("head", "stage", "all", "scratch"):
    if not os.environ.get("LEARNING"):
        print(f"skip learning, {mode}: takes minutes; LEARNING=1 runs it")
    elif not os.path.exists(photographs):
        print(f"skip learning, {mode}: no {photographs}")
    else:
        compare(mode, pictures())
