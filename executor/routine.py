"""Work that a net does again and again over arrays of one form: put on record the second time, and from then on done from the record.

What is asked of compiled code in a pass follows from the form of its arrays alone, their shapes and how they lie. So the record of
one pass serves all others of its form, to the last bit; see recording.py. Work that is not all compiled (a layer on NumPy, another
type than float32, a GPU) has no record and is done as it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import repeat
from threading import Lock
from typing import Any, NamedTuple
from weakref import ref

import numpy as np

from ..cpu.engine import engine
from ..cpu.prepared import constant
from ..cpu.program import Program
from ..cpu.recording import Recorder, Unrecordable, active
from ..layers.arrays import Array
from ..layers.correlation import exact, zeros_expected

KEPT = 64  # routines of a graph
NOTHING = np.empty(0)  # where an array will be

Arrays = Any  # any number of them, within tuples, lists and dicts
Work = Callable[[Any], Arrays]
Parameters = Mapping[str, Sequence[Array]]


class Routine:
    """One piece of work with these weights over arrays of one form: ``routine(arrays, work)`` gives what ``work(arrays)`` does."""

    def __init__(self, weights: Sequence[Array]) -> None:
        self._times = 0
        self._recorded: Recorded | None = None
        self._weights = [ref(array) for array in weights]

    def has(self, weights: Sequence[Array]) -> bool:
        """Whether its weights are these very arrays."""
        return all(known() is array for known, array in zip(self._weights, weights, strict=True))

    def __call__(self, arrays: Arrays, work: Work) -> Arrays:
        self._times = times = self._times + 1
        if times == 2:
            self._recorded = _recorded(arrays, work)
        if self._recorded is None:
            return work(arrays)
        given, looks = _flat(arrays)
        program, expected, result = self._recorded
        return _filled(result, iter(program(given))) if looks == expected else work(arrays)


def done(routine: Routine | None, arrays: Arrays, work: Work) -> Arrays:
    """``work(arrays)``, by its routine where it has one."""
    return routine(arrays, work) if routine else work(arrays)


class Recorded(NamedTuple):
    """A program, what its inputs look like, and how its outputs lie within tuples, lists and dicts."""

    program: Program
    looks: list[Hashable]
    result: Arrays


def _recorded(arrays: Arrays, work: Work) -> Recorded | None:
    try:
        given, looks = _flat(arrays)
        with Recorder() as recorder:
            blanks = [recorder.blank(array.shape, array.dtype, array.strides) for array in given]
            result = work(_filled(arrays, iter(blanks)))
        program = Program(recorder, len(blanks), _flat(result)[0])
        return Recorded(program, looks, _filled(result, repeat(NOTHING)))
    except Exception:  # not only Unrecordable: whatever else is wrong, the work itself will say
        return None


class Routines:
    """Those of one graph: the last that were asked for."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Routine] = {}  # the least lately asked for in front
        self._lock = Lock()

    def of(self, what: Hashable, parameters: Parameters, given: Mapping[int, Array]) -> Routine | None:
        """The routine for ``what``, which with the net's ``parameters`` and the form of the arrays ``given`` says all about the work;
        ``None`` where there can be none."""
        arrays, weights = given.values(), [array for own in parameters.values() for array in own]
        if what is None or active() or engine() is None or not all(isinstance(array, np.ndarray) for array in arrays):
            return None
        if weights and not constant(weights[0]):
            return None
        key = what, tuple(map(id, weights)), exact(), zeros_expected(), *map(_look, arrays)
        with self._lock:
            routine = self._known.pop(key, None)
            if routine is None or not routine.has(weights):  # others may have got the identities of such as are gone
                routine = Routine(weights)
            self._known[key] = routine
            if len(self._known) > KEPT:
                del self._known[next(iter(self._known))]
        return routine


def _look(array: np.ndarray) -> Hashable:
    return array.shape, array.strides, array.dtype


def _flat(arrays: Arrays) -> tuple[list[np.ndarray], list[Hashable]]:
    """All arrays, and what they look like: shapes, strides and types, and the keys and lengths of what they lie in."""
    found: list[np.ndarray] = []
    looks: list[Hashable] = []
    _visit(arrays, found, looks)
    return found, looks


def _visit(part: Arrays, found: list[np.ndarray], looks: list[Hashable]) -> None:
    if isinstance(part, np.ndarray):
        found.append(part)
        looks.append(_look(part))
    elif type(part) is dict:
        looks.append(tuple(part))
        for each in part.values():
            _visit(each, found, looks)
    elif type(part) in (tuple, list):
        looks.append(len(part))
        for each in part:
            _visit(each, found, looks)
    elif part is not None:
        raise Unrecordable(f"found {type(part).__name__}, expected arrays")


def _filled(result: Arrays, arrays: Iterator[np.ndarray]) -> Arrays:
    if isinstance(result, np.ndarray):
        return next(arrays)
    if isinstance(result, dict):
        return {key: _filled(part, arrays) for key, part in result.items()}
    if isinstance(result, (tuple, list)):
        return type(result)(_filled(part, arrays) for part in result)
    return None
