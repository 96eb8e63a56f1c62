"""Layer-wise relevance propagation by the epsilon rule: what an input adds to z, as a part of z (Bach et al. 2015, eq. 58).

    R_i = sum_j  a_i w_ij / (z_j + epsilon sign z_j)  R_j

A layer loses the share epsilon / (|z_j| + epsilon) of each unit's relevance, and its bias's share; with ``bias="ignore"`` and
epsilon towards 0 it loses none but that of units with z_j = 0. With shared biases and epsilon towards 0 the result is, in
a net of weights, ReLUs and pooling, the gradient times the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..executor.rules import Rule, StepRule, reads
from ..layers.arrays import Array, divide, multiply
from ..layers.layer import Step
from .method import Answer, Method, Option, Question, reduce_option
from .relevance import BIAS, PAPER, in_proportion, relevance, relevance_rule


def epsilon_rule(epsilon: float = 0.01, bias: str = "share") -> Rule:
    linear = in_proportion(epsilon) if bias == "share" else _without_bias(epsilon)
    return relevance_rule("lrp-epsilon", linear, epsilon)


def _without_bias(epsilon: float) -> StepRule:
    @reads("bottoms")
    def without_bias(step: Step, signals: Sequence[Array]) -> list[Array | None]:
        layer: Any = step.layer
        a, weights = step.bottoms[0], step.parameters[0]
        shares = divide(signals[0], layer.linear(a, weights), epsilon)
        return [multiply(layer.transposed(shares, weights, step.bottom_shapes[0]), a)]

    return without_bias


def run(question: Question) -> Answer:
    return relevance(question, epsilon_rule(question.options["epsilon"], question.options["bias"]))


METHOD = Method(
    name="lrp-epsilon",
    title="Layer-wise relevance propagation, epsilon rule",
    paper=PAPER,
    equation="eq. 58: R_i = sum_j a_i w_ij R_j / (z_j + epsilon sign z_j)",
    run=run,
    options={
        **reduce_option("sum"),
        "epsilon": Option(0.01, "keeps small z from amplifying; in the units of the activations", least=0),
        **BIAS,
    },
)
