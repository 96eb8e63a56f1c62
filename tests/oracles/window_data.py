"""One window of Caffe's ``WindowDataLayer``, step by step and pixel by pixel."""

from __future__ import annotations

import numpy as np

from . import opencv

F = np.float32


def c_round(number: float) -> int:
    """Halves away from zero."""
    return int(np.floor(abs(number) + 0.5)) * (1 if number >= 0 else -1)


def warped(
    picture: np.ndarray,
    box: tuple[int, int, int, int],
    size: int,
    pad: int,
    square: bool,
    mirror: bool,
    mean: np.ndarray,
) -> np.ndarray:
    """(3, size, size) of a picture (H, W, 3), BGR; ``mean``: (3, M, M), M >= size."""
    x1, y1, x2, y2 = box
    rows, columns = picture.shape[:2]
    pad_w = pad_h = 0
    tall = wide = size
    if pad > 0 or square:
        context = F(size) / F(size - 2 * pad)
        half_height, half_width = F(y2 - y1 + 1) / F(2), F(x2 - x1 + 1) / F(2)
        x, y = F(x1) + half_width, F(y1) + half_height
        if square and half_height > half_width:
            half_width = half_height
        elif square:
            half_height = half_width
        x1, x2 = c_round(x - half_width * context), c_round(x + half_width * context)
        y1, y2 = c_round(y - half_height * context), c_round(y + half_height * context)
        unclipped_height, unclipped_width = y2 - y1 + 1, x2 - x1 + 1
        pad_x1, pad_y1 = max(0, -x1), max(0, -y1)
        pad_x2, pad_y2 = max(0, x2 - columns + 1), max(0, y2 - rows + 1)
        x1, x2, y1, y2 = x1 + pad_x1, x2 - pad_x2, y1 + pad_y1, y2 - pad_y2
        scale_x, scale_y = F(size) / F(unclipped_width), F(size) / F(unclipped_height)
        wide, tall = c_round(F(x2 - x1 + 1) * scale_x), c_round(F(y2 - y1 + 1) * scale_y)
        pad_h = c_round(F(pad_y1) * scale_y)
        pad_w = c_round(F(pad_x2) * scale_x) if mirror else c_round(F(pad_x1) * scale_x)
        tall, wide = min(tall, size - pad_h), min(wide, size - pad_w)
    cropped = opencv.resize(picture[y1 : y2 + 1, x1 : x2 + 1], tall, wide)
    if mirror:
        cropped = cropped[:, ::-1]
    offset = (mean.shape[2] - size) // 2
    out = np.zeros((3, size, size), F)
    for c, h, w in np.ndindex(3, tall, wide):
        out[c, h + pad_h, w + pad_w] = F(cropped[h, w, c]) - mean[c, h + offset + pad_h, w + offset + pad_w]
    return out
