"""Excitation backprop in torch (Zhang et al., 2016, eq. 5): autograd functions whose backward pass hands on probabilities.

A layer that sums its inputs with weights w hands P down as a * w+^T (P / w+ a); LRN as it is; maxima, ReLUs and concatenations
as autograd has it. The walk begins at the class scores and ends at the blob where the map is read: nothing below is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, autograd

from thinktwice.errors import BadInput

from . import torch_net
from .torch_net import TorchNet


def mwp(net: TorchNet, image: Tensor, targets: Sequence[int], score: str, at: str) -> Tensor:
    """Marginal winning probabilities at the blob ``at``, channels added: (N, K, h, w). ``net`` has the calls of ``CALLS``."""
    blobs = net.forward({net.inputs[0]: image}, score, leaf=at)
    maps = []
    for number, target in enumerate(targets, start=1):
        prior = torch.zeros_like(blobs[score])
        prior[:, target] = 1
        (mass,) = autograd.grad(blobs[score], blobs[at], prior, retain_graph=number < len(targets))
        maps.append(mass.sum(1))
    return torch.stack(maps, 1)


class Excite(autograd.Function):
    """A sum ``call(a, weights)`` forward; eq. 5 backward."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, call: Callable[..., Tensor], *weights: Tensor) -> Tensor:
        ctx.call, ctx.weights = call, weights[:1]  # biases never take part
        ctx.save_for_backward(a)
        return call(a, weights)

    @staticmethod
    def backward(ctx: Any, *masses: Tensor) -> tuple[Tensor | None, ...]:
        a = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            z = ctx.call(a, [weight.clamp(min=0) for weight in ctx.weights])
        shares = torch.where(z == 0, 0, masses[0] / z)
        (below,) = autograd.grad(z, a, shares)
        return (a.detach() * below, *(None for _ in ctx.needs_input_grad[1:]))


class Copy(autograd.Function):
    """LRN forward; backward all mass to the input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: Any) -> Tensor:
        return torch_net.lrn(layer, (), [x])

    @staticmethod
    def backward(ctx: Any, *masses: Tensor) -> tuple[Tensor, None]:
        return masses[0], None


def linear(layer: Any, weights: Sequence[Tensor], bottoms: Sequence[Tensor]) -> Tensor:
    call = torch_net.CALLS[layer.type]
    return Excite.apply(bottoms[0], lambda a, own: call(layer, own, [a]), *weights)


def pooling(layer: Any, weights: Sequence[Tensor], bottoms: Sequence[Tensor]) -> Tensor:
    if layer.pooling_param.pool != layer.pooling_param.AVE:
        return torch_net.pooling(layer, weights, bottoms)
    return Excite.apply(bottoms[0], lambda a, own: torch_net.pooling(layer, own, [a]))


def refused(layer: Any, weights: Sequence[Tensor], bottoms: Sequence[Tensor]) -> Tensor:
    raise BadInput(
        f"torch: layer {layer.name!r}: found type {layer.type!r}, expected a net without it for excitation backprop"
    )


CALLS: dict[str, torch_net.Call] = {
    "Convolution": linear,
    "InnerProduct": linear,
    "Pooling": pooling,
    "LRN": lambda layer, weights, bottoms: Copy.apply(bottoms[0], layer),
    "Eltwise": refused,
}
