"""Log: y = log_base(shift + scale x)."""

from __future__ import annotations

import math

import numpy as np

from .arrays import Array, array_module
from .layer import ElementwiseLayer
from .registry import register


@register("Log")
class Log(ElementwiseLayer):
    """Caffe's Log; base -1 means e. dy/dx = scale / (ln(base) (shift + scale x)). No guard at 0 and below: -inf, NaN."""

    def setup(self) -> None:
        p = self.message.log_param
        if p.base != -1 and (not 0 < p.base < math.inf or p.base == 1):
            raise self.refuse("log_param.base", p.base, "a positive number other than 1, or -1 for e")
        self.log_base: float = 1.0 if p.base == -1 else math.log(p.base)
        self.scale: float = p.scale
        self.shift: float = p.shift

    def function(self, x: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return array_module(x).log(self.scale * x + self.shift) * (1 / self.log_base)

    def derivative(self, x: Array, y: Array) -> Array:
        with np.errstate(divide="ignore"):
            return (self.scale / self.log_base) / (self.scale * x + self.shift)
