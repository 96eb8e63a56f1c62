"""MVN: mean and variance normalization of every channel, or of every image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import Array, Shape, array_module
from .layer import Layer, Step
from .registry import register
from .window import WHOLE, Window


@register("MVN", v1="MVN")
class MVN(Layer):
    """Caffe's MVN: y = (x - mean) / (std + eps) over (H, W), or over (C, H, W) with ``across_channels``.

    eps stands outside the root, and the gradient takes std + eps for std, as Caffe does. Tops always have 4 axes: a
    bottom with fewer gets axes of length 1 behind. Saved: std + eps, (N, C or 1, 1, 1).
    """

    in_place = True

    def setup(self) -> None:
        p = self.message.mvn_param
        self.eps: float = p.eps
        self.variance: bool = p.normalize_variance
        self.axes = (-3, -2, -1) if p.across_channels else (-2, -1)
        self.gradient_reads = frozenset({"tops", "saved"}) if self.variance else frozenset()

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        rank = len(bottoms[0])
        if rank > 4:
            raise self.refuse("bottom", f"shape {tuple(bottoms[0])}", "at most 4 axes")
        return [(*bottoms[0], *(1,) * (4 - rank))]

    def window(self, bottom: Shape) -> Window:
        return WHOLE

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        x = bottoms[0].reshape(self.top_shapes([bottoms[0].shape])[0])
        centred = x - x.mean(self.axes, keepdims=True)
        if not self.variance:
            return [centred], None
        deviation = array_module(x).sqrt((centred * centred).mean(self.axes, keepdims=True)) + self.eps
        return [centred / deviation], deviation

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        signal = signals[0]
        result = signal - signal.mean(self.axes, keepdims=True)
        if self.variance:
            y = step.tops[0]
            result = (result - y * (signal * y).mean(self.axes, keepdims=True)) / step.saved
        return [result.reshape(len(signal), *step.bottom_shapes[0])]
