"""Layer-wise relevance propagation by the alpha-beta rule: for and against, each shared out apart (Bach et al. 2015, eq. 60).

    R_i = sum_j (alpha z+_ij / z+_j  -  beta z-_ij / z-_j) R_j,      alpha - beta = 1

with z+_ij and z-_ij the positive and the negative part of a_i w_ij, z+_j and z-_j their sums, biases likewise. Bach et al.
write + beta for our - beta. A part that is empty passes nothing, so that without biases unit j hands down exactly
(alpha [z+_j > 0] - beta [z-_j < 0]) R_j: all of R_j where it has inputs for and against; alpha R_j where none are against.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any

from ..executor.rules import Rule, StepRule, reads
from ..layers.arrays import Array, array_module, divide, free_to_ask, multiply, positive_part
from ..layers.layer import Step
from .method import Answer, Method, Option, Question, reduce_option
from .relevance import BIAS, PAPER, relevance, relevance_rule


def alphabeta_rule(alpha: float = 2, bias: str = "share") -> Rule:
    return relevance_rule("lrp-alphabeta", _linear(alpha, bias == "share"))


def _linear(alpha: float, with_bias: bool) -> StepRule:
    @reads("bottoms")
    def linear(step: Step, signals: Sequence[Array]) -> list[Array | None]:
        found = alpha * _part(step, signals[0], 1, with_bias)
        return [found - (alpha - 1) * _part(step, signals[0], -1, with_bias) if alpha != 1 else found]

    return linear


def _part(step: Step, relevance: Array, sign: int, with_bias: bool) -> Array:
    """sum_j z_ij R_j / z_j, of only those z_ij that have this sign.

    That is: positive inputs through weights of the sign, and negative inputs through those of the other.
    """
    layer: Any = step.layer
    (weights, *bias), a = step.parameters, step.bottoms[0]
    paths = [(_half(a, 1), _half(weights, sign)), (_half(a, -1), _half(weights, -sign))]
    biases = [_half(b, sign) * with_bias for b in bias]
    z = layer.forward(paths[0][:1], [paths[0][1], *biases])[0][0]
    if free_to_ask(a) and not paths[1][0].any():
        paths.pop()
    else:
        z = z + layer.linear(*paths[1])
    shares = divide(relevance, z)
    return reduce(add, (multiply(layer.transposed(shares, w, step.bottom_shapes[0]), x) for x, w in paths))


def _half(values: Array, sign: int) -> Array:
    """The values of this sign, 0 for others."""
    return positive_part(values) if sign > 0 else array_module(values).minimum(values, 0)


def run(question: Question) -> Answer:
    return relevance(question, alphabeta_rule(question.options["alpha"], question.options["bias"]))


METHOD = Method(
    name="lrp-alphabeta",
    title="Layer-wise relevance propagation, alpha-beta rule",
    paper=PAPER,
    equation="eq. 60: R_i = sum_j (alpha z+_ij / z+_j - beta z-_ij / z-_j) R_j, beta = alpha - 1",
    run=run,
    options={
        **reduce_option("sum"),
        "alpha": Option(2.0, "weight of what speaks for a unit; what speaks against it has alpha - 1", least=1),
        **BIAS,
    },
)
