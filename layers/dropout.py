"""Dropout: nothing at test time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import Array
from .layer import Layer, Step
from .registry import register


@register("Dropout", v1="DROPOUT")
class Dropout(Layer):
    """Caffe's Dropout in the TEST phase: y = x, since Caffe scales by 1 / (1 - dropout_ratio) while training.

    The TRAIN phase is refused: its random masks are no function of the input.
    """

    in_place = True
    gradient_reads = frozenset()

    def setup(self) -> None:
        if self.phase == "TRAIN":
            raise self.refuse("phase", "TRAIN", "TEST: dropout masks belong to training")

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        return [bottoms[0]], None

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        return [signals[0]]
