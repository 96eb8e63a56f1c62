"""A Caffe net in torch: the layers of a thinktwice net, one functional call each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from thinktwice.errors import BadInput
from thinktwice.executor.device import to_numpy
from thinktwice.executor.net import Net

Call = Callable[[Any, Sequence[Tensor], Sequence[Tensor]], Tensor]  # layer message, weights, bottoms -> top


class TorchNet:
    """``calls``: layer type -> call, in the place of or beside those of ``CALLS``. Raises ``BadInput`` for other layers."""

    def __init__(
        self, net: Net, calls: Mapping[str, Call] | None = None, *, channels_last: bool = False, device: str = "cpu"
    ):
        self.layers = [node.layer.message for node in net.graph.nodes if node.layer.type != "Input"]
        self.inputs, self.channels_last, self.device = net.inputs, channels_last, device
        self.weights = {name: [self.tensor(array) for array in arrays] for name, arrays in net.params.items()}
        known, given = {**CALLS, **(calls or {})}, set(net.inputs)
        self.calls: dict[str, Call] = {}
        for layer in self.layers:
            if layer.type not in known or len(layer.top) != 1:
                raise BadInput(
                    f"torch: layer {layer.name!r}: found type {layer.type!r}, expected one of {sorted(known)}"
                )
            over_input = layer.type == "ReLU" and layer.bottom[0] in given
            self.calls[layer.name] = relu_apart if over_input else known[layer.type]
            given -= set(layer.top)

    def tensor(self, array: Any) -> Tensor:
        """A copy of an array, where and as this net has its numbers."""
        tensor = torch.tensor(np.asarray(to_numpy(array)), device=self.device)
        return (
            tensor.contiguous(memory_format=torch.channels_last) if self.channels_last and tensor.ndim == 4 else tensor
        )

    def forward(
        self,
        inputs: Mapping[str, Tensor],
        blob: str,
        *,
        leaf: str | None = None,
        gates: Mapping[str, Tensor] | None = None,
        keep: Sequence[str] = (),
    ) -> dict[str, Tensor]:
        """The ``blob``, and those to ``keep``. Everything else is let go as soon as no later layer reads it.

        ``leaf``: a blob that autograd starts at, nothing below it. ``gates``: name of a ReLU -> what multiplies its top.
        """
        blobs, wanted = dict(inputs), {blob, *keep, *([leaf] if leaf else [])}
        route = self.layers[: 1 + self._last(lambda layer: blob in layer.top)]
        last_read = {name: number for number, layer in enumerate(route) for name in layer.bottom}
        leaf_made = self._last(lambda layer: leaf in layer.top)
        for number, layer in enumerate(route):
            top = self.calls[layer.name](
                layer, self.weights.get(layer.name, ()), [blobs[name] for name in layer.bottom]
            )
            if gates and layer.name in gates:
                top = gates[layer.name] * top
            if number == leaf_made:
                top = top.detach().requires_grad_()
            blobs[layer.top[0]] = top
            for name in {*layer.bottom} - wanted:
                if last_read[name] == number and name not in layer.top:
                    del blobs[name]
        return blobs

    def _last(self, holds: Callable[[Any], bool]) -> int:
        return max((number for number, layer in enumerate(self.layers) if holds(layer)), default=-1)


def convolution(layer: Any, weights: Sequence[Tensor], bottoms: Sequence[Tensor]) -> Tensor:
    p = layer.convolution_param
    pad, stride, dilation = pair(p, "pad", 0), pair(p, "stride", 1), pair(p, "dilation", 1)
    return F.conv2d(bottoms[0], weights[0], bias(weights), stride, pad, dilation, p.group)


def inner_product(layer: Any, weights: Sequence[Tensor], bottoms: Sequence[Tensor]) -> Tensor:
    return F.linear(bottoms[0].flatten(1), weights[0], bias(weights))


def pooling(layer: Any, weights: Sequence[Tensor], bottoms: Sequence[Tensor]) -> Tensor:
    """Caffe's windows: as many as begin within the plane, so ``ceil_mode``; its averages count the padding."""
    p, x = layer.pooling_param, bottoms[0]
    kernel = tuple(x.shape[2:]) if p.global_pooling else pair(p, "kernel_size", 0)
    stride, pad = pair(p, "stride", 1), pair(p, "pad", 0)
    if p.pool == p.AVE:
        return F.avg_pool2d(x, kernel, stride, pad, ceil_mode=True, count_include_pad=True)
    return F.max_pool2d(x, kernel, stride, pad, ceil_mode=True)


def relu(layer: Any, weights: Sequence[Tensor], bottoms: Sequence[Tensor]) -> Tensor:
    """In place where Caffe does it in place."""
    return _relu(layer, bottoms[0], inplace=layer.bottom[0] == layer.top[0])


def relu_apart(layer: Any, weights: Sequence[Tensor], bottoms: Sequence[Tensor]) -> Tensor:
    """Never in place: what the caller gave stays."""
    return _relu(layer, bottoms[0], inplace=False)


def _relu(layer: Any, x: Tensor, inplace: bool) -> Tensor:
    slope = layer.relu_param.negative_slope
    return F.leaky_relu(x, slope, inplace) if slope else F.relu(x, inplace)


def lrn(layer: Any, weights: Sequence[Tensor], bottoms: Sequence[Tensor]) -> Tensor:
    p = layer.lrn_param
    if p.norm_region != p.ACROSS_CHANNELS:
        raise BadInput(f"torch: layer {layer.name!r}: found norm_region WITHIN_CHANNEL, expected ACROSS_CHANNELS")
    return F.local_response_norm(bottoms[0], p.local_size, p.alpha, p.beta, p.k)


def eltwise(layer: Any, weights: Sequence[Tensor], bottoms: Sequence[Tensor]) -> Tensor:
    p, total = layer.eltwise_param, bottoms[0]
    if p.coeff:
        raise BadInput(f"torch: layer {layer.name!r}: found coefficients, expected none")
    add = {p.SUM: torch.add, p.PROD: torch.mul, p.MAX: torch.maximum}[p.operation]
    for bottom in bottoms[1:]:
        total = add(total, bottom)
    return total


CALLS: dict[str, Call] = {
    "Convolution": convolution,
    "InnerProduct": inner_product,
    "Pooling": pooling,
    "ReLU": relu,
    "LRN": lrn,
    "Eltwise": eltwise,
    "Concat": lambda layer, weights, bottoms: torch.cat(list(bottoms), 1),
    "Softmax": lambda layer, weights, bottoms: F.softmax(bottoms[0], 1),
    "Dropout": lambda layer, weights, bottoms: bottoms[0],
}


def pair(p: Any, field: str, default: int) -> tuple[int, int]:
    """Sizes along H and W: ``kernel_h`` and ``kernel_w``, or ``kernel_size`` once for both or once for each."""
    stem = field.removesuffix("_size")
    if field != "dilation" and p.HasField(f"{stem}_h"):
        return getattr(p, f"{stem}_h"), getattr(p, f"{stem}_w")
    told = getattr(p, field)
    sizes = [told] if isinstance(told, int) else list(told) or [default]
    return sizes[0], sizes[-1]


def bias(weights: Sequence[Tensor]) -> Tensor | None:
    return weights[1].flatten() if len(weights) > 1 else None
