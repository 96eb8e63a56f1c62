"""Interpolation from its definition, pixel by pixel; pixel centres lie at half-integers."""

from __future__ import annotations

import numpy as np


def bilinear(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    out = np.zeros((height, width))
    for i, j in np.ndindex(height, width):
        y = (i + 0.5) * plane.shape[0] / height - 0.5
        x = (j + 0.5) * plane.shape[1] / width - 0.5
        for dy in (0, 1):
            for dx in (0, 1):
                h, w = int(np.floor(y)) + dy, int(np.floor(x)) + dx
                weight = (1 - abs(y - h)) * (1 - abs(x - w))
                out[i, j] += weight * plane[min(max(h, 0), plane.shape[0] - 1), min(max(w, 0), plane.shape[1] - 1)]
    return out


def keys(t: float) -> float:
    """Keys (1981), eq. 4 with a = -1/2."""
    t = abs(t)
    if t <= 1:
        return 1.5 * t**3 - 2.5 * t**2 + 1
    return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0


def bicubic(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    """Never beyond the plane's least and greatest value."""
    out = np.zeros((height, width))
    for i, j in np.ndindex(height, width):
        y = (i + 0.5) * plane.shape[0] / height - 0.5
        x = (j + 0.5) * plane.shape[1] / width - 0.5
        for h in range(int(np.floor(y)) - 1, int(np.floor(y)) + 3):
            for w in range(int(np.floor(x)) - 1, int(np.floor(x)) + 3):
                value = plane[min(max(h, 0), plane.shape[0] - 1), min(max(w, 0), plane.shape[1] - 1)]
                out[i, j] += keys(y - h) * keys(x - w) * value
    return np.minimum(np.maximum(out, plane.min()), plane.max())


def nearest(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    """The source pixel in which the target pixel's centre lies."""
    rows = [int((i + 0.5) * plane.shape[0] / height) for i in range(height)]
    columns = [int((j + 0.5) * plane.shape[1] / width) for j in range(width)]
    return plane[np.ix_(rows, columns)]
