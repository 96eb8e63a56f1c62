"""Work that a net does again and again over arrays of one form: put on record the second time, and from then on done from the record.

What is asked of compiled code in a pass follows from the form of its arrays alone, their shapes and how they lie. So the record of
one pass serves all others of its form, to the last bit; see recording.py. Work that is not all compiled (a layer on NumPy, another
type than float32, a GPU) has no record and is done as it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

from ..cpu.engine import engine
from ..cpu.prepared import constant
from ..cpu.program import Program
from ..cpu.recording import Recorder, Unrecordable, active
from ..layers.arrays import Array, Shape
from ..layers.correlation import exact

KEPT = 64  # routines of a graph
NOTHING = np.empty(0)  # where an array will be

Arrays = Any  # any number of them, within tuples, lists and dicts
Work = Callable[[Any], Arrays]
Form = tuple[Shape, Shape, np.dtype]  # shape, strides, type


class Routine:
    """One piece of work over arrays of one form: ``routine(arrays, work)`` gives what ``work(arrays)`` does."""

    def __init__(self) -> None:
        self._times = 0
        self._record: Recorded | None = None

    def __call__(self, arrays: Arrays, work: Work) -> Arrays:
        self._times = times = self._times + 1
        if times == 2:
            self._record = _recorded(arrays, work)
        if self._record is None:
            return work(arrays)
        program, forms, result = self._record
        given = list(_leaves(arrays))
        return _filled(result, iter(program(given))) if [_form(array) for array in given] == forms else work(arrays)


class Recorded(NamedTuple):
    """A program, the forms of its inputs, and how its outputs lie within tuples, lists and dicts."""

    program: Program
    forms: list[Form]
    result: Arrays


def _recorded(arrays: Arrays, work: Work) -> Recorded | None:
    try:
        given = list(_leaves(arrays))
        with Recorder() as recorder:
            blanks = [recorder.blank(array.shape, array.dtype, array.strides) for array in given]
            result = work(_filled(arrays, iter(blanks)))
        program = Program(recorder, len(blanks), list(_leaves(result)))
        return Recorded(program, [_form(array) for array in given], _filled(result, repeat(NOTHING)))
    except Exception:  # not only Unrecordable: whatever else is wrong, the work itself will say
        return None


def _form(array: np.ndarray) -> Form:
    return array.shape, array.strides, array.dtype


class Same:
    """Equal to what is the very same thing."""

    def __init__(self, thing: object):
        self._thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other._thing is self._thing

    def __hash__(self) -> int:
        return id(self._thing)


class Routines:
    """Those of one graph, the latest ones."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Routine] = {}

    def of(
        self, what: Hashable, parameters: Mapping[str, Sequence[Array]], given: Mapping[int, Array]
    ) -> Routine | None:
        """The routine for ``what``, which with the net's ``parameters`` and the form of the arrays ``given`` says all about the work;
        ``None`` where there can be none."""
        arrays = given.values()
        if what is None or active() or engine() is None or not all(isinstance(array, np.ndarray) for array in arrays):
            return None
        if not all(constant(own[0]) for own in parameters.values() if own):
            return None
        key = what, Same(parameters), exact(), *map(_form, arrays)
        if key not in self._known:
            if len(self._known) >= KEPT:
                del self._known[next(iter(self._known))]
            self._known[key] = Routine()
        return self._known[key]


def _leaves(result: Any) -> Iterator[np.ndarray]:
    if isinstance(result, np.ndarray):
        yield result
    elif isinstance(result, Mapping):
        for part in result.values():
            yield from _leaves(part)
    elif isinstance(result, (tuple, list)):
        for part in result:
            yield from _leaves(part)
    elif result is not None:
        raise Unrecordable(f"found {type(result).__name__}, expected arrays")


def _filled(result: Any, arrays: Iterator[np.ndarray]) -> Any:
    if isinstance(result, np.ndarray):
        return next(arrays)
    if isinstance(result, Mapping):
        return {key: _filled(part, arrays) for key, part in result.items()}
    if isinstance(result, (tuple, list)):
        return type(result)(_filled(part, arrays) for part in result)
    return None
