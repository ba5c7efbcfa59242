"""How gradients are compared with PyTorch's: against float64, as far as rounding lets a network's gradients be compared at all.

A kink (a ReLU whose input is within rounding of zero is open here and closed there) or the chaos of a hundred layers puts
gradients off by more than any bound, in PyTorch's float32 too. There the measure is how far PyTorch's own answer goes when
every result of a convolution moves by ROUNDING of its largest value (twice what its float32 convolutions are off by): SLACK
times that, the most of DRAWS of them, since a kink turns in one of several."""
import copy
import torch.nn as nn
import torch.nn.functional as F
from common import *

SLACK, ROUNDING, DRAWS = 3, 5e-7, 12


def noisy(net, draw):
    """The network with the result of every convolution and linear layer moved at random by at most ROUNDING of its largest value."""
    g = torch.Generator().manual_seed(draw)

    def move(module, args, y):
        return y + (2 * torch.rand(y.shape, generator=g, dtype=y.dtype) - 1) * ROUNDING * y.detach().abs().max()

    net = copy.deepcopy(net)
    for m in net.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            m.register_forward_hook(move)
    return net


def one_pass(net, x, y):
    """→ logits, gradients, state dict after a pass in train mode"""
    net = copy.deepcopy(net).train()
    logits = net(x.to(next(net.parameters()).dtype))
    F.cross_entropy(logits, y).backward()
    return {"logits": logits.detach()}, {k: p.grad for k, p in net.named_parameters()}, net.state_dict()


def judge(name, ours, exact, bound, peers=lambda: ()):
    """Reports the tensor that is farthest from the reference, as a part of what it may be off by. peers(): answers to measure
    by where something is off by more than the bound, taken one by one until nothing is."""
    if list(ours) != list(exact):
        return report(name, float("inf"), bound, f"names differ: {sorted(set(ours) ^ set(exact))[:4]}")
    errors = {k: distance(ours[k], e) for k, e in exact.items()}
    allowed = dict.fromkeys(errors, bound)
    if any(errors[k] > bound for k in errors):
        for peer in peers():
            allowed = {k: max(most, SLACK * distance(peer[k], exact[k])) for k, most in allowed.items()}
            if all(errors[k] <= allowed[k] for k in errors):
                break
    found = max(((errors[k] / allowed[k], errors[k], allowed[k], k) for k in errors), default=(0.0, 0.0, bound, "-"))
    return report(name, *found[1:])
