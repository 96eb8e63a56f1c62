"""BNLL: binomial normal log likelihood, y = log(1 + exp(x))."""

from __future__ import annotations

from .arrays import Array, array_module
from .layer import ElementwiseLayer
from .registry import register


@register("BNLL", v1="BNLL")
class BNLL(ElementwiseLayer):
    """Caffe's BNLL, y = max(x, 0) + log(1 + exp(-|x|)). dy/dx = e / (e + 1) with e = exp(min(x, 50)), as in Caffe."""

    def function(self, x: Array) -> Array:
        xp = array_module(x)
        return xp.maximum(x, 0) + xp.log1p(xp.exp(-abs(x)))

    def derivative(self, x: Array, y: Array) -> Array:
        xp = array_module(x)
        e = xp.exp(xp.minimum(x, 50))
        return e / (e + 1)
