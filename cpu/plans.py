"""How a convolution, or its transpose, becomes sums over shifted planes: which planes, which terms, where the sums belong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import NamedTuple, Protocol

import numpy as np

from ..cuda.launcher import Record
from .recording import Address

Pair = tuple[int, ...]


class Sliding(Protocol):
    """What slides over a plane, a kernel or a pooling window: one number for each of two axes."""

    @property
    def kernel(self) -> Pair: ...
    @property
    def stride(self) -> Pair: ...
    @property
    def pad(self) -> Pair: ...
    def __hash__(self) -> int: ...


class Geometry(Sliding, Protocol):
    """Of a convolution with two spatial axes: ``Geometry`` of layers/correlation.py."""

    @property
    def dilation(self) -> Pair: ...
    @property
    def group(self) -> int: ...
    @property
    def pointwise(self) -> bool: ...
    @property
    def mirrored(self) -> Geometry: ...
    def reduced(self, spatial: Sequence[int]) -> Pair: ...


class Planes(NamedTuple):
    """``Planes`` of planes.h."""

    channels: int
    height: int
    width: int
    top: int
    left: int
    phases_h: int
    phases_w: int
    pitch: int
    reach: int


class Result(NamedTuple):
    """``Result`` of correlation.h."""

    rows: int
    columns: int
    channels: int
    height: int
    width: int
    top: int = 0
    left: int = 0
    stride_h: int = 1
    stride_w: int = 1


@lru_cache(4096)
def batch(images: int, groups: int, source: int, result: int) -> Record:
    """``Batch`` of planes.h."""
    return Record(images, groups, source, result)


@lru_cache(4096)
def products(images: int, groups: int, pixels: int, sources: int, banks: int, sums: bool) -> Record:
    """``Products`` of pointwise.h."""
    return Record(images, groups, pixels, sources, banks, sums)


LONGEST_ROW = 128  # of pixels that are listed and sent together


@lru_cache(4096)
def slide(spatial: Pair, geometry: Geometry, sent: bool) -> Record:
    """``Slide`` of sparse.h. A kernel that sees one pixel at a time does not care where rows end: those that are ``sent`` are longer, so
    that registers are full."""
    pixels = math.prod(spatial)
    if sent and geometry.pointwise:
        fitting = (rows for rows in range(-(-pixels // LONGEST_ROW), spatial[0]) if rows and pixels % rows == 0)
        rows = next(fitting, spatial[0])
        spatial = (rows, pixels // rows)
    return Record(*spatial, *geometry.kernel, *geometry.pad, *geometry.reduced(spatial))


class Plan:
    """One sum over shifted planes. ``terms``: (plane, shift) of each."""

    def __init__(self, planes: Planes, result: Result, terms: Sequence[tuple[int, int]]):
        numbers = (planes, result, *np.reshape(terms, (-1, 2)).T)
        self.planes, self.result, self.plane, self.shift = (Address(np.array(one, np.int64)) for one in numbers)
        self.terms = len(terms)

    @property
    def terms_of(self) -> tuple[int, int, int]:
        """Their planes, their shifts and their number."""
        return self.plane, self.shift, self.terms


@lru_cache(4096)
def forward(channels: int, outputs: int, spatial: Pair, geometry: Geometry) -> Plan:
    """The convolution itself, terms in the weights' order (channel, kernel row, kernel column). ``channels``, ``outputs``: of a group."""
    positions = geometry.reduced(spatial)
    return sliding(channels, outputs, spatial, positions, geometry, _cells(geometry))


