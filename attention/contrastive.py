"""Contrastive excitation backprop (c-MWP): what speaks for a class and not for its dual.

Excitation Backprop (2016), §3.3: the dual of the class unit has the top layer's weights negated. Both masses go down through
that one layer, the difference ``C = M - D`` lies at the classifier's input, and since excitation backprop is linear in
its mass, one sweep carries the signed ``C`` on. It is not clamped on its way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import BadInput
from ..executor.rules import Rule, reads
from ..layers.arrays import Array
from ..layers.layer import Step
from .excitation import EXCITATION, PAPER, linear, winners
from .method import Answer, Method, Question, by_walk, reduce_option
from .places import LINEAR, classifier_below, excitation_blob


def contrastive_rule(classifier: str) -> Rule:
    """Excitation, with the difference of the class's and its dual's winners at the layer ``classifier``."""

    @reads("bottoms")
    def contrast(step: Step, signals: Sequence[Array]) -> list[Array | None]:
        if step.layer.name != classifier:
            return linear(step, signals)
        return [winners(step, signals[0], 1) - winners(step, signals[0], -1)]

    table = {**EXCITATION.table, **dict.fromkeys(LINEAR, contrast)}
    return replace(EXCITATION, name=f"excitation contrasted at {classifier}", table=table)


def run(question: Question) -> Answer:
    graph = question.net.graph
    classifier = classifier_below(question.net, question.score)
    at = question.at or excitation_blob(question)
    below = graph.needed_for(graph.nodes[graph.node(classifier)].bottoms)
    if graph.final(at) not in {value for number in below for value in graph.nodes[number].tops}:
        raise BadInput(
            f"at: found {at!r}, expected a blob below the classifier {classifier!r}, where the contrast is made"
        )
    return by_walk(question, contrastive_rule(classifier), at)


METHOD = Method(
    name="c-mwp",
    title="Contrastive excitation backprop",
    paper=PAPER,
    equation="§3.3: the class's mass minus its dual's at the classifier's input, then eq. 5",
    run=run,
    options=reduce_option("positive_sum"),
)
