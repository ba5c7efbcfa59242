"""PyTorch's worker: worker.py THREADS MODE. Reads lines as worker.lua does, and "export MODEL BATCH PATH", which
writes ONNX and answers the input's shape as worker.js wants it. To "make" of a model that torchvision has not: "unknown".

MODE is eager, channels_last, frozen (a trace, frozen, channels_last) or optimized (a trace, optimize_for_inference).
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


def make(mode, model, kind, batch):
    net, x = build(model, batch)
    if mode in ("channels_last", "frozen"):
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
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
