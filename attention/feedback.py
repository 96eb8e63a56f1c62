"""Look and Think Twice: soft gates that climb the target's score (`feedback`).

Cao et al.: Look and Think Twice (2015), eqs. 4-6, and the soft optimisation of its draft. All gates of all layers at once:

    z <- clip(z + alpha (dS/dz - lambda), 0, 1),      dS/dz = x dS/dy

from the gates that the first pass's ReLUs opened; then ``z >= 0.5`` is 1, else 0, and the map is the gradient at the image
under these gates (§4.2).

The paper gives no lambda and no scale for dS/dz. Taken literally the update is inert: a gate that starts at 1 must lose half
of itself, alpha = 0.1 at a time, to contributions that are mostly far below 1. With each layer's dS/dz divided by its
mean absolute value, per image and target (``step=normalised``), lambda has no unit and the method does what the paper shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..executor.rules import GRADIENT, Rule
from ..layers.arrays import Array, array_module
from ..layers.feedback import AtGates, opened, soft_step
from .gates import Gated
from .maps import over_channels
from .method import Answer, Method, Option, Question, reduce_option
from .places import image_blob
from .rest import Rest
from .soft_gates import GateStep, Move, SoftGates


def run(question: Question) -> Answer:
    return climb(question, climbed, GRADIENT)


def climb(question: Question, step: Move, rule: Rule) -> Answer:
    """The loop of soft feedback: ``step`` after step until it is at rest; then a last pass under gates of 0 and 1, carried to the
    image by ``rule``."""
    options = question.options
    soft, taken = SoftGates(Gated.over(question, options["where"])), GateStep.of(step, options)
    by_relus = options["start"] == "relu"
    gates, close_nothing = (relu_gates(soft), soft.rectified) if by_relus else (open_gates(soft), True)
    curve, rest = [], Rest()
    try:
        for iteration in range(options["iterations"]):
            moved, scores = soft.climb(gates, taken, first=iteration == 0 and close_nothing)
            curve.append(scores)
            if rest.reached(moved):
                break
    finally:
        soft.release()
    return conclude(question, soft, gates, curve[: 1 + rest.after], rule)


def relu_gates(soft: SoftGates) -> Array:
    """Gates as the first pass's ReLUs opened them: z = 1 where x > 0."""
    gates, x = soft.unset(), soft.of.activations()
    for gate, z in soft.parts(gates).items():
        for of_target in z:
            opened(x[gate][None], 0, into=of_target[None])
    return gates


def open_gates(soft: SoftGates) -> Array:
    gates = soft.unset()
    gates[...] = 1
    return gates


def climbed(at: AtGates, moved: Array, options: Mapping[str, Any]) -> Array | None:
    """One step of eq. 6."""
    rate = options["rate"]
    return soft_step(at, rate, rate * options["sparsity"], options["step"] == "normalised", moved)


def conclude(question: Question, soft: SoftGates, gates: Array, curve: list[Array], rule: Rule) -> Answer:
    """Gates of 0 and 1, a last pass under them, and what they let through to the image."""
    final = opened(gates[None, None], just_below(question.options["binarise"], gates.dtype))[0, 0]
    signal, scores = soft.carried(final, rule, question.at)
    maps = over_channels(signal, question.options["reduce"])
    at = question.at or image_blob(question.net)
    return Answer(maps, at, soft.of.scores, soft.parts(final), array_module(maps).stack([*curve, scores]))


def just_below(number: float, dtype: np.dtype) -> np.floating:
    """What is greater than this is at least ``number``."""
    return np.nextafter(dtype.type(number), dtype.type(-np.inf))


SOFT_OPTIONS = {
    "iterations": Option(10, "updates of all gates; the paper needs 10 to 50", least=0),
    "rate": Option(0.1, "alpha of eq. 6", least=0),
    "sparsity": Option(2.0, "lambda of eq. 6; the paper does not give it: calibrated in repro/weak_localization.md"),
    "step": Option("normalised", "dS/dz over its layer's mean absolute value, or as it is", ("normalised", "literal")),
    "start": Option("relu", "the gates that the ReLUs opened, or all open as in the draft", ("relu", "open")),
    "binarise": Option(0.5, "gates of at least this much are open in the end"),
    "where": Option("conv", "ReLUs with gates: all but those fed by fully connected layers, or all", ("conv", "all")),
}

METHOD = Method(
    name="feedback",
    title="Feedback: soft gates",
    paper="Cao et al., Look and Think Twice, 2015, §3.3-3.4",
    equation="eq. 6: z <- clip(z + alpha (dS/dz - lambda), 0, 1)",
    run=run,
    options={**SOFT_OPTIONS, **reduce_option("max_abs")},
)
