"""Layer-wise relevance propagation: what Bach et al.'s two rules share.

Bach, Binder, Montavon, Klauschen, Müller, Samek: On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise
Relevance Propagation (2015). A unit's relevance R_j is shared out among its inputs by what each contributes to
z_j = sum_i z_ij + b_j, with z_ij = a_i w_ij (eq. 50, 51). It starts as the class's score and is passed on unchanged by
activation functions and normalisations; a maximum gives it to its winner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..executor.rules import Rule, StepRule, reads
from ..layers.arrays import Array, divide, multiply
from ..layers.layer import Step
from .excitation import adds, copy
from .method import Answer, Option, Question, by_walk
from .places import LINEAR, image_blob
from .targets import prior

PAPER = "Bach et al., On Pixel-Wise Explanations by Layer-Wise Relevance Propagation, 2015"

# Layers that pass relevance on as it is.
PASSING = (
    "AbsVal", "BatchNorm", "Bias", "BNLL", "Clip", "ELU", "Exp", "Log", "LRN", "MVN", "Power", "PReLU", "ReLU", "Scale",
    "Sigmoid", "Swish", "TanH",
)  # fmt: skip

BIAS = {
    "bias": Option(
        "share", "share: the bias counts in z as one more input, and keeps what falls to it; ignore: it does not count",
        ("share", "ignore"),
    )
}  # fmt: skip


def relevance(question: Question, rule: Rule) -> Answer:
    return by_walk(question, rule, question.at or image_blob(question.net), start=scores_of)


def scores_of(scores: Array, targets: np.ndarray, positions: np.ndarray | None = None) -> Array:
    """Relevance at the scores (K, N, C, ...): the target's own score; of several positions, each its own, weighted as in
    ``prior``."""
    return prior(scores, targets, positions) * scores


def relevance_rule(name: str, linear: StepRule, epsilon: float = 0) -> Rule:
    """The rule of all layers but those with weights, which follow ``linear``. Averages and sums share out in proportion."""
    proportional = in_proportion(epsilon)
    table = {
        **dict.fromkeys(PASSING, copy),
        **dict.fromkeys(LINEAR, linear),
        "Pooling": _where(lambda layer: layer.takes_averages, proportional),
        "Eltwise": _where(adds, proportional),
    }
    return Rule(name, table, exact=True)


def in_proportion(epsilon: float) -> StepRule:
    """R_i = sum_j z_ij R_j / (z_j + epsilon sign z_j), for any linear layer; z_j is its top, bias and all (eq. 58)."""

    @reads("bottoms", "tops", of=lambda layer: layer.gradient_reads)
    def proportional(step: Step, signals: Sequence[Array]) -> list[Array | None]:
        gradients: Any = step.layer.gradient(step, [divide(signals[0], step.tops[0], epsilon)])
        return [multiply(gradient, a) for a, gradient in zip(step.bottoms, gradients, strict=True)]

    return proportional


def _where(chosen: Callable[[Any], bool], rule: StepRule) -> StepRule:
    """``rule`` for the layers that are ``chosen``, the gradient for others: maxima give all to their winner."""
    marked: Any = rule

    @reads(of=lambda layer: marked.reads(layer) if chosen(layer) else layer.gradient_reads)
    def either(step: Step, signals: Sequence[Array]) -> list[Array | None]:
        return rule(step, signals) if chosen(step.layer) else step.layer.gradient(step, signals)

    return either
