"""vis.maximize, vis.class_image and vis.dream against PyTorch: the same frequencies, colours and steps, with torch.fft and
torch.optim.Adam. Formulas: Olah, Mordvintsev & Schubert 2017 (doi:10.23915/distill.00007) as lucid has them
(optvis/param/spatial.py, color.py); octaves as Mordvintsev, Olah & Tyka 2015."""
import os, sys
sys.path.insert(0, os.path.dirname(__file__))
from common import *
import torch.nn.functional as F
from cifar import CifarResNet

# Adam's first steps follow the gradients' signs, and that of a coefficient whose gradient is next to 0 is rounding's: it
# moves the picture by up to 1e-2. So what is compared with is PyTorch's float32, its float64, and its float64 with gradients
# rounded as float32's are, by 1e-7 of the greatest, in a few ways: one of them is met.
BOUND = 1e-3
WAYS = [(torch.float32, 0, 0), (torch.float64, 0, 0)] + [(torch.float64, 1e-7, seed) for seed in range(6)]
WEIGHTS = f"{SHARED}/data/weights/resnet32-d509ac18.th"
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def to_rgb(t):  # lucid: _linear_decorelate_color, before the sigmoid
    root = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]]).to(t)
    return torch.einsum("nkhw,ck->nchw", t, root / root.norm(dim=0).max())


def fft_image(spectrum, h, w):  # lucid: fft_image, decay_power 1
    fy, fx = np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None]
    scale = np.sqrt(w * h) / np.maximum(np.sqrt(fx * fx + fy * fy), 1.0 / max(w, h))
    complex_ = torch.complex(spectrum[:, :h], spectrum[:, h:]) * torch.from_numpy(scale).to(spectrum)
    return torch.fft.irfft2(complex_, s=(h, w))[None] / 4


def variation(x):
    return (x[:, :, 1:] - x[:, :, :-1]).abs().mean() + (x[:, :, :, 1:] - x[:, :, :, :-1]).abs().mean()


def climb(begin, h, w, base, value, steps, rate, tv=0, rounding=0):
    s = begin.clone().requires_grad_()
    opt = torch.optim.Adam([s], lr=rate, eps=1e-12)
    for _ in range(steps):
        opt.zero_grad()
        colours = torch.sigmoid(to_rgb(fft_image(s, h, w)) + base)
        (tv * variation(colours) - value((colours - MEAN.to(s)) / STD.to(s))).backward()
        s.grad += rounding * s.grad.abs().max() * torch.randn_like(s)
        opt.step()
    return (to_rgb(fft_image(s, h, w)) + base).detach()


def main():
    net = CifarResNet(32)
    state = torch.load(WEIGHTS, map_location="cpu")["state_dict"]
    net.load_state_dict({k.replace("module.", ""): v for k, v in state.items()})
    net.eval()
    kept = {}
    for name in ("layer2", "layer3"):
        net.get_submodule(name).register_forward_hook(lambda m, i, o, name=name: kept.__setitem__(name, o))

    def at(name):
        def f(x):
            net(x)
            return kept[name]
        return f
    with scratch() as d:
        with torch.no_grad():  # one that is alive on grey: what is dead there, vis.maximize wakes in a way of its own
            unit = at("layer2")((torch.full((1, 3, 32, 32), 0.5) - MEAN) / STD)[0, :, 5, 9].argmax().item()
        suture("tests/parity/synthesis.lua", WEIGHTS, d, str(unit))
        def check(name, made):
            """made(climb, cast): the colours before the sigmoid, by a way of climbing and numbers of its kind."""
            ours, error = np.load(f"{d}/{name}.npy"), float("inf")
            for kind, rounding, seed in WAYS:
                torch.manual_seed(seed)
                net.to(kind)
                logits = made(lambda *a: climb(*a, rounding=rounding), lambda t: t.to(kind))
                error = min(error, largest(ours, torch.sigmoid(logits)[0].numpy()))
                if error <= BOUND:
                    break
            report(f"synthesis {name}", error, BOUND, f"of {kind}".replace("torch.", "") + (", rounded" if rounding else ""))
        noise, none = torch.from_numpy(np.load(f"{d}/noise.npy")), torch.zeros(1, 3, 1, 1)

        def upwards(value, tv=0):
            return lambda climb, cast: climb(cast(noise), 32, 32, cast(none), value, 6, 0.05, tv)
        check("channel", upwards(lambda x: at("layer3")(x)[0, 17].mean()))
        check("place", upwards(lambda x: at("layer2")(x)[0, unit, 5, 9], 2))
        check("class", upwards(lambda x: net(x)[0, 3]))

        def dream(climb, cast):
            x = cast((torch.from_numpy(np.load(f"{d}/x.npy"))[None] * STD + MEAN).clamp(0.01, 0.99))
            seen, dreamt = (x / (1 - x)).log(), None
            for h, w in ((29, 26), (40, 36)):
                def resized(t):
                    return F.interpolate(t, (h, w), mode="bilinear", align_corners=False)
                base = resized(seen) + (0 if dreamt is None else resized(dreamt))
                begin = cast(torch.zeros(3, 2 * h, w // 2 + 1))
                y = climb(begin, h, w, base, lambda x: at("layer3")(x).square().mean(), 2, 0.05, 0)
                dreamt = y - resized(seen)
            return seen + dreamt
        check("dream", dream)


if not os.path.exists(WEIGHTS):
    print(f"skip synthesis: no {WEIGHTS} (SUTURE_SHARED)")
else:
    main()
