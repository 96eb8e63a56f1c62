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
from dataclasses import replace
from typing import Any, cast

from ..executor.rules import Rule, reads, register_rule
from ..layers.arrays import Array, divide, multiply, portion, positive_part
from ..layers.arrival import ALONE, Arrival
from ..layers.layer import Step

PAPER = "Zhang et al., Top-down Neural Attention by Excitation Backprop, 2016"


def adds(layer: Any) -> bool:
    """Whether an Eltwise layer is a SUM."""
    return layer.param.operation == layer.param.SUM


@reads("bottoms", arrives=lambda layer: layer.arrives, recordable=True, normalises=True)
def linear(step: Step, signals: Sequence[Array], arrival: Arrival = ALONE) -> list[Array | None]:
    """Convolution, deconvolution and fully connected layers: eq. 5."""
    a, layer = step.bottoms[0], cast(Any, step.layer)
    weights, bottom = step.parameters[0], step.bottom_shapes[0]
    z = layer.linear(a, weights, positive=True) if step.sums is None else step.sums  # once per image, for all targets
    shares = divide(signals[0], z)
    if layer.arrives:
        return [layer.transposed(shares, weights, bottom, positive=True, arrival=replace(arrival, times=a))]
    return [multiply(layer.transposed(shares, weights, bottom, positive=True), a)]


@reads(
    of=lambda layer: {"bottoms"} if layer.takes_averages else layer.gradient_reads,
    arrives=lambda layer: True,
    recordable=True,
)
def pooling(step: Step, signals: Sequence[Array], arrival: Arrival = ALONE) -> list[Array | None]:
    """MAX: everything to the winner. AVE: eq. 5 with equal weights, 0 where the window's sum is not positive."""
    layer: Any = step.layer
    a = step.bottoms[0]
    if not layer.takes_averages:
        return layer.gradient(step, signals, arrival)
    shares = divide(signals[0], positive_part(layer.window_sums(a)))
    return [arrival.at(layer.spread(shares, step.bottom_shapes[0], times=a))]


@reads(of=lambda layer: {"bottoms", "final_tops"} if adds(layer) else layer.gradient_reads, recordable=True)
def eltwise(step: Step, signals: Sequence[Array]) -> list[Array | None]:
    """SUM: each branch in proportion to what it adds. MAX and PROD: the gradient.

    The fork divides by the top as it lies in memory, that is after a ReLU in place over it: where the ReLU gave 0, nothing
    is passed on.
    """
    layer: Any = step.layer
    if not adds(layer):
        return layer.gradient(step, signals)
    z, addends = step.final_tops[0], zip(layer.coefficients, step.bottoms, strict=True)
    return [portion(signals[0], z, coefficient, a) for coefficient, a in addends]


@reads(recordable=True)
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
