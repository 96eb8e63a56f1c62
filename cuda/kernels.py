"""The kernels as functions of arrays, NumPy's or CuPy's. Each writes into its last arrays and returns whether it ran.

Where one did not (no build for this CPU, an odd type, an array with gaps) nothing was touched, and the caller goes its own
way. All arrays are contiguous; planes are (H, W), and whatever axes stand in front of them are counted together.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from .launcher import launch

Array = Any  # numpy.ndarray or cupy.ndarray
Pair = tuple[int, ...]  # along H and W

ROW = (128,)  # threads over the columns of a row
PLANE = (32, 8)  # over columns and rows


@lru_cache(maxsize=4096)
def windows(size: Pair, kernel: Pair, stride: Pair, pad: Pair, dilation: Pair, positions: Pair) -> np.void:
    """``Windows`` of index.h."""
    numbers = np.array([*size, *kernel, *stride, *pad, *dilation, *positions], np.int64)
    return numbers.view(f"V{numbers.nbytes}")[0]


def im2col(images: Array, where: np.void, patches: Array) -> bool:
    """``images`` (..., H, W) -> ``patches`` (..., kernel h, kernel w, rows, columns)."""
    planes, cells = math.prod(images.shape[:-2]), math.prod(patches.shape[-4:-2])
    return launch("im2col.cu", "im2col", (images,), planes * cells, images, patches, planes, where, threads=PLANE)


def col2im(patches: Array, where: np.void, images: Array) -> bool:
    """``patches`` (..., kernel h, kernel w, rows, columns) -> their sums in ``images`` (..., H, W)."""
    planes, rows = math.prod(images.shape[:-2]), math.prod(images.shape[:-1])
    return launch("im2col.cu", "col2im", (images,), rows, patches, images, planes, where, threads=ROW)


def max_pool(x: Array, where: np.void, maxima: Array, winners: Array) -> bool:
    """``x`` (..., H, W) -> ``maxima`` and the cells that won, ``winners`` (signed integers): both (..., rows, columns)."""
    planes, rows = math.prod(x.shape[:-2]), math.prod(maxima.shape[:-1])
    return launch("max_pool.cu", "max_pool", (x, winners), rows, x, maxima, winners, planes, where, threads=ROW)


def to_winners(signal: Array, winners: Array, where: np.void, pixels: Array) -> bool:
    """``signal`` (K, *winners.shape) with ``winners`` (..., rows, columns) -> ``pixels`` (K, ..., H, W)."""
    planes, rows = math.prod(winners.shape[:-2]), math.prod(pixels.shape[:-1])
    targets = math.prod(signal.shape[: signal.ndim - winners.ndim])
    arguments = (signal, winners, pixels, targets, planes, where)
    return launch("max_pool.cu", "to_winners", (signal, winners), rows, *arguments, threads=ROW)


def window_sums(x: Array, where: np.void, sums: Array) -> bool:
    """``x`` (..., H, W) -> ``sums`` (..., rows, columns) over each window's real pixels."""
    planes, rows = math.prod(x.shape[:-2]), math.prod(sums.shape[:-1])
    return launch("average_pool.cu", "window_sums", (x,), rows, x, sums, planes, where, threads=ROW)


def spread(signal: Array, where: np.void, pixels: Array) -> bool:
    """``signal`` (..., rows, columns) -> ``pixels`` (..., H, W), each the sum over the windows that cover it."""
    planes, rows = math.prod(pixels.shape[:-2]), math.prod(pixels.shape[:-1])
    return launch("average_pool.cu", "spread", (signal,), rows, signal, pixels, planes, where, threads=ROW)
