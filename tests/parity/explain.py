"""vis.explain: the parts add up to the number and the number is PyTorch's, within 1e-5 (of 1, or of the number where that is
more; of the layer's greatest in deep networks). The network of CNN Explainer at 200 places over all its layers, on its
photographs; then the kinds of operations it has not, in networks of torchvision."""
import json, os, random, struct, sys
sys.path.insert(0, os.path.dirname(__file__))
from common import *
import torch.nn.functional as F
import torchvision

BOUND = 1e-5
TINY = os.path.join(SHARED, "data", "tiny_vgg")
sys.path.insert(0, os.path.join(SHARED, "oracle"))


def safetensors(path):
    with open(path, "rb") as f:
        head = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        body = f.read()
    return {k: torch.frombuffer(bytearray(body[v["data_offsets"][0]:v["data_offsets"][1]]), dtype=torch.float32)
            .reshape(v["shape"]) for k, v in head.items() if k != "__metadata__"}


def tiny(w, x):
    """Every layer's value, by its name in tests/parity/explain.lua."""
    out = {}
    for stage in "12":
        for k in "12":
            name = f"{stage}_{k}"
            x = out["conv_" + name] = F.conv2d(x, w[f"conv_{name}.weight"], w[f"conv_{name}.bias"])
            x = out["relu_" + name] = x.relu()
        x = out["max_pool_" + stage] = F.max_pool2d(x, 2)
    x = out["flatten"] = x.flatten(1)
    out["output"] = x = F.linear(x, w["output.weight"], w["output.bias"])
    out["share"] = x.softmax(1)
    return out


def asked(path, value, how="first", count=1):
    """`count` random numbers of a layer's value as lines for explain.lua, and what they are here."""
    lines, there = [], []
    for _ in range(count):
        at = [random.randrange(n) for n in value.shape[1:]]
        there.append(float(value[0][tuple(at)]))
        unit, place = (at[0], at[1:]) if how == "first" else (at[-1], at[:-1])
        lines.append("\t".join([path, str(unit), ",".join(map(str, place))]))
    return lines, there


def answers(said):
    """Of each line: value, the parts' sum, the sum of what is shown."""
    return np.array([[float(v) for v in line.split()] for line in said.strip().splitlines()])


def compare(name, got, there, scale):
    there, scale = np.array(there), np.maximum(1, np.array(scale))
    report(f"explain {name} parts", float((np.abs(got[:, 1] - got[:, 0]) / scale).max()), BOUND, f"{len(there)} numbers")
    report(f"explain {name} shown", float((np.abs(got[:, 2] - got[:, 0]) / scale).max()), BOUND)
    report(f"explain {name} value", float((np.abs(got[:, 0] - there) / scale).max()), BOUND)


def check_tiny():
    reference = json.load(open(f"{TINY}/reference.json"))
    photographs = sorted(reference["logits"])
    weights = safetensors(f"{TINY}/tiny_vgg.safetensors")
    with scratch() as d:
        suture("tests/parity/explain.lua", "pictures", d, *[f"{TINY}/photos/{p}" for p in photographs])
        worst, lines, there = 0, [], []
        layers = None
        for i, photograph in enumerate(photographs):
            x = torch.from_numpy(np.load(f"{d}/{i}.npy")).float()[None]
            out = tiny(weights, x)
            worst = max(worst, largest(out["output"][0].numpy(), reference["logits"][photograph]))
            layers = list(out)
            for k in range(10):
                path = layers[(10 * i + k) % len(layers)]
                asks, values = asked(path, out[path])
                lines += [f"{d}/{i}.npy\t{a}" for a in asks]
                there += values
        report("explain tiny_vgg logits", worst, 1e-4, f"{len(photographs)} photographs")
        with open(f"{d}/asked", "w") as f:
            f.write("\n".join(lines))
        got = answers(suture("tests/parity/explain.lua", "tiny_vgg", d, TINY))
        compare(f"tiny_vgg, {len(layers)} layers,", got, there, np.abs(there))


