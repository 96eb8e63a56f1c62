"""ELU: linear above zero, a saturating exponential below."""

from __future__ import annotations

from .arrays import Array, array_module
from .layer import ElementwiseLayer
from .registry import register


@register("ELU")
class ELU(ElementwiseLayer):
    """Caffe's ELU: y = max(x, 0) + alpha (exp(min(x, 0)) - 1). The derivative at 0 and below is alpha + y.

    It reads the top: with alpha >= 0, y > 0 exactly where x > 0.
    """

    gradient_reads = frozenset({"tops"})

    def setup(self) -> None:
        self.alpha: float = self.message.elu_param.alpha
        if self.alpha < 0:  # then the top no longer tells the bottom's sign
            self.gradient_reads = frozenset({"bottoms", "tops"})

    def function(self, x: Array) -> Array:
        xp = array_module(x)
        return xp.maximum(x, 0) + self.alpha * xp.expm1(xp.minimum(x, 0))

    def derivative(self, x: Array, y: Array) -> Array:
        known = y if self.alpha >= 0 else x
        return array_module(y).where(known > 0, y.dtype.type(1), self.alpha + y)
