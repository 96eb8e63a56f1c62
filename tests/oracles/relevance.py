"""Layer-wise relevance propagation on the small net, one connection at a time (Bach et al. 2015, eqs. 50-60).

Relevance starts as the class's score; ReLUs pass it on as it is, a maximum gives it to its winner.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .correlation import Index
from .small_net import Blobs, Weights, below_pool1, edges, forward

BOTTOM = {"fc": "relu2", "conv2": "pool1", "conv1": "data"}
Step = Callable[[str, Weights, Blobs, np.ndarray], np.ndarray]


def epsilon(weights: Weights, x: np.ndarray, target: int, eps: float = 0.01) -> np.ndarray:
    """R_i = sum_j a_i w_ij / (z_j + eps sign z_j) R_j, the bias within z."""

    def step(layer: str, weights: Weights, blobs: Blobs, relevance: np.ndarray) -> np.ndarray:
        a, matrix, z = blobs[BOTTOM[layer]], weights[layer][0], blobs[layer]
        out = np.zeros_like(a)
        for above, below, weight in edges(layer, weights, a):
            stable = z[above] + (eps if z[above] >= 0 else -eps)
            out[below] += a[below] * matrix[weight] / stable * relevance[above]
        return out

    return _sweep(weights, x, target, step)


def alpha_beta(weights: Weights, x: np.ndarray, target: int, alpha: float = 2, beta: float = 1) -> np.ndarray:
    """R_i = sum_j (alpha z+_ij / z+_j - beta z-_ij / z-_j) R_j, a bias with the part of its sign."""

    def step(layer: str, weights: Weights, blobs: Blobs, relevance: np.ndarray) -> np.ndarray:
        a, (matrix, bias) = blobs[BOTTOM[layer]], weights[layer]
        sums: dict[tuple[Index, bool], float] = {}
        for index in np.ndindex(relevance.shape):
            sums[index, True], sums[index, False] = max(float(bias[index[1]]), 0), min(float(bias[index[1]]), 0)
        parts = [(above, below, a[below] * matrix[weight]) for above, below, weight in edges(layer, weights, a)]
        for above, _below, z in parts:
            sums[above, z > 0] += z
        out = np.zeros_like(a)
        for above, below, z in parts:
            if z != 0:
                out[below] += (alpha if z > 0 else -beta) * z / sums[above, z > 0] * relevance[above]
        return out

    return _sweep(weights, x, target, step)


def _sweep(weights: Weights, x: np.ndarray, target: int, step: Step) -> np.ndarray:
    blobs = forward(weights, x)
    relevance = np.zeros_like(blobs["fc"])
    relevance[:, target] = blobs["fc"][:, target]
    relevance = step("conv2", weights, blobs, step("fc", weights, blobs, relevance))
    return step("conv1", weights, blobs, below_pool1(blobs, relevance)).sum(1)
