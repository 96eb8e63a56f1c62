"""Guided backprop: a ReLU passes a signal only where both its input and the signal are positive.

Springenberg, Dosovitskiy, Brox, Riedmiller: Striving for Simplicity (2014), §3.4. It is what Excitation Backprop (2016)
calls "Deconv" in its tables, and equals Feedback CNN's recovery (TPAMI 2018, Algorithm 1) with the sign threshold.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..executor.rules import Rule, reads, register_rule
from ..layers.arrays import Array, array_module
from ..layers.layer import Step


@reads("bottoms", "tops")
def relu(step: Step, signals: Sequence[Array]) -> list[Array | None]:
    """max(signal, 0) times the ReLU's own derivative."""
    return step.layer.gradient(step, [array_module(signals[0]).maximum(signals[0], 0)])


GUIDED = register_rule(Rule("guided", {"ReLU": relu}))