def sliding(
    channels: int,
    outputs: int,
    spatial: Pair,
    positions: Pair,
    over: Sliding,
    cells: Sequence[Sequence[int]],
) -> Plan:
    """Windows that slide over planes: a term for each channel and cell. ``cells``: how far its rows, and columns, lie from the first."""
    (h, w), (rows, columns), (stride_h, stride_w), (down, right) = spatial, positions, over.stride, cells
    top, left = over.pad
    pitch = _pitch(columns, right[-1] // stride_w, -left, w, stride_w)
    terms = [
        ((c * stride_h + y % stride_h) * stride_w + x % stride_w, y // stride_h * pitch + x // stride_w)
        for c, y, x in product(range(channels), down, right)
    ]
    planes = Planes(channels, h, w, -top, -left, stride_h, stride_w, pitch, down[-1] // stride_h)
    return Plan(planes, Result(rows, columns, outputs, rows, columns), terms)


class Phase(NamedTuple):
    """The transposed convolution at all inputs whose row and column leave the same remainders by the stride."""

    plan: Plan
    kernel_rows: list[int]  # the part of the kernel that meets them
    kernel_columns: list[int]


@lru_cache(4096)
def transposed(channels: int, outputs: int, spatial: Pair, geometry: Geometry) -> list[Phase]:
    """The input's gradient, terms in the order (output, kernel row, kernel column), all over the same planes. Phases that no cell of the
    kernel meets, where the gradient is 0, are not in the list."""
    phases = product(*(range(stride) for stride in geometry.stride))
    met = [found for found in (_meeting(spatial, geometry, phase) for phase in phases) if found]
    if not met:
        return []
    (h, w), (top, left) = geometry.reduced(spatial), (min(axis[i].first for axis in met) for i in range(2))
    reach, right = (max(axis[i].first + axis[i].reach for axis in met) - first for i, first in ((0, top), (1, left)))
    pitch = _pitch(max(columns.inputs for _, columns in met), right, left, w)
    planes = Planes(outputs, h, w, top, left, 1, 1, pitch, reach)

    def phase(rows: Meeting, columns: Meeting) -> Phase:
        steps = [[one.first - first + shift for shift in one.shifts] for one, first in ((rows, top), (columns, left))]
        terms = [(o, y * pitch + x) for o, y, x in product(range(outputs), *steps)]
        sizes = (rows.inputs, columns.inputs, channels, *spatial, rows.input, columns.input, *geometry.stride)
        return Phase(Plan(planes, Result(*sizes), terms), rows.cells, columns.cells)

    return [phase(*axes) for axes in met]


class Meeting(NamedTuple):
    """One axis of a phase: which cells of the kernel meet its inputs, the first of which is ``input``, and in which of the signal."""

    cells: list[int]
    inputs: int  # how many there are
    input: int
    first: int  # the first number of the signal that is read
    reach: int  # how far beyond the inputs' number of them the last one lies
    shifts: list[int]  # of each cell


def _meeting(spatial: Pair, geometry: Geometry, phase: Pair) -> list[Meeting] | None:
    """Along both axes; ``None`` where they do not meet."""
    axes = zip(spatial, geometry.kernel, geometry.dilation, geometry.pad, phase, geometry.stride, strict=True)
    found = [_along(*axis) for axis in axes]
    return [axis for axis in found if axis] if all(found) else None


def _along(size: int, kernel: int, dilation: int, pad: int, phase: int, stride: int) -> Meeting | None:
    """Number s i + a of the padded input is met by the cells t with t d = a (mod s), from the output's i - (t d - a) / s."""
    cells = [cell for cell in range(kernel) if cell * dilation % stride == phase]
    first = max(0, -((phase - pad) // stride))  # the first i inside the image
    inputs = -((phase - pad - size) // stride) - first
    if not cells or inputs < 1:
        return None
    back = [(cell * dilation - phase) // stride for cell in cells]
    most = max(back)
    return Meeting(
        cells, inputs, phase - pad + stride * first, first - most, most - min(back), [most - b for b in back]
    )


def _pitch(columns: int, reach: int, left: int, width: int, phases: int = 1) -> int:
    """From row to row of a plane whose first number is pixel ``left``: as many numbers as there are outputs and as these reach to
    the right; but padding behind a row can be that in front of the next."""
    whole = columns + reach
    before, behind = -left // phases, (phases * whole + left - width) // phases
    return whole - max(0, min(before, behind, reach))


def _cells(geometry: Geometry) -> list[list[int]]:
    """How far each of the kernel's rows, and columns, lies from the first."""
    return [[cell * d for cell in range(k)] for k, d in zip(geometry.kernel, geometry.dilation, strict=True)]
