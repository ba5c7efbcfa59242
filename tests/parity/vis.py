"""Class activation maps and attributions against PyTorch computations of the published formulas, on photographs: within
1e-3 of the map's greatest value. The sources stand beside each formula. PARITY_ALL: every model and method.
Where numbers come near the kink of a ReLU the gradient of a pixel is a matter of rounding: a map further from PyTorch's
float32 than that is to be no further from PyTorch's float64 than PyTorch's float32 is, but in one of a hundred pixels. Where
PyTorch's float32 is further than a tenth from its float64, a map is nothing but rounding, and there is nothing to compare."""
import copy, glob, os, sys
sys.path.insert(0, os.path.dirname(__file__))
from common import *
import torch.nn.functional as F
import torchvision
from cifar import CifarResNet

BOUND = 1e-3
sys.path.insert(0, os.path.join(SHARED, "oracle"))


class Guided(torch.autograd.Function):
    """Springenberg et al. 2014 (arXiv:1412.6806), section 3.4: the gradient goes on where it and the input are positive."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g.clamp(min=0) * (x > 0)


class Looked:
    """A model, pictures, the predicted classes, and a layer's activations and gradients as (N, C, h, w)."""

    def __init__(self, net, x, path):
        self.net, self.x, self.module = net, x, net.get_submodule(path) if path else None
        self.c = self.logits(x).argmax(1)
        if path:
            kept = {}

            def keep(m, i, o):
                o.retain_grad()
                kept["a"] = o
                return o.clone()  # so that what works in place behind it leaves it

            handle = self.module.register_forward_hook(keep)
            self.score(x.clone().requires_grad_()).sum().backward()
            handle.remove()
            self.raw = kept["a"].detach()
            self.a, self.g = self.map(kept["a"].detach()), self.map(kept["a"].grad)

    def logits(self, x):
        with torch.no_grad():
            return self.net(x)

    def score(self, x, c=None):
        return self.net(x).gather(1, (self.c if c is None else c)[:, None])[:, 0]

    def map(self, t):
        if t.dim() == 4:
            return t if t.shape[1] > t.shape[3] else t.permute(0, 3, 1, 2)
        side = int((t.shape[1] - 1) ** 0.5)
        return t[:, 1:].transpose(1, 2).reshape(t.shape[0], -1, side, side)

    def gradient(self, x, c=None):
        x = x.clone().requires_grad_()
        return torch.autograd.grad(self.score(x, c).sum(), x)[0]


def gradcam(l):  # Selvaraju et al. 2017 (arXiv:1610.02391), equations 1 and 2
    return (l.g.mean((2, 3), keepdim=True) * l.a).sum(1).relu()


def gradcam_plus_plus(l):  # Chattopadhyay et al. 2018 (arXiv:1710.11063), equations 5, 10 and 19
    below = 2 * l.g**2 + l.a.sum((2, 3), keepdim=True) * l.g**3
    alpha = torch.where(below != 0, l.g**2 / torch.where(below != 0, below, torch.ones(())), torch.zeros(()))
    return ((alpha * l.g.relu()).sum((2, 3), keepdim=True) * l.a).sum(1).relu()


def hirescam(l):  # Draelos & Carin 2020 (arXiv:2011.08891), equation 5
    return (l.g * l.a).sum(1)


def xgradcam(l):  # Fu et al. 2020 (arXiv:2008.02312), equation 8
    total = l.a.sum((2, 3), keepdim=True)
    total = torch.where(total == 0, torch.ones(()), total)  # a channel that is 0 everywhere adds nothing
    return ((l.g * l.a).sum((2, 3), keepdim=True) / total * l.a).sum(1).relu()


def layercam(l):  # Jiang et al. 2021 (doi:10.1109/TIP.2021.3089943), equations 5 to 7
    return (l.g.relu() * l.a).sum(1).relu()


def eigencam(l):  # Muhammad & Yeasin 2020 (arXiv:2008.00299), section III: A = U S Vᵀ, the map is A V₁
    maps = []
    for a in l.a:
        rows = a.flatten(1).T.double()
        v = torch.linalg.svd(rows, full_matrices=False)[2][0]
        map_ = (rows @ v).reshape(a.shape[1:])
        maps.append(map_ if map_.sum() >= 0 else -map_)
    return torch.stack(maps)


