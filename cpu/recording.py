"""What compiled code is asked for, at once or put on record to be asked again (program.py).

Python takes tens of microseconds from one piece of work to the next, for a net at one image a quarter of its time. What it asks for
does not hang on the numbers, though, only on shapes. So a pass can be made once over arrays that have a place but no numbers,
``Blank``s, while everything asked of the engine and of the kernels is put on record with these places in the place of addresses.

A record is whole or there is none: a blank refuses what NumPy's functions and operators would compute, and an array of unknown
origin is not taken. (``np.asarray`` and the like, which ask for bare memory, cannot be refused, and would see zeros: layers and
rules that are put on record do not look at numbers through them.)
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable, Sequence
from struct import pack
from threading import local
from typing import Any, NamedTuple

import numpy as np

from .prepared import constant

Asked = Callable[[int, bytes], None]  # a compiled function, of its number of blocks and its arguments, of 8 bytes each
Shape = tuple[int, ...]

ADDRESSES = 1 << 38  # how many bytes of address space blanks are given; no memory
APART = 64  # blanks begin at multiples of this, with as much room behind them

_here = local()


class Unrecordable(Exception):
    """This work is more than what compiled code is asked for."""


class Address(int):
    """An address that keeps alive the array that lies there, and what lies at other addresses that it holds."""

    array: np.ndarray
    held: list[Address]

    def __new__(cls, array: np.ndarray, numbers: Sequence[int] = ()) -> Address:
        self = super().__new__(cls, place(array))
        self.array, self.held = array, [number for number in numbers if isinstance(number, Address)]
        return self


def place(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def place_of(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def address(array: np.ndarray) -> int:
    """Where an array lies, for ``ask``; it lives as long as this. Raises ``Unrecordable`` while a record is made, for what may lie
    elsewhere next time."""
    recorder = active()
    return recorder.address(array) if recorder else Address(array)


def empty(shape: Sequence[int], dtype: Any = np.float32) -> np.ndarray:
    """An array whose numbers are still to be made, by what is asked for."""
    recorder = active()
    return recorder.blank(tuple(shape), np.dtype(dtype)) if recorder else np.empty(shape, dtype)


def ask(function: Asked, *numbers: int) -> None:
    """Have a function of the engine run: over numbers, addresses, and 0 where there is nothing."""
    ask_with(function, 0, "q" * len(numbers), numbers)


def ask_with(function: Asked, blocks: int, layout: str, values: Sequence[float]) -> None:
    """The same for a kernel; ``layout``: that of its arguments, as ``struct`` has it."""
    recorder = active()
    if recorder:
        recorder.asked(function, blocks, layout, values)
    else:
        function(blocks, pack(layout, *values))


def active() -> Recorder | None:
    """Who keeps the record of this thread."""
    return getattr(_here, "recorder", None)


class Call(NamedTuple):
    """What was asked: a function, its blocks and its arguments, of 8 bytes each; and, by their places, the records of numbers among
    them in which there are blanks' places as well."""

    function: Asked
    blocks: int
    arguments: np.ndarray
    records: dict[int, np.ndarray]


class Recorder:
    """Keeps the record of a ``with`` block: ``calls`` in their order, over ``blanks`` (place, size) in the order of theirs."""

    def __init__(self) -> None:
        self._space = mmap.mmap(-1, ADDRESSES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ)
        self._first = self._next = place(np.frombuffer(self._space, np.uint8, 1))
        self.calls: list[Call] = []
        self.blanks: list[tuple[int, int]] = []
        self.kept: list[Address] = []  # of the arrays that calls know
        self._still: set[int] = set()  # the places of those in which there is no blank's place

    def __enter__(self) -> Recorder:
        self._before, _here.recorder = active(), self
        return self

    def __exit__(self, *_: object) -> None:
        _here.recorder = self._before

    def holds(self, address: int) -> bool:
        """Whether it lies where blanks are."""
        return self._first <= address < self._next

    def blank(self, shape: Shape, dtype: np.dtype, strides: Shape | None = None) -> Blank:
        steps = Blank(shape, dtype, strides=strides, buffer=self._space).strides
        size = dtype.itemsize + sum(step * (n - 1) for step, n in zip(steps, shape, strict=True))
        if 0 in shape or min(steps, default=0) < 0 or self._next + size > self._first + ADDRESSES // 2:
            raise Unrecordable(f"found an array of shape {shape} and strides {steps}, expected one that has a place")
        there, self._next = self._next, self._next + -(-size // APART) * APART + APART
        self.blanks.append((there, size))
        return Blank(shape, dtype, buffer=self._space, offset=there - self._first, strides=strides)

    def address(self, array: np.ndarray) -> int:
        if self.holds(place(array)):
            return place(array)
        if not constant(array):
            raise Unrecordable("found an array that was not made here and can change, expected weights")
        return Address(array)

    def asked(self, function: Asked, blocks: int, layout: str, values: Sequence[float]) -> None:
        self.calls.append(Call(function, blocks, np.frombuffer(pack(layout, *values), np.int64), self._records(values)))

    def _records(self, values: Sequence[float]) -> dict[int, np.ndarray]:
        """Those among some values, and those whose addresses are in such, which then move with them."""
        records = {}
        for value in values:
            if isinstance(value, Address):
                self.kept.append(value)
                within = self._records(value.held)
                if within or self._moves(value.array):
                    records.update({int(value): value.array, **within})
        return records

    def _moves(self, array: np.ndarray) -> bool:
        """Whether there are blanks' places among these numbers."""
        if place(array) in self._still:
            return False
        moves = array.dtype == np.int64 and bool(((array >= self._first) & (array < self._next)).any())
        if not moves:
            self._still.add(place(array))
        return moves


class Blank(np.ndarray):
    """An array that has a place and a shape, but no numbers: one may look at it from all sides, and not compute with it."""

    def _refused(self, *_: Any, **__: Any) -> Any:
        raise Unrecordable("found work for NumPy, expected only work for the engine and the kernels")

    def __getitem__(self, key: Any) -> Any:
        part, recorder = super().__getitem__(key), active()
        return part if recorder and isinstance(part, Blank) and recorder.holds(place(part)) else self._refused()

    __array_ufunc__ = __array_function__ = __setitem__ = __bool__ = __int__ = __float__ = __index__ = _refused
    astype = copy = flatten = tobytes = tolist = item = take = nonzero = argmax = argmin = argsort = dot = _refused
    repeat = choose = compress = searchsorted = argpartition = byteswap = view = __complex__ = __deepcopy__ = _refused
    flat = property(_refused)


class _Blanks:
    """What stands in for the module ``numpy`` where arrays are blanks."""

    empty = staticmethod(empty)

    def __getattr__(self, name: str) -> Any:
        raise Unrecordable(f"found numpy.{name}, expected only work for the engine and the kernels")


BLANKS: Any = _Blanks()
