"""Fully connected layers on the engine, for a few images at a time: what inner_product.h is given.

There each weight is read from memory once, and that is what takes the time. For many images matrix products are the better way.
"""

from __future__ import annotations

import numpy as np

from .engine import Engine, engine, serves
from .recording import address, ask

MOST_IMAGES = 16


def inner_product(
    x: np.ndarray, weights: np.ndarray, bias: np.ndarray | None, y: np.ndarray | None, z: np.ndarray | None = None
) -> bool:
    """``x`` (N, K), ``weights`` (O, K), ``bias`` (O,) -> ``y`` (N, O), and ``z`` (N, O), which is that for max(w, 0) and without a bias;
    only what is asked for. Whether the engine did it."""
    build = _build(x, weights)
    if build is None:
        return False
    x = np.ascontiguousarray(x)
    ask(
        build.inner_product,
        *(address(x), address(weights), 0 if bias is None else address(bias)),
        *(len(x), weights.shape[1], len(weights)),
        *(0 if result is None else address(result) for result in (y, z)),
    )
    return True


def transposed(signal: np.ndarray, weights: np.ndarray, positive: bool, x: np.ndarray) -> bool:
    """``signal`` (N, O), ``weights`` (O, K) -> ``x`` (N, K). Whether the engine did it."""
    build = _build(signal, weights)
    if build is None:
        return False
    signal = np.ascontiguousarray(signal)
    ask(
        build.inner_product_transposed,
        *(address(signal), address(weights), positive, len(signal), weights.shape[1], len(weights), address(x)),
    )
    return True


def _build(array: np.ndarray, weights: np.ndarray) -> Engine | None:
    few = 0 < len(array) <= MOST_IMAGES
    return engine() if few and serves(array, weights) and weights.flags.c_contiguous else None
