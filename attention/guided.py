"""Guided backprop: a ReLU passes a signal only where both its input and the signal are positive.

Springenberg, Dosovitskiy, Brox, Riedmiller: Striving for Simplicity (2014), §3.4. It is what Excitation Backprop (2016)
calls "Deconv" in its tables, and equals Feedback CNN's recovery (TPAMI 2018, Algorithm 1) with the sign threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..executor.rules import Rule, reads, register_rule
from ..layers.arrays import Array
from ..layers.layer import Step
from .method import Answer, Method, Question, by_walk, reduce_option
from .places import image_blob


@reads(of=lambda layer: layer.gradient_reads, recordable=True)
def relu(step: Step, signals: Sequence[Array]) -> list[Array | None]:
    """max(signal, 0) times the ReLU's own derivative."""
    layer: Any = step.layer
    return layer.gradient(step, signals, guided=True)


GUIDED = register_rule(Rule("guided", {"ReLU": relu}))


def run(question: Question) -> Answer:
    return by_walk(question, GUIDED, question.at or image_blob(question.net))


METHOD = Method(
    name="guided",
    title="Guided backprop",
    paper="Springenberg et al., Striving for Simplicity, 2014, §3.4; 'Deconv' in the tables of Zhang et al., 2016",
    equation="P_i = [x_i > 0] max(P_j, 0) at every ReLU",
    run=run,
    options=reduce_option("max_abs"),
)
