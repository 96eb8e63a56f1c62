"""The feedback family on the small net, one image and one class at a time, with gates z1, z2 over its two ReLUs.

LTT: Look and Think Twice (2015) and its draft. TPAMI: Feedback CNN (2018). GP: Global Perception Feedback CNN (2018).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import resizing
from .small_net import Blobs, Weights, below, below_pool1, forward, one_hot

Single = Callable[..., np.ndarray]  # of the weights, an image, a class, and options


def per_image(method: Single) -> Single:
    """A method for one image (1, C, H, W) -> (H, W) as one for many."""

    def of_all(weights: Weights, x: np.ndarray, target: int, **options: float) -> np.ndarray:
        return np.stack([method(weights, x[n : n + 1], target, **options) for n in range(len(x))])

    return of_all


def backward(
    weights: Weights, blobs: Blobs, target: int, z1: np.ndarray, z2: np.ndarray, winners: np.ndarray | float = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dS/dy1, dS/dy2 and dS/dI, with masks and switches of the pass in ``blobs``; ``winners`` are the gates it ran under."""
    a2 = below("fc", weights, blobs, one_hot(1, target))
    a1 = below_pool1(blobs, below("conv2", weights, blobs, a2 * z2 * (blobs["conv2"] > 0)), winners)
    return a1, a2, below("conv1", weights, blobs, a1 * z1 * (blobs["conv1"] > 0))


@per_image
def soft(weights: Weights, x: np.ndarray, target: int) -> np.ndarray:
    """LTT eq. 6: ten steps of 0.1, lambda 2, each layer's dS/dz = x dS/dy over its mean absolute value."""
    z1, z2 = _climb(weights, x, target, lambda z, push: push - 2.0)
    blobs = forward(weights, x, z1, z2)
    return abs(backward(weights, blobs, target, z1, z2, winners=z1)[2]).max(1)[0]


@per_image
def global_perception(weights: Weights, x: np.ndarray, target: int, rank_weight: float = 10) -> np.ndarray:
    """GP eqs. 4-12: the same steps, but each channel's gates pay for their trace norm; then guided backprop."""
    z1, z2 = _climb(weights, x, target, lambda z, push: push - rank_weight * trace_norm_slope(z), may_stop=False)
    blobs = forward(weights, x, z1, z2)
    signal = below("fc", weights, blobs, one_hot(1, target)) * z2
    signal = np.maximum(signal, 0) * (blobs["conv2"] > 0)
    signal = below_pool1(blobs, below("conv2", weights, blobs, signal), z1) * z1
    return abs(below("conv1", weights, blobs, np.maximum(signal, 0) * (blobs["conv1"] > 0))).max(1)[0]


