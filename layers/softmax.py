"""Softmax: y = exp(x) / sum exp(x) along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..cuda import kernels
from .arrays import Array, Shape, array_module, count
from .layer import Layer, Step
from .registry import register


@register("Softmax", v1="SOFTMAX")
class Softmax(Layer):
    """Caffe's Softmax along ``axis`` (1 by default), every other place by itself. dx = y (dy - sum(dy y))."""

    in_place = True
    gradient_reads = frozenset({"tops"})

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self.along(len(bottoms[0]))
        return [tuple(bottoms[0])]

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        return [softmax(bottoms[0], self.along(bottoms[0].ndim))], None

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        y, signal = step.tops[0], signals[0]
        return [y * (signal - (signal * y).sum(self.along(y.ndim) + 1, keepdims=True))]

    def along(self, rank: int) -> int:
        return self.axis(self.message.softmax_param.axis, rank, "softmax_param.axis")


def softmax(x: Array, axis: int) -> Array:
    """exp(x) / sum exp(x) along ``axis``, with the maximum subtracted first."""
    xp, places = array_module(x), count(x.shape[axis + 1 :])
    if places == 1:  # of many, NumPy's exp is the faster one
        y, rows = xp.empty(x.shape, x.dtype), (-1, x.shape[axis], places)
        if x.size and kernels.softmax(x.reshape(rows), y.reshape(rows)):
            return y
    y = xp.exp(x - x.max(axis, keepdims=True))
    return y / y.sum(axis, keepdims=True)
