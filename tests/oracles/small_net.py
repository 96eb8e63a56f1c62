"""One small net for all methods, with its literal forward pass and the transposes of its layers.

data (N, 2, 5, 6) - conv1 3x3 pad 1 - ReLU - pool1 MAX 2x2 stride 2 - conv2 2x2 - ReLU - fc, 4 classes
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from .correlation import Edge, bottom_gradient, convolution_edges, convolution_top, inner_product_edges, weighted_sums
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
AVERAGED = """
name: "averaged"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 2 dim: 5 dim: 6 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 3 kernel_size: 3 pad: 1 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool" type: "Pooling" bottom: "conv1" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 4 } }
"""
CLASSES = 4
POOL1 = Geometry(kernel=(2, 2), stride=(2, 2))

Weights = Mapping[str, tuple[np.ndarray, ...]]
Blobs = dict[str, np.ndarray]


def random_weights(seed: int, averaged: bool = False) -> dict[str, tuple[np.ndarray, ...]]:
    rng = np.random.default_rng(seed)
    shapes = {"conv1": (3, 2, 3, 3), "conv2": (5, 3, 2, 2), "fc": (CLASSES, 20)}
    if averaged:
        shapes = {"conv1": (3, 2, 3, 3), "fc": (CLASSES, 3)}
    return {name: (rng.normal(size=shape), rng.normal(size=shape[0]) / 4) for name, shape in shapes.items()}


def definition(method: str, seed: int) -> tuple[str, dict[str, tuple[np.ndarray, ...]]]:
    """The net for a method, and weights: class activation maps want one that ends in an average."""
    averaged = method == "cam"
    return AVERAGED if averaged else PROTOTXT, random_weights(seed, averaged)


def forward(weights: Weights, x: np.ndarray, z1: np.ndarray | float = 1, z2: np.ndarray | float = 1) -> Blobs:
    """Every blob; ``relu1`` and ``relu2`` are what the ReLUs leave in conv1 and conv2, before any gates z1, z2 over them."""
    blobs = {"data": x}
    blobs["conv1"] = weighted("conv1", weights, x)
    blobs["relu1"] = np.where(blobs["conv1"] > 0, blobs["conv1"], 0)
    blobs["pool1"] = max_pooling(z1 * blobs["relu1"], POOL1)[0]
    blobs["conv2"] = weighted("conv2", weights, blobs["pool1"])
    blobs["relu2"] = np.where(blobs["conv2"] > 0, blobs["conv2"], 0)
    blobs["fc"] = weighted("fc", weights, z2 * blobs["relu2"])
    return blobs


def weighted(layer: str, weights: Weights, x: np.ndarray) -> np.ndarray:
    matrix, bias = weights[layer]
    top = (len(x), CLASSES)
    if layer != "fc":
        top = convolution_top(x.shape, matrix.shape, (1, 1), _pad(layer), (1, 1))  # type: ignore[assignment]
    y = weighted_sums(edges(layer, weights, x), x, matrix, top)
    for index in np.ndindex(y.shape):
        y[index] += bias[index[1]]
    return y


def edges(layer: str, weights: Weights, x: np.ndarray) -> Iterator[Edge]:
    if layer == "fc":
        return inner_product_edges(x.shape, CLASSES)
    return convolution_edges(x.shape, weights[layer][0].shape, pad=_pad(layer))


def _pad(layer: str) -> tuple[int, int]:
    return (1, 1) if layer == "conv1" else (0, 0)


def one_hot(images: int, target: int) -> np.ndarray:
    signal = np.zeros((images, CLASSES))
    signal[:, target] = 1
    return signal


def below(layer: str, weights: Weights, blobs: Blobs, signal: np.ndarray) -> np.ndarray:
    """A signal over fc, conv2 or conv1 carried to its bottom by the transposed weights."""
    x = blobs[{"fc": "relu2", "conv2": "pool1", "conv1": "data"}[layer]]
    return bottom_gradient(edges(layer, weights, x), signal, weights[layer][0], x.shape)


def below_pool1(blobs: Blobs, signal: np.ndarray, z1: np.ndarray | float = 1) -> np.ndarray:
    """A signal over pool1, to the winners among the gated relu1."""
    return max_pooling_gradient(signal, max_pooling(z1 * blobs["relu1"], POOL1)[1], blobs["relu1"].shape)
