"""PyTorch's worker: worker.py THREADS MODE. Reads lines as worker.lua does, and "export MODEL BATCH PATH", which
writes ONNX and answers the input's shape as worker.js wants it. To "make" of a model that torchvision has not: "unknown".

MODE is eager, channels_last, frozen (a trace, frozen, channels_last), optimized (a trace, optimize_for_inference) or, for gradcam,
layer (eager, and backward only to the layer).
"""
import os, sys, time, warnings
import torch, torchvision

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "tests", "parity"))
from cifar import CifarResNet


def known(model):
    return model.startswith("cifar_resnet") or hasattr(torchvision.models, model)


def build(model, batch):
    small = model.startswith("cifar_resnet")
    net = CifarResNet(int(model[len("cifar_resnet"):])) if small else getattr(torchvision.models, model)()
    size = 32 if small else 224
    return net, torch.randn(batch, 3, size, size)


LAYERS = {"resnet50": "layer3", "googlenet": "inception4e"}  # those that vis.dream chooses


def dreamer(net, mode, layer, size=224, octaves=3, by=1.4, steps=20, rate=0.02):
    """What vis.dream does, as one writes it with PyTorch: the network ends at the layer, its weights take no gradient."""
    from torchvision.models.feature_extraction import create_feature_extractor
    part = create_feature_extractor(net.eval(), {layer: "y"}).requires_grad_(False)
    layout = torch.channels_last if mode == "channels_last" else torch.contiguous_format
    mean, std = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    colour = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]])
    colour = colour / colour.norm(dim=0).max()
    picture = torch.rand(1, 3, size, size)
    logits = (lambda x: (x / (1 - x)).log())(picture.clamp(0.01, 0.99))

    def resized(x, s):
        return torch.nn.functional.interpolate(x, (s, s), mode="bilinear", align_corners=False)

    def run():
        dreamt = None
        for k in range(octaves - 1, -1, -1):
            s = int(size / by**k + 0.5)
            base = resized(logits, s) + (0 if dreamt is None else resized(dreamt, s))
            fy, fx = torch.fft.fftfreq(s)[:, None], torch.fft.rfftfreq(s)[None]
            weight = s / (fy**2 + fx**2).sqrt().clamp(min=1 / s) / 4
            x = torch.zeros(1, 3, s, s // 2 + 1, 2, requires_grad=True)
            opt = torch.optim.Adam([x], lr=rate, eps=1e-12)

            def now():
                y = torch.fft.irfft2(torch.view_as_complex(x) * weight, s=(s, s))
                return base + torch.einsum("ij,njhw->nihw", colour, y)
            jitter = max(1, size // 32)
            for _ in range(steps):
                opt.zero_grad(set_to_none=True)
                y = torch.sigmoid(now())
                dy, dx = torch.randint(-jitter, jitter + 1, (2,)).tolist()
                rows, columns = torch.arange(s) + dy, torch.arange(s) + dx
                y = y[:, :, s - 1 - (s - 1 - rows.abs()).abs()][:, :, :, s - 1 - (s - 1 - columns.abs()).abs()]
                (-part(((y - mean) / std).contiguous(memory_format=layout))["y"].square().mean()).backward()
                opt.step()
            dreamt = (now() - resized(logits, s)).detach()
    return run


def seer(net, mode, x, layer="layer4"):
    """What vis.gradcam does, as one writes it with PyTorch: hooks keep the layer's activations and gradient, backward goes
    through the whole network; in mode layer no weight takes a gradient and backward ends where the layer gave its map."""
    net.eval()
    kept = {}
    if mode == "layer":
        net.requires_grad_(False)

        def hook(module, inputs, output):
            kept["a"] = output.requires_grad_()
            return kept["a"]
        getattr(net, layer).register_forward_hook(hook)
    else:
        getattr(net, layer).register_forward_hook(lambda module, inputs, output: kept.update(a=output))
        getattr(net, layer).register_full_backward_hook(lambda module, into, outof: kept.update(g=outof[0]))

    def run():
        scores = net(x)
        score = scores.gather(1, scores.argmax(1, keepdim=True)).sum()
        if mode == "layer":
            kept["g"], = torch.autograd.grad(score, kept["a"])
        else:
            net.zero_grad()
            score.backward()
        a, g = kept["a"].detach(), kept["g"]
        cam = torch.relu((g.mean((2, 3), keepdim=True) * a).sum(1, keepdim=True))
        cam = torch.nn.functional.interpolate(cam, x.shape[2:], mode="bilinear", align_corners=False)
        low, high = cam.amin((1, 2, 3), keepdim=True), cam.amax((1, 2, 3), keepdim=True)
        return ((cam - low) / (high - low + 1e-12)).sum().item()
    return run


def make(mode, model, kind, batch):
    net, x = build(model, batch)
    if kind == "dream":
        if mode == "channels_last":
            net = net.to(memory_format=torch.channels_last)
        return dreamer(net, mode, LAYERS[model])
    if mode in ("channels_last", "frozen"):
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    if kind == "gradcam":
        return seer(net, mode, x)
    if kind == "forward":
        net.eval()
        if mode in ("frozen", "optimized"):
            with torch.no_grad():
                net = torch.jit.freeze(torch.jit.trace(net, x))
            if mode == "optimized":
                net = torch.jit.optimize_for_inference(net)
        def run():
            with torch.no_grad():
                net(x)
        return run
    net.train()
    y = torch.arange(batch) % 10
    opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    def run():
        opt.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
        loss.item()
    return run


def main():
    torch.set_num_threads(int(sys.argv[1]))
    warnings.filterwarnings("ignore")
    for line in sys.stdin:
        verb, *rest = line.split()
        if verb == "make" and not known(rest[0]):
            print("unknown", flush=True)
        elif verb == "make":
            run = make(sys.argv[2], rest[0], rest[1], int(rest[2]))
            print("ready", flush=True)
        elif verb == "export":
            net, x = build(rest[0], int(rest[1]))
            torch.onnx.export(net.eval(), x, rest[2], input_names=["x"], output_names=["y"], opset_version=13)
            print("x".join(map(str, x.shape)), flush=True)
        else:
            times, start = [], time.perf_counter()
            now = start
            while not times or now - start < float(rest[0]):
                run()
                before, now = now, time.perf_counter()
                times.append(f"{now - before:.6f}")
            print(*times, flush=True)


main()
