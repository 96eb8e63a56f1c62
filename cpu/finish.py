"""What becomes of a signal where it arrives, while its numbers are still near: what finish.h is given."""

from __future__ import annotations

import math
from typing import Any, Protocol

from ..cuda.launcher import Record
from .engine import serves
from .recording import address


class Arrival(Protocol):
    """``Arrival`` of layers/arrival.py."""

    @property
    def onto(self) -> Any: ...
    @property
    def times(self) -> Any: ...
    @property
    def where(self) -> Any: ...


class Finish:
    """``Finish`` of finish.h, for as long as it lives. An image has ``axes`` axes."""

    def __init__(self, arrival: Arrival, axes: int):
        self._arrays = [arrival.onto, arrival.times, arrival.where]
        shared = [math.prod(array.shape[:-axes]) for array in self._arrays[1:] if array is not None]
        places = [0 if array is None else address(array) for array in self._arrays]
        self._record = Record(*places, shared[0] if shared else 1)
        self.address = self._record.address


def finish(arrival: Arrival, axes: int) -> Finish | None:
    """``None`` where nothing happens, or not to arrays that the engine can read."""
    arrays = [array for array in (arrival.onto, arrival.times, arrival.where) if array is not None]
    readable = serves(*arrays) and all(array.flags.c_contiguous for array in arrays)
    return Finish(arrival, axes) if arrays and readable else None
