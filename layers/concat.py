"""Concat: blobs one behind another along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import Array, Shape, array_module
from .layer import Layer, Step
from .registry import register


@register("Concat", v1="CONCAT")
class Concat(Layer):
    """Caffe's Concat along ``axis`` (or the older ``concat_dim``); all other axes must agree. The gradient cuts it up."""

    bottoms_expected = (1, None)
    gradient_reads = frozenset()

    def setup(self) -> None:
        p = self.message.concat_param
        if p.HasField("axis") and p.HasField("concat_dim"):
            raise self.refuse("concat_param.concat_dim", "it beside axis", "only one of them")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        first, axis = tuple(bottoms[0]), self.along(len(bottoms[0]))
        for other in bottoms[1:]:
            if len(other) != len(first) or (*other[:axis], *other[axis + 1 :]) != (*first[:axis], *first[axis + 1 :]):
                raise self.refuse("bottom", f"shapes {first} and {tuple(other)}", f"the same but for axis {axis}")
        return [(*first[:axis], sum(shape[axis] for shape in bottoms), *first[axis + 1 :])]

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        return [array_module(bottoms[0]).concatenate(bottoms, self.along(bottoms[0].ndim))], None

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        axis = self.along(len(step.bottom_shapes[0]))
        pieces, start = [], 0
        for shape in step.bottom_shapes:
            pieces.append(signals[0][(slice(None),) * (axis + 1) + (slice(start, start + shape[axis]),)])
            start += shape[axis]
        return pieces

    def along(self, rank: int) -> int:
        """The axis of concatenation, counted from the front of a blob of ``rank`` axes."""
        p = self.message.concat_param
        field = "concat_dim" if p.HasField("concat_dim") else "axis"
        return self.axis(getattr(p, field), rank, f"concat_param.{field}")
