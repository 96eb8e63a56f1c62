"""Max pooling with switches on the engine, where windows overlap: what pooling.h is given.

Where they do not, each pixel is read once as it is, and the kernel of cuda/max_pool.cu has nothing to gain.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Protocol

import numpy as np

from . import plans
from .engine import Engine, address, engine, serves
from .plans import Pair, Plan


class Windows(Protocol):
    """Where windows lie on a plane."""

    @property
    def size(self) -> Pair: ...
    @property
    def kernel(self) -> Pair: ...
    @property
    def stride(self) -> Pair: ...
    @property
    def pad(self) -> Pair: ...
    @property
    def positions(self) -> Pair: ...
    def __hash__(self) -> int: ...


def max_pool(x: np.ndarray, windows: Windows, maxima: np.ndarray, winners: np.ndarray) -> bool:
    """``x`` (..., H, W) -> ``maxima`` and the cells that won, ``winners`` (8-bit): (..., rows, columns). Whether the engine did it."""
    build = _build(x, winners, windows)
    if build is None:
        return False
    plan, x = _plan(windows), np.ascontiguousarray(x)
    build.max_pool(
        *(address(x), plan.planes, plan.plane, plan.shift, plan.terms, plan.result),
        *(winners.size // (windows.positions[0] * windows.positions[1]), address(maxima), address(winners)),
    )
    return True


def to_winners(signal: np.ndarray, winners: np.ndarray, windows: Windows, pixels: np.ndarray) -> bool:
    """``signal`` (K, *winners.shape) -> ``pixels`` (K, ..., H, W). Whether the engine did it."""
    build = _build(signal, winners, windows)
    if build is None:
        return False
    plan, where, signal = _plan(windows), _cells(windows), np.ascontiguousarray(signal)
    build.to_winners(
        *(address(signal), address(winners), address(where), plan.planes, plan.result, *windows.stride),
        *(signal.size // winners.size, winners.size // (windows.positions[0] * windows.positions[1]), address(pixels)),
    )
    return True


def _build(array: np.ndarray, winners: np.ndarray, windows: Windows) -> Engine | None:
    """The engine, if this is work for it."""
    overlap = any(k > s for k, s in zip(windows.kernel, windows.stride, strict=True))
    return engine() if overlap and serves(array) and winners.dtype == np.int8 and array.size else None


@lru_cache(4096)
def _plan(windows: Windows) -> Plan:
    (h, w), (rows, columns), (stride_h, stride_w) = windows.size, windows.positions, windows.stride
    (top, left), (down, right) = windows.pad, (k - 1 for k in windows.kernel)
    pitch = columns + right // stride_w
    planes = plans.Planes(1, h, w, h * w, -top, -left, stride_h, stride_w, pitch, down // stride_h)
    terms = [
        (y % stride_h * stride_w + x % stride_w, y // stride_h * pitch + x // stride_w)
        for y, x in product(range(down + 1), range(right + 1))
    ]
    return Plan(planes, plans.Result(rows, columns, 1, rows, columns, rows * columns), terms)


@lru_cache(4096)
def _cells(windows: Windows) -> np.ndarray:
    """How far the pixel under each cell lies from that under the first."""
    rows, columns = (np.arange(k) for k in windows.kernel)
    return (rows[:, None] * windows.size[1] + columns).astype(np.int64)
