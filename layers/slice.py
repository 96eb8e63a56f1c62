"""Slice: a blob cut into pieces along an axis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from .arrays import Array, Shape, array_module
from .layer import Layer, Step
from .registry import register


@register("Slice", v1="SLICE")
class Slice(Layer):
    """Caffe's Slice along ``axis`` (or the older ``slice_dim``): at the given points, or without any into equal pieces."""

    tops_expected = (1, None)
    gradient_reads = frozenset()

    def setup(self) -> None:
        p, pieces = self.message.slice_param, len(self.message.top)
        if p.HasField("axis") and p.HasField("slice_dim"):
            raise self.refuse("slice_param.slice_dim", "it beside axis", "only one of them")
        if p.slice_point and len(p.slice_point) != pieces - 1:
            raise self.refuse("slice_param.slice_point", f"{len(p.slice_point)} points", f"{pieces - 1}, or none")
        self.points = list(p.slice_point)

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        shape, axis = tuple(bottoms[0]), self.along(len(bottoms[0]))
        bounds = self._bounds(shape[axis])
        return [(*shape[:axis], stop - start, *shape[axis + 1 :]) for start, stop in pairwise(bounds)]

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        x, axis = bottoms[0], self.along(bottoms[0].ndim)
        bounds = self._bounds(x.shape[axis])
        return [x[(slice(None),) * axis + (slice(start, stop),)] for start, stop in pairwise(bounds)], None

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        axis = self.along(len(step.bottom_shapes[0]))
        return [array_module(signals[0]).concatenate(signals, axis + 1)]

    def along(self, rank: int) -> int:
        """The axis of the cuts, counted from the front of a blob of ``rank`` axes."""
        p = self.message.slice_param
        field = "slice_dim" if p.HasField("slice_dim") else "axis"
        return self.axis(getattr(p, field), rank, f"slice_param.{field}")

    def _bounds(self, size: int) -> list[int]:
        """Where the pieces begin, and the end of the last one."""
        pieces = len(self.message.top)
        if not self.points:
            if size % pieces:
                raise self.refuse("top", f"{pieces} blobs", f"a divisor of the {size} entries to slice")
            return list(range(0, size + 1, size // pieces))
        bounds = [0, *self.points, size]
        if any(start >= stop for start, stop in pairwise(bounds)):
            raise self.refuse("slice_param.slice_point", self.points, f"rising numbers between 0 and {size}")
        return bounds
