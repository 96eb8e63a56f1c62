"""Swish: y = x sigmoid(beta x)."""

from __future__ import annotations

from .arrays import Array
from .layer import ElementwiseLayer
from .registry import register
from .sigmoid import sigmoid


@register("Swish")
class Swish(ElementwiseLayer):
    """Caffe's Swish. dy/dx = beta y + s (1 - beta y) with s = sigmoid(beta x)."""

    def setup(self) -> None:
        self.beta: float = self.message.swish_param.beta

    def function(self, x: Array) -> Array:
        return x * sigmoid(self.beta * x)

    def derivative(self, x: Array, y: Array) -> Array:
        s = sigmoid(self.beta * x)
        slope = self.beta * (x * s)
        return slope + s * (1 - slope)
