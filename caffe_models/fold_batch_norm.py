"""BatchNorm and Scale disappear into the layer before them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import BadInput
from . import schema
from .weights import Weights

Affine = tuple[np.ndarray, np.ndarray]  # gain and shift of each channel: y = gain * x + shift


def fold_batch_norm(net: Any, weights: Weights) -> tuple[Any, Weights]:
    """BatchNorm and Scale behind a Convolution or InnerProduct as part of its weights and bias; all outputs stay the same.

    Folded: BatchNorm that uses its stored statistics (as in the test phase), and Scale by its own blobs, in any number
    and order, in place or not, on the channel axis. Left as they are: layers whose bottom another layer reads too, or
    whose parameters have names, by which other layers may share them. The folded layer takes the last one's top; blobs between are no more.
    BadInput: a layer that would be folded has no weights, or of another shape.
    """
    layers = [schema.copy(layer) for layer in net.layer]
    blobs = dict(weights.blobs)
    position = 0
    while position < len(layers):
        base = layers[position]
        follower = _only_reader(layers, position) if _is_foldable_base(base) else None
        if follower is None or not _is_affine(layers[follower]):
            position += 1
            continue
        affine = layers.pop(follower)
        blobs[base.name] = _folded(
            base, blobs.get(base.name, ()), _gain_and_shift(affine, blobs, weights.path), weights
        )
        blobs.pop(affine.name)
        _param(base).bias_term = True
        base.top[0] = affine.top[0]
    return schema.with_layers(net, layers), Weights(weights.path, blobs)


def _is_foldable_base(layer: Any) -> bool:
    if len(layer.bottom) != 1 or len(layer.top) != 1 or _is_shared(layer):
        return False
    if layer.type == "InnerProduct":
        return layer.inner_product_param.axis == 1
    return layer.type == "Convolution" and layer.convolution_param.axis == 1


def _only_reader(layers: list[Any], position: int) -> int | None:
    """The one layer that reads this version of the layer's top, if it is one only."""
    blob = layers[position].top[0]
    readers = []
    for index in range(position + 1, len(layers)):
        if blob in layers[index].bottom:
            readers.append(index)
        if blob in layers[index].top:
            break  # what comes after reads the next version
    return readers[0] if len(readers) == 1 else None


def _is_affine(layer: Any) -> bool:
    """Whether a layer multiplies and shifts each channel by numbers that are known beforehand."""
    if len(layer.bottom) != 1 or len(layer.top) != 1 or _is_shared(layer):
        return False
    if layer.type == "BatchNorm":
        test = layer.phase == schema.enum("Phase")["TEST"] or not layer.HasField("phase")
        stored = layer.batch_norm_param
        return stored.use_global_stats if stored.HasField("use_global_stats") else test
    return layer.type == "Scale" and layer.scale_param.axis == layer.scale_param.num_axes == 1


def _is_shared(layer: Any) -> bool:
    return any(spec.name for spec in layer.param)


def _gain_and_shift(layer: Any, blobs: dict[str, Any], path: str) -> Affine:
    arrays = [np.asarray(array, dtype=np.float64).ravel() for array in blobs.get(layer.name, ())]
    expected = 3 if layer.type == "BatchNorm" else 1 + layer.scale_param.bias_term
    if len(arrays) != expected:
        raise BadInput(f"{path}: layer {layer.name!r}: found {len(arrays)} blobs, expected {expected}")
    if layer.type == "Scale":
        gain = arrays[0]
        return gain, arrays[1] if len(arrays) == 2 else np.zeros_like(gain)
    mean, variance, factor = arrays
    if factor.size != 1 or mean.size != variance.size:
        raise BadInput(
            f"{path}: layer {layer.name!r}: found a mean of {mean.size}, a variance of {variance.size} and "
            f"{factor.size} factors, expected as many variances as means and one factor"
        )
    unit = 0.0 if factor[0] == 0 else 1 / factor[0]  # both are stored as running sums, as in batch_norm_layer.cpp
    gain = 1 / np.sqrt(variance * unit + layer.batch_norm_param.eps)
    return gain, -mean * unit * gain


def _folded(base: Any, arrays: tuple[np.ndarray, ...], affine: Affine, weights: Weights) -> tuple[np.ndarray, ...]:
    """Weights and bias of the base with an affine layer behind it, in the type and shape that they have."""
    gain, shift = affine
    where = f"{weights.path}: layer {base.name!r}"
    outputs = _param(base).num_output
    biased = _param(base).bias_term
    if len(arrays) != 1 + biased or not outputs or arrays[0].size % outputs or (biased and arrays[1].size != outputs):
        found = ", ".join(str(array.shape) for array in arrays) or "none"
        expected = f"weights of {outputs} outputs{' and a bias' * biased}"
        raise BadInput(f"{where}: found blobs of shape {found}, expected {expected}")
    if gain.size != outputs or shift.size != outputs:
        raise BadInput(f"{where}: has {outputs} outputs, but what follows it has {gain.size} channels")
    kernel = arrays[0]
    bias = arrays[1].astype(np.float64).reshape(outputs) if biased else np.zeros(outputs)
    transposed = base.type == "InnerProduct" and base.inner_product_param.transpose
    scaled = kernel.reshape(-1, outputs) * gain if transposed else kernel.reshape(outputs, -1) * gain[:, None]
    folded = scaled.astype(kernel.dtype).reshape(kernel.shape), (bias * gain + shift).astype(kernel.dtype)
    for array in folded:
        array.setflags(write=False)
    return folded


def _param(base: Any) -> Any:
    return base.convolution_param if base.type == "Convolution" else base.inner_product_param
