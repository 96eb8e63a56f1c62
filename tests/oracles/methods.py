"""Every method of ``thinktwice.METHODS`` on one small net, from its definition. ``METHODS`` binds them by name.

    data (N, 2, 5, 6) - conv1 3x3 pad 1 - ReLU - pool1 MAX 2x2 stride 2 - conv2 2x2 - ReLU - fc, 4 classes

A method gets the net's weights, the images and one class, and returns maps (N, H, W).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from . import excitation
from .correlation import (
    Edge,
    bottom_gradient,
    convolution_edges,
    convolution_top,
    inner_product_edges,
    weighted_sums,
)
from .pooling import Geometry, max_pooling, max_pooling_gradient

PROTOTXT = """
name: "oracle"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 2 dim: 5 dim: 6 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 3 kernel_size: 3 pad: 1 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
        convolution_param { num_output: 5 kernel_size: 2 } }
layer { name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" }
layer { name: "fc" type: "InnerProduct" bottom: "conv2" top: "fc" inner_product_param { num_output: 4 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
CLASSES = 4
POOL1 = Geometry(kernel=(2, 2), stride=(2, 2))

Weights = Mapping[str, tuple[np.ndarray, ...]]
Blobs = dict[str, np.ndarray]


def random_weights(seed: int) -> dict[str, tuple[np.ndarray, ...]]:
    rng = np.random.default_rng(seed)
    shapes = {"conv1": (3, 2, 3, 3), "conv2": (5, 3, 2, 2), "fc": (CLASSES, 20)}
    return {name: (rng.normal(size=shape), rng.normal(size=shape[0]) / 4) for name, shape in shapes.items()}


def forward(weights: Weights, x: np.ndarray) -> Blobs:
    """Every blob; ``relu1`` and ``relu2`` are what the ReLUs leave in conv1 and conv2."""
    blobs = {"data": x}
    blobs["conv1"] = _weighted("conv1", weights, x)
    blobs["relu1"] = np.where(blobs["conv1"] > 0, blobs["conv1"], 0)
    blobs["pool1"] = max_pooling(blobs["relu1"], POOL1)[0]
    blobs["conv2"] = _weighted("conv2", weights, blobs["pool1"])
    blobs["relu2"] = np.where(blobs["conv2"] > 0, blobs["conv2"], 0)
    blobs["fc"] = _weighted("fc", weights, blobs["relu2"])
    return blobs


def _weighted(layer: str, weights: Weights, x: np.ndarray) -> np.ndarray:
    matrix, bias = weights[layer]
    top = (len(x), CLASSES)
    if layer != "fc":
        top = convolution_top(x.shape, matrix.shape, (1, 1), _pad(layer), (1, 1))  # type: ignore[assignment]
    y = weighted_sums(_edges(layer, weights, x), x, matrix, top)
    for index in np.ndindex(y.shape):
        y[index] += bias[index[1]]
    return y


def _edges(layer: str, weights: Weights, x: np.ndarray) -> Iterator[Edge]:
    if layer == "fc":
        return inner_product_edges(x.shape, CLASSES)
    return convolution_edges(x.shape, weights[layer][0].shape, pad=_pad(layer))


def _pad(layer: str) -> tuple[int, int]:
    return (1, 1) if layer == "conv1" else (0, 0)


def _one_hot(images: int, target: int) -> np.ndarray:
    signal = np.zeros((images, CLASSES))
    signal[:, target] = 1
    return signal


# -- the methods ------------------------------------------------------------------------------------------------------


def gradient(weights: Weights, x: np.ndarray, target: int, h: float = 1e-6) -> np.ndarray:
    """max over channels of |dS/dx|, from the score's own differences."""
    found = np.zeros(x.shape)
    for _, c, i, j in np.ndindex((1, *x.shape[1:])):
        sides = []
        for step in (h, -h):
            moved = x.copy()
            moved[:, c, i, j] += step
            sides.append(forward(weights, moved)["fc"][:, target])
        found[:, c, i, j] = (sides[0] - sides[1]) / (2 * h)
    return abs(found).max(1)


def guided(weights: Weights, x: np.ndarray, target: int) -> np.ndarray:
    """The gradient, but a ReLU passes on only what is positive, and only where it was active."""
    blobs = forward(weights, x)
    signal = bottom_gradient(
        _edges("fc", weights, blobs["relu2"]), _one_hot(len(x), target), weights["fc"][0], blobs["relu2"].shape
    )
    signal = _guided_relu(signal, blobs["conv2"])
    signal = bottom_gradient(
        _edges("conv2", weights, blobs["pool1"]), signal, weights["conv2"][0], blobs["pool1"].shape
    )
    signal = max_pooling_gradient(signal, max_pooling(blobs["relu1"], POOL1)[1], blobs["relu1"].shape)
    signal = _guided_relu(signal, blobs["conv1"])
    signal = bottom_gradient(_edges("conv1", weights, x), signal, weights["conv1"][0], x.shape)
    return abs(signal).max(1)


def _guided_relu(signal: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.where((x > 0) & (signal > 0), signal, 0)


def mwp(weights: Weights, x: np.ndarray, target: int) -> np.ndarray:
    """Marginal winning probabilities at pool1, channels added."""
    return _mass_at_pool1(weights, forward(weights, x), weights["fc"][0], target).sum(1)


def c_mwp(weights: Weights, x: np.ndarray, target: int) -> np.ndarray:
    """Two sweeps of their own, one for the class and one for its dual, and what the first has more."""
    blobs = forward(weights, x)
    mass = _mass_at_pool1(weights, blobs, weights["fc"][0], target)
    dual = _mass_at_pool1(weights, blobs, -weights["fc"][0], target)
    more = (mass - dual).sum(1)
    return np.where(more > 0, more, 0)


def _mass_at_pool1(weights: Weights, blobs: Blobs, classifier: np.ndarray, target: int) -> np.ndarray:
    (mass,) = excitation.inner_product(_one_hot(len(blobs["data"]), target), [blobs["relu2"]], classifier)
    (mass,) = excitation.relu(mass, [blobs["conv2"]])
    (mass,) = excitation.convolution(mass, [blobs["pool1"]], weights["conv2"][0])
    return mass


METHODS: dict[str, Callable[[Weights, np.ndarray, int], np.ndarray]] = {
    "gradient": gradient,
    "guided": guided,
    "mwp": mwp,
    "c-mwp": c_mwp,
}
