"""OpenCV's bilinear ``resize`` of 8-bit images, number by number, as its imgproc/src/resize.cpp computes it."""

from __future__ import annotations

import math

import numpy as np


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """(H, W, C), uint8."""
    out = np.zeros((height, width, image.shape[2]), np.uint8)
    for i, j, c in np.ndindex(out.shape):
        if image.shape[:2] == (2 * height, 2 * width):
            out[i, j, c] = (int(image[2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c].astype(int).sum()) + 2) // 4
        else:
            out[i, j, c] = _between(image[..., c].astype(int).tolist(), i, j, height, width)
    return out


def _between(plane: list[list[int]], i: int, j: int, height: int, width: int) -> int:
    rows, columns = len(plane), len(plane[0])
    y, down = _place(i, rows, height)
    x, right = _place(j, columns, width)
    if x < 0 or x >= columns - 1:
        x, right = min(max(x, 0), columns - 1), np.float32(0)
    lines = []
    for row in (y, y + 1):
        line = plane[min(max(row, 0), rows - 1)]
        lines.append(line[x] * _fixed(1 - right) + line[min(x + 1, columns - 1)] * _fixed(right))
    upper, lower = (
        line // 16 * weight // 65536 for line, weight in zip(lines, (_fixed(1 - down), _fixed(down)), strict=True)
    )
    return (upper + lower + 2) // 4


def _place(index: int, size: int, new: int) -> tuple[int, np.float32]:
    place = np.float32((index + 0.5) * (1 / (new / size)) - 0.5)
    return math.floor(place), np.float32(place - np.float32(math.floor(place)))


def _fixed(weight: np.float32) -> int:
    return round(float(weight) * 2048)
