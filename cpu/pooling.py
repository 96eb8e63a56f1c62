"""Max pooling with switches on the engine: what pooling.h is given."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Protocol

import numpy as np

from ..cuda.launcher import Record
from . import plans
from .engine import Engine, engine, serves
from .finish import Finish
from .plans import Pair, Plan, Sliding
from .recording import address, ask


class Windows(Sliding, Protocol):
    """Where windows lie on a plane: ``Windows`` of layers/pooling.py."""

    @property
    def size(self) -> Pair: ...
    @property
    def positions(self) -> Pair: ...


def max_pool(x: np.ndarray, windows: Windows, maxima: np.ndarray, winners: np.ndarray) -> bool:
    """``x`` (..., H, W) -> ``maxima`` and the cells that won, ``winners`` (8-bit): (..., rows, columns). Whether the engine did it."""
    build = _build(x, winners)
    if build is None:
        return False
    plan, x, planes = _plan(windows), np.ascontiguousarray(x), winners.size // math.prod(windows.positions)
    ask(
        build.max_pool,
        *(address(x), plan.planes, plan.plane, plan.shift, _record(windows).address),
        *(planes, address(maxima), address(winners)),
    )
    return True


def to_winners(
    signal: np.ndarray, winners: np.ndarray, windows: Windows, pixels: np.ndarray, last: Finish | None = None
) -> bool:
    """``signal`` (K, *winners.shape) -> ``pixels`` (K, ..., H, W), and what becomes of them last. Whether the engine did it."""
    build = _build(signal, winners)
    if build is None:
        return False
    signal, winners = np.ascontiguousarray(signal), np.ascontiguousarray(winners)
    planes = winners.size // math.prod(windows.positions)
    ask(
        build.to_winners,
        *(address(signal), address(winners), _record(windows).address, signal.size // winners.size, planes),
        *(last.address if last else 0, address(pixels)),
    )
    return True


def _build(array: np.ndarray, winners: np.ndarray) -> Engine | None:
    """The engine, if this is work for it."""
    return engine() if serves(array) and winners.dtype == np.int8 and array.size else None


@lru_cache(4096)
def _plan(windows: Windows) -> Plan:
    cells = [range(k) for k in windows.kernel]
    return plans.sliding(1, 1, windows.size, windows.positions, windows, cells)


@lru_cache(4096)
def _record(windows: Windows) -> Record:
    """``Windows`` of pooling.h."""
    return Record(*windows.size, *windows.kernel, *windows.stride, *windows.pad, *windows.positions)