def scorecam(l):  # Wang et al. 2020 (arXiv:1910.01279), algorithm 1
    maps = []
    for x, a, c in zip(l.x, l.a, l.c):
        m = F.interpolate(a[None], x.shape[1:], mode="bilinear", align_corners=False)[0]
        low, high = m.amin((1, 2), keepdim=True), m.amax((1, 2), keepdim=True)
        m = (m - low) / (high - low).clamp(min=1e-12)
        s = torch.cat([l.logits(x[None] * part[:, None])[:, c] for part in m.split(32)])
        maps.append((s.softmax(0)[:, None, None] * a).sum(0).relu())
    return torch.stack(maps)


def ablationcam(l):  # Desai & Ramaswamy 2020 (doi:10.1109/WACV45572.2020.9093360), equation 3
    maps = []
    for x, a, c in zip(l.x, l.a, l.c):
        whole, s = l.logits(x[None])[0, c], []
        for part in torch.eye(a.shape[0]).split(32):  # channel k is 0 in row k
            handle = l.module.register_forward_hook(lambda m, i, o: o * (1 - part)[:, :, None, None])
            s.append(l.logits(x[None].expand(len(part), -1, -1, -1))[:, c])
            handle.remove()
        maps.append((((whole - torch.cat(s)) / whole)[:, None, None] * a).sum(0).relu())
    return torch.stack(maps)


def fullgrad(l):  # Srinivas & Fleuret 2019 (arXiv:1905.00780), equation 8; biases of BatchNorm as in section 3.2
    outs, handles = [], []
    for m in l.net.modules():
        b = None
        if isinstance(m, torch.nn.Conv2d):
            b = m.bias
        elif isinstance(m, torch.nn.BatchNorm2d):
            b = m.bias - m.running_mean * m.weight / (m.running_var + m.eps).sqrt()
        if b is not None:
            def keep(m, i, o, b=b):
                outs.append((o, b.detach()))
                return o.clone()  # so that what works in place behind it leaves it

            handles.append(m.register_forward_hook(keep))
    x = l.x.clone().requires_grad_()
    score = l.score(x).sum()
    for h in handles:
        h.remove()
    g = torch.autograd.grad(score, [x] + [o for o, _ in outs])

    def psi(t):
        t = t.abs()
        low, high = t.amin((2, 3), keepdim=True), t.amax((2, 3), keepdim=True)
        t = (t - low) / (high - low).clamp(min=1e-12)
        return F.interpolate(t, l.x.shape[2:], mode="bilinear", align_corners=False).sum(1)

    return psi(g[0] * l.x) + sum(psi(gi * b.reshape(1, -1, 1, 1)) for gi, (_, b) in zip(g[1:], outs))


def saliency(l):  # Simonyan et al. 2013 (arXiv:1312.6034), section 3.1
    return l.gradient(l.x).abs().amax(1)


def gradient_x_input(l):  # Shrikumar et al. 2017 (arXiv:1605.01713), section 1
    return (l.gradient(l.x) * l.x).sum(1)


def integrated_gradients(l, steps=8):  # Sundararajan et al. 2017 (arXiv:1703.01365), equation 3; middles of the steps
    return (sum(l.gradient(l.x * (k + 0.5) / steps) for k in range(steps)) / steps * l.x).sum(1)


def smoothgrad(l):  # Smilkov et al. 2017 (arXiv:1706.03825), section 3, with the noise that was drawn
    x = l.x[:1] + l.noise * 0.15 * (l.x[0].max() - l.x[0].min())
    return l.gradient(x, l.c[:1].expand(len(x))).mean(0, keepdim=True).abs().amax(1)


def occlusion(l):  # Zeiler & Fergus 2013 (arXiv:1311.2901), section 4.2; the mean over the squares that cover a pixel
    h = l.x.shape[2]
    size, stride = (8, 4) if h == 32 else (64, 48)
    places = list(range(0, h - size + 1, stride))
    places += [h - size] if places[-1] < h - size else []
    base = l.logits(l.x).gather(1, l.c[:, None])[:, 0]
    lost, times = torch.zeros(len(l.x), h, h), torch.zeros(h, h)
    for y in places:
        for x in places:
            covered = l.x.clone()
            covered[:, :, y:y + size, x:x + size] = 0
            s = base - l.logits(covered).gather(1, l.c[:, None])[:, 0]
            lost[:, y:y + size, x:x + size] += s[:, None, None]
            times[y:y + size, x:x + size] += 1
    return lost / times


