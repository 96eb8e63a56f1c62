"""Flatten: several axes become one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import Array, Shape, count
from .layer import Layer, Step
from .registry import register


@register("Flatten", v1="FLATTEN")
class Flatten(Layer):
    """Caffe's Flatten: the axes from ``axis`` to ``end_axis``, both included, become one. (N, C, H, W) -> (N, C H W)."""

    gradient_reads = frozenset()

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        p, bottom = self.message.flatten_param, tuple(bottoms[0])
        start = self.axis(p.axis, len(bottom), "flatten_param.axis")
        end = self.axis(p.end_axis, len(bottom), "flatten_param.end_axis") + 1
        if end < start:
            raise self.refuse("flatten_param.end_axis", p.end_axis, f"an axis not before axis {start}")
        return [(*bottom[:start], count(bottom[start:end]), *bottom[end:])]

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        return [bottoms[0].reshape(self.top_shapes([bottoms[0].shape])[0])], None

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        return [signals[0].reshape(len(signals[0]), *step.bottom_shapes[0])]
