"""Local response normalisation from its formula (Krizhevsky et al., 2012, §3.3; Caffe divides alpha by the window)."""

from __future__ import annotations

import numpy as np


def across_channels(x: np.ndarray, size: int, alpha: float, beta: float, k: float) -> np.ndarray:
    """x / (k + alpha / size * sum of squares over ``size`` channels) ** beta."""
    return x / scale_across_channels(x, size, alpha, k) ** beta


def scale_across_channels(x: np.ndarray, size: int, alpha: float, k: float) -> np.ndarray:
    scale = np.zeros_like(x)
    for n, c, h, w in np.ndindex(x.shape):
        squares = x.dtype.type(0)
        for other in range(c - size // 2, c + size // 2 + 1):
            if 0 <= other < x.shape[1]:
                squares += x[n, other, h, w] ** 2
        scale[n, c, h, w] = k + alpha / size * squares
    return scale


def within_channel(x: np.ndarray, size: int, alpha: float, beta: float) -> np.ndarray:
    """x / (1 + alpha / size^2 * sum of squares over a size x size square) ** beta."""
    y = np.zeros_like(x)
    for n, c, h, w in np.ndindex(x.shape):
        squares = x.dtype.type(0)
        for i in range(h - size // 2, h + size // 2 + 1):
            for j in range(w - size // 2, w + size // 2 + 1):
                if 0 <= i < x.shape[2] and 0 <= j < x.shape[3]:
                    squares += x[n, c, i, j] ** 2
        y[n, c, h, w] = x[n, c, h, w] / (1 + alpha / size**2 * squares) ** beta
    return y
