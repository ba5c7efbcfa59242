"""Changes of pictures against torchvision.transforms.functional on PIL images, byte by byte; the policies of AutoAugment,
RandAugment and TrivialAugment: the strength of every change, and that what is drawn is among what torchvision can draw."""
import os, sys
sys.path.insert(0, os.path.dirname(__file__))
from common import *
from PIL import Image
from torchvision.transforms import autoaugment as A, functional as F, InterpolationMode as I

LINEAR = {"nearest": I.NEAREST, "bilinear": I.BILINEAR}
rng = np.random.RandomState(5)


def made(h, w):
    """Smooth in places, noise in others, with flat parts."""
    y, x = np.mgrid[:h, :w]
    a = np.stack([128 + 100 * np.sin(x / 7 + c) * np.cos(y / (5 + c)) for c in range(3)], -1)
    a[: h // 3, : w // 2] = rng.randint(0, 256, (h // 3, w // 2, 3))
    a[-h // 4:, -w // 4:] = 200
    return Image.fromarray(a.clip(0, 255).astype(np.uint8))


PICTURES = {"wide": made(37, 61), "high": made(50, 24), "square": made(32, 32), "tiny": made(3, 5),
            "flat": Image.new("RGB", (9, 8), (40, 40, 200)), "dark": made(40, 40).point(lambda v: 60 + v // 4)}


def grey(im):
    return F.to_grayscale(im, 3)


def cases():
    for f in (0, 0.3, 1, 1.7, 4):
        for name in ("brightness", "contrast", "saturation", "sharpness"):
            yield f"adjust_{name}({{}}, {f})", lambda im, name=name, f=f: getattr(F, f"adjust_{name}")(im, f)
    for f in (-0.5, -0.2, 0, 0.13, 0.5):
        yield f"adjust_hue({{}}, {f})", lambda im, f=f: F.adjust_hue(im, f)
    for bits in (0, 1, 4, 8):
        yield f"posterize({{}}, {bits})", lambda im, b=bits: F.posterize(im, b)
    for t in (0, 0.25, 0.5, 1):
        yield f"solarize({{}}, {t})", lambda im, t=t: F.solarize(im, t * 255)
    yield "rgb_to_grayscale({})", grey
    for name in ("autocontrast", "equalize", "invert", "hflip", "vflip"):
        yield f"{name}({{}})", getattr(F, name)
    for angle in (0, 17.5, 45, 90, 180, 270, -33, 359.9, 400):
        for how in LINEAR:
            yield f'rotate({{}}, {angle}, "{how}")', lambda im, a=angle, h=how: F.rotate(im, a, LINEAR[h])
    yield "rotate({}, 30, {{fill = 0.4}})", lambda im: F.rotate(im, 30, fill=[102] * 3)
    for o in ((0, (3, -2), 1, (0, 0)), (25, (0, 0), 1, (0, 0)), (-40, (5, 1), 0.7, (10, 0)), (170, (-3, 2), 1.4, (-20, 15)), (0, (0, 0), 1, (30, 0))):
        for how in LINEAR:
            angle, t, s, sh = o
            yield (f'affine({{}}, {angle}, {{{{{t[0]}, {t[1]}}}}}, {s}, {{{{{sh[0]}, {sh[1]}}}}}, "{how}")',
                   lambda im, o=o, h=how: F.affine(im, o[0], list(o[1]), o[2], list(o[3]), LINEAR[h]))
    for p, mode in ((2, "constant"), ((1, 2), "edge"), ((2, 1, 0, 2), "reflect"), ((0, 2, 1, 1), "symmetric")):
        given = "{{" + ", ".join(map(str, p)) + "}}" if isinstance(p, tuple) else p
        yield f'pad({{}}, {given}, 0, "{mode}")', lambda im, p=p, m=mode: F.pad(im, p, 0, m)
    yield "crop({}, 2, -3, 9, 12)", lambda im: F.crop(im, 2, -3, 9, 12)
    yield "center_crop({}, {{7, 40}})", lambda im: F.center_crop(im, (7, 40))


BLURS = [(3, None), (5, 1.0), ((3, 1), (0.5, 2.0)), (1, 0.3)]
SPACE = A.AutoAugment()._augmentation_space(10, (32, 32))


def strength(name, level, bins, wide, h, w):
    space = A.TrivialAugmentWide()._augmentation_space(bins) if wide else A.AutoAugment()._augmentation_space(bins, (h, w))
    m, signed = space[name]
    return (float(m[level]) if m.ndim else 0.0), signed


def apply(im, name, m):
    return A._apply_op(im, name, m, interpolation=I.NEAREST, fill=None)


def both(im, name, m, signed):
    return [apply(im, name, m)] + ([apply(im, name, -m)] if signed else [])


def of_pairs(policy, im):
    """For each pair of an AutoAugment policy, what may come out."""
    for pair in A.AutoAugment(policy).policies:
        outcomes = [im]
        for name, p, level in pair:
            m, signed = SPACE[name]
            m = float(m[level]) if level is not None else 0.0
            changed = [x for o in outcomes for x in both(o, name, m, signed)]
            outcomes = (outcomes if p < 1 else []) + (changed if p > 0 else [])
        yield {np.asarray(o).tobytes() for o in outcomes}


with scratch() as d:
    for name, im in PICTURES.items():
        im.save(f"{d}/{name}.png")
    lines, wants = [], []
    for code, f in cases():
        for name, im in PICTURES.items():
            if code.startswith("pad") and name == "tiny" and "reflect" in code:
                continue
            lines.append(f"image.{code.format(f'picture {name!r}')}")
            wants.append((code.format(name), np.asarray(f(im)), int("bilinear" in code)))
    for k, s in BLURS:
        for name in ("wide", "high", "dark"):
            size, sigma = (k if isinstance(k, tuple) else (k, k)), s
            lua = "nil" if s is None else "{%g, %g}" % s if isinstance(s, tuple) else str(s)
            lines.append(f"image.gaussian_blur(picture {name!r}, {{{size[0]}, {size[1]}}}, {lua})")
            # torchvision's sizes and sigmas are (x, y)
            want = F.gaussian_blur(PICTURES[name], list(size[::-1]), list(sigma[::-1]) if isinstance(sigma, tuple) else sigma)
            wants.append((f"gaussian_blur {name} {k} {s}", np.asarray(want), 1))
    for name in [*A.RandAugment()._augmentation_space(31, (37, 61)), "Invert"]:
        for level in (0, 3, 9):
            for sign in (1, -1):
                m, signed = (0.0, False) if name == "Identity" else strength(name, level, 10, False, 37, 61)
                if sign < 0 and not signed:
                    continue
                lines.append(f"core.change(picture 'wide', '{name}', {m * sign!r})")
                wants.append((f"{name} {m * sign:.3f}", np.asarray(apply(PICTURES["wide"], name, m * sign)), 0))
    drawn, n = {}, 300
    for name, given in (("imagenet", 'auto_augment = "imagenet"'), ("cifar10", 'auto_augment = "cifar10"'), ("svhn", 'auto_augment = "svhn"'),
                        ("rand", "rand_augment = {num_ops = 1, magnitude = 7, num_magnitude_bins = 20}"), ("trivial", "trivial_augment = true")):
        drawn[name] = len(lines)
        lines.append(f"drawn('square', {{{given}}}, {n})")
    asked = [(name, level, bins, wide, 37, 61) for name in SPACE for wide, bins in ((0, 10), (0, 31), (1, 31)) for level in range(bins)
             if not (wide and name == "Invert")]
    with open(f"{d}/asked", "w") as f:
        f.writelines(" ".join(map(str, a)) + "\n" for a in asked)
    with open(f"{d}/cases", "w") as f:
        f.writelines(line + "\n" for line in lines)
    suture("tests/parity/augment.lua", d)

    def array(i):
        a = np.load(f"{d}/{i}.npy")
        return np.rint(a.reshape(-1, *a.shape[-3:]).transpose(0, 2, 3, 1) * 255).astype(np.uint8)

    worst = {}
    for i, (what, want, slack) in enumerate(wants):
        got = array(i)[0]
        off = np.abs(got.astype(int) - want).max() if got.shape == want.shape else 255
        # one rounding of a sum in another order, in a few numbers
        if slack and off == 1 and (got != want).sum() <= max(3, got.size / 200):
            off = 0
        kind = what.split("(")[0].split(" ")[0]
        if off >= worst.get(kind, (-1, ""))[0]:
            worst[kind] = (float(off), what)
    for kind, (off, what) in worst.items():
        report(f"{kind}, worst {what}", off, 0.5)
    off = 0
    with open(f"{d}/strengths") as f:
        for a, line in zip(asked, f, strict=True):
            got, signed = line.split()
            want, both_ways = strength(*a)
            off = max(off, abs(float(got) - want) / max(1, abs(want)) + (signed != str(both_ways).lower()))
    report("strengths", off, 1e-6)
    square = PICTURES["square"]
    plain = list(A.RandAugment()._augmentation_space(20, (32, 32)).items())
    sets = {p.value: list(of_pairs(p, square)) for p in A.AutoAugmentPolicy}
    sets["rand"] = [{np.asarray(o).tobytes() for o in both(square, k, float(m[7]) if m.ndim else 0.0, s)} for k, (m, s) in plain]
    sets["trivial"] = [{np.asarray(o).tobytes() for v in (m.tolist() if m.ndim else [0.0]) for o in both(square, k, v, s)}
                       for k, (m, s) in A.TrivialAugmentWide()._augmentation_space(31).items()]
    for name, at in drawn.items():
        got = [x.tobytes() for x in array(at)]
        report(f"{name}: draws that torchvision cannot make", sum(not any(g in s for s in sets[name]) for g in got), 0.5)
        report(f"{name}: kinds never drawn", sum(not any(g in s for g in got) for s in sets[name]), 0.5)
