"""Rebuilding a net of one state: inputs of other shapes, a part of it, a convolutional form, folded normalization.

The arguments are never changed; layers, blobs and weights that an operation does not concern stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import BadInput, nearest
from . import schema
from .fold_batch_norm import fold_batch_norm
from .fully_convolutional import fully_convolutional
from .weights import Weights

__all__ = [
    "fold_batch_norm",
    "fully_convolutional",
    "truncate",
    "weights_of",
    "with_batch_size",
    "with_input_shape",
]


def with_input_shape(net: Any, /, **shapes: Sequence[int]) -> Any:
    """The net with other shapes for its inputs: ``with_input_shape(net, data=(1, 3, 224, 224))``."""
    net = schema.copy(net)
    inputs = [layer for layer in net.layer if layer.type == "Input"]
    known = [top for layer in inputs for top in layer.top]
    for name, shape in shapes.items():
        if name not in known:
            raise BadInput(f"no input {name!r}: the net has {', '.join(known) or 'none'}{nearest(name, known)}")
        if not shape or min(shape) < 1:
            raise BadInput(f"input {name!r}: shape {tuple(shape)}, expected positive numbers")
    for layer in inputs:
        _set_input_shapes(layer, shapes)
    return net


def _set_input_shapes(layer: Any, shapes: Mapping[str, Sequence[int]]) -> None:
    """Caffe's Input holds one shape for each top, one for all, or none."""
    if not set(shapes) & set(layer.top):
        return
    told = [list(shape.dim) for shape in layer.input_param.shape]
    before = told if len(told) == len(layer.top) else (told or [[]]) * len(layer.top)
    after = [list(shapes.get(top, shape)) for top, shape in zip(layer.top, before, strict=True)]
    if [] in after:
        raise BadInput(f"input {layer.top[after.index([])]!r} still has no shape, expected one beside the others'")
    layer.input_param.ClearField("shape")
    for shape in after:
        layer.input_param.shape.add(dim=shape)


def with_batch_size(net: Any, n: int) -> Any:
    """The net with ``n`` as the first axis of every input."""
    if n < 1:
        raise BadInput(f"batch size {n}, expected at least 1")
    net = schema.copy(net)
    for layer in net.layer:
        if layer.type != "Input":
            continue
        shapes = layer.input_param.shape
        if not shapes or not all(shape.dim for shape in shapes):
            raise BadInput(f"layer {layer.name!r}: the shape of {', '.join(layer.top)} is unknown, expected one")
        for shape in shapes:
            shape.dim[0] = n
    return net


def truncate(net: Any, blob: str) -> Any:
    """The layers that the last version of a blob needs, and no others. :func:`weights_of` drops the weights of the rest."""
    known = {top for layer in net.layer for top in layer.top}
    if blob not in known:
        raise BadInput(f"no blob {blob!r} in the net{nearest(blob, known)}")
    needed, kept = {blob}, []
    for layer in reversed(net.layer):
        if needed & set(layer.top):
            needed = needed - set(layer.top) | set(layer.bottom)
            kept.append(layer)
    return schema.with_layers(net, kept[::-1])


def weights_of(net: Any, weights: Weights) -> Weights:
    """Only the weights of the layers that the net has."""
    names = {layer.name for layer in net.layer}
    return Weights(weights.path, {name: arrays for name, arrays in weights.blobs.items() if name in names})
