#!/usr/bin/python3
"""Preprocessing beside torchvision on PIL images: every kind of file, resizes, crops, normalisation.

Runs ./suture (or $SUTURE) once over all cases and compares its tensors with torchvision's, number by number: equality is
expected to the bit. Real photographs come from $SUTURE_SHARED/data and are left out, with a line, when it is missing."""
import glob
import os
import struct
import subprocess
import sys
import tempfile
import zlib

import numpy as np
import torch
import torchvision
import torchvision.transforms as T
import torchvision.transforms.functional as TF
from PIL import Image, ImageOps

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SUTURE = os.environ.get("SUTURE", os.path.join(TOP, "suture"))
SHARED = os.environ.get("SUTURE_SHARED", os.path.join(TOP, "..", "shared"))
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BICUBIC, NEAREST, LANCZOS = T.InterpolationMode.BICUBIC, T.InterpolationMode.NEAREST, T.InterpolationMode.LANCZOS


def picture(h, w, seed, bands=3):
    """A smooth picture with edges and grain."""
    g = np.random.RandomState(seed)
    y, x = np.mgrid[0:h, 0:w]
    out = [127 + 90 * np.sin(x / (7 + b) + y / (11 - b)) + 40 * ((x // 9 + y // 7 + b) % 2) + g.randn(h, w) * 12 for b in range(bands)]
    return np.clip(np.stack(out, -1), 0, 255).astype(np.uint8)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def raw_png(path, a, color, depth, w=None):
    """A PNG of exactly this colour type and depth (PIL does not write sixteen-bit colour)."""
    h, w = a.shape[0], w or a.shape[1]
    rows = b"".join(b"\0" + a[y].tobytes() for y in range(h))
    head = struct.pack(">IIBBBBB", w, h, depth, color, 0, 0, 0)
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def interlaced_png(path, a):
    """Adam7, eight-bit colour."""
    h, w = a.shape[:2]
    rows = b""
    for y0, x0, dy, dx in ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)):
        part = a[y0::dy, x0::dx]
        if part.size:
            rows += b"".join(b"\0" + np.ascontiguousarray(r).tobytes() for r in part)
    head = struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 1)
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def files(folder):
    """One file of every kind, by name."""
    made = {}

    def save(name, image, **how):
        made[name] = os.path.join(folder, name)
        image.save(made[name], **how)

    rgb, odd = Image.fromarray(picture(61, 83, 1)), Image.fromarray(picture(90, 47, 2))
    save("rgb.png", rgb)
    save("rgba.png", Image.fromarray(picture(61, 83, 3, 4)))
    save("grey.png", rgb.convert("L"))
    save("grey_alpha.png", Image.fromarray(picture(61, 83, 4, 4)).convert("LA"))
    save("palette.png", rgb.quantize(37))
    save("palette_2.png", rgb.quantize(2))
    save("palette_clear.png", rgb.quantize(16), transparency=3)
    save("palette_alpha.png", rgb.quantize(16), transparency=bytes(range(0, 256, 16)))
    save("rgb_clear.png", rgb, transparency=tuple(np.array(rgb)[5, 5].tolist()))
    save("grey_clear.png", rgb.convert("L"), transparency=77)
    save("bits.png", rgb.convert("1"))
    for depth in (2, 4):
        made[f"grey_{depth}.png"] = os.path.join(folder, f"grey_{depth}.png")
        raw_png(made[f"grey_{depth}.png"], np.random.RandomState(depth).randint(0, 256, (20, 4 * depth)).astype(np.uint8), 0, depth, 32)
    wide = np.random.RandomState(9).randint(0, 1 << 16, (25, 33, 4)).astype(">u2")
    low = np.random.RandomState(8).randint(0, 600, (25, 33)).astype(">u2")
    for name, a, color in (("grey_16.png", low, 0), ("rgb_16.png", wide[..., :3], 2), ("grey_alpha_16.png", wide[..., :2], 4), ("rgba_16.png", wide, 6)):
        made[name] = os.path.join(folder, name)
        raw_png(made[name], np.ascontiguousarray(a), color, 16)
    made["interlaced.png"] = os.path.join(folder, "interlaced.png")
    interlaced_png(made["interlaced.png"], picture(21, 35, 6))
    save("rgb.jpg", rgb, quality=90)
    save("odd_420.jpg", odd, quality=60)
    save("odd_422.jpg", odd, quality=80, subsampling=1)
    save("odd_444.jpg", odd, quality=80, subsampling=0)
    save("progressive.jpg", odd, progressive=True)
    save("grey.jpg", rgb.convert("L"))
    save("cmyk.jpg", rgb.convert("CMYK"))
    for o in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = o
        save(f"exif_{o}.jpg", odd, exif=exif)
    exif = Image.Exif()
    exif[0x0112] = 6
    save("exif_6.png", odd, exif=exif)
    # content decides, not the name
    save("really_a_jpeg.png", rgb, format="JPEG")
    return made


def upright(path):
    return ImageOps.exif_transpose(Image.open(path)).convert("RGB")


def stored(path):
    return Image.open(path).convert("RGB")


