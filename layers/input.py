"""Input: blobs that the caller provides."""

from __future__ import annotations

from collections.abc import Sequence

from .arrays import Shape
from .layer import Layer
from .registry import register


@register("Input")
class Input(Layer):
    """Caffe's Input: one shape for all tops, or one per top. Without a shape the caller's array alone decides."""

    bottoms_expected = (0, 0)
    tops_expected = (1, None)
    gradient_reads = frozenset()
    differentiable = False

    def setup(self) -> None:
        shapes = [tuple(shape.dim) for shape in self.message.input_param.shape]
        tops = len(self.message.top)
        if len(shapes) not in (0, 1, tops):
            raise self.refuse("input_param.shape", f"{len(shapes)} shapes", f"1, or one for each of {tops} tops")
        if any(n < 1 for shape in shapes for n in shape):
            raise self.refuse("input_param.shape", shapes, "positive sizes")
        self.shapes: list[Shape] = shapes * tops if len(shapes) == 1 else shapes

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return self.shapes
