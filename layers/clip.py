"""Clip: y = max(min, min(x, max))."""

from __future__ import annotations

from .arrays import Array, array_module
from .layer import ElementwiseLayer
from .registry import register


@register("Clip")
class Clip(ElementwiseLayer):
    """Caffe's Clip. dy/dx = 1 where min <= x <= max, both ends included, else 0."""

    def setup(self) -> None:
        p = self.message.clip_param
        for field in ("min", "max"):
            if not p.HasField(field):
                raise self.refuse(f"clip_param.{field}", "nothing", "a number")
        self.low: float = p.min
        self.high: float = p.max

    def function(self, x: Array) -> Array:
        xp = array_module(x)
        return xp.maximum(xp.minimum(x, self.high), self.low)

    def derivative(self, x: Array, y: Array) -> Array:
        return (x >= self.low) & (x <= self.high)
