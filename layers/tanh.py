"""TanH: y = tanh(x)."""

from __future__ import annotations

from .arrays import Array, array_module
from .layer import ElementwiseLayer
from .registry import register


@register("TanH", v1="TANH")
class TanH(ElementwiseLayer):
    """Caffe's TanH. dy/dx = 1 - y^2."""

    gradient_reads = frozenset({"tops"})

    def function(self, x: Array) -> Array:
        return array_module(x).tanh(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return 1 - y * y
