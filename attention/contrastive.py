"""Contrastive excitation backprop (c-MWP): what speaks for a class and not for its dual.

Excitation Backprop (2016), §3.3: the dual of the class unit has the top layer's weights negated. Both masses go down through
that one layer, the difference ``C = M - D`` lies at the classifier's input, and since excitation backprop is linear in
its mass, one sweep carries the signed ``C`` on. It is not clamped on its way.

The contrast tells positions apart where the classifier reads one averaged vector, as in GoogLeNet. Where it is a convolution
*below* the average, as in SqueezeNet, M and D bring the same mass to every position, and the channel sum of C vanishes at its
input wherever a class has evidence for and against: maps further down then show little but local texture.

Table 2's "w/o norm" is ``normalise=False``; its "post-norm" is that with ``variant="post-norm"`` as well: maps are normalised at
the end in place of at every layer. With ``normalise=True`` both variants agree wherever no mass is lost on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from ..executor.rules import Rule, reads
from ..layers.arrays import Array, add
from ..layers.layer import Step
from .dual import KEPT, classifier_above, dual_rule, normalised_difference
from .excitation import EXCITATION, PAPER
from .excitation_variants import OPTIONS, excitation_rule, in_range
from .method import Answer, Method, Option, Question, by_walk, reduce_option
from .places import excitation_blob

VARIANTS = ("contrast", "post-norm")


@lru_cache(KEPT)
def contrastive_rule(classifier: str, rule: Rule = EXCITATION) -> Rule:
    """Excitation, with the difference of the class's and its dual's winners at the layer ``classifier``."""
    dual = dual_rule(rule, classifier)

    @reads(of=rule.reads, recordable=rule.form is not None)
    def contrast(step: Step, signals: Sequence[Array]) -> list[Array | None]:
        (own,), (other,) = rule.at(step.layer)(step, signals), dual.at(step.layer)(step, signals)
        return [add(own, other, -1)]

    layers = {**rule.layers, classifier: contrast}
    return replace(rule, name=f"{rule.name} contrasted at {classifier}", layers=layers)


def run(question: Question) -> Answer:
    rule = excitation_rule(question)
    at = question.at or excitation_blob(question)
    if question.options["variant"] == "post-norm":
        return in_range(question, normalised_difference(question, rule, at))
    return in_range(question, by_walk(question, contrastive_rule(classifier_above(question, at), rule), at))


METHOD = Method(
    name="c-mwp",
    title="Contrastive excitation backprop",
    paper=PAPER,
    equation="§3.3: the class's mass minus its dual's at the classifier's input, then eq. 5",
    run=run,
    options={
        **reduce_option("positive_sum"),
        "variant": Option(
            "contrast",
            "contrast: one sweep of the difference; post-norm: two sweeps, each map L1-normalised",
            VARIANTS,
        ),
        **OPTIONS,
    },
)
