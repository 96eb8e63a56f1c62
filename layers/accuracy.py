"""Accuracy: the share of places whose label is among the greatest scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import Array, Shape, array_module
from .labels import check_places, class_indices, folded
from .layer import Layer
from .registry import register


@register("Accuracy", v1="ACCURACY")
class Accuracy(Layer):
    """Caffe's Accuracy: a place is right when fewer than ``top_k`` other classes score as much as its label, or more.

    So a tie for the last of the first k places is wrong. Bottoms: scores (outer, C, inner) around ``axis`` and one
    label per place; places with ``ignore_label`` do not count. Tops: the share of right places, (), and perhaps that
    of each class, (C,); 0 where there are none. No gradient.
    """

    bottoms_expected = (2, 2)
    tops_expected = (1, 2)
    differentiable = False
    gradient_reads = frozenset()

    def setup(self) -> None:
        p = self.param = self.message.accuracy_param
        self.top_k: int = p.top_k
        self.ignored: int | None = p.ignore_label if p.HasField("ignore_label") else None

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        axis = self.along(len(bottoms[0]))
        check_places(self, bottoms[0], bottoms[1], axis)
        classes = bottoms[0][axis]
        if self.top_k > classes:
            raise self.refuse("accuracy_param.top_k", self.top_k, f"at most {classes}, the number of classes")
        return [(), (classes,)][: len(self.message.top)]

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        xp, x = array_module(bottoms[0]), bottoms[0]
        outer, classes, inner = folded(x.shape, self.along(x.ndim))
        scores = x.reshape(outer, classes, inner)
        labels, valid = class_indices(self, bottoms[1].reshape(outer, 1, inner), classes, self.ignored)
        rivals = (scores >= xp.take_along_axis(scores, labels, 1)).sum(1, keepdims=True) - 1  # but the label itself
        right = (rivals < self.top_k) & valid
        of_class = xp.arange(classes)[:, None] == labels
        tops = [_share(right, valid), _share(right & of_class, valid & of_class, (0, 2))]
        return [top.astype(x.dtype) for top in tops[: len(self.message.top)]], None

    def along(self, rank: int) -> int:
        return self.axis(self.param.axis, rank, "accuracy_param.axis")


def _share(right: Array, counted: Array, axes: tuple[int, ...] = (0, 1, 2)) -> Array:
    """Right places per counted one, summed over ``axes``; 0 where none is counted."""
    xp = array_module(right)
    return xp.asarray(right.sum(axes) / xp.maximum(counted.sum(axes), 1))
