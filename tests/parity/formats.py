"""Weights files both ways: what torch.save and numpy.save write is read with the same names and values, and what Suture
writes is read by torch.load (weights_only too), numpy.load and a safetensors reader of the format's page."""
import argparse, json, os, subprocess, zipfile
from collections import OrderedDict
import numpy as np
import torch
from torch import nn
from common import SHARED, SUTURE, TOP, scratch

torch.manual_seed(1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.seq = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2, bias=False))
        self.register_buffer("kept", torch.arange(6).view(2, 3))
        self.register_buffer("not_kept", torch.ones(2), persistent=False)
        self.register_parameter("absent", None)

    def forward(self, x):
        return self.seq(self.bn(self.conv(x)).mean((2, 3)))


net = Net()
state = OrderedDict((k, v.detach()) for k, v in net.state_dict().items())
base = torch.randn(4, 6)
tensors = OrderedDict(
    f64=torch.randn(3, 2, dtype=torch.float64), f16=torch.randn(5, 3).half(), bf16=torch.randn(2, 3, 4).bfloat16(),
    i64=torch.tensor([[1, -2], [3, (1 << 40) + 1]]), i64_4d=torch.arange(16).view(2, 2, 2, 2).transpose(1, 3) + (1 << 53), i32=torch.arange(5, dtype=torch.int32) * 500000003, i16=torch.arange(-3, 5, dtype=torch.int16),
    i8=torch.arange(-3, 5, dtype=torch.int8), u8=torch.arange(7, dtype=torch.uint8), b=torch.tensor([True, False, True]),
    transposed=torch.randn(3, 5).t(), part=base[1:3, ::2], shared=base, permuted=torch.randn(2, 3, 4, 5).permute(0, 3, 1, 2),
    channels_last=torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last), scalar=torch.tensor(3.5),
    empty=torch.zeros(0, 3), expanded=torch.tensor([1., 2.]).expand(3, 2), odd=torch.tensor([float("inf"), float("nan"), -0.0]).half(),
    subnormal=(torch.rand(50) * 1e-6).half(), parameter=nn.Parameter(torch.randn(3)))
adam = torch.optim.Adam(net.parameters())
net(torch.randn(4, 3, 8, 8)).sum().backward()
adam.step()
state = OrderedDict((k, v.detach()) for k, v in net.state_dict().items())
# name: object, its tensors, wrapper, prefix
cases = {
    "dtypes_and_views": (tensors, tensors, "-", "-"),
    "module": (net, state, "-", "-"),
    "parallel_module": (nn.DataParallel(net), state, "-", "module."),
    "checkpoint": ({"epoch": 90, "arch": "r", "best": 71.25, "ok": True, "args": argparse.Namespace(a=1),
                    "optimizer": adam.state_dict(), "state_dict": nn.DataParallel(net).state_dict()}, state, "state_dict", "module."),
    "module_in_dict": ({"model": net}, state, "model", "-"),
    "ema": ({"model_ema": net.state_dict(), "x": 1}, state, "model_ema", "-"),
    "unknown_wrapper": ({"whatever": net.state_dict(), "optimizer": adam.state_dict()}, state, "whatever", "-"),
    "compiled": ({"_orig_mod." + k: v for k, v in state.items()}, state, "-", "_orig_mod."),
    "two_parts": ({"enc": {"w": base}, "dec": {"w": base * 2}}, {"enc.w": base, "dec.w": base * 2}, "-", "-"),
    "wrapped_twice": ({"model": {"state_dict": net.state_dict()}}, state, "model.state_dict", "-"),
    "one_tensor": (base, {"tensor": base}, "-", "-"),
    "list": ([base, base + 1], {"0": base, "1": base + 1}, "-", "-"),
}
arrays = {"f4": np.random.randn(3, 4).astype("f4"), "f8": np.random.randn(3, 4), "fortran": np.asfortranarray(np.random.randn(3, 4, 2)),
          "big_i2": np.arange(5, dtype=">i2"), "big_f8": np.arange(5, dtype=">f8"), "u4": np.arange(6, dtype="u4").reshape(2, 3),
          "bool": np.array([True, False]), "scalar": np.float32(3.5), "f2": np.arange(3, dtype="f2"),
          "i8": np.array([(1 << 62) + 1, -(1 << 40) - 1, 7]), "big_i8": np.array([[(1 << 40) + 1], [-3]], ">i8"),
          "u8": np.array([(1 << 53) + 1, 2], "u8"), "big_i4": np.array([2 ** 31 - 1, -5], ">i4"), "u4_large": np.array([2 ** 32 - 1], "u4"),
          "rank4": np.random.randn(2, 3, 4, 5).astype(">f4")}


