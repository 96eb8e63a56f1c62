"""Bias: a summand along some axes, learnt or from a second bottom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import Array, Shape
from .layer import ParameterSpec, Step
from .operand import OperandLayer
from .registry import register


@register("Bias")
class Bias(OperandLayer):
    """Caffe's Bias: y = x + b, with b constant along the axes that ``axis`` and ``num_axes`` do not span.

    Parameter: b, unless a second bottom gives it.
    """

    options_name = "bias_param"
    gradient_reads = frozenset()

    def setup(self) -> None:
        self.options = self.message.bias_param

    def parameter_specs(self, bottoms: Sequence[Shape]) -> list[ParameterSpec]:
        return [ParameterSpec(self.operand_shape(bottoms), self.options.filler)] if self.learnt else []

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        summand = parameters[0] if self.learnt else bottoms[1]
        return [bottoms[0] + self.spread(summand, bottoms[0].ndim)], None

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        to_second = [] if self.learnt else [self.gathered(signals[0], step.bottom_shapes[1])]
        return [signals[0], *to_second]

    def parameter_gradient(self, step: Step, signals: Sequence[Array]) -> list[Array]:
        if not self.learnt:
            return []
        shape = self.operand_shape(step.bottom_shapes)
        return [self.gathered(signals[0].sum(0, keepdims=True), shape).reshape(shape)]
