"""Contrastive excitation backprop (c-MWP): what speaks for a class and not for its dual.

Excitation Backprop (2016), §3.3: the dual of the class unit has the top layer's weights negated. Both masses go down through
that one layer, the difference ``C = M - D`` lies at the classifier's input, and since excitation backprop is linear in
its mass, one sweep carries the signed ``C`` on. It is not clamped on its way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import BadInput
from ..executor.net import Net
from ..executor.rules import Rule, reads
from ..layers.arrays import Array
from ..layers.layer import Step
from .excitation import EXCITATION, linear, winners

LINEAR = ("Convolution", "Deconvolution", "InnerProduct")


def contrastive_rule(classifier: str) -> Rule:
    """Excitation, with the difference of the class's and its dual's winners at the layer ``classifier``."""

    @reads("bottoms")
    def contrast(step: Step, signals: Sequence[Array]) -> list[Array | None]:
        if step.layer.name != classifier:
            return linear(step, signals)
        return [winners(step, signals[0], 1) - winners(step, signals[0], -1)]

    table = {**EXCITATION.table, **dict.fromkeys(LINEAR, contrast)}
    return replace(EXCITATION, name=f"excitation contrasted at {classifier}", table=table)


def classifier_below(net: Net, score: str) -> str:
    """The name of the layer with weights that makes the class scores: the first one down from the blob ``score``."""
    value = net.graph.final(score)
    while True:
        node = net.graph.nodes[net.graph.makers[value]]
        if node.layer.type in LINEAR:
            return node.layer.name
        if not node.bottoms:
            raise BadInput(
                f"score {score!r}: found no layer with weights below it, expected a classifier to contrast at"
            )
        value = node.bottoms[0]
