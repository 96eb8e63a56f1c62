"""Inner products become convolutions, so that a classifier slides over larger images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import BadInput
from . import schema
from .weights import Weights

Shapes = Mapping[str, Sequence[int]]
ImageShape = tuple[int, int, int]  # C, H, W

# What these layers do to a flattened (N, C*H*W) they do to (N, C, H, W).
POINTWISE = {
    "AbsVal", "BNLL", "Clip", "Dropout", "ELU", "Eltwise", "Exp", "Feedback", "Log", "Power", "ReLU",
    "Sigmoid", "Split", "Swish", "TanH", "Threshold",
}  # fmt: skip
# These treat (N, K, 1, 1) as they treat (N, K), but a flattened image as something else.
CHANNELWISE = {
    "Accuracy", "ArgMax", "BatchNorm", "Bias", "Concat", "HDF5Output", "LRN", "PReLU", "Scale", "Silence",
    "Slice", "Softmax",
}  # fmt: skip


def fully_convolutional(net: Any, weights: Weights, shapes: Shapes) -> tuple[Any, Weights]:
    """Every InnerProduct over an image (C, H, W) as a Convolution with a kernel of H x W, stride 1.

    ``shapes``: blob -> shape, of every blob of the net at the input size that its weights were trained for. At this size
    the net computes the same numbers, (N, K, 1, 1) where there was (N, K); on a larger image it gives a map of them.

    Caffe's example net_surgery.ipynb does the same by hand: the weight matrix (num_output, C*H*W) is copied flat into the
    kernels (num_output, C, H, W). There the layers get other names (fc6-conv), lest Caffe refuse the old shapes; here the
    weights change with the net, and every layer and blob keeps its name. A Flatten or Reshape in front becomes a Split
    with one top, Caffe's identity.

    BadInput: an InnerProduct that reads no image, or a layer for which the new axes would mean something else.
    """
    net = schema.copy(net)
    blobs = dict(weights.blobs)
    flattening = _flattening_layers(net, shapes)
    images: dict[str, ImageShape] = {}  # blobs that were vectors, and are images now
    for index, layer in enumerate(net.layer):
        if index in flattening:
            images[layer.top[0]] = _image_at(layer, images, shapes)
            _become_identity(layer)
        elif _is_over_channels(layer, shapes):
            image = _image_at(layer, images, shapes)
            blobs[layer.name] = _kernels(layer, weights, image)
            _become_convolution(layer, image)
            images[layer.top[0]] = (layer.convolution_param.num_output, 1, 1)
        elif any(bottom in images for bottom in layer.bottom):
            images |= _passed_on(layer, images, shapes)
    return net, Weights(weights.path, blobs)


def _flattening_layers(net: Any, shapes: Shapes) -> set[int]:
    """Which layers only prepare an image for an InnerProduct, by their place in the net."""
    found = set()
    read_as_vector: set[str] = set()
    for index, layer in reversed(list(enumerate(net.layer))):
        if _is_over_channels(layer, shapes):
            read_as_vector.add(layer.bottom[0])
        elif not read_as_vector & set(layer.top):
            continue
        elif layer.type in POINTWISE:
            read_as_vector |= set(layer.bottom)
        elif layer.type in ("Flatten", "Reshape") and _flattens(layer, shapes):
            found.add(index)
            read_as_vector.add(layer.bottom[0])
    return found


def _is_over_channels(layer: Any, shapes: Shapes) -> bool:
    if layer.type != "InnerProduct":
        return False
    return layer.inner_product_param.axis % len(_shape(layer.bottom[0], shapes)) == 1


def _flattens(layer: Any, shapes: Shapes) -> bool:
    before, after = _shape(layer.bottom[0], shapes), _shape(layer.top[0], shapes)
    return len(after) >= 2 and before[0] == after[0] and math.prod(after[2:]) == 1


def _image_at(layer: Any, images: Mapping[str, ImageShape], shapes: Shapes) -> ImageShape:
    """C, H and W of what a layer reads."""
    bottom = layer.bottom[0]
    shape = _shape(bottom, shapes)
    if bottom in images:
        return images[bottom]
    if len(shape) != 4:
        raise BadInput(f"layer {layer.name!r}: reads {bottom!r} of shape {shape}, expected an image (N, C, H, W)")
    return shape[1], shape[2], shape[3]


def _shape(blob: str, shapes: Shapes) -> tuple[int, ...]:
    if blob not in shapes:
        raise BadInput(f"the shape of blob {blob!r} is not given")
    return tuple(shapes[blob])


def _become_identity(layer: Any) -> None:
    layer.type = "Split"
    layer.ClearField("flatten_param")
    layer.ClearField("reshape_param")


def _become_convolution(layer: Any, image: ImageShape) -> None:
    _, height, width = image
    inner = schema.copy(layer.inner_product_param)
    layer.ClearField("inner_product_param")
    layer.type = "Convolution"
    param = layer.convolution_param
    for field, value in inner.ListFields():
        if field.name in ("num_output", "bias_term"):
            setattr(param, field.name, value)
        elif field.name in ("weight_filler", "bias_filler"):
            getattr(param, field.name).CopyFrom(value)
    if height == width:
        param.kernel_size.append(height)
    else:
        param.kernel_h, param.kernel_w = height, width


def _kernels(layer: Any, weights: Weights, image: ImageShape) -> tuple[np.ndarray, ...]:
    """The weight matrix as kernels (num_output, C, H, W), and the bias as a vector."""
    param = layer.inner_product_param
    outputs, inputs = param.num_output, math.prod(image)
    arrays = weights.blobs.get(layer.name, ())
    sizes = [outputs * inputs, outputs][: 1 + param.bias_term]
    if [array.size for array in arrays] != sizes:
        found = ", ".join(str(array.shape) for array in arrays) or "none"
        raise BadInput(
            f"{weights.path}: layer {layer.name!r}: found blobs of shape {found}, "
            f"expected {outputs} outputs of C x H x W = {image}"
        )
    matrix, *bias = arrays
    matrix = matrix.reshape(inputs, outputs).T if param.transpose else matrix.reshape(outputs, inputs)
    kernels = np.ascontiguousarray(matrix).reshape(outputs, *image)
    kernels.setflags(write=False)
    return kernels, *(vector.reshape(outputs) for vector in bias)


def _passed_on(layer: Any, images: Mapping[str, ImageShape], shapes: Shapes) -> dict[str, ImageShape]:
    """The tops that are images now, since a bottom is; refused where the layer would do something else with them."""
    read = [images.get(bottom) for bottom in layer.bottom]
    if layer.type in POINTWISE and None not in read:
        return dict.fromkeys(layer.top, images[layer.bottom[0]])
    is_loss = layer.type.endswith("Loss")
    one_by_one = all(image is None or image[1:] == (1, 1) for image in read)
    whole = None not in read or is_loss or layer.type in ("Accuracy", "Silence")
    if (layer.type in CHANNELWISE or is_loss) and one_by_one and whole and _axis(layer) == 1:
        vectors = [top for top in layer.top if len(_shape(top, shapes)) == 2]
        return {top: (_shape(top, shapes)[1], 1, 1) for top in vectors}
    raise BadInput(
        f"layer {layer.name!r} of type {layer.type!r} reads {', '.join(layer.bottom)} as a vector, "
        "expected only layers that treat a map of vectors alike"
    )


def _axis(layer: Any) -> int:
    """The axis that a layer's parameters name; 1, the channels, where they name none."""
    axes = [value.axis for _, value in layer.ListFields() if hasattr(value, "axis") and value.HasField("axis")]
    return axes[0] if axes else 1
