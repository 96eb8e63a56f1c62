"""Sigmoid: y = 1 / (1 + exp(-x))."""

from __future__ import annotations

from .arrays import Array, array_module
from .layer import ElementwiseLayer
from .registry import register


@register("Sigmoid", v1="SIGMOID")
class Sigmoid(ElementwiseLayer):
    """Caffe's Sigmoid, computed as tanh(x / 2) / 2 + 1/2, which cannot overflow. dy/dx = y (1 - y)."""

    gradient_reads = frozenset({"tops"})

    def function(self, x: Array) -> Array:
        return sigmoid(x)

    def derivative(self, x: Array, y: Array) -> Array:
        return y * (1 - y)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) for every number of an array of any shape."""
    return 0.5 * array_module(x).tanh(0.5 * x) + 0.5
