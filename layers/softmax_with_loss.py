"""SoftmaxWithLoss: the mean negative log likelihood of labels under a softmax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .arrays import Array, Shape, array_module
from .labels import check_places, class_indices, folded
from .loss import NormalizedLossLayer
from .registry import register
from .softmax import softmax

FLT_MIN = float(np.finfo(np.float32).tiny)


@register("SoftmaxWithLoss", v1="SOFTMAX_LOSS")
class SoftmaxWithLoss(NormalizedLossLayer):
    """Caffe's SoftmaxWithLoss: -sum log max(p[label], FLT_MIN) / normalizer, p = softmax(x) along ``axis``.

    Bottoms: scores (outer, C, inner) and one label per place, 0 to C - 1; places with ``ignore_label`` count nothing.
    A second top is p. VALID normalization by default. Only the loss has a gradient: a signal at the second top is
    lost, as in Caffe.
    """

    tops_expected = (0, 2)
    normalization_by_default = "VALID"

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        super().top_shapes(bottoms)
        check_places(self, bottoms[0], bottoms[1], self.along(len(bottoms[0])))
        return [(), tuple(bottoms[0])][: len(self.message.top)]

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        x, xp = bottoms[0], array_module(bottoms[0])
        outer, classes, inner = folded(x.shape, self.along(x.ndim))
        p = softmax(x.reshape(outer, classes, inner), 1)
        labels, valid = class_indices(self, bottoms[1].reshape(outer, 1, inner), classes, self.ignored)
        normalizer = self.normalizer(outer, inner, valid)
        likelihoods = xp.maximum(xp.take_along_axis(p, labels, 1), FLT_MIN)
        loss = -(xp.log(likelihoods) * valid).sum(keepdims=True) / normalizer
        derivative = (p - (xp.arange(classes)[:, None] == labels)) * valid / normalizer
        return self.tops(loss, p.reshape(x.shape)), derivative.reshape(x.shape)

    def along(self, rank: int) -> int:
        return self.axis(self.message.softmax_param.axis, rank, "softmax_param.axis")
