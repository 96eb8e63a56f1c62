"""What Scale and Bias share: a second operand, learnt or a second bottom, laid over some axes of the first bottom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import Array, Shape, sum_to
from .layer import Layer


class OperandLayer(Layer):
    """The options ``axis`` and ``num_axes`` of ``options`` say which axes of the first bottom the operand spans.

    A learnt operand has the shape of ``num_axes`` axes from ``axis`` on (-1: all that follow; 0: a scalar). A second
    bottom brings its own shape, and spans as many axes as it has.
    """

    bottoms_expected = (1, 2)
    in_place = True
    options: Any  # scale_param or bias_param
    options_name: str

    @property
    def learnt(self) -> bool:
        return len(self.message.bottom) == 1

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self.operand_shape(bottoms)
        return [tuple(bottoms[0])]

    def operand_shape(self, bottoms: Sequence[Shape]) -> Shape:
        """The operand's shape, checked against the first bottom's."""
        first, start = tuple(bottoms[0]), self.options.axis
        if self.learnt:
            start = self.axis(start, len(first), f"{self.options_name}.axis")
            number = self.options.num_axes
            if not -1 <= number <= len(first) - start:
                raise self.refuse(f"{self.options_name}.num_axes", number, f"-1, or 0 to {len(first) - start}")
            return first[start:] if number == -1 else first[start : start + number]
        operand = tuple(bottoms[1])
        start = self._start(operand, len(first))
        if operand != first[start : start + len(operand)]:
            raise self.refuse("bottom", f"shapes {first} and {operand}", f"the first's sizes from axis {start} on")
        return operand

    def spread(self, operand: Array, rank: int) -> Array:
        """``operand`` with axes of length 1 behind it, so that it broadcasts over a bottom of ``rank`` axes."""
        behind = rank - self._start(operand.shape, rank) - operand.ndim
        return operand.reshape(*operand.shape, *(1,) * behind)

    def gathered(self, signal: Array, operand: Shape) -> Array:
        """The transpose of ``spread``, for every target: (K, *bottom) -> (K, *operand)."""
        rank = signal.ndim - 1
        front = self._start(operand, rank)
        behind = rank - front - len(operand)
        spread = (len(signal), *(1,) * front, *operand, *(1,) * behind)
        return sum_to(signal, spread).reshape(len(signal), *operand)

    def _start(self, operand: Shape, rank: int) -> int:
        return self.axis(self.options.axis, rank, f"{self.options_name}.axis") if operand else 0
