"""Exp: y = base ^ (shift + scale x)."""

from __future__ import annotations

import math

from .arrays import Array, array_module
from .layer import ElementwiseLayer
from .registry import register


@register("Exp", v1="EXP")
class Exp(ElementwiseLayer):
    """Caffe's Exp; base -1 means e. Computed as base^shift exp(ln(base) scale x). dy/dx = ln(base) scale y."""

    gradient_reads = frozenset({"tops"})

    def setup(self) -> None:
        p = self.message.exp_param
        if p.base != -1 and not 0 < p.base < math.inf:
            raise self.refuse("exp_param.base", p.base, "a positive number, or -1 for e")
        log_base = 1.0 if p.base == -1 else math.log(p.base)
        self.inner: float = log_base * p.scale
        self.outer: float = math.exp(log_base * p.shift)

    def function(self, x: Array) -> Array:
        return self.outer * array_module(x).exp(self.inner * x)

    def derivative(self, x: Array, y: Array) -> Array:
        return self.inner * y
