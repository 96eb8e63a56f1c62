"""Excitation backprop: the marginal winning probability (MWP) of every neuron.

Zhang, Lin, Brandt, Shen, Sclaroff: Top-down Neural Attention by Excitation Backprop (2016), eq. 5 and Algorithm 1. A unit
``j`` of mass ``P_j`` hands it down to the inputs that excite it, each in proportion to its activation times its positive
weight:

    P_i = a_i sum_j  w+_ij  P_j / z_j,      z_j = sum_i w+_ij a_i,      w+ = max(w, 0)

Here as the authors' Caffe fork computes it: a unit whose ``z_j`` is exactly 0 passes nothing on (no epsilon), biases
never take part, and signed activations are used as they are. What the tables below do not name follows its gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..executor.rules import Rule, reads, register_rule
from ..layers.arrays import Array, array_module
from ..layers.layer import Step
from .method import Answer, Method, Question, by_walk, reduce_option
from .places import excitation_blob


def _averages(layer: Any) -> bool:
    return layer.param.pool == layer.param.AVE


def _sums(layer: Any) -> bool:
    return layer.param.operation == layer.param.SUM


@reads("bottoms")
def linear(step: Step, signals: Sequence[Array]) -> list[Array | None]:
    """Convolution, deconvolution and fully connected layers: eq. 5."""
    return [winners(step, signals[0], 1)]


def winners(step: Step, mass: Array, sign: int) -> Array:
    """One step of eq. 5 with the positive part of ``sign * W``; -1 gives the dual unit of the contrast (§3.3)."""
    a, weights = step.bottoms[0], step.parameters[0]
    excitatory = array_module(a).maximum(weights if sign > 0 else -weights, 0)
    layer: Any = step.layer
    z = layer.linear(a, excitatory)  # once per image, for all targets
    return a * layer.transposed(share(mass, z), excitatory, step.bottom_shapes[0])


def share(mass: Array, z: Array) -> Array:
    """P / z, and 0 where z is exactly 0."""
    dead = z == 0
    return mass / array_module(z).where(dead, 1, z) * ~dead


@reads(of=lambda layer: {"bottoms"} if _averages(layer) else layer.gradient_reads)
def pooling(step: Step, signals: Sequence[Array]) -> list[Array | None]:
    """MAX: everything to the winner. AVE: eq. 5 with equal weights, 0 where the window's sum is not positive."""
    layer: Any = step.layer
    a = step.bottoms[0]
    if not _averages(layer):
        return layer.gradient(step, signals)
    sums = layer.window_sums(a)
    shares = share(signals[0], array_module(a).maximum(sums, 0))
    return [a * layer.spread(shares, step.bottom_shapes[0])]


@reads(of=lambda layer: {"bottoms", "final_tops"} if _sums(layer) else layer.gradient_reads)
def eltwise(step: Step, signals: Sequence[Array]) -> list[Array | None]:
    """SUM: each branch in proportion to what it adds. MAX and PROD: the gradient.

    The fork divides by the top as it lies in memory, that is after a ReLU in place over it: where the ReLU gave 0, nothing
    is passed on.
    """
    layer: Any = step.layer
    if not _sums(layer):
        return layer.gradient(step, signals)
    shares = share(signals[0], step.final_tops[0])
    return [coefficient * a * shares for coefficient, a in zip(layer.coefficients, step.bottoms, strict=True)]


@reads()
def copy(step: Step, signals: Sequence[Array]) -> list[Array | None]:
    """Normalisations do not compete: all mass to the data bottom, none to a second one."""
    return [signals[0], *(None for _ in step.bottom_shapes[1:])]


EXCITATION = register_rule(
    Rule(
        "excitation",
        {
            "Convolution": linear,
            "Deconvolution": linear,
            "InnerProduct": linear,
            "Pooling": pooling,
            "Eltwise": eltwise,
            "LRN": copy,
            "BatchNorm": copy,
            "Scale": copy,
        },
    )
)


def run(question: Question) -> Answer:
    return by_walk(question, EXCITATION, question.at or excitation_blob(question))


PAPER = "Zhang et al., Top-down Neural Attention by Excitation Backprop, 2016"

METHOD = Method(
    name="mwp",
    title="Excitation backprop: marginal winning probability",
    paper=PAPER,
    equation="eq. 5: P_i = a_i sum_j w+_ij P_j / sum_i w+_ij a_i",
    run=run,
    options=reduce_option("sum"),
)
