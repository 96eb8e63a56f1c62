"""PReLU: a ReLU whose negative slope is learnt, one per channel or one for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import Array, Shape, array_module, sum_to
from .layer import Layer, ParameterSpec, Step
from .registry import register


@register("PReLU")
class PReLU(Layer):
    """Caffe's PReLU: y = max(x, 0) + a min(x, 0), on (N, C, ...).

    Slopes a: (C,), or () with ``channel_shared``; 0.25 without a filler. The derivative at 0 is the slope.
    """

    in_place = True

    def parameter_specs(self, bottoms: Sequence[Shape]) -> list[ParameterSpec]:
        p = self.message.prelu_param
        quarter = type(p.filler)(type="constant", value=0.25)
        shape = () if p.channel_shared else (self._checked(bottoms[0])[1],)
        return [ParameterSpec(shape, p.filler if p.HasField("filler") else quarter)]

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [self._checked(bottoms[0])]

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        x, xp = bottoms[0], array_module(bottoms[0])
        return [xp.maximum(x, 0) + self._slopes(parameters, x.ndim) * xp.minimum(x, 0)], None

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        x, xp = step.bottoms[0], array_module(step.bottoms[0])
        return [signals[0] * xp.where(x > 0, x.dtype.type(1), self._slopes(step.parameters, x.ndim))]

    def parameter_gradient(self, step: Step, signals: Sequence[Array]) -> list[Array]:
        x, xp = step.bottoms[0], array_module(step.bottoms[0])
        slopes = self._slopes(step.parameters, x.ndim)
        return [sum_to(signals[0].sum(0) * xp.minimum(x, 0), slopes.shape).reshape(step.parameters[0].shape)]

    def _checked(self, bottom: Shape) -> Shape:
        if len(bottom) < 2:
            raise self.refuse("bottom", f"shape {bottom}", "at least 2 axes (N, C, ...)")
        return tuple(bottom)

    @staticmethod
    def _slopes(parameters: Sequence[Array], rank: int) -> Array:
        return parameters[0].reshape(-1, *(1,) * (rank - 2))