def guided_backprop(l, whole=False):
    relu = F.relu
    F.relu = lambda x, inplace=False: Guided.apply(x)
    try:
        g = l.gradient(l.x)
    finally:
        F.relu = relu
    return g if whole else g.abs().amax(1)


def guided_gradcam(l):  # Selvaraju et al. 2017 (arXiv:1610.02391), section 3.2
    cam = gradcam(l)
    cam = cam / cam.amax((1, 2), keepdim=True).clamp(min=1e-30)
    up = F.interpolate(cam[:, None], l.x.shape[2:], mode="bilinear", align_corners=False)
    return (guided_backprop(l, True) * up).abs().amax(1)


def attentions(l):
    """Vaswani et al. 2017 (arXiv:1706.03762), equation 1, of each block of a vision transformer: (heads, L, L)."""
    found, handles = [], []
    for block in l.net.encoder.layers:
        def kept(module, i, x, m=block.self_attention):
            n, rows, e = x.shape
            qkv = F.linear(x, m.in_proj_weight, m.in_proj_bias).reshape(n, rows, 3, m.num_heads, -1)
            q, k = qkv[:, :, 0].transpose(1, 2), qkv[:, :, 1].transpose(1, 2)
            found.append((q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)[0])
        handles.append(block.ln_1.register_forward_hook(kept))
    l.logits(l.x[:1])
    for h in handles:
        h.remove()
    return found


def attention(l):
    return attentions(l)[-1]


def windows_of(l):
    """The attention matrices (L, L) of a Swin transformer, place by place, and between stages the means of merged places."""
    found, handles = [], []
    for block in [m for m in l.net.modules() if type(m).__name__ == "SwinTransformerBlock"]:
        def kept(module, i, x, m=block.attn):
            n, h, w, e = x.shape
            win, shift = m.window_size[0], m.shift_size[0] if h > m.window_size[0] else 0
            places = torch.arange(h * w).reshape(h, w).roll((-shift, -shift), (0, 1))
            regions = torch.zeros(h, w, dtype=torch.long)
            for k, (a, b) in enumerate([(0, h - win), (h - win, h - shift), (h - shift, h)]):
                regions[a:b] += 3 * k
                regions[:, a:b] += k
            full = torch.zeros(h * w, h * w)
            y = x[0].roll((-shift, -shift), (0, 1))
            for r in range(0, h, win):
                for c in range(0, w, win):
                    rows, ids = y[r:r + win, c:c + win].reshape(-1, e), places[r:r + win, c:c + win].reshape(-1)
                    qkv = F.linear(rows, m.qkv.weight, m.qkv.bias).reshape(len(rows), 3, m.num_heads, -1)
                    q, k = qkv[:, 0].transpose(0, 1), qkv[:, 1].transpose(0, 1)
                    bias = m.relative_position_bias_table[m.relative_position_index].reshape(len(rows), len(rows), -1)
                    score = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + bias.permute(2, 0, 1)
                    if shift:
                        region = regions[r:r + win, c:c + win].reshape(-1)
                        score = score.masked_fill(region[:, None] != region[None], -100.0)
                    full[ids[:, None], ids[None]] = score.softmax(-1).mean(0)
            found.append(full)
        handles.append(block.norm1.register_forward_hook(kept))
    l.logits(l.x[:1])
    for h in handles:
        h.remove()
    return found


def rollout_of_windows(l):
    product = None
    for a in windows_of(l):
        a = 0.5 * a + 0.5 * torch.eye(len(a))
        if product is not None and len(product) != len(a):  # four places became one
            side = int(len(a) ** 0.5)
            product = product.reshape(side, 2, side, 2, -1).mean((1, 3)).reshape(side * side, -1)
        product = a if product is None else a @ product
    side = int(product.shape[1] ** 0.5)
    return product.mean(0).reshape(1, side, side)


def rollout(l):  # Abnar & Zuidema 2020 (arXiv:2005.00928), equation 1 and section 3
    if not hasattr(l.net, "encoder"):
        return rollout_of_windows(l)
    product = None
    for a in attentions(l):
        a = 0.5 * a.mean(0) + 0.5 * torch.eye(a.shape[-1])
        product = a if product is None else a @ product
    side = int((product.shape[0] - 1) ** 0.5)
    return product[0, 1:].reshape(1, side, side)


