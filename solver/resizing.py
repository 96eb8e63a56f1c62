"""OpenCV's bilinear resizing of 8-bit images, to the bit: what Caffe's ImageData and WindowData do to pictures."""

from __future__ import annotations

import numpy as np

BITS = 11  # of a weight's fraction: OpenCV's INTER_RESIZE_COEF_BITS


def resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """``cv::resize(image, (width, height), INTER_LINEAR)`` of an image (H, W, C), uint8.

    Like OpenCV it interpolates between the four nearest pixels, even where it shrinks (no antialiasing), with weights of 11
    bits; halving both sides is the mean of four. Pixel centres lie at half-integers.
    """
    rows, columns = image.shape[:2]
    if (rows, columns) == (height, width):
        return image
    if (rows, columns) == (2 * height, 2 * width):
        wide = image.astype(np.int32)
        return ((wide[::2, ::2] + wide[1::2, ::2] + wide[::2, 1::2] + wide[1::2, 1::2] + 2) >> 2).astype(np.uint8)
    left, right, weight_left, weight_right = _neighbours(columns, width, edges_apart=False)
    above, below, weight_above, weight_below = (n[..., None, None] for n in _neighbours(rows, height, edges_apart=True))
    wide = image.astype(np.int32)
    lines = wide[:, left] * weight_left[:, None] + wide[:, right] * weight_right[:, None]
    lines >>= 4
    upper, lower = lines[above[:, 0, 0]] * weight_above >> 16, lines[below[:, 0, 0]] * weight_below >> 16
    return (upper + lower + 2 >> 2).astype(np.uint8)


def _neighbours(size: int, new: int, edges_apart: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of every new place the two places it lies between, and their weights.

    Beyond the edge both are the last pixel: along a line with the whole weight on one of them, across lines
    (``edges_apart``) still with two weights, whose products OpenCV truncates one by one.
    """
    place = ((np.arange(new) + 0.5) * (1 / (new / size)) - 0.5).astype(np.float32)
    first = np.floor(place).astype(np.int64)
    fraction = place - first.astype(np.float32)
    if not edges_apart:
        fraction[(first < 0) | (first >= size - 1)] = 0
        first = first.clip(0, size - 1)
    weights = (np.rint(part * np.float32(1 << BITS)).astype(np.int32) for part in (1 - fraction, fraction))
    return first.clip(0, size - 1), (first + 1).clip(0, size - 1), *weights
