"""What may be chosen about excitation backprop: options from which a rule is built. The defaults are the paper's rule.

Each variant changes what one step sees, or which step is taken; the rule itself stays as ``excitation.py`` has it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..errors import BadInput
from ..executor.graph import Graph
from ..executor.rules import Rule, StepRule, reads
from ..layers.arrays import Array, array_module, excitatory, multiply
from ..layers.layer import Step
from .excitation import EXCITATION, adds
from .method import Answer, Option, Question
from .places import LINEAR, image_blob

OPTIONS = {
    "normalise": Option(True, "False: z = 1, as in Table 2's 'w/o norm'", (True, False)),
    "eltwise": Option(
        "proportional",
        "a sum's mass: to each bottom in proportion to what it adds, or all to the one with more layers below it",
        ("proportional", "residual_only"),
    ),
    "input": Option(
        "signed",
        "a signed image under the first layer: used as it is, shifted by its minimum, or refused",
        ("signed", "shift", "error"),
    ),
}


def excitation_rule(question: Question) -> Rule:
    """Excitation as the question's options want it."""
    options, graph = question.options, question.net.graph
    rule = EXCITATION if options["normalise"] else UNNORMALISED
    layers: dict[str, StepRule] = {}
    if options["eltwise"] == "residual_only":
        layers |= {name: _all_to(bottom) for name, bottom in residual_branches(graph).items()}
    if options["input"] != "signed":
        seen = _INPUTS[options["input"]](rule)
        layers |= dict.fromkeys(image_readers(graph, image_blob(question.net)), seen)
    return replace(rule, layers=layers) if layers else rule


def in_range(question: Question, answer: Answer) -> Answer:
    """The answer, if its numbers are finite. Without normalisation each layer multiplies by its activations and weights."""
    if not array_module(answer.maps).isfinite(answer.maps).all():
        raise BadInput(
            f"normalise: found masses at {answer.at!r} beyond {question.net.dtype}, expected less: without normalisation they grow "
            "from layer to layer; read the map higher up, or load the net with dtype='float64'"
        )
    return answer


# -- normalise -------------------------------------------------------------------------------------------------------


@reads("bottoms", of=lambda layer: layer.gradient_reads)
def unnormalised(step: Step, signals: Sequence[Array]) -> list[Array | None]:
    """Eq. 2 with Z = 1: P_i = a_i sum_j w+_ij P_j, where averages and sums have weights as well (1/S, and 1)."""
    positive = [excitatory(weights) for weights in step.parameters]
    gradients: Any = step.layer.gradient(replace(step, parameters=positive), signals)
    return [multiply(gradient, a) for a, gradient in zip(step.bottoms, gradients, strict=True)]


@reads(of=lambda layer: {"bottoms"} if layer.takes_averages else layer.gradient_reads)
def _pooling(step: Step, signals: Sequence[Array]) -> list[Array | None]:
    layer: Any = step.layer
    return unnormalised(step, signals) if layer.takes_averages else layer.gradient(step, signals)


@reads(of=lambda layer: layer.gradient_reads | ({"bottoms"} if adds(layer) else set()))
def _eltwise(step: Step, signals: Sequence[Array]) -> list[Array | None]:
    layer: Any = step.layer
    return unnormalised(step, signals) if adds(layer) else layer.gradient(step, signals)


UNNORMALISED = replace(
    EXCITATION,
    name="excitation without normalisation",
    table={**EXCITATION.table, **dict.fromkeys(LINEAR, unnormalised), "Pooling": _pooling, "Eltwise": _eltwise},
)


# -- eltwise ---------------------------------------------------------------------------------------------------------


def residual_branches(graph: Graph) -> dict[str, int]:
    """Eltwise SUM layer -> its residual branch: the bottom with the most layers with weights on its longest path up from
    the input. As both branches begin at one fork, this is the longer branch, and the shortcut is the other.

    Raises ``BadInput`` for a sum of branches that are equally long.
    """
    depths: dict[int, int] = {}  # value -> layers with weights on the longest path to it
    found = {}
    for node in graph.nodes:
        below = [depths[value] for value in node.bottoms]
        depths.update(dict.fromkeys(node.tops, max(below, default=0) + (node.layer.type in LINEAR)))
        if node.layer.type == "Eltwise" and adds(node.layer):
            if below.count(max(below)) > 1:
                raise BadInput(
                    f"{node.layer.where}: eltwise 'residual_only': found branches of {below} layers with weights, "
                    "expected one that is longer than the others"
                )
            found[node.layer.name] = below.index(max(below))
    return found


def _all_to(bottom: int) -> StepRule:
    @reads()
    def to_residual(step: Step, signals: Sequence[Array]) -> list[Array | None]:
        return [signals[0] if number == bottom else None for number in range(len(step.bottom_shapes))]

    return to_residual


# -- input -----------------------------------------------------------------------------------------------------------


def image_readers(graph: Graph, image: str) -> list[str]:
    """The first layers with weights over the image: what they read is the image, or made of it without weights."""
    seen, readers = set(graph.all_versions(image)), []
    for node in graph.nodes:
        if seen.intersection(node.bottoms):
            if node.layer.type in LINEAR:
                readers.append(node.layer.name)
            else:
                seen.update(node.tops)
    return readers


def _shifted(rule: Rule) -> StepRule:
    @reads("bottoms", of=rule.reads)
    def shifted(step: Step, signals: Sequence[Array]) -> list[Array | None]:
        """Each image minus its minimum."""
        a = step.bottoms[0]
        lowest = a.min(tuple(range(1, a.ndim)), keepdims=True)
        return rule.at(step.layer)(replace(step, bottoms=[a - lowest], sums=None), signals)

    return shifted


def _checked(rule: Rule) -> StepRule:
    @reads("bottoms", of=rule.reads)
    def checked(step: Step, signals: Sequence[Array]) -> list[Array | None]:
        lowest = float(step.bottoms[0].min())
        if lowest < 0:
            blob = step.layer.message.bottom[0]
            raise BadInput(
                f"{step.layer.where}: input 'error': found blob {blob!r} signed, down to {lowest:g}, expected no negative "
                "number where mass is handed down: read the map above it, or choose 'signed' or 'shift'"
            )
        return rule.at(step.layer)(step, signals)

    return checked


_INPUTS: dict[str, Callable[[Rule], StepRule]] = {"shift": _shifted, "error": _checked}
