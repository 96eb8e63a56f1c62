"""SigmoidCrossEntropyLoss: the cross entropy of independent probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import Array, Shape, array_module, count
from .labels import not_ignored
from .loss import NormalizedLossLayer
from .registry import register
from .sigmoid import sigmoid


@register("SigmoidCrossEntropyLoss", v1="SIGMOID_CROSS_ENTROPY_LOSS")
class SigmoidCrossEntropyLoss(NormalizedLossLayer):
    """Caffe's SigmoidCrossEntropyLoss: -sum(t log s + (1 - t) log(1 - s)) / normalizer, s = sigmoid(x).

    Bottoms: scores x (N, ...) and as many targets t in [0, 1]. A target that, cut to an integer, is ``ignore_label``
    counts nothing. BATCH_SIZE normalization by default. d/dx = (s - t) / normalizer.
    """

    normalization_by_default = "BATCH_SIZE"

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        if count(bottoms[0]) != count(bottoms[1]):
            shapes = f"shapes {tuple(bottoms[0])} and {tuple(bottoms[1])}"
            raise self.refuse("bottom", shapes, "as many targets as scores")
        return super().top_shapes(bottoms)

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        x, xp = bottoms[0], array_module(bottoms[0])
        target = bottoms[1].reshape(x.shape)
        valid = not_ignored(target, self.ignored)
        normalizer = self.normalizer(len(x), count(x.shape[1:]), valid)
        losses = xp.log1p(xp.exp(-abs(x))) - x * (target - (x >= 0))
        loss = xp.where(valid, losses, 0).sum(keepdims=True) / normalizer
        return self.tops(loss), (sigmoid(x) - target) * valid / normalizer
