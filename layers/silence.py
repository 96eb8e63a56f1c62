"""Silence: takes blobs that nobody else reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import Array
from .layer import Layer, Step
from .registry import register


@register("Silence", v1="SILENCE")
class Silence(Layer):
    """Caffe's Silence: any number of bottoms, no top, and so a gradient of zero: no signal."""

    bottoms_expected = (1, None)
    tops_expected = (0, 0)
    gradient_reads = frozenset()

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        return [], None

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        return [None] * len(step.bottom_shapes)
