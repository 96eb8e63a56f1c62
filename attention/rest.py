"""When a loop comes to rest: an iteration that changes no gate is followed by none that would.

A CPU is asked after each iteration, and spares the others. A GPU is asked once, behind the loop: whoever asks it waits for all that it
was told to do, and iterations that change nothing leave everything as it is.
"""

from __future__ import annotations

import operator
from functools import cached_property

import numpy as np

from ..executor.device import to_numpy
from ..layers.arrays import Array, array_module, everywhere, free_to_ask
from .gates import Gates


class Rest:
    """Of one loop."""

    def __init__(self) -> None:
        self._changes: list[Array] = []

    def reached(self, changes: Array) -> bool:
        """Whether this iteration has changed nothing, as far as one may ask yet; ``changes``: how much of what has changed."""
        anything = changes.any()
        self._changes.append(anything)
        return free_to_ask(changes) and not anything

    @cached_property
    def after(self) -> int:
        """How many iterations changed something, up to the first that did not."""
        if not self._changes:
            return 0
        changes = to_numpy(array_module(self._changes[0]).stack(self._changes))
        return int(changes.argmin()) if not changes.all() else len(changes)


def changes(gates: Gates, others: Gates) -> Array:
    """Whether any gate differs, as an array."""
    if all(map(free_to_ask, gates.values())):
        return np.array(not all(everywhere(operator.eq, z, others[gate]) for gate, z in gates.items()))
    differ = [(z != others[gate]).any() for gate, z in gates.items()]
    return array_module(differ[0]).stack(differ)
