"""Changes of batches of pictures (image.batch) against torchvision.transforms.functional on tensors, gradients too."""
import os, sys
sys.path.insert(0, os.path.dirname(__file__))
from common import *
from torchvision.transforms import functional as F, InterpolationMode as I

HOW = {"nearest": I.NEAREST, "bilinear": I.BILINEAR}
CORNERS = [[0, 0], [36, 0], [36, 28], [0, 28]]
ENDS = [[3, 2], [33, 0], [36, 25], [1, 28]]


def lua(points):
    return "{" + ", ".join("{%g, %g}" % tuple(p) for p in points) + "}"


def cases():
    for f in (0, 0.3, 1, 1.7):
        for name in ("brightness", "contrast", "saturation", "sharpness"):
            yield f"adjust_{name}(x, {f})", lambda x, name=name, f=f: getattr(F, f"adjust_{name}")(x, f)
    for f in (-0.5, -0.2, 0, 0.13, 0.5):
        yield f"adjust_hue(x, {f})", lambda x, f=f: F.adjust_hue(x, f)
    yield "rgb_to_grayscale(x)", F.rgb_to_grayscale
    yield "rgb_to_grayscale(x, 3)", lambda x: F.rgb_to_grayscale(x, 3)
    yield "solarize(x, 0.6)", lambda x: F.solarize(x, 0.6)
    for name in ("invert", "autocontrast", "hflip", "vflip"):
        yield f"{name}(x)", getattr(F, name)
    yield "normalize(x, {0.4, 0.5, 0.6}, {0.2, 0.3, 0.1})", lambda x: F.normalize(x, [0.4, 0.5, 0.6], [0.2, 0.3, 0.1])
    yield "gaussian_blur(x, 5)", lambda x: F.gaussian_blur(x, [5, 5])
    yield "gaussian_blur(x, {3, 7}, {0.5, 2})", lambda x: F.gaussian_blur(x, [7, 3], [2, 0.5])
    for angle in (0, 17.5, 45, -133):
        for how, mode in HOW.items():
            yield f'rotate(x, {angle}, "{how}")', lambda x, a=angle, m=mode: F.rotate(x, a, m)
    yield 'rotate(x, 30, {interpolation = "bilinear", fill = 0.4})', lambda x: F.rotate(x, 30, I.BILINEAR, fill=[0.4])
    yield "rotate(x, 30, {fill = 0.4})", lambda x: F.rotate(x, 30, fill=[0.4])
    for angle, t, s, sh in ((25, (0, 0), 1, (0, 0)), (-40, (5, 1), 0.7, (10, 0)), (170, (-3, 2), 1.4, (-20, 15))):
        yield (f'affine(x, {angle}, {{{t[0]}, {t[1]}}}, {s}, {{{sh[0]}, {sh[1]}}}, "bilinear")',
               lambda x, a=angle, t=t, s=s, sh=sh: F.affine(x, a, list(t), s, list(sh), I.BILINEAR))
    for how, mode in HOW.items():
        yield f'perspective(x, {lua(CORNERS)}, {lua(ENDS)}, "{how}")', lambda x, m=mode: F.perspective(x, CORNERS, ENDS, m)
    for p, mode in (([2], "constant"), ([1, 2], "edge"), ([2, 1, 0, 2], "reflect"), ([0, 2, 1, 1], "symmetric")):
        yield "pad(x, {%s}, 0, \"%s\")" % (", ".join(map(str, p)), mode), lambda x, p=p, m=mode: F.pad(x, p, 0, m)


with scratch() as at:
    torch.manual_seed(3)
    x = torch.rand(3, 3, 28, 36)
    x[0, :, :9, :9] = 0.25  # grey, and one colour
    x[1, 0] = 0.5
    np.save(at + "/x.npy", x.numpy())
    both = list(cases())
    with open(at + "/cases", "w") as f:
        f.writelines(line + "\n" for line, _ in both)
    suture("tests/parity/batches.lua", at)
    for k, (line, f) in enumerate(both):
        ours, theirs = np.load(f"{at}/{k + 1}.npy"), f(x).numpy()
        if "nearest" in line or line.startswith("rotate(x, 30, {fill"):  # a place between two pixels may go either way
            same = ours.shape == theirs.shape and float((np.abs(ours - theirs) > 1e-6).mean())
            report(line, float("inf") if same is False else same, 1e-2, "of pixels differ")
        else:
            report(line, largest(ours, theirs), 2e-5)
    leaf = x.clone().requires_grad_()
    y = F.rotate(F.gaussian_blur(leaf, [3, 3]), 20, I.BILINEAR)
    F.adjust_saturation(F.adjust_contrast(y, 1.5), 0.5).square().sum().backward()
    report("gradients of four in a row", largest(np.load(at + "/grad.npy"), leaf.grad.numpy()), 1e-4)
