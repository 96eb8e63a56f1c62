"""Dropout: numbers left out at random while training, nothing at test time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .arrays import Array, array_module
from .layer import Layer, Step
from .registry import register


@register("Dropout", v1="DROPOUT")
class Dropout(Layer):
    """Caffe's Dropout. TEST phase: y = x. TRAIN: y = x m, m being 0 with probability ``dropout_ratio``, else 1 / (1 - it).

    Saved in TRAIN: m, of the bottom's shape. dy/dx = m.
    """

    in_place = True

    def setup(self) -> None:
        self.ratio: float = self.message.dropout_param.dropout_ratio
        if not 0 <= self.ratio < 1:
            raise self.refuse("dropout_param.dropout_ratio", self.ratio, "a number from 0 on and below 1")
        self.random = self.phase == "TRAIN"
        self.gradient_reads = frozenset({"saved"} if self.random else ())

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        return [bottoms[0]], None

    def forward_at_random(
        self, bottoms: Sequence[Array], parameters: Sequence[Array], rng: np.random.Generator
    ) -> tuple[list[Array], Any]:
        x = bottoms[0]
        kept = rng.random(x.shape, np.float32) >= self.ratio  # drawn on the CPU: one mask per seed, whatever the device
        factor = array_module(x).asarray(kept * x.dtype.type(1 / (1 - self.ratio)))
        return [x * factor], factor

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        return [signals[0] * step.saved if self.random else signals[0]]
