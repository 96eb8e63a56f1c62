"""A convolution from its definition, window by window, in float64: padding is zeros around the image.

y[n, o, i, j] = sum_{c, u, v} w[o, c, u, v] x[n, c, i s - p + u d, j s - p + v d]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

Pair = tuple[int, ...]


def correlate(x: np.ndarray, weights: np.ndarray, geometry: Any) -> np.ndarray:
    """``x`` (N, C, H, W), ``weights`` (O, C / group, kernel height, width) -> (N, O, rows, columns)."""
    padded, filters = _by_group(_padded(x, geometry), geometry), _filters(weights, geometry)
    y = np.zeros((len(x), *filters.shape[:2], *positions(x.shape[2:], geometry)))
    for place, (rows, columns) in windows(x.shape[2:], geometry):
        y[..., *place] = np.einsum("ngcuv,gocuv->ngo", padded[..., rows, columns], filters)
    return y.reshape(len(x), len(weights), *y.shape[3:])


def correlate_transposed(signal: np.ndarray, weights: np.ndarray, geometry: Any, spatial: Pair) -> np.ndarray:
    """dx for ``signal`` (N, O, rows, columns): (N, C, *spatial)."""
    signals, filters = _by_group(signal.astype(float), geometry), _filters(weights, geometry)
    channels = geometry.group * weights.shape[1]
    padded = _padded(np.zeros((len(signal), channels, *spatial)), geometry)
    patches = _by_group(padded, geometry)
    for place, (rows, columns) in windows(spatial, geometry):
        patches[..., rows, columns] += np.einsum("ngo,gocuv->ngcuv", signals[..., *place], filters)
    (top, left), (height, width) = geometry.pad, spatial
    return patches.reshape(padded.shape)[..., top : top + height, left : left + width]


def correlate_weights(x: np.ndarray, signal: np.ndarray, geometry: Any) -> np.ndarray:
    """dw for ``x`` (N, C, H, W) and ``signal`` (N, O, rows, columns): (O, C / group, kernel height, width)."""
    padded, signals = _by_group(_padded(x, geometry), geometry), _by_group(signal.astype(float), geometry)
    gradient = np.zeros((*signals.shape[1:3], padded.shape[2], *geometry.kernel))
    for place, (rows, columns) in windows(x.shape[2:], geometry):
        gradient += np.einsum("ngo,ngcuv->gocuv", signals[..., *place], padded[..., rows, columns])
    return gradient.reshape(-1, *gradient.shape[2:])


def positions(spatial: Pair, geometry: Any) -> Pair:
    """As many as the dilated kernel has room for."""
    axes = zip(spatial, geometry.pad, geometry.kernel, geometry.dilation, geometry.stride, strict=True)
    return tuple(len(range(0, n + 2 * p - d * (k - 1), s)) for n, p, k, d, s in axes)


def windows(spatial: Pair, geometry: Any) -> Iterator[tuple[Pair, tuple[slice, slice]]]:
    """Each output position, and what the kernel meets there of the padded image."""
    for place in np.ndindex(*positions(spatial, geometry)):
        axes = zip(place, geometry.stride, geometry.kernel, geometry.dilation, strict=True)
        rows, columns = (slice(i * s, i * s + d * (k - 1) + 1, d) for i, s, k, d in axes)
        yield place, (rows, columns)


def _padded(x: np.ndarray, geometry: Any) -> np.ndarray:
    top, left = geometry.pad
    return np.pad(x.astype(float), ((0, 0), (0, 0), (top, top), (left, left)))


def _by_group(images: np.ndarray, geometry: Any) -> np.ndarray:
    return images.reshape(len(images), geometry.group, images.shape[1] // geometry.group, *images.shape[2:])


def _filters(weights: np.ndarray, geometry: Any) -> np.ndarray:
    return weights.astype(float).reshape(geometry.group, -1, *weights.shape[1:])
