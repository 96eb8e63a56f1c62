"""Reduction: all axes from one on, summed up to a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import Array, Shape, array_module, count
from .layer import Layer, Step
from .registry import register
from .window import WHOLE, Window


@register("Reduction")
class Reduction(Layer):
    """Caffe's Reduction over the axes from ``axis`` on: coeff times SUM x, ASUM |x|, SUMSQ x^2, or MEAN x.

    Top: the axes before ``axis``; a scalar () for axis 0. The derivative of |x| at 0 is 0.
    """

    def setup(self) -> None:
        p = self.param = self.message.reduction_param
        self.gradient_reads = frozenset({"bottoms"} if p.operation in (p.ASUM, p.SUMSQ) else ())

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [tuple(bottoms[0][: self._first(len(bottoms[0]))])]

    def window(self, bottom: Shape) -> Window:
        return WHOLE

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        p, x = self.param, bottoms[0]
        terms = abs(x) if p.operation == p.ASUM else x * x if p.operation == p.SUMSQ else x
        rows = terms.reshape(count(x.shape[: self._first(x.ndim)]), -1)
        return [(self._coefficient(x.shape) * rows.sum(1)).reshape(self.top_shapes([x.shape])[0])], None

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        p, shape = self.param, step.bottom_shapes[0]
        xp = array_module(signals[0])
        signal = self._coefficient(shape) * signals[0]
        signal = signal.reshape(*signal.shape, *(1,) * (len(shape) - signal.ndim + 1))
        if p.operation == p.ASUM:
            return [signal * xp.sign(step.bottoms[0])]
        if p.operation == p.SUMSQ:
            return [2 * signal * step.bottoms[0]]
        return [xp.broadcast_to(signal, (len(signal), *shape)).copy()]

    def _first(self, rank: int) -> int:
        return self.axis(self.param.axis, rank, "reduction_param.axis")

    def _coefficient(self, bottom: Shape) -> float:
        p = self.param
        return p.coeff / count(bottom[self._first(len(bottom)) :]) if p.operation == p.MEAN else p.coeff
