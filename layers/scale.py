"""Scale: a factor along some axes, learnt or from a second bottom, and perhaps a learnt bias."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..cuda import kernels
from .arrays import Array, Shape, array_module, count
from .layer import ParameterSpec, Step
from .operand import OperandLayer
from .registry import register


@register("Scale")
class Scale(OperandLayer):
    """Caffe's Scale: y = x s (+ b), with s and b constant along the axes that ``axis`` and ``num_axes`` do not span.

    Parameters: s, unless a second bottom gives it (1 without a filler), then with ``bias_term`` b, both of one shape.
    """

    options_name = "scale_param"

    def setup(self) -> None:
        self.options = self.message.scale_param
        self.gradient_reads = frozenset() if self.learnt else frozenset({"bottoms"})

    def parameter_specs(self, bottoms: Sequence[Shape]) -> list[ParameterSpec]:
        p, shape = self.options, self.operand_shape(bottoms)
        one = type(p.filler)(type="constant", value=1)
        scale = [ParameterSpec(shape, p.filler if p.HasField("filler") else one)] if self.learnt else []
        return [*scale, *([ParameterSpec(shape, p.bias_filler)] if p.bias_term else [])]

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        summand = parameters[-1] if self.options.bias_term else None
        return [self._scaled(bottoms[0], self._factor(bottoms, parameters), summand, bottoms[0].ndim)], None

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        signal = signals[0]
        factor = self._factor(step.bottoms, step.parameters)
        to_first = self._scaled(signal, factor, None, signal.ndim - 1)
        if self.learnt:
            return [to_first]
        return [to_first, self.gathered(signal * step.bottoms[0], step.bottom_shapes[1])]

    def parameter_gradient(self, step: Step, signals: Sequence[Array]) -> list[Array]:
        signal = signals[0].sum(0, keepdims=True)
        shape = self.operand_shape(step.bottom_shapes)
        scale = [self.gathered(signal * step.bottoms[0], shape).reshape(shape)] if self.learnt else []
        return [*scale, *([self.gathered(signal, shape).reshape(shape)] if self.options.bias_term else [])]

    def _scaled(self, x: Array, factor: Array, summand: Array | None, rank: int) -> Array:
        """``x`` times ``factor`` plus ``summand``; the last ``rank`` axes of x are a blob's."""
        y, spread = array_module(x).empty(x.shape, x.dtype), self.spread(factor, rank)
        planes = (-1, factor.size, count(x.shape[x.ndim - rank + self._start(factor.shape, rank) + factor.ndim :]))
        if x.size and kernels.scale_channels(x.reshape(planes), factor, summand, y.reshape(planes)):
            return y
        return x * spread if summand is None else x * spread + self.spread(summand, rank)

    def _factor(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> Array:
        return parameters[0] if self.learnt else bottoms[1]
