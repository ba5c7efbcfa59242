"""vis.maximize, vis.class_image and vis.dream against PyTorch: the same frequencies, colours and steps, with torch.fft and
torch.optim.Adam. Formulas: Olah, Mordvintsev & Schubert 2017 (doi:10.23915/distill.00007) as lucid has them
(optvis/param/spatial.py, color.py); octaves as Mordvintsev, Olah & Tyka 2015."""
import os, sys
sys.path.insert(0, os.path.dirname(__file__))
from common import *
import torch.nn.functional as F
from cifar import CifarResNet

# Adam's first steps follow the gradients' signs, and those of coefficients that hardly count are rounding's.
BOUND = 1e-2
WEIGHTS = f"{SHARED}/data/weights/resnet32-d509ac18.th"
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


def to_rgb(t):  # lucid: _linear_decorelate_color, before the sigmoid
    root = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
    return torch.einsum("nkhw,ck->nchw", t, root / root.norm(dim=0).max())


def fft_image(spectrum, h, w):  # lucid: fft_image, decay_power 1
    fy, fx = np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)[None]
    scale = np.sqrt(w * h) / np.maximum(np.sqrt(fx * fx + fy * fy), 1.0 / max(w, h))
    complex_ = torch.complex(spectrum[:, :h], spectrum[:, h:]) * torch.from_numpy(scale).float()
    return torch.fft.irfft2(complex_, s=(h, w))[None] / 4


def variation(x):
    return (x[:, :, 1:] - x[:, :, :-1]).abs().mean() + (x[:, :, :, 1:] - x[:, :, :, :-1]).abs().mean()


def climb(begin, h, w, base, value, steps, rate, tv=0):
    s = begin.clone().requires_grad_()
    opt = torch.optim.Adam([s], lr=rate, eps=1e-12)
    for _ in range(steps):
        opt.zero_grad()
        colours = torch.sigmoid(to_rgb(fft_image(s, h, w)) + base)
        (tv * variation(colours) - value((colours - MEAN) / STD)).backward()
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
        def got(name):
            return torch.from_numpy(np.load(f"{d}/{name}.npy")).float()
        noise, none = got("noise"), torch.zeros(1, 3, 1, 1)

        def check(name, logits):
            report(f"synthesis {name}", largest(got(name).numpy(), torch.sigmoid(logits)[0].numpy()), BOUND, "")
        check("channel", climb(noise, 32, 32, none, lambda x: at("layer3")(x)[0, 17].mean(), 6, 0.05))
        check("place", climb(noise, 32, 32, none, lambda x: at("layer2")(x)[0, unit, 5, 9], 6, 0.05, 2))
        check("class", climb(noise, 32, 32, none, lambda x: net(x)[0, 3], 6, 0.05))
        x = (got("x")[None] * STD + MEAN).clamp(0.01, 0.99)
        seen, dreamt = (x / (1 - x)).log(), None
        for h, w in ((29, 26), (40, 36)):
            def resized(t):
                return F.interpolate(t, (h, w), mode="bilinear", align_corners=False)
            base = resized(seen) + (0 if dreamt is None else resized(dreamt))
            y = climb(torch.zeros(3, 2 * h, w // 2 + 1), h, w, base, lambda x: at("layer3")(x).square().mean(), 2, 0.05)
            dreamt = y - resized(seen)
        check("dream", seen + dreamt)


if not os.path.exists(WEIGHTS):
    print(f"skip synthesis: no {WEIGHTS} (SUTURE_SHARED)")
else:
    main()
