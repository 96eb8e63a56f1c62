"""A layer of weighted sums as the list of its connections: top number, bottom number, weight.

Everything about such a layer follows from that list: forward, both gradients, and excitation's winners.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

Index = tuple[int, ...]
Edge = tuple[Index, Index, Index]  # of the top, of the bottom, of the weights


def convolution_edges(
    bottom: Index, weights: Index, stride: Index = (1, 1), pad: Index = (0, 0), dilation: Index = (1, 1), group: int = 1
) -> Iterator[Edge]:
    """2-D convolution: ``bottom`` (N, C, H, W), ``weights`` (O, C / group, kernel height, kernel width)."""
    images, channels, height, width = bottom
    outputs, fan_in, kernel_h, kernel_w = weights
    assert fan_in * group == channels
    assert outputs % group == 0
    _, _, rows, columns = convolution_top(bottom, weights, stride, pad, dilation)
    for n in range(images):
        for o in range(outputs):
            first_channel = (o // (outputs // group)) * fan_in
            for i in range(rows):
                for j in range(columns):
                    for c in range(fan_in):
                        for u in range(kernel_h):
                            for v in range(kernel_w):
                                h = i * stride[0] - pad[0] + u * dilation[0]
                                w = j * stride[1] - pad[1] + v * dilation[1]
                                if 0 <= h < height and 0 <= w < width:
                                    yield (n, o, i, j), (n, first_channel + c, h, w), (o, c, u, v)


def convolution_top(bottom: Index, weights: Index, stride: Index, pad: Index, dilation: Index) -> Index:
    """The top's shape: as many positions as the dilated kernel has room for."""
    sizes = []
    for axis in range(2):
        span = dilation[axis] * (weights[2 + axis] - 1) + 1
        starts = range(-pad[axis], bottom[2 + axis] + pad[axis] - span + 1, stride[axis])
        sizes.append(len(starts))
    return (bottom[0], weights[0], *sizes)


def deconvolution_edges(bottom: Index, weights: Index, top: Index, group: int = 1, **geometry: Index) -> Iterator[Edge]:
    """A convolution from ``top`` down to ``bottom``, read backwards: ``weights`` (C, O / group, kernel height, width)."""
    for below, above, weight in convolution_edges(top, weights, group=group, **geometry):
        assert all(n < size for n, size in zip(below, bottom, strict=True))
        yield above, below, weight


def inner_product_edges(bottom: Index, outputs: int) -> Iterator[Edge]:
    """Every number of an image with every output: ``weights`` (outputs, numbers of an image)."""
    for n in range(bottom[0]):
        for o in range(outputs):
            for flat, place in enumerate(np.ndindex(*bottom[1:])):
                yield (n, o), (n, *place), (o, flat)


def weighted_sums(edges: Iterable[Edge], x: np.ndarray, weights: np.ndarray, top: Index) -> np.ndarray:
    """y = sum w x."""
    y = np.zeros(top, x.dtype)
    for above, below, weight in edges:
        y[above] += weights[weight] * x[below]
    return y


def bottom_gradient(edges: Iterable[Edge], signal: np.ndarray, weights: np.ndarray, bottom: Index) -> np.ndarray:
    """dx = sum w dy."""
    gradient = np.zeros(bottom, signal.dtype)
    for above, below, weight in edges:
        gradient[below] += weights[weight] * signal[above]
    return gradient


def weight_gradient(edges: Iterable[Edge], signal: np.ndarray, x: np.ndarray, weights: Index) -> np.ndarray:
    """dw = sum x dy."""
    gradient = np.zeros(weights, signal.dtype)
    for above, below, weight in edges:
        gradient[weight] += x[below] * signal[above]
    return gradient
