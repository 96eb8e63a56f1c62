"""Threshold: y = 1 where x > threshold, else 0."""

from __future__ import annotations

from .arrays import Array
from .layer import ElementwiseLayer
from .registry import register


@register("Threshold", v1="THRESHOLD")
class Threshold(ElementwiseLayer):
    """Caffe's Threshold: strictly greater. It has no gradient, as in Caffe."""

    differentiable = False
    gradient_reads = frozenset()

    def setup(self) -> None:
        self.threshold: float = self.message.threshold_param.threshold

    def function(self, x: Array) -> Array:
        return (x > self.threshold).astype(x.dtype)
