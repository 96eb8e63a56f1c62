"""ReLU: y = max(x, 0) + negative_slope * min(x, 0)."""

from __future__ import annotations

from .arrays import Array, array_module
from .layer import ElementwiseLayer
from .registry import register


@register("ReLU", v1="RELU")
class ReLU(ElementwiseLayer):
    """Caffe's ReLU. The derivative at 0 is the slope, as in Caffe. It reads the top: y > 0 exactly where x > 0."""

    gradient_reads = frozenset({"tops"})

    def setup(self) -> None:
        self.slope: float = self.message.relu_param.negative_slope
        if self.slope < 0:  # then the top no longer tells the bottom's sign
            self.gradient_reads = frozenset({"bottoms"})

    def function(self, x: Array) -> Array:
        xp = array_module(x)
        positive = xp.maximum(x, 0)
        return positive + x.dtype.type(self.slope) * xp.minimum(x, 0) if self.slope else positive

    def derivative(self, x: Array, y: Array) -> Array:
        known = y if self.slope >= 0 else x
        active = known > 0
        return active + known.dtype.type(self.slope) * ~active if self.slope else active