def attention(module, x):
    """What the heads give, before they are mixed: Vaswani et al. 2017 (arXiv:1706.03762), equation 1."""
    n, rows, e = x.shape
    qkv = F.linear(x, module.in_proj_weight, module.in_proj_bias).reshape(n, rows, 3, module.num_heads, -1)
    q, k, v = (qkv[:, :, i].transpose(1, 2) for i in range(3))
    y = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1) @ v
    return y.transpose(1, 2).reshape(n, rows, e)


#          model            size  layers, and how their numbers lie: (N, C, H, W) or units last
MODELS = {
    "resnet18": (64, {"conv1": "first", "bn1": "first", "maxpool": "first", "layer2.0.conv1": "first",
                      "layer2.0.downsample.0": "first", "layer3.1.bn2": "first", "layer1.0": "first",
                      "avgpool": "first", "fc": "first"}),
    "efficientnet_b0": (64, {"features.1.0.block.0.0": "first", "features.2.0.block.1.0": "first",
                             "features.2.0.block.2": "first", "features.2.0.block.2.scale_activation": "first",
                             "features.2.0.block.0.2": "first", "features.2.1": "first", "classifier.1": "first"}),
    "mobilenet_v3_small": (64, {"features.1.block.1.scale_activation": "first", "features.1.block.1": "first",
                                "features.0.2": "first"}),
    "vit_b_16": (224, {"conv_proj": "first", "encoder.layers.encoder_layer_1.ln_1": "last",
                       "encoder.layers.encoder_layer_1.mlp.0": "last", "encoder.layers.encoder_layer_1.mlp.1": "last",
                       "encoder.layers.encoder_layer_1": "last", "heads.head": "last"}),
    "swin_t": (64, {"features.0.2": "last", "features.1.0.norm1": "last", "features.1.1.mlp.1": "last",
                    "features.1.1": "last", "features.2.reduction": "last", "head": "last"}),
    "convnext_tiny": (64, {"features.0.1": "first", "features.1.0.block.0": "first", "features.1.0": "first"}),
}


def check_model(name, size, layers):
    net = fill.fill(getattr(torchvision.models, name)()).eval()
    for m in net.modules():
        if hasattr(m, "inplace"):
            m.inplace = False
    kept, inputs = {}, {}
    for path in layers:
        net.get_submodule(path).register_forward_hook(lambda m, i, o, path=path: kept.__setitem__(path, o.detach().clone()))
    if name == "resnet18":
        net.layer1[0].bn2.register_forward_hook(lambda m, i, o: inputs.__setitem__("bn2", o.clone()))
        net.maxpool.register_forward_hook(lambda m, i, o: inputs.__setitem__("maxpool", o.clone()))
    if name == "vit_b_16":
        net.encoder.layers[1].ln_1.register_forward_hook(lambda m, i, o: inputs.__setitem__("ln_1", o.clone()))
    with scratch() as d:
        torch.save(net.state_dict(), f"{d}/state.pth")
        torch.manual_seed(1)
        x = torch.randn(3, size, size)
        np.save(f"{d}/x.npy", x.numpy())
        with torch.no_grad():
            net(x[None])
            if name == "resnet18":
                layers, kept["layer1.0.add"] = {**layers, "layer1.0.add": "first"}, inputs["bn2"] + inputs["maxpool"]
            if name == "vit_b_16":
                block = net.encoder.layers[1].self_attention
                path = "encoder.layers.encoder_layer_1.self_attention.attention"
                layers, kept[path] = {**layers, path: "last"}, attention(block, inputs["ln_1"])
        lines, there, scale = [], [], []
        for path, how in layers.items():
            asks, values = asked(path, kept[path], how, 6 if ALL else 3)
            lines += [f"{d}/x.npy\t{a}" for a in asks]
            there += values
            scale += [float(kept[path].abs().max())] * len(values)
        with open(f"{d}/asked", "w") as f:
            f.write("\n".join(lines))
        compare(name, answers(suture("tests/parity/explain.lua", name, d)), there, scale)


random.seed(5)
if os.path.exists(TINY):
    check_tiny()
else:
    print(f"skip explain tiny_vgg: no {TINY} (SUTURE_SHARED)")
if os.path.exists(os.path.join(SHARED, "oracle", "fill.py")):
    import fill
    for name, (size, layers) in MODELS.items():
        check_model(name, size, layers)
else:
    print(f"skip explain models: no {SHARED}/oracle (SUTURE_SHARED)")
