"""Split: the same blob under several names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import Array
from .layer import Layer, Step
from .registry import register


@register("Split", v1="SPLIT")
class Split(Layer):
    """Caffe's Split: every top is the bottom; the signals of all tops add up."""

    tops_expected = (1, None)
    gradient_reads = frozenset()

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        return [bottoms[0]] * len(self.message.top), None

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        return [sum(signals[1:], start=signals[0])]
