"""A piece of work that was put on record, ready to be done again over other arrays: one call for all that it asks for.

What is made on the way and not wanted in the end shares one stretch of memory: each array gets the lowest place that is free from its
first use to its last.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .engine import replay
from .recording import APART, Call, Recorder, Shape, Unrecordable, place, place_of

TABLE = 0  # the number of the array in which the calls themselves lie; then come the record's blanks


class View(NamedTuple):
    """An array within the one of this number, that many bytes behind its beginning."""

    number: int
    offset: int
    shape: Shape
    dtype: np.dtype
    strides: Shape


class Program:
    """Done by ``program(inputs)``, which gives the outputs: new arrays, parts of such, or inputs. Any number of threads may run it
    at once."""

    def __init__(self, recorder: Recorder, inputs: int, outputs: Sequence[np.ndarray]):
        """``inputs``: that many of the record's blanks, the first. ``outputs``: blanks, or parts of them."""
        self._kept = recorder.kept
        self._starts = [start for start, _ in recorder.blanks]
        self._sizes = [0, *(size for _, size in recorder.blanks)]
        self._inputs = range(TABLE + 1, TABLE + 1 + inputs)
        self._views = [self._view(recorder, array) for array in outputs]
        self._made = sorted({view.number for view in self._views}.difference(self._inputs))
        self._write(recorder)
        self._calls = len(recorder.calls)

    def __call__(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        table, workspace = self._table.copy(), np.empty(self._room, np.uint8)
        arrays = dict(zip(self._inputs, inputs, strict=True))
        arrays.update((number, np.empty(self._sizes[number], np.uint8)) for number in self._made)
        places = self._offsets + place(workspace)
        places[[TABLE, *arrays]] = [place(array) for array in (table, *arrays.values())]
        table[self._moving] += places[self._by]
        replay(place(table), self._calls)
        return [self._array(view, arrays[view.number]) for view in self._views]

    def _array(self, view: View, whole: np.ndarray) -> np.ndarray:
        _, offset, shape, dtype, strides = view
        if view.number not in self._inputs:
            return np.ndarray(shape, dtype, whole, offset, strides)
        if (shape, strides) == (whole.shape, whole.strides):
            return whole
        return np.lib.stride_tricks.as_strided(whole, shape, strides)

    def _view(self, recorder: Recorder, array: np.ndarray) -> View:
        if not recorder.holds(place(array)):
            raise Unrecordable("found a result that was not asked for here, expected a blank")
        number, offset = self._within(place(array))
        if number in self._inputs and offset:
            raise Unrecordable("found a result that begins within what was given, expected a new array")
        return View(number, offset, array.shape, array.dtype, array.strides)

    def _within(self, address: int) -> tuple[int, int]:
        """The number of the array that lies there, and how far behind its beginning."""
        number = bisect_right(self._starts, address)
        return number, address - self._starts[number - 1]

    def _write(self, recorder: Recorder) -> None:
        """The table: of each call three numbers, ``Call`` of engine.cpp; behind them arguments and records. ``moving``: where
        in it the address of an array is to be added, ``by``: which array's."""
        words = [0] * 3 * len(recorder.calls)
        moving: dict[int, int] = {}
        uses: dict[int, list[int]] = {}  # of an array: the first call, and the last

        def write(numbers: Sequence[int], call: Call, time: int) -> int:
            """Behind all others; returns where."""
            start = len(words)
            words.extend(numbers)
            for word, value in enumerate(numbers, start):
                if recorder.holds(value):
                    moving[word], words[word] = self._within(value)
                    uses.setdefault(moving[word], [time, time])[1] = time
                elif value in call.records:
                    moving[word], words[word] = TABLE, write(call.records[value].tolist(), call, time)
            return 8 * start

        for time, call in enumerate(recorder.calls):
            arguments = write(call.arguments.tolist(), call, time)
            words[3 * time : 3 * time + 3] = place_of(call.function), call.blocks, arguments
            moving[3 * time + 2] = TABLE
        self._table = np.array(words, np.int64)
        self._moving, self._by = (np.array(list(numbers), np.int64) for numbers in (moving, moving.values()))
        self._lay_out(uses)

    def _lay_out(self, uses: dict[int, list[int]]) -> None:
        """Where in the workspace all arrays lie that are neither given nor wanted."""
        self._offsets, self._room = np.zeros(len(self._sizes), np.int64), 0
        busy: list[tuple[int, int, int]] = []  # (from, to, last call)
        for number in sorted(uses.keys() - {*self._inputs, *self._made}, key=lambda number: uses[number]):
            first, last = uses[number]
            size = -(-self._sizes[number] // APART) * APART
            start = _lowest([(a, b) for a, b, end in busy if end >= first], size)
            busy.append((start, start + size, last))
            self._offsets[number], self._room = start, max(self._room, start + size)


def _lowest(busy: list[tuple[int, int]], size: int) -> int:
    """The lowest place where so much is free."""
    free = 0
    for start, end in sorted(busy):
        if start - free >= size:
            break
        free = max(free, end)
    return free
