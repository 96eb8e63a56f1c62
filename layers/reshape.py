"""Reshape: the same numbers under another shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import Array, Shape, count
from .layer import Layer, Step
from .registry import register


@register("Reshape")
class Reshape(Layer):
    """Caffe's Reshape: ``shape`` replaces ``num_axes`` axes from ``axis`` on (-1: all that follow).

    A dimension of 0 copies the bottom's at the same place, one of -1 is whatever is left. A negative ``axis`` counts from
    behind the last axis: -1 appends.
    """

    gradient_reads = frozenset()

    def setup(self) -> None:
        self.dims: list[int] = list(self.message.reshape_param.shape.dim)
        if min(self.dims, default=0) < -1:
            raise self.refuse("reshape_param.shape", self.dims, "sizes, 0 (copy) or -1 (infer)")
        if self.dims.count(-1) > 1:
            raise self.refuse("reshape_param.shape", self.dims, "-1 at most once")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom = tuple(bottoms[0])
        start, end = self._replaced(len(bottom))
        new = [self._copied(bottom, start + i) if dim == 0 else dim for i, dim in enumerate(self.dims)]
        if -1 in new:
            known = count(bottom[:start]) * count(bottom[end:]) * count([dim for dim in new if dim != -1])
            if not known or count(bottom) % known:
                raise self.refuse("reshape_param.shape", self.dims, f"sizes that divide the bottom's {bottom}")
            new[new.index(-1)] = count(bottom) // known
        top = (*bottom[:start], *new, *bottom[end:])
        if count(top) != count(bottom):
            raise self.refuse("reshape_param.shape", f"{top} from {self.dims}", f"as many numbers as in {bottom}")
        return [top]

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        return [bottoms[0].reshape(self.top_shapes([bottoms[0].shape])[0])], None

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        return [signals[0].reshape(len(signals[0]), *step.bottom_shapes[0])]

    def _replaced(self, rank: int) -> tuple[int, int]:
        """First and last (excluded) of the replaced axes."""
        p = self.message.reshape_param
        start = p.axis if p.axis >= 0 else rank + p.axis + 1
        if not 0 <= start <= rank:
            raise self.refuse("reshape_param.axis", p.axis, f"{-rank - 1} to {rank} for a blob with {rank} axes")
        if not -1 <= p.num_axes <= rank - start:
            raise self.refuse("reshape_param.num_axes", p.num_axes, f"-1, or 0 to {rank - start}")
        return start, rank if p.num_axes == -1 else start + p.num_axes

    def _copied(self, bottom: Shape, axis: int) -> int:
        if axis >= len(bottom):
            raise self.refuse("reshape_param.shape", self.dims, f"0 only where the bottom {bottom} has an axis to copy")
        return bottom[axis]
