"""What is made of weights once and kept for as long as they live: packed for the engine, or only their positive part.

Only of arrays that nobody writes to: a net's parameters are such, a solver's are not.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import numpy as np

_kept: dict[int, dict[Hashable, Any]] = {}  # by the identity of an array that is alive


def prepared(weights: Any, what: Hashable, make: Callable[[], Any]) -> Any:
    """The array that ``make()`` gives, or gave for the same weights before, or a list of such; then nobody writes to it either."""
    if not constant(weights):
        return make()
    if id(weights) not in _kept:
        _kept.setdefault(id(weights), {})
        weakref.finalize(weights, _kept.pop, id(weights), None)  # twice, if two threads came at once
    made = _kept[id(weights)]
    if what not in made:
        new = make()
        for one in new if isinstance(new, list) else [new]:
            for array in _chain(one):
                array.setflags(write=False)
        made.setdefault(what, new)  # the first of two threads': others may have it already
    return made[what]


def constant(array: object) -> bool:
    """Whether no array that shares these numbers can be written to, as far as NumPy knows."""
    return isinstance(array, np.ndarray) and not any(one.flags.writeable for one in _chain(array))


def _chain(array: object) -> Iterator[np.ndarray]:
    """An array, and those that it is a part of."""
    while isinstance(array, np.ndarray):
        yield array
        array = array.base