CAMS = ["gradcam", "gradcam_plus_plus", "hirescam", "xgradcam", "layercam", "eigencam"]
PIXELS = ["saliency", "gradient_x_input", "integrated_gradients", "occlusion"]
RELU = ["guided_backprop", "guided_gradcam"]
SLOW = ["scorecam", "ablationcam"]
#         model              methods, and whether without --all; how many photographs without
MODELS = [("cifar_resnet32", CAMS + PIXELS + RELU + SLOW + ["fullgrad", "smoothgrad"], 3),
          ("resnet18", CAMS + PIXELS[:2], 1),
          ("vit_b_16", ["gradcam", "attention", "rollout"], 1),
          ("vgg11", CAMS + PIXELS + RELU + ["fullgrad"], 0),
          ("densenet121", PIXELS[:2], 1),
          ("densenet121", CAMS + PIXELS + RELU + ["fullgrad"], 0),
          ("efficientnet_b0", CAMS + PIXELS + ["fullgrad"], 0),
          ("convnext_tiny", CAMS + PIXELS, 0),
          ("swin_t", CAMS + PIXELS, 0),
          ("swin_t", ["gradcam", "rollout"], 1)]


def network(name):
    if name.startswith("cifar_resnet"):
        net = CifarResNet(int(name[len("cifar_resnet"):]))
        state = torch.load(f"{SHARED}/data/weights/resnet32-d509ac18.th", map_location="cpu")["state_dict"]
        net.load_state_dict({k.replace("module.", ""): v for k, v in state.items()})
    else:
        net = fill.fill(getattr(torchvision.models, name)())
    for m in net.modules():
        if isinstance(m, torch.nn.ReLU):
            m.inplace = False  # what a module gave is still there when it is looked at
    return net.eval()


def check(name, methods, pictures):
    net = network(name)
    with scratch() as d:
        state = net.state_dict()
        torch.save(state, f"{d}/state.pth")
        said = suture("tests/parity/vis.lua", name, d, ",".join(methods), *pictures)
        layers = dict(line.split("\t") for line in said.splitlines())
        path = layers.get("gradcam")
        if name == "swin_t":
            path = "norm"  # torchvision's swaps the dimensions after it in a function
        def looked(net, kind):
            l = Looked(net, torch.from_numpy(np.load(f"{d}/x.npy")).to(kind), path)
            l.noise = torch.from_numpy(np.load(f"{d}/noise.npy")).to(kind)
            return l

        l, exact = looked(net, torch.float32), None
        for method in methods:
            ours, theirs = np.load(f"{d}/{method}.npy"), globals()[method](l).detach().numpy()
            error, bound, note = largest(ours, theirs), BOUND, layers.get(method, "")
            if error > bound:
                exact = exact or looked(copy.deepcopy(net).double(), torch.float64)
                truth = globals()[method](exact).detach().numpy()
                note += f" of float64; {error:.1e} of float32"
                error, bound = largest(ours, truth), max(BOUND, largest(theirs, truth))
                if bound > 0.1:
                    print(f"skip vis {name} {method}: PyTorch's float32 is {bound:.1e} from its float64")
                    continue
                if error > bound:
                    note += f"; {error:.1e} in less than a hundredth of the pixels"
                    error = np.quantile(np.abs(ours - truth), 0.99) / np.abs(truth).max()
            report(f"vis {name} {method}", error, bound, note.strip())


if not os.path.exists(os.path.join(SHARED, "oracle", "fill.py")):
    print(f"skip vis: no {SHARED}/oracle (SUTURE_SHARED)")
else:
    import fill
    photographs = sorted(glob.glob(f"{SHARED}/data/hymenoptera/val/ants/*.jpg"))[:2] + \
        sorted(glob.glob(f"{SHARED}/data/hymenoptera/val/bees/*.jpg"))[:1]
    for name, methods, few in MODELS:
        if ALL and name in ("resnet18", "vit_b_16"):
            methods = methods + [m for m in (CAMS + PIXELS + (RELU + ["fullgrad"] if name == "resnet18" else [])) if m not in methods]
        if few or ALL:
            check(name, methods, photographs if ALL else photographs[:few])
