"""Max pooling with switches on the engine, where windows overlap: what pooling.h is given.

Where they do not, each pixel is read once as it is, and the kernel of cuda/max_pool.cu has nothing to gain.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import numpy as np

from . import plans
from .engine import Engine, address, engine, serves
from .finish import Finish
from .plans import Pair, Plan, Sliding


class Windows(Sliding, Protocol):
    """Where windows lie on a plane: ``Windows`` of layers/pooling.py."""

    @property
    def size(self) -> Pair: ...
    @property
    def positions(self) -> Pair: ...


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


def to_winners(
    signal: np.ndarray, winners: np.ndarray, windows: Windows, pixels: np.ndarray, last: Finish | None = None
) -> bool:
    """``signal`` (K, *winners.shape) -> ``pixels`` (K, ..., H, W), and what becomes of them last. Whether the engine did it."""
    build = _build(signal, winners, windows)
    if build is None:
        return False
    plan, where, signal = _plan(windows), _cells(windows), np.ascontiguousarray(signal)
    build.to_winners(
        *(address(signal), address(winners), address(where), plan.planes, plan.result, *windows.stride),
        *(
            signal.size // winners.size,
            winners.size // (windows.positions[0] * windows.positions[1]),
            last and last.address,
            address(pixels),
        ),
    )
    return True


def _build(array: np.ndarray, winners: np.ndarray, windows: Windows) -> Engine | None:
    """The engine, if this is work for it."""
    overlap = any(k > s for k, s in zip(windows.kernel, windows.stride, strict=True))
    return engine() if overlap and serves(array) and winners.dtype == np.int8 and array.size else None


@lru_cache(4096)
def _plan(windows: Windows) -> Plan:
    cells = [range(k) for k in windows.kernel]
    return plans.sliding(1, 1, windows.size, windows.positions, windows, cells)


@lru_cache(4096)
def _cells(windows: Windows) -> np.ndarray:
    """How far the pixel under each cell lies from that under the first."""
    rows, columns = (np.arange(k) for k in windows.kernel)
    return (rows[:, None] * windows.size[1] + columns).astype(np.int64)
