"""AbsVal: y = |x|."""

from __future__ import annotations

from .arrays import Array, array_module
from .layer import ElementwiseLayer
from .registry import register


@register("AbsVal", v1="ABSVAL")
class AbsVal(ElementwiseLayer):
    """Caffe's AbsVal. dy/dx = sign(x), 0 at 0. Not in place, as in Caffe: the top no longer tells the sign."""

    in_place = False

    def function(self, x: Array) -> Array:
        return abs(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return array_module(x).sign(x)
