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


def nearest(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    """The source pixel in which the target pixel's centre lies."""
    rows = [int((i + 0.5) * plane.shape[0] / height) for i in range(height)]
    columns = [int((j + 0.5) * plane.shape[1] / width) for j in range(width)]
    return plane[np.ix_(rows, columns)]
