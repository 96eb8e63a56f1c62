"""Feedback: the gate of Look and Think Twice (2015), §3.2: y = z ∘ x, one gate z per neuron.

This is our own layer type; the feedback fork's V1 ``RELUPLUS`` reads as a ReLU followed by it. The gates are a blob like any
other, so that their state belongs to one call: each image and each target has its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..cuda import kernels
from .arrays import Array, Shape, array_module, multiply
from .layer import Layer, Step
from .registry import register


@register("Feedback")
class Feedback(Layer):
    """y = z ∘ x, for bottoms x and z of one shape; without z, all gates are open and y = x.

    Gradients: dS/dx = z ∘ dS/dy, and dS/dz = x ∘ dS/dy (summed over nothing: a gate is one neuron's).
    """

    in_place = True
    bottoms_expected = (1, 2)
    writes = True

    def setup(self) -> None:
        self.gradient_reads = frozenset({"bottoms"} if len(self.message.bottom) == 2 else ())

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        if len(bottoms) == 2 and tuple(bottoms[1]) != tuple(bottoms[0]):
            raise self.refuse("bottom", f"gates {tuple(bottoms[1])} over {tuple(bottoms[0])}", "one gate per neuron")
        return super().top_shapes(bottoms)

    def forward(
        self, bottoms: Sequence[Array], parameters: Sequence[Array], into: Array | None = None
    ) -> tuple[list[Array], Any]:
        """``into``: where the top is to be written; x itself serves where all gates are open."""
        x, *gates = bottoms
        return [multiply(x, gates[0], into) if gates else x], None

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        if len(step.bottom_shapes) == 1:
            return [signals[0]]
        x, gates = step.bottoms
        return [multiply(signals[0], gates), multiply(signals[0], x)]


class AtGates(NamedTuple):
    """What a walk meets at gates: ``x`` (K, N, ...) or (N, ...), the gates ``z`` and ``signal``, dS/dy, both (K, N, ...). What goes down
    is dS/dx = z dS/dy, ``rectified``: below the ReLU that made x; or nothing, ``None``, where the walk ``ends``."""

    x: Array
    z: Array
    signal: Array
    rectified: bool = False
    ends: bool = False

    def rows(self) -> list[Array]:
        """x, z and the signal, one row for each image under each target."""
        size = math.prod(self.z.shape[2:])
        return [array.reshape(-1, size) for array in (self.x, self.z, self.signal)]

    def room(self) -> Array | None:
        """For what goes down."""
        return None if self.ends else _empty(self.signal)

    def room_for_sums(self) -> Array:
        """Over the parts of each row."""
        return array_module(self.z).empty(counted(self.z.shape), self.z.dtype)


def gate_gradient(at: AtGates) -> tuple[Array | None, Array, Array]:
    """What goes down; g = dS/dz = x dS/dy; and the sums of |g| over the parts of each row of it, (K * N, parts)."""
    (x, z, signal), down, g, sums = at.rows(), at.room(), _empty(at.signal), at.room_for_sums()
    if kernels.gate_gradient(x, z, signal, at.rectified, _row(down), *_rows(g), sums):
        return down, g, sums
    x = at.x.reshape(-1, *at.z.shape[1:])
    g = x * at.signal
    sums = abs(_rows(g)[0]).sum(-1, keepdims=True, dtype=np.float64).astype(g.dtype)
    if at.ends:
        return None, g, sums
    down = at.signal * at.z
    return down * (x > 0) if at.rectified else down, g, sums


def mean_magnitude(g: Array, sums: Array, instead_of_0: float = 0) -> Array:
    """The mean of |g| over each row of ``g`` (K, N, ...), from ``gate_gradient``'s sums: (K, N, 1, ...)."""
    size = (sums.sum(-1, dtype=np.float64) / math.prod(g.shape[2:])).astype(g.dtype).reshape(_each(g))
    return array_module(size).where(size == 0, g.dtype.type(instead_of_0), size)


def counted(shape: Sequence[int]) -> Shape:
    """The shape in which gates (K, N, ...) are counted: (K * N, parts of a row)."""
    return math.prod(shape[:2]), kernels.tiles(math.prod(shape[2:]))


def soft_step(at: AtGates, rate: float, cost: float, normalised: bool, moved: Array) -> Array | None:
    """The gates z become clip(z + rate g / unit - cost, 0, 1); ``moved``: how many of each part then differ. The unit is 1 or, if
    ``normalised``, the mean of |g| over its row, where that is not 0. Returns what goes down, under the gates as they were."""
    (x, z, signal), down, sums = at.rows(), at.room(), at.room_for_sums()
    known = not normalised or kernels.gate_magnitudes(x, signal, sums)
    if known and kernels.soft_step(x, signal, sums, rate, cost, normalised, at.rectified, _row(down), z, moved):
        return down
    down, g, sums = gate_gradient(at)
    unit = mean_magnitude(g, sums, 1) if normalised else g.dtype.type(1)
    move_to(at.z, (g * (rate / unit) + at.z - cost).clip(0, 1), moved)
    return down


def move_to(z: Array, gates: Array, moved: Array) -> None:
    """``z`` becomes ``gates``, both (K, N, ...); ``moved``: how many of each part then differ."""
    differ = _rows(z)[0] != _rows(gates)[0]
    for part in range(moved.shape[1]):
        moved[:, part] = differ[:, part * kernels.TILE : (part + 1) * kernels.TILE].sum(-1)
    z[...] = gates


def mean_of_positives(a: Array) -> Array:
    """The mean of what is positive in ``a`` (K, N, ...) for each image and target, 0 where nothing is: (K, N, 1, ...)."""
    xp, (rows,) = array_module(a), _rows(a)
    sums = xp.empty((2, len(rows), kernels.tiles(rows.shape[1])), np.float64)
    if not kernels.positive_sums(rows, sums):
        sums = xp.stack([xp.maximum(rows, 0).sum(-1, dtype=np.float64), (rows > 0).sum(-1)])[..., None]
    total, number = sums.sum(-1)
    return (total / xp.maximum(number, 1)).astype(a.dtype).reshape(_each(a))


def prune(z: Array, a: Array, threshold: Array) -> Array:
    """z [a > threshold] for z and ``a`` (K, N, ...); ``threshold`` broadcasts over them."""
    gates = _empty(a)
    return gates if kernels.prune(*_rows(z, a, _one_each(a, threshold), gates)) else z * (a > threshold)


def opened(a: Array, threshold: Array, into: Array | None = None) -> Array:
    """z = [a > threshold] for ``a`` (K, N, ...), in the array ``into``; ``threshold`` broadcasts over it."""
    gates = _empty(a) if into is None else into
    if not kernels.opened(*_rows(a, _one_each(a, threshold), gates)):
        gates[...] = a > threshold
    return gates


def recover(a: Array, threshold: Array) -> tuple[Array, Array]:
    """z = [a > threshold], and z a, for ``a`` (K, N, ...); ``threshold`` broadcasts over it."""
    gates, carried = _empty(a), _empty(a)
    if kernels.recover(*_rows(a, _one_each(a, threshold), gates, carried)):
        return gates, carried
    z = (a > threshold).astype(a.dtype)
    return z, z * a


def hard_step(z: Array, a: Array, threshold: Array) -> tuple[Array, Array]:
    """z [a > threshold], and that times ``a``, for z and ``a`` (K, N, ...); ``threshold`` broadcasts over them."""
    gates, carried = _empty(a), _empty(a)
    if kernels.hard_step(*_rows(z, a, _one_each(a, threshold), gates, carried)):
        return gates, carried
    z = z * (a > threshold)
    return z, z * a


def _rows(*arrays: Array) -> list[Array]:
    """Arrays (K, N, ...) as a kernel takes them, one row for each image under each target: (K * N, size)."""
    return [array.reshape(math.prod(array.shape[:2]), math.prod(array.shape[2:])) for array in arrays]


def _row(array: Array | None) -> Array | None:
    return None if array is None else _rows(array)[0]


def _one_each(array: Array, number: Array) -> Array:
    """``number`` for each row of an array (K, N, ...): (K, N, 1, ...)."""
    numbers = array_module(array).empty(_each(array), array.dtype)
    numbers[...] = number
    return numbers


def _each(array: Array) -> Shape:
    return (*array.shape[:2], *(1,) * (array.ndim - 2))


def _empty(array: Array) -> Array:
    return array_module(array).empty(array.shape, array.dtype)
