"""Feedback: the gate of Look and Think Twice (2015), §3.2: y = z ∘ x, one gate z per neuron.

This is our own layer type; the feedback fork's V1 ``RELUPLUS`` reads as a ReLU followed by it. The gates are a blob like any
other, so that their state belongs to one call: each image and each target has its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import Array, Shape
from .layer import Layer, Step
from .registry import register


@register("Feedback")
class Feedback(Layer):
    """y = z ∘ x, for bottoms x and z of one shape; without z, all gates are open and y = x.

    Gradients: dS/dx = z ∘ dS/dy, and dS/dz = x ∘ dS/dy (summed over nothing: a gate is one neuron's).
    """

    in_place = True
    bottoms_expected = (1, 2)

    def setup(self) -> None:
        self.gradient_reads = frozenset({"bottoms"} if len(self.message.bottom) == 2 else ())

    def top_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        if len(bottoms) == 2 and tuple(bottoms[1]) != tuple(bottoms[0]):
            raise self.refuse("bottom", f"gates {tuple(bottoms[1])} over {tuple(bottoms[0])}", "one gate per neuron")
        return super().top_shapes(bottoms)

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        x, *gates = bottoms
        return [x * gates[0] if gates else x], None

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        if len(step.bottom_shapes) == 1:
            return [signals[0]]
        x, gates = step.bottoms
        return [signals[0] * gates, signals[0] * x]
