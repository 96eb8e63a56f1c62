"""Deconvolution: Convolution's input gradient as a layer of its own (Caffe swaps forward and backward)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from .arrays import Array, Shape, count, excitatory
from .arrival import ALONE, Arrival
from .convolution import FilterLayer
from .correlation import correlate, correlate_transposed, correlate_weights, exactly
from .layer import ParameterSpec
from .registry import register
from .window import Window


@register("Deconvolution", v1="DECONVOLUTION")
class Deconvolution(FilterLayer):
    """Caffe's Deconvolution. Weights (C, num_output/group, *kernel), bias (num_output,)."""

    def parameter_specs(self, bottoms: Sequence[Shape]) -> list[ParameterSpec]:
        kernel = self.geometry(bottoms[0]).kernel
        return self._specs((self.channels(bottoms[0]), self.outputs // self.group, *kernel))

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        geometry = self.geometry(bottoms[0])
        return self._shape(bottoms[0], geometry.enlarged(bottoms[0][-geometry.rank :]))

    def window(self, bottom: Shape) -> Window:
        """Where the filters of neighbouring bottom pixels overlap: ceil(extent / stride) of them reach one top pixel."""
        geometry = self.geometry(bottom)
        overlap = tuple(-(-extent // stride) for extent, stride in zip(geometry.extent, geometry.stride, strict=True))
        return Window(overlap, tuple(Fraction(1, stride) for stride in geometry.stride))

    def multiply_adds(self, bottom: Shape) -> int:
        return count(bottom) * count(self.parameter_specs([bottom])[0].shape[1:])

    def linear(self, x: Array, weights: Array, bias: Array | None = None, positive: bool = False) -> Array:
        geometry = self.geometry(x.shape)
        used = excitatory(weights) if positive else weights
        with exactly(positive):  # excitation divides by these sums, and asks which are exactly 0
            y = correlate_transposed(x, used, geometry, geometry.enlarged(x.shape[-geometry.rank :]))
        if bias is not None:
            y += bias.reshape(-1, *(1,) * geometry.rank)
        return y

    def transposed(
        self, signal: Array, weights: Array, bottom: Shape, positive: bool = False, arrival: Arrival = ALONE
    ) -> Array:
        return arrival.at(correlate(signal, excitatory(weights) if positive else weights, self.geometry(bottom)))

    def weight_gradient(self, x: Array, signal: Array) -> Array:
        return correlate_weights(signal, x, self.geometry(x.shape))