def read_safetensors(path):
    raw = open(path, "rb").read()
    n = int.from_bytes(raw[:8], "little")
    header, data, out = json.loads(raw[8:8 + n]), raw[8 + n:], OrderedDict()
    meta = header.pop("__metadata__")
    kinds = {"F32": np.float32, "I64": np.int64, "BOOL": np.bool_}
    for name, t in header.items():
        begin, end = t["data_offsets"]
        kind = np.dtype(kinds[t["dtype"]])
        assert n % 8 == 0 and begin % kind.itemsize == 0, "not aligned"
        out[name] = np.frombuffer(data[begin:end], kind).reshape(t["shape"])
    return out, meta


def numbers(v):
    """As Suture has them: whole numbers exactly, others as float32."""
    if isinstance(v, torch.Tensor):
        v = v.detach()
        return v.to(torch.int64).numpy() if v.dtype in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8) else v.float().numpy()
    v = np.asarray(v)
    return v.astype("i8" if v.dtype.kind in "iu" else "f4")


def differs(got, want):
    if list(got) != list(want):
        return f"names {list(got)[:5]}, not {list(want)[:5]}"
    for k in want:
        a, b = numbers(got[k]), numbers(want[k])
        if a.shape != b.shape or not np.array_equal(a, b, equal_nan=True):
            return f"values of {k}"
    return ""


def check(folder, jobs):
    """jobs: (label, path, tensors, expected line or None). One suture reads them all."""
    lines = "".join(f"{path} {folder}/out_{i}\n" for i, (_, path, _, _) in enumerate(jobs))
    done = subprocess.run([SUTURE, "-q", "tests/parity/formats.lua"], cwd=TOP, input=lines, capture_output=True, text=True, timeout=300)
    if done.returncode:
        print(f"FAIL formats: {done.stderr[-800:]}")
        return
    for i, ((label, path, want, line), said) in enumerate(zip(jobs, done.stdout.strip().split("\n"))):
        out, wrong = f"{folder}/out_{i}", []
        if line and not said.startswith(line):
            wrong.append(f"said {said[:80]}, not {line}")
        for only in (False, True):
            back = torch.load(out + ".pth", weights_only=only)
            wrong += [w for w in [differs(back, want)] if w]
            assert type(back) is OrderedDict and back.suture == {"note": "é \"quoted\""}
        back, meta = read_safetensors(out + ".safetensors")
        wrong += [w for w in [differs(back, want), "" if meta["note"] == "é \"quoted\"" else "metadata"] if w]
        first = np.load(out + ".npy")
        wrong += [w for w in [differs({"x": first}, {"x": list(want.values())[0]})] if w]
        whole = [k for k, v in want.items() if isinstance(v, torch.Tensor) and v.dtype == torch.int64]
        if any(torch.load(out + ".pth")[k].dtype != torch.int64 for k in whole):
            wrong.append("int64 lost")
        assert zipfile.ZipFile(out + ".pth").testzip() is None
        print(f"FAIL formats {label}: {'; '.join(wrong)}" if wrong else f"ok formats {label}", flush=True)


with scratch() as folder:
    jobs = []
    for name, (obj, want, wrapper, prefix) in cases.items():
        for kind, protocol in [("zip", 2), ("stream", 1), ("stream", 2), ("stream", 4), ("stream", 5)]:
            path = f"{folder}/{name}_{kind}{protocol}.pth"
            torch.save(obj, path, _use_new_zipfile_serialization=kind == "zip", pickle_protocol=protocol)
            jobs.append((f"{name}, {kind}, protocol {protocol}", path, want, f"torch {kind}|{wrapper}|{prefix}|"))
    with zipfile.ZipFile(f"{folder}/module_zip2.pth") as src, zipfile.ZipFile(f"{folder}/packed.pth", "w", zipfile.ZIP_DEFLATED) as dst:
        for n in src.namelist():
            dst.writestr(n, src.read(n))
    jobs.append(("zip, compressed", f"{folder}/packed.pth", state, "torch zip|"))
    scripted = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    torch.jit.script(scripted).save(f"{folder}/scripted.pt")
    jobs.append(("TorchScript", f"{folder}/scripted.pt", scripted.state_dict(), "torch zip|"))
    for name, a in arrays.items():
        for version in [(1, 0), (2, 0), (3, 0)]:
            path = f"{folder}/{name}_{version[0]}.npy"
            with open(path, "wb") as f:
                np.lib.format.write_array(f, np.asarray(a), version=version)
            jobs.append((f"npy {name}, version {version[0]}", path, {"tensor": a}, "npy|"))
    check(folder, jobs)
    published = [f"{SHARED}/data/weights/{n}" for n in ("resnet20-12fca82f.th", "resnet32-d509ac18.th")]
    if all(map(os.path.exists, published)):
        check(folder, [(os.path.basename(p), p, OrderedDict((k[7:], v) for k, v in torch.load(p, map_location="cpu")["state_dict"].items()),
                        "torch stream|state_dict|module.|best_prec1=") for p in published])
    else:
        print(f"skip formats published: {published[0]} is not here")