def main():
    cases = []  # (name, Lua expression, function that gives the expected tensor)
    with tempfile.TemporaryDirectory() as folder:
        made = files(folder)

        def add(name, lua, expected):
            cases.append((name, lua, expected))

        for name, path in made.items():
            add(f"load {name}", f'image.load("{path}")', lambda p=path: TF.to_tensor(upright(p)))
        add("load exif_6.jpg as stored", f'image.load("{made["exif_6.jpg"]}", {{exif = false}})', lambda: TF.to_tensor(stored(made["exif_6.jpg"])))

        views = [
            ("resize 256, crop 224, normalise", "{resize = 256, crop = 224, mean = {0.485, 0.456, 0.406}, std = {0.229, 0.224, 0.225}}",
             T.Compose([T.Resize(256), T.CenterCrop(224), T.ToTensor(), T.Normalize(MEAN, STD)])),
            ("resize 72, crop 64", "{resize = 72, crop = 64}", T.Compose([T.Resize(72), T.CenterCrop(64), T.ToTensor()])),
            ("bicubic 235, crop 224", '{resize = 235, crop = 224, interpolation = "bicubic"}',
             T.Compose([T.Resize(235, BICUBIC), T.CenterCrop(224), T.ToTensor()])),
            ("resize to 100×150", "{resize = {100, 150}}", T.Compose([T.Resize((100, 150)), T.ToTensor()])),
            ("lanczos 50, crop 49×33", '{resize = 50, crop = {49, 33}, interpolation = "lanczos"}',
             T.Compose([T.Resize(50, LANCZOS), T.CenterCrop((49, 33)), T.ToTensor()])),
            ("nearest 97", '{resize = 97, interpolation = "nearest"}', T.Compose([T.Resize(97, NEAREST), T.ToTensor()])),
            ("crop 1000 (padded)", "{resize = 90, crop = {131, 600}}", T.Compose([T.Resize(90), T.CenterCrop((131, 600)), T.ToTensor()])),
        ]
        photos = [made["rgb.png"], made["odd_420.jpg"], made["exif_6.jpg"]]
        hymenoptera = sorted(glob.glob(os.path.join(SHARED, "data/hymenoptera/*/*/*.jpg")))[::13]
        cifar = sorted(glob.glob(os.path.join(SHARED, "data/cifar10/*/*.jpg")))[::503]
        if not hymenoptera:
            print(f"skip real photographs: no {SHARED}/data/hymenoptera (SUTURE_SHARED says where)")
        for label, lua, transform in views:
            for path in photos + hymenoptera + cifar:
                add(f"{label}: {os.path.basename(path)}", f'image.preprocess("{path}", {lua})[0]',
                    lambda p=path, t=transform: t(upright(p)))

        # drafts: Pillow's Image.draft at twice the size, then the resize of the part that the picture is
        def drafted(path, edge, crop, how):
            image = Image.open(path)
            w, h = image.size
            size = (edge, int(edge * h / w)) if w <= h else (int(edge * w / h), edge)
            _, box = image.draft("RGB", (2 * edge, 2 * edge)) or (None, None)
            image = image.convert("RGB").resize(size, {T.InterpolationMode.BILINEAR: 2, BICUBIC: 3, LANCZOS: 1}[how], box=box)
            return TF.to_tensor(TF.center_crop(image, crop))

        for edge, crop, how, word in ((72, 64, T.InterpolationMode.BILINEAR, "bilinear"), (35, 32, BICUBIC, "bicubic"), (20, 20, LANCZOS, "lanczos"),
                                      (11, 10, T.InterpolationMode.BILINEAR, "bilinear")):
            jpegs = [p for p in made.values() if Image.open(p).format == "JPEG" and "exif" not in p]
            for path in jpegs + hymenoptera:
                add(f"draft {word} {edge}: {os.path.basename(path)}",
                    f'image.preprocess("{path}", {{resize = {edge}, crop = {crop}, interpolation = "{word}", draft = true}})[0]',
                    lambda p=path, a=edge, c=crop, i=how: drafted(p, a, c, i))

        # a folder of all of them, classes and order included
        tree = os.path.join(folder, "tree")
        for i, (name, path) in enumerate(made.items()):
            place = os.path.join(tree, "abc"[i % 3], *(["in", "in side", "in/deep"][i % 4:i % 4 + 1]))
            os.makedirs(place, exist_ok=True)
            os.symlink(path, os.path.join(place, name.upper() if i % 5 == 0 else name))
        whole = torchvision.datasets.ImageFolder(tree, views[0][2])
        for i, (path, label) in enumerate(whole.samples):
            add(f"data.folder: {i}", f'(function() local s = data.folder("{tree}", {views[0][1][:-1]}, exif = false}})[{i}] '
                f'assert(s.class == "{whole.classes[label]}" and s.name == "{path}", s.name) return s[1] end)()', lambda i=i: whole[i][0])

        script = os.path.join(folder, "run.lua")
        with open(script, "w") as f:
            f.write("local function put(i, f)\n  local ok, x = pcall(f)\n"
                    f'  if ok then save_tensor(x, ("{folder}/%d.npy"):format(i)) else print(("case %d: %s"):format(i, x)) end\nend\n')
            for i, (_, lua, _) in enumerate(cases):
                f.write(f"put({i}, function() return {lua} end)\n")
        run = subprocess.run([SUTURE, script], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        sys.stderr.write(run.stdout + run.stderr)

        passed = failed = 0
        worst, groups = 0.0, {}
        for i, (name, _, expected) in enumerate(cases):
            path, want, why = os.path.join(folder, f"{i}.npy"), expected().numpy(), None
            if not os.path.exists(path):
                why = "no result"
            else:
                got = np.load(path)
                if got.shape != want.shape:
                    why = f"shape {got.shape}, expected {want.shape}"
                elif not np.array_equal(got, want):
                    diff = float(np.abs(got - want).max())
                    worst = max(worst, diff)
                    why = f"largest difference {diff:g} in {int((got != want).sum())} of {want.size} numbers"
            if why:
                failed += 1
                print(f"FAIL {name}: {why}")
            else:
                passed += 1
                groups.setdefault(name.split(": ")[0], []).append(name)
        for label, names in groups.items():
            print(f"ok {label}" + (f" ({len(names)} pictures)" if len(names) > 1 else ""))
        print(f"largest difference {worst:g}")
        print(f"{passed} passed, {failed} failed")
        return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
