"""Power: y = (shift + scale x) ^ power."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .arrays import Array, array_module
from .layer import ElementwiseLayer, Step
from .registry import register


@register("Power", v1="POWER")
class Power(ElementwiseLayer):
    """Caffe's Power. With power or scale 0 the top is the constant shift ^ power (1 for power 0), its gradient 0.

    Powers other than 0, 1 and 2 differentiate as power scale y / (shift + scale x), as in Caffe: NaN at a base of 0.
    """

    def setup(self) -> None:
        p = self.message.power_param
        self.power: float = p.power
        self.scale: float = p.scale
        self.shift: float = p.shift
        self.constant = self.power * self.scale == 0
        if self.constant or self.power == 1:
            self.gradient_reads = frozenset()
        elif self.power != 2:
            self.gradient_reads = frozenset({"bottoms", "tops"})

    def function(self, x: Array) -> Array:
        base = array_module(x).full_like(x, self.shift) if self.constant else self.scale * x + self.shift
        if self.power == 1:
            return base
        with np.errstate(divide="ignore", invalid="ignore"):
            return base * base if self.power == 2 else base**self.power

    def derivative(self, x: Array, y: Array) -> Array:
        base = self.scale * x + self.shift
        if self.power == 2:
            return 2 * self.scale * base
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.power * self.scale * y / base

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        if self.constant:
            return [array_module(signals[0]).zeros_like(signals[0])]
        if self.power == 1:
            return [self.scale * signals[0]]
        return super().gradient(step, signals)
