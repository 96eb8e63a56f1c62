"""ArgMax: where the greatest numbers stand, or how great they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import Array, Shape, array_module, count
from .layer import Layer
from .registry import register


@register("ArgMax", v1="ARGMAX")
class ArgMax(Layer):
    """Caffe's ArgMax: the ``top_k`` greatest, greatest first; of equal numbers the one with the greater index first.

    With ``axis``: that axis shrinks to top_k and holds indices, or the values with ``out_max_val``. Without: each
    image is flattened, and the top (N, 1, top_k) holds indices, or with ``out_max_val`` (N, 2, top_k) indices and
    values (with axes of length 1 behind where the bottom has more than 3). Indices are stored as the bottom's floats.
    No gradient.
    """

    differentiable = False
    gradient_reads = frozenset()

    def setup(self) -> None:
        self.param = self.message.argmax_param
        self.top_k: int = self.param.top_k
        if self.top_k < 1:
            raise self.refuse("argmax_param.top_k", self.top_k, "a positive number")

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        shape = tuple(bottoms[0])
        if not self.param.HasField("axis"):
            if not shape:
                raise self.refuse("bottom", "shape ()", "at least one axis")
            self._check_top_k(count(shape[1:]))
            return [(shape[0], 2 if self.param.out_max_val else 1, self.top_k, *(1,) * (len(shape) - 3))]
        axis = self._axis(len(shape))
        self._check_top_k(shape[axis])
        return [(*shape[:axis], self.top_k, *shape[axis + 1 :])]

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        x, p = bottoms[0], self.param
        xp = array_module(x)
        if p.HasField("axis"):
            axis = self._axis(x.ndim)
            indices, values = self._greatest(xp.moveaxis(x, axis, -1))
            return [xp.ascontiguousarray(xp.moveaxis(values if p.out_max_val else indices, -1, axis))], None
        found = self._greatest(x.reshape(len(x), -1))
        return [xp.stack(found if p.out_max_val else found[:1], 1).reshape(self.top_shapes([x.shape])[0])], None

    def _greatest(self, x: Array) -> tuple[Array, Array]:
        """Indices and values of the greatest along the last axis, (..., top_k) each."""
        xp = array_module(x)
        order = xp.argsort(x, -1, kind="stable")[..., : -self.top_k - 1 : -1]
        return order.astype(x.dtype), xp.take_along_axis(x, order, -1)

    def _axis(self, rank: int) -> int:
        return self.axis(self.param.axis, rank, "argmax_param.axis")

    def _check_top_k(self, size: int) -> None:
        if self.top_k > size:
            raise self.refuse("argmax_param.top_k", self.top_k, f"at most {size}, the numbers to choose from")