def _climb(
    weights: Weights, x: np.ndarray, target: int, slope: Callable, may_stop: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Gates of 0 and 1 after the climb, which starts where the ReLUs stand."""
    first = forward(weights, x)
    z1, z2 = (first["conv1"] > 0) * 1.0, (first["conv2"] > 0) * 1.0
    for _ in range(10):
        blobs = forward(weights, x, z1, z2)
        a1, a2, _image = backward(weights, blobs, target, z1, z2, winners=z1)
        moved = []
        for z, a, relu in ((z1, a1, "relu1"), (z2, a2, "relu2")):
            push = a * blobs[relu]
            push = push / (abs(push).mean() or 1)
            moved.append(np.clip(z + 0.1 * slope(z, push), 0, 1))
        if may_stop and all(np.array_equal(*pair) for pair in zip((z1, z2), moved, strict=True)):
            break
        z1, z2 = moved
    return (z1 >= 0.5) * 1.0, (z2 >= 0.5) * 1.0


def trace_norm_slope(z: np.ndarray, mu: float = 1e-3, minor: float = 0.01) -> np.ndarray:
    """g^-1 z with g = (z z^T + mu I)^(1/2), minor singular values of z dropped, channel by channel."""
    slope = np.zeros_like(z)
    for n, c in np.ndindex(z.shape[:2]):
        squares, u = np.linalg.eigh(z[n, c] @ z[n, c].T)
        gamma = np.sqrt(np.maximum(squares, 0))
        for value, vector in zip(gamma, u.T, strict=True):
            if value >= minor * gamma.max():
                slope[n, c] += np.outer(vector, vector) @ z[n, c] / np.sqrt(value**2 + mu)
    return slope


@per_image
def hard(weights: Weights, x: np.ndarray, target: int) -> np.ndarray:
    """The draft's sweep: e goes down from the class node, and at each gate only what is positive goes on."""
    return abs(
        _recovered(weights, forward(weights, x), below("fc", weights, forward(weights, x), one_hot(1, target)))
    ).max(1)[0]


@per_image
def recovery(weights: Weights, x: np.ndarray, target: int) -> np.ndarray:
    """TPAMI Algorithm 1 with the sign threshold."""
    blobs = forward(weights, x)
    return abs(_recovered(weights, blobs, below("fc", weights, blobs, one_hot(1, target)))).sum(1)[0]


def _recovered(weights: Weights, blobs: Blobs, a2: np.ndarray) -> np.ndarray:
    z2 = a2 > 0
    a1 = below_pool1(blobs, below("conv2", weights, blobs, z2 * a2 * (blobs["conv2"] > 0)))
    z1 = a1 > 0
    return below("conv1", weights, blobs, z1 * a1 * (blobs["conv1"] > 0))


def _pruned(weights: Weights, blobs: Blobs, target: int) -> tuple[np.ndarray, np.ndarray]:
    """TPAMI Algorithm 2 on the first pass's linear approximation: five times z <- z [a > 0]."""
    z1, z2 = np.ones_like(blobs["conv1"]), np.ones_like(blobs["conv2"])
    for _ in range(5):
        a1, a2, _image = backward(weights, blobs, target, z1, z2)
        z1, z2 = z1 * (a1 > 0), z2 * (a2 > 0)
    return z1, z2


@per_image
def pruning(weights: Weights, x: np.ndarray, target: int) -> np.ndarray:
    blobs = forward(weights, x)
    return abs(backward(weights, blobs, target, *_pruned(weights, blobs, target))[2]).sum(1)[0]


@per_image
def pruning_then_recovery(weights: Weights, x: np.ndarray, target: int, portion: float = 0.1) -> np.ndarray:
    """TPAMI §3.5: the neurons of relu2 that pruning selects, each given 1, recovered to the image without gates."""
    blobs = forward(weights, x)
    z1, z2 = _pruned(weights, blobs, target)
    d = backward(weights, blobs, target, z1, z2)[1]
    signal = np.zeros_like(d)
    positive = [value for value in d.ravel() if value > 0]
    for index in np.ndindex(d.shape):
        enough = d[index] > 0 and d[index] >= portion * sum(positive) / len(positive)
        signal[index] = z2[index] > 0 and blobs["relu2"][index] > 0 and enough
    a1 = below_pool1(blobs, below("conv2", weights, blobs, signal * (blobs["conv2"] > 0)))
    image = below("conv1", weights, blobs, (a1 > 0) * a1 * (blobs["conv1"] > 0))
    return abs(image).sum(1)[0]


@per_image
def summation(weights: Weights, x: np.ndarray, target: int) -> np.ndarray:
    """TPAMI §4.3: gated gradients of both ReLUs, summed over channels, resized, added, clipped at 0, l2-normalised."""
    blobs = forward(weights, x)
    z1, z2 = _pruned(weights, blobs, target)
    a1, a2, _image = backward(weights, blobs, target, z1, z2)
    total = sum(resizing.bilinear((z * a).sum(1)[0], *x.shape[2:]) for z, a in ((z1, a1), (z2, a2)))
    total = np.maximum(total, 0)
    return total / (np.sqrt((total**2).sum()) or 1)
