"""EuclideanLoss: half the mean squared distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import Array, Shape, count
from .layer import Step
from .loss import LossLayer
from .registry import register


@register("EuclideanLoss", v1="EUCLIDEAN_LOSS")
class EuclideanLoss(LossLayer):
    """Caffe's EuclideanLoss: sum (a - b)^2 / (2 N), N the number of images. Both bottoms receive a gradient."""

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        if count(bottoms[0][1:]) != count(bottoms[1][1:]):
            shapes = f"shapes {tuple(bottoms[0])} and {tuple(bottoms[1])}"
            raise self.refuse("bottom", shapes, "as many numbers per image")
        return super().top_shapes(bottoms)

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        a, images = bottoms[0], len(bottoms[0])
        difference = a - bottoms[1].reshape(a.shape)
        loss = (difference * difference).sum(keepdims=True) / images / 2
        return self.tops(loss), difference / images

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        to_first = self.weighted(step.saved, signals[0])
        return [to_first, -to_first.reshape(len(to_first), *step.bottom_shapes[1])]
