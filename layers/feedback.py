"""Feedback: the gate of Look and Think Twice (2015), §3.1: y = z ∘ x, one gate z per neuron.

This is our own layer type, with its own ``feedback_param``; the feedback fork's V1 ``RELUPLUS`` reads as a ReLU followed
by it. All gates open (z = 1) is where every method of the papers starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import Array
from .layer import Layer, Step
from .registry import register


@register("Feedback")
class Feedback(Layer):
    """y = x while the gates are open. The gradient passes where the gate is open, that is everywhere."""

    in_place = True
    gradient_reads = frozenset()

    def forward(self, bottoms: Sequence[Array], parameters: Sequence[Array]) -> tuple[list[Array], Any]:
        return [bottoms[0]], None

    def gradient(self, step: Step, signals: Sequence[Array]) -> list[Array | None]:
        return [signals[0]]
