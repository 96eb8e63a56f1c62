"""Caffe's ``DataTransformer::Transform``, pixel by pixel, for given draws."""

from __future__ import annotations

import numpy as np


def transform(
    image: np.ndarray, crop: int, mirror: bool, top: int, left: int, scale: float, mean: np.ndarray | None
) -> np.ndarray:
    """``mean``: the mean image (C, H, W), the values (C,) or nothing. All numbers are float32, as Caffe's."""
    channels, height, width = image.shape
    if crop:
        height = width = crop
    out = np.zeros((channels, height, width), np.float32)
    for c, h, w in np.ndindex(out.shape):
        pixel = np.float32(image[c, top + h, left + w])
        if mean is not None and mean.ndim == 3:
            pixel = pixel - np.float32(mean[c, top + h, left + w])
        elif mean is not None:
            pixel = pixel - np.float32(mean[c])
        out[c, h, width - 1 - w if mirror else w] = pixel * np.float32(scale)
    return out
