"""ReLU: y = max(x, 0) + negative_slope * min(x, 0)."""

from __future__ import annotations

from collections.abc import Sequence

from ..cuda import kernels
from .arrays import Array, array_module, where_positive
from .layer import ElementwiseLayer, Step
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
        y = xp.empty(x.shape, x.dtype)
        if kernels.relu(x, self.slope, y):
            return y
        positive = xp.maximum(x, 0)
        return positive + x.dtype.type(self.slope) * xp.minimum(x, 0) if self.slope else positive

    def gradient(self, step: Step, signals: Sequence[Array], guided: bool = False) -> list[Array | None]:
        """``guided``: of what arrives, only what is positive."""
        known = step.tops[0] if self.slope >= 0 else step.bottoms[0]
        return [where_positive(signals[0], known, self.slope, guided)]
