"""The dual of a class: a unit whose weights are the class unit's, negated, so that it speaks for "not this class".

Excitation Backprop (2016), §3.3. Subtracting the dual's map from the class's own cancels what speaks for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from ..errors import BadInput
from ..executor.rules import Rule, reads
from ..layers.arrays import Array, array_module, negated
from ..layers.layer import Step
from .maps import over_channels
from .method import Answer, Question, walks
from .places import classifier_below

KEPT = 64  # rules: the same question is put again with the same rule, so that its record is known


@lru_cache(KEPT)
def dual_rule(rule: Rule, classifier: str) -> Rule:
    """``rule``, with the weights of the layer ``classifier`` negated and its bias kept."""

    @reads(of=rule.reads, recordable=rule.form is not None)
    def dual(step: Step, signals: Sequence[Array]) -> list[Array | None]:
        weights, *bias = step.parameters
        return rule.at(step.layer)(replace(step, parameters=[negated(weights), *bias], sums=None), signals)

    return replace(rule, name=f"{rule.name}, dual at {classifier}", layers={**rule.layers, classifier: dual})


def normalised_difference(question: Question, rule: Rule, at: str) -> Answer:
    """The class's map and its dual's, each from a walk of its own and divided by its L1 norm; their difference, clamped at 0.

    This is how EBP Table 2 contrasts what is not linear or not normalised ("post-norm", "c-Deconv").
    """
    rules = [rule, dual_rule(rule, classifier_above(question, at))]
    signals, scores = walks(question, rules, at)
    own, dual = (_unit(over_channels(signal, question.options["reduce"])) for signal in signals)
    return Answer((own - dual).clip(0, None), at, scores)


def classifier_above(question: Question, at: str) -> str:
    """The classifier's name. Raises ``BadInput`` where the blob ``at`` does not lie below it, and no contrast reaches it."""
    graph = question.net.graph
    classifier = classifier_below(question.net, question.score)
    below = graph.needed_for(graph.nodes[graph.node(classifier)].bottoms)
    if graph.final(at) not in {value for number in below for value in graph.nodes[number].tops}:
        raise BadInput(
            f"at: found {at!r}, expected a blob below the classifier {classifier!r}, where the contrast is made"
        )
    return classifier


def _unit(maps: Array) -> Array:
    """Maps (..., H, W), each divided by the sum of its magnitudes; an empty one stays empty."""
    norm = abs(maps).sum((-2, -1), keepdims=True)
    return maps / array_module(maps).where(norm == 0, 1, norm)
